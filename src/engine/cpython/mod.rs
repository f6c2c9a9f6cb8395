//! Our own engine: reads a live CPython process, one snapshot a tick.
//!
//! In every tick the threads that can change their Python stack stand still before the first look,
//! since a reader who looks first and holds only what it could not prove prefers stacks that stand
//! still anyway. With a GIL that is the one thread that has it, and while it stands nobody else can
//! take the GIL. It stands because we stand on its CPU: when we wake up there, the scheduler takes
//! the thread off that CPU, and the kernel's count of how often it was scheduled tells afterwards
//! that it did not run meanwhile, here or elsewhere. Where we cannot stand there, and for each other
//! thread that runs, a pause by ptrace does it. Threads that sleep are never interrupted: the same
//! count tells that they slept through.

mod codes;
mod hold;
mod known;
mod once;
mod open;
mod prove;
mod quick;
mod read;
mod short_file;
mod stay;
mod tasks;
mod tids;
mod work;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use self::codes::Codes;
use self::hold::Held;
use self::known::KnownThread;
use self::prove::Verdict;
use self::quick::{Quiet, SleptOn};
use self::read::Scratch;
use self::short_file::ShortFiles;
use self::stay::MayStay;
use self::tasks::Tasks;
use self::tids::Tids;
use self::work::Work;
use super::{Engine, EngineOptions, EngineReport, TickError};
use crate::cpython::layout::Layout;
use crate::cpython::locate::{Located, RuntimeAddress};
use crate::memory::{LiveMemory, Snapshot};
use crate::model::{
    Addr, Counting, Halting, Interner, Nanos, ProcessId, Proof, PythonVersion, Sample, Tick,
    TickOutcome,
};
use crate::sys::linux::stand;
use crate::target::{Process, Standing};

pub use self::known::MISSING_FRAMES;
pub use self::once::{Once, look_once};
pub use self::open::{OpenError, open, open_each};

/// How often one tick is tried again when what it read was not proven. Each try holds the threads
/// anew, so all but the last moments of a process succeed at the first or second.
const MAX_TRIES: u32 = 8;

/// How long to let the target run before the second try; each further one waits four times as long
/// as the one before. The interpreter needs next to nothing to finish what it was caught in, and
/// the later the second look, the less it is the tick's own.
const BEFORE_SECOND_TRY: Duration = Duration::from_micros(1);

/// How long to wait for a thread that was caught so and does not come to run, since others have its
/// CPU: longer than the kernel's slices.
const LONGEST_WAIT: Duration = Duration::from_millis(20);

/// Whether the process still is what it was is asked this often, and whenever a read fails.
const IDENTITY_INTERVAL: Nanos = Nanos(1_000_000_000);

/// Reads one CPython process.
#[derive(Debug)]
pub struct CpythonEngine {
    process: Arc<Process>,
    process_id: ProcessId,
    options: EngineOptions,
    layout: Layout,
    located: Located,
    memory: Snapshot<LiveMemory>,
    tasks: Tasks,
    tids: Tids,
    codes: Codes,
    short_files: ShortFiles,
    work: Work,
    threads: FxHashMap<Addr, KnownThread>,
    scratch: Scratch,
    /// Whether we may choose the CPU on which we run.
    may_stand: bool,
    /// Where the last tick stood, unless nothing was to be read in it.
    stood_at: Option<usize>,
    may_stay: MayStay,
    quiet: Quiet,
    names_asked: Option<Nanos>,
    identity_asked: Nanos,
    report: EngineReport,
}

impl Engine for CpythonEngine {
    fn name(&self) -> &'static str {
        "cpython"
    }

    fn python(&self) -> PythonVersion {
        self.layout.version
    }

    fn knows_gil_holder(&self) -> bool {
        let is_unknown = matches!(
            self.located.runtime,
            RuntimeAddress::Variables {
                current_thread: None,
                ..
            }
        );
        !self.python().free_threaded && !is_unknown
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
        if tick.at.saturating_sub(self.identity_asked) >= IDENTITY_INTERVAL {
            self.identity_asked = tick.at;
            self.check_identity()?;
        }
        let (pauses, refused) = (self.report.pauses, self.report.refused);
        let read = match self.slept_on() {
            // Who sleeps and has the GIL is asked for by --gil.
            SleptOn::AsBefore
                if self.options.counting != Counting::Wall && !self.has_a_holder() =>
            {
                self.tell_who_waits_at_work(tick, samples, |_| true);
                return Ok(TickOutcome {
                    threads: u32::try_from(self.threads.len()).unwrap_or(u32::MAX),
                    ..TickOutcome::default()
                });
            }
            SleptOn::AsBefore | SleptOn::Yes => {
                self.keep_last_look();
                self.stood_at = None;
                Ok(())
            }
            SleptOn::No => {
                let read = self.read_until_proven();
                self.stood_at = stand::cpu();
                self.expect_to_stay();
                read
            }
        };
        self.count_effort();
        if let Err(error) = read {
            self.check_identity()?;
            return Err(error);
        }
        let mut outcome = self.resolve(tick, interner, samples);
        outcome.pauses = u32::try_from(self.report.pauses - pauses).unwrap_or(u32::MAX);
        outcome.refused = u32::try_from(self.report.refused - refused).unwrap_or(u32::MAX);
        if self.options.thread_names {
            self.name_threads(tick.at, interner);
        }
        Ok(outcome)
    }

    fn stands_at(&self) -> Option<usize> {
        self.stood_at
    }

    fn report(&self) -> EngineReport {
        self.report.clone()
    }
}

impl CpythonEngine {
    fn check_identity(&self) -> Result<(), TickError> {
        match self.process.standing() {
            Standing::Same => Ok(()),
            Standing::Replaced => Err(TickError::Replaced),
            Standing::Ended => Err(TickError::Gone),
        }
    }

    /// Looks once before the first tick: finding each thread's files, frames and code for the first
    /// time takes many times as long as a tick, with hundreds of threads longer than the time
    /// between two. What goes wrong shows again in a tick.
    fn make_acquaintance(&mut self, interner: &mut Interner) {
        let before_all = Tick {
            at: Nanos::ZERO,
            stands_for: Nanos::ZERO,
        };
        let _ = self.tick(before_all, interner, &mut Vec::new());
    }

    fn count_effort(&mut self) {
        (self.report.reads, self.report.bytes_read) = self.memory.source_ref().effort();
    }

    /// Reads all threads into `scratch.read`; again, in the same tick, while a stack is unproven.
    fn read_until_proven(&mut self) -> Result<(), TickError> {
        let mut result = Ok(());
        // Without halting, trying until it works would prefer code that stands still.
        let tries = match self.options.halting {
            Halting::WhenNeeded | Halting::Always => MAX_TRIES,
            // A second look may be one at all threads, where the first was not.
            Halting::Never => 1 + u32::from(self.scratch.partial),
        };
        let mut may_follow_gil = self.options.halting != Halting::Never;
        let mut attempt = 0;
        let mut hold_all = false;
        while attempt < tries {
            if attempt > 0 {
                // Who could run Python and was not looked at is looked for among all.
                self.scratch.partial &= self.has_every_holder();
                self.let_run(BEFORE_SECOND_TRY * 4_u32.pow(attempt - 1));
            }
            let held = self.hold(hold_all);
            self.scratch.remember_holders();
            result = self.read_threads(&held);
            if !self.has_stayed() {
                // At most once a tick: what is looked at again is presumed no more.
                self.codes.distrust();
                held.release(&mut self.report);
                self.look_again();
                continue;
            }
            if attempt == 0 && may_follow_gil && self.scratch.other_holders() {
                // Whoever has it now is to stand still.
                may_follow_gil = false;
                self.codes.distrust();
                held.release(&mut self.report);
                self.look_again();
                continue;
            }
            attempt += 1;
            let verdict = self.verify(&held);
            let unheld = matches!(held, Held::Nobody);
            if verdict != Verdict::Proven || unheld {
                self.codes.distrust();
            }
            held.release(&mut self.report);
            let complete = !self.scratch.partial || self.has_every_holder();
            let proven = verdict == Verdict::Proven && complete;
            if result.is_ok() && (proven || unheld || self.scratch.frames_left == 0) {
                break;
            }
            // To stand again is enough most often, and is no pause.
            hold_all |= result.is_err() || attempt >= 2 && (verdict == Verdict::Moved || !complete);
            if self.process.standing() != Standing::Same {
                break;
            }
        }
        result
    }

    /// Lets the threads whose stacks are not proven go on for so long, and until they did, and
    /// looks where they are now.
    fn let_run(&mut self, time: Duration) {
        let started = Instant::now();
        let mut wait = time;
        loop {
            std::thread::sleep(wait);
            self.look_again();
            let mut unproven = self.scratch.read.iter();
            let all_ran = !unproven.any(|thread| {
                let task = thread.tid.and_then(|tid| self.tasks.known(tid));
                thread.proof == Proof::Unproven && task.is_some_and(|task| !task.ran)
            });
            if all_ran || started.elapsed() >= LONGEST_WAIT {
                return;
            }
            wait = wait.saturating_mul(2);
        }
    }
}

impl Drop for CpythonEngine {
    fn drop(&mut self) {
        // Another engine on this thread finds its place again.
        stand::leave();
    }
}
