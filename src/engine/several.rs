//! One engine for a process with several Pythons, each read by an engine of its own.
//!
//! A program may load two copies of libpython that know nothing of each other. Each has its own threads
//! and its own GIL, but they share the kernel's threads: a kernel thread that calls from one Python into
//! the other has a stack in both, yet its time must be counted once.

use rustc_hash::FxHashSet;

use super::{Engine, EngineReport, TickError};
use crate::model::{
    GilState, Interner, Nanos, ProcessId, PythonVersion, Sample, Tick, TickOutcome, Tid,
};

/// At least one engine, all of one process.
#[derive(Debug)]
pub struct Several<E> {
    first: E,
    others: Vec<E>,
}

impl<E: Engine> Several<E> {
    /// `None` for no engine.
    pub fn new(engines: Vec<E>) -> Option<Several<E>> {
        let mut engines = engines.into_iter();
        Some(Several {
            first: engines.next()?,
            others: engines.collect(),
        })
    }

    /// The Pythons that they read, the likeliest first.
    pub fn pythons(&self) -> impl Iterator<Item = PythonVersion> + '_ {
        self.all().map(Engine::python)
    }

    fn all(&self) -> impl Iterator<Item = &E> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Counts the time of a thread that has a stack in several Pythons for one of them only: one whose
    /// GIL it holds, if there is one, and the last of several such. In the others it counts as waiting.
    fn count_once(samples: &mut [Sample], interner: &Interner) {
        let mut seen: FxHashSet<Tid> = FxHashSet::default();
        let tid_of = |sample: &Sample| interner.thread(sample.thread).key.tid;
        for holds in [true, false] {
            for sample in samples.iter_mut().rev() {
                if (sample.gil == GilState::Holds) != holds {
                    continue;
                }
                let is_known = tid_of(sample).is_some_and(|tid| !seen.insert(tid));
                if is_known {
                    sample.on_cpu = false;
                    sample.cpu = Nanos::ZERO;
                }
            }
        }
    }
}

impl<E: Engine> Engine for Several<E> {
    fn name(&self) -> &'static str {
        self.first.name()
    }

    fn python(&self) -> PythonVersion {
        self.first.python()
    }

    fn knows_gil_holder(&self) -> bool {
        self.all().all(Engine::knows_gil_holder)
    }

    fn process(&self) -> ProcessId {
        self.first.process()
    }

    fn tick(
        &mut self,
        tick: Tick,
        interner: &mut Interner,
        samples: &mut Vec<Sample>,
    ) -> Result<TickOutcome, TickError> {
        if self.others.is_empty() {
            return self.first.tick(tick, interner, samples);
        }
        let before = samples.len();
        let mut outcome = TickOutcome::default();
        let mut failure = None;
        let mut read = 0;
        for engine in std::iter::once(&mut self.first).chain(&mut self.others) {
            match engine.tick(tick, interner, samples) {
                Ok(one) => {
                    read += 1;
                    outcome += one;
                }
                Err(error @ (TickError::Gone | TickError::Replaced)) => return Err(error),
                Err(error @ TickError::Unreadable(_)) => {
                    outcome.lost += 1;
                    failure = Some(error);
                }
            }
        }
        if let (0, Some(error)) = (read, failure) {
            return Err(error);
        }
        if let Some(samples) = samples.get_mut(before..) {
            Self::count_once(samples, interner);
        }
        Ok(outcome)
    }

    fn stands_at(&self) -> Option<usize> {
        self.all().find_map(Engine::stands_at)
    }

    fn report(&self) -> EngineReport {
        let mut sum = self.first.report();
        for report in self.others.iter().map(Engine::report) {
            sum += report;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LabelSetId, Pid, Process, Proof, StackId, ThreadKey};

    /// Sees threads with these ids run, holding its GIL or not; with `None`, it cannot read.
    struct Made(ProcessId, Option<Vec<(i32, GilState)>>);

    impl Engine for Made {
        fn name(&self) -> &'static str {
            "made"
        }

        fn python(&self) -> PythonVersion {
            PythonVersion::from_hex(0x030b_07f0, false)
        }

        fn process(&self) -> ProcessId {
            self.0
        }

        fn tick(
            &mut self,
            tick: Tick,
            interner: &mut Interner,
            samples: &mut Vec<Sample>,
        ) -> Result<TickOutcome, TickError> {
            let Some(threads) = &self.1 else {
                return Err(TickError::Unreadable("made so".to_owned()));
            };
            for (tid, gil) in threads {
                let key = ThreadKey {
                    pid: Pid(1),
                    // One kernel thread is one pthread, too.
                    python_id: tid.unsigned_abs().into(),
                    tid: Some(Tid(*tid)),
                    started: 0,
                };
                samples.push(Sample {
                    thread: interner.intern_thread(key, self.0),
                    stack: StackId::EMPTY,
                    labels: LabelSetId::EMPTY,
                    at: tick.at,
                    wall: tick.stands_for,
                    cpu: Nanos(5),
                    on_cpu: true,
                    at_work: false,
                    gil: *gil,
                    proof: Proof::Proven,
                });
            }
            Ok(TickOutcome {
                threads: 1,
                ..TickOutcome::default()
            })
        }

        fn report(&self) -> EngineReport {
            EngineReport::default()
        }
    }

    fn tick(seen: [Option<Vec<(i32, GilState)>>; 2]) -> Result<Vec<(usize, i32, bool)>, TickError> {
        let mut interner = Interner::default();
        let engines = seen.map(|seen| {
            let process = Process {
                pid: Pid(1),
                parent: None,
                command: Vec::new(),
                python: None,
                generation: None,
            };
            Made(interner.add_process(process), seen)
        });
        let mut several = Several::new(engines.into()).expect("two");
        let mut samples = Vec::new();
        let at = Tick {
            at: Nanos(1),
            stands_for: Nanos(1),
        };
        let outcome = several.tick(at, &mut interner, &mut samples)?;
        assert_eq!(outcome.threads + outcome.lost, 2);
        let seen = samples.iter().map(|sample| {
            let thread = interner.thread(sample.thread);
            assert_eq!(sample.on_cpu, sample.cpu == Nanos(5));
            let tid = thread.key.tid.map_or(0, |tid| tid.0);
            (thread.process.index(), tid, sample.on_cpu)
        });
        Ok(seen.collect())
    }

    #[test]
    fn a_thread_with_a_stack_in_two_pythons_counts_as_running_in_one() {
        use GilState::{DoesNotHold, Holds};
        let apart = tick([Some(vec![(7, Holds)]), Some(vec![(8, DoesNotHold)])]);
        assert_eq!(apart.unwrap(), [(0, 7, true), (1, 8, true)]);
        let first = tick([Some(vec![(7, Holds)]), Some(vec![(7, DoesNotHold)])]);
        assert_eq!(first.unwrap(), [(0, 7, true), (1, 7, false)]);
        let both = tick([Some(vec![(7, Holds)]), Some(vec![(7, Holds)])]);
        assert_eq!(both.unwrap(), [(0, 7, false), (1, 7, true)]);
    }

    #[test]
    fn an_engine_that_cannot_read_does_not_hinder_the_other() {
        let one = tick([None, Some(vec![(8, GilState::Holds)])]);
        assert_eq!(one.unwrap(), [(1, 8, true)]);
        assert!(matches!(tick([None, None]), Err(TickError::Unreadable(_))));
    }
}
