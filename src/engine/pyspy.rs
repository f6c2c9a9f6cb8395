//! The fallback engine: the py-spy crate behind our [`Engine`] trait.
//!
//! It serves interpreters for which our own engine has no layout, and it is the oracle of the
//! differential tests. py-spy proves nothing: it halts every thread of the target while it reads,
//! or (with [`Halting::Never`]) reads while the target runs, and then its stacks may be torn.

use std::time::Duration;

use py_spy::config::{Config, LineNo, LockingStrategy};
use py_spy::{PythonSpy, StackTrace};
use rustc_hash::FxHashMap;

use super::{Engine, EngineOptions, EngineReport, TickError};
use crate::model::{
    Frame, FrameKind, Function, GilState, HaltMethod, Halting, Interner, LabelSetId, Nanos, Pid,
    Process as RecordedProcess, ProcessId, Proof, PythonVersion, Sample, StackId, TargetStr,
    ThreadId, ThreadKey, Tick, TickOutcome, Tid,
};
use crate::sys::linux::tasks::TaskTimes;
use crate::target::{Halted, Process, Standing, Stat};

/// Why py-spy does not read a process.
#[derive(thiserror::Error, Debug)]
pub enum OpenError {
    #[error("not a Python process")]
    NotPython,
    /// A Python that py-spy does not know either.
    #[error("{0}")]
    UnsupportedVersion(Box<dyn std::error::Error + Send + Sync>),
    /// Any other failure: py-spy does not tell what is no Python from what it could not read.
    #[error("{0}")]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl OpenError {
    fn of(error: impl std::fmt::Display) -> OpenError {
        // A bare text in py-spy 0.4.3 (`get_stack_traces` in src/python_spy.rs), as all of its errors.
        let is_version = error.to_string().contains("Unsupported version");
        // With the causes, which say more than py-spy's own words.
        let error = format!("{error:#}").into();
        match is_version {
            true => OpenError::UnsupportedVersion(error),
            false => OpenError::Other(error),
        }
    }
}

/// The fallback engine, open on one process.
pub struct PySpyEngine {
    spy: PythonSpy,
    process: Process,
    process_id: ProcessId,
    python: PythonVersion,
    halting: Halting,
    /// CPU time at the last sample, by thread.
    cpu_seen: FxHashMap<ThreadId, Nanos>,
    names: FxHashMap<ThreadId, String>,
    ticks: u64,
}

impl PySpyEngine {
    /// Opens a process and enters it into `interner`, as a child of `parent` if that is given.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(
        process: Process,
        parent: Option<ProcessId>,
        options: EngineOptions,
        interner: &mut Interner,
    ) -> Result<PySpyEngine, OpenError> {
        let config = Config {
            blocking: match options.halting {
                Halting::WhenNeeded | Halting::Always => LockingStrategy::Lock,
                Halting::Never => LockingStrategy::NonBlocking,
            },
            lineno: LineNo::LastInstruction,
            collect_thread_names: options.thread_names,
            // Both kinds of file name are kept; which one is shown is decided at the end.
            full_filenames: false,
            ..Config::default()
        };
        // py-spy reads once here, which proves that its layout fits before anything is counted.
        let spy = PythonSpy::retry_new(process.pid().0, &config, 1).map_err(OpenError::of)?;
        let python = PythonVersion {
            major: clamp(spy.version.major),
            minor: clamp(spy.version.minor),
            micro: clamp(spy.version.patch),
            level: level_of(&spy.version.release_flags),
            free_threaded: false,
        };
        let process_id = interner.add_process(RecordedProcess {
            pid: process.pid(),
            parent,
            command: process.command().to_vec(),
            python: Some(python),
            generation: None,
        });
        Ok(PySpyEngine {
            spy,
            process,
            process_id,
            python,
            halting: options.halting,
            cpu_seen: FxHashMap::default(),
            names: FxHashMap::default(),
            ticks: 0,
        })
    }

    fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// Why the process cannot be read now, if it cannot be.
    ///
    /// Asked before py-spy looks: it waits for each thread that it traces, and where that thread
    /// is our own child and is just ending, its wait would take the exit status away from us.
    fn check_alive(&self) -> Result<(), TickError> {
        let stat = Stat::of_process(self.pid()).ok_or(TickError::Gone)?;
        if stat.has_ended() && self.process.is_alive() {
            let why = "its main thread has ended, and py-spy reads through that one";
            return Err(TickError::Unreadable(why.to_owned()));
        }
        if stat.is_ending() || stat.started != self.process.started() {
            return Err(TickError::Gone);
        }
        // To pause it, py-spy would wait until it runs again: too long for a recording to wait.
        if self.halting != Halting::Never && Halted::find(self.pid()).is_some() {
            return Err(TickError::Unreadable("the process is halted".to_owned()));
        }
        Ok(())
    }

    /// What a failed read means.
    fn explain(&self, error: &dyn std::fmt::Display) -> TickError {
        match self.process.standing() {
            Standing::Ended => TickError::Gone,
            Standing::Replaced => TickError::Replaced,
            Standing::Same => TickError::Unreadable(format!("{error:#}")),
        }
    }

    fn sample(&mut self, trace: &StackTrace, tick: Tick, interner: &mut Interner) -> Sample {
        let tid = trace
            .os_thread_id
            .and_then(|id| i32::try_from(id).ok())
            .map(Tid);
        let task = tid.and_then(|tid| Stat::of_thread(self.pid(), tid));
        let key = ThreadKey {
            pid: self.pid(),
            python_id: trace.thread_id,
            tid,
            started: task.map_or(0, |task| task.started),
        };
        let thread = interner.intern_thread(key, self.process_id);
        self.name_thread(thread, trace, interner);
        Sample {
            thread,
            stack: intern_frames(&trace.frames, interner),
            labels: LabelSetId::EMPTY,
            at: tick.at,
            wall: tick.stands_for,
            cpu: self.cpu_since_last(thread, tid),
            on_cpu: trace.active,
            at_work: false,
            gil: if trace.owns_gil {
                GilState::Holds
            } else {
                GilState::DoesNotHold
            },
            proof: match self.halting {
                Halting::WhenNeeded | Halting::Always => Proof::Proven,
                Halting::Never => Proof::Unproven,
            },
        }
    }

    fn name_thread(&mut self, thread: ThreadId, trace: &StackTrace, interner: &mut Interner) {
        let Some(name) = &trace.thread_name else {
            return;
        };
        if self.names.get(&thread) != Some(name) {
            let text = interner.intern_text(&TargetStr::new(name.as_str()));
            interner.name_thread(thread, text);
            self.names.insert(thread, name.clone());
        }
    }

    fn cpu_since_last(&mut self, thread: ThreadId, tid: Option<Tid>) -> Nanos {
        let Some(times) = tid.and_then(|tid| TaskTimes::of(self.pid(), tid)) else {
            return Nanos::ZERO;
        };
        let used = times.on_cpu;
        let before = self.cpu_seen.insert(thread, used).unwrap_or(used);
        used.saturating_sub(before)
    }
}

impl Engine for PySpyEngine {
    fn name(&self) -> &'static str {
        "py-spy"
    }

    fn python(&self) -> PythonVersion {
        self.python
    }

    fn process(&self) -> ProcessId {
        self.process_id
    }

    fn tick(
        &mut self,
        tick: Tick,
        interner: &mut Interner,
        samples: &mut Vec<Sample>,
    ) -> Result<TickOutcome, TickError> {
        self.check_alive()?;
        let traces = match self.spy.get_stack_traces() {
            Ok(traces) => traces,
            Err(error) => return Err(self.explain(&error)),
        };
        self.ticks += 1;
        let mut outcome = TickOutcome::default();
        for trace in traces.iter().filter(|trace| !trace.frames.is_empty()) {
            let sample = self.sample(trace, tick, interner);
            outcome.threads += 1;
            outcome.unproven += u32::from(sample.proof == Proof::Unproven);
            samples.push(sample);
        }
        if self.halting != Halting::Never {
            outcome.pauses = outcome.threads;
        }
        Ok(outcome)
    }

    fn report(&self) -> EngineReport {
        EngineReport {
            method: Some(match self.halting {
                Halting::WhenNeeded | Halting::Always => HaltMethod::PauseProcess,
                Halting::Never => HaltMethod::Nothing,
            }),
            pauses: match self.halting {
                Halting::WhenNeeded | Halting::Always => self.ticks,
                Halting::Never => 0,
            },
            // py-spy does not measure how long it halts, nor count its reads.
            paused: Duration::ZERO,
            ..EngineReport::default()
        }
    }
}

/// The stack of `frames`, which py-spy gives leaf first.
fn intern_frames(frames: &[py_spy::Frame], interner: &mut Interner) -> StackId {
    frames.iter().rev().fold(StackId::EMPTY, |caller, frame| {
        let short_file = frame.short_filename.as_ref().unwrap_or(&frame.filename);
        let function = Function {
            kind: FrameKind::Python,
            name: interner.intern_text(&TargetStr::new(frame.name.as_str())),
            file: interner.intern_text(&TargetStr::new(frame.filename.as_str())),
            short_file: interner.intern_text(&TargetStr::new(short_file.as_str())),
            // py-spy gives one line a frame, and we ask for the one that runs.
            first_line: 0,
        };
        let function = interner.intern_function(function);
        let frame = interner.intern_frame(Frame {
            function,
            line: u32::try_from(frame.line).unwrap_or(0),
        });
        interner.intern_stack(caller, frame)
    })
}

fn clamp(number: u64) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

/// The low byte of `PY_VERSION_HEX`, from what follows the numbers in `sys.version`: `rc2`, `a3+`.
fn level_of(flags: &str) -> u8 {
    let kinds = [("rc", 0xc0), ("a", 0xa0), ("b", 0xb0)];
    for (prefix, level) in kinds {
        if let Some(rest) = flags.strip_prefix(prefix) {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            return level | (digits.parse::<u8>().unwrap_or(0) & 0xf);
        }
    }
    0xf0
}

#[cfg(test)]
mod tests {
    use super::level_of;

    #[test]
    fn pre_releases_are_told_from_releases() {
        assert_eq!(level_of("rc2"), 0xc2);
        assert_eq!(level_of("a3+"), 0xa3);
        assert_eq!(level_of(""), 0xf0);
    }
}
