//! One moment of a process, or the last one as its core file has it: its threads, what each does, and their
//! stacks.

mod core;
mod json;
mod suspended;
mod text;

use std::io::{self, Write};

use crate::cpython::values::{Limits, Secrets};
use crate::engine::TickError;
use crate::engine::cpython::{
    self, Doing, FrameFacts, Once, OnceOptions, OpenError, Suspended, VariableOptions,
};
use crate::model::{Halting, Interner, Pid, Proof, PythonVersion, Sample, TargetStr};
use crate::target::{Halted, Process};

pub use self::core::Ended;

/// How a process is looked at, and how that is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct DumpOptions {
    /// Hold no running thread still, not even for microseconds: its stack may then be of several moments.
    pub nonblocking: bool,
    /// Show files as the interpreter has them, not from their package on.
    pub full_filenames: bool,
    /// Show each thread by itself, even where others have the same stack.
    pub all: bool,
    /// What to show of arguments and local variables.
    pub locals: Locals,
    /// Show values whose names are those of secrets.
    pub show_secrets: bool,
}

/// What a dump shows of the variables of each frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Locals {
    #[default]
    Nothing,
    /// A line each.
    Lines,
    /// Whole, up to bounds that no reader would want to go beyond.
    Whole,
}

impl Locals {
    /// How many reads of the target's memory the variables of all threads take at most: some tens of
    /// milliseconds, or some hundreds.
    const READS_FOR_LINES: u64 = 60_000;
    const READS_FOR_WHOLE: u64 = 400_000;

    fn options(self, show_secrets: bool) -> Option<VariableOptions> {
        let (limits, reads) = match self {
            Locals::Nothing => return None,
            Locals::Lines => (Limits::LINE, Locals::READS_FOR_LINES),
            Locals::Whole => (Limits::WHOLE, Locals::READS_FOR_WHOLE),
        };
        Some(VariableOptions {
            limits,
            reads,
            secrets: match show_secrets {
                true => Secrets::Shown,
                false => Secrets::Masked,
            },
        })
    }
}

/// A process at one moment.
#[derive(Debug)]
pub struct Dump {
    pub pid: Pid,
    /// The process above it, and its command line, where that is dumped too.
    pub parent: Option<(Pid, Vec<TargetStr>)>,
    pub command: Vec<TargetStr>,
    /// The file that it runs; `None` where that may not be known.
    pub executable: Option<TargetStr>,
    pub python: PythonVersion,
    /// Threads in the middle of Python code, oldest first.
    pub threads: Vec<DumpedThread>,
    /// How many other threads it has: those of libraries, and those whose Python has no frame.
    pub others: usize,
    /// What keeps the whole process from running.
    pub halted: Option<Halted>,
    /// Variables of some frames were left out, since reading all would have taken too long.
    pub(crate) variables_are_cut: bool,
    /// They were read while the threads that they belong to went on.
    pub(crate) variables_may_have_moved: bool,
    /// How it ended, if this is of its core file.
    pub ended: Option<Ended>,
    /// asyncio's tasks, and greenlets.
    pub(crate) suspended: Suspended,
    /// What the threads' samples refer to.
    pub interner: Interner,
}

/// A thread at that moment.
#[derive(Clone, Debug)]
pub struct DumpedThread {
    pub sample: Sample,
    /// What it did when it had been looked at.
    pub doing: Doing,
    /// Of its frames, leaf first.
    pub(crate) frames: Vec<FrameFacts>,
}

/// Why there is no dump.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum DumpError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Tick(#[from] TickError),
}

impl DumpedThread {
    /// Those that have a stack, of all that a look gave: its samples, and for each what its thread did and
    /// the facts of its frames.
    fn all(
        samples: Vec<Sample>,
        doings: Vec<Doing>,
        frames: Vec<Vec<FrameFacts>>,
        interner: &Interner,
    ) -> Vec<DumpedThread> {
        let threads = samples.into_iter().zip(doings.into_iter().zip(frames));
        threads
            .filter(|(sample, _)| interner.stack(sample.stack).is_some())
            .map(|(sample, (doing, frames))| DumpedThread {
                sample,
                doing,
                frames,
            })
            .collect()
    }

    /// Whether it had a CPU, or was ready to run.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.sample.on_cpu || self.doing == Doing::Runs
    }
}

/// What the dumps of all Pythons of a process have in common.
struct OfProcess {
    pid: Pid,
    command: Vec<TargetStr>,
    executable: Option<TargetStr>,
    halted: Option<Halted>,
    /// How many of its threads no Python has been found to run.
    others: usize,
}

impl Dump {
    /// Looks at a process: at each of its Pythons, if it has several.
    ///
    /// # Errors
    /// When no interpreter that can be read is found in it, or it ends.
    pub fn take(process: Process, options: &DumpOptions) -> Result<Vec<Dump>, DumpError> {
        let mut of_process = OfProcess {
            pid: process.pid(),
            command: process.command().to_vec(),
            executable: process.executable().map(|it| it.path.clone()),
            halted: Halted::find(process.pid()),
            others: process.living_threads(),
        };
        let looks = cpython::look_at_each_once(
            process,
            OnceOptions {
                halting: match options.nonblocking {
                    true => Halting::Never,
                    false => Halting::WhenNeeded,
                },
                thread_names: true,
                waits: true,
                frames: true,
                variables: options.locals.options(options.show_secrets),
                suspended: true,
            },
        )?;
        let mut dumps = Vec::new();
        for look in looks {
            let dump = Dump::of(look, &of_process)?;
            // A thread that another Python has is no other thread there.
            of_process.others = dump.others;
            dumps.push(dump);
        }
        // Only the last knows which threads have no Python at all.
        let others = of_process.others;
        for dump in &mut dumps {
            dump.others = others;
        }
        Ok(dumps)
    }

    fn of(look: Once, process: &OfProcess) -> Result<Dump, DumpError> {
        if let Some(error) = look.failure {
            return Err(error.into());
        }
        let interner = look.interner;
        let mut threads = DumpedThread::all(look.samples, look.doings, look.frames, &interner);
        threads.sort_by_key(|thread| {
            let key = interner.thread(thread.sample.thread).key;
            (key.started, key.tid)
        });
        Ok(Dump {
            pid: process.pid,
            parent: None,
            command: process.command.clone(),
            executable: process.executable.clone(),
            python: look.python,
            others: process.others.saturating_sub(threads.len()),
            threads,
            halted: process.halted,
            variables_are_cut: look.variables_are_cut,
            variables_may_have_moved: look.variables_may_have_moved,
            ended: None,
            suspended: look.suspended,
            interner,
        })
    }

    /// How many threads' stacks could not be proven to be whole and of one moment.
    #[must_use]
    pub fn unproven(&self) -> usize {
        let threads = self.threads.iter();
        threads
            .filter(|it| it.sample.proof == Proof::Unproven)
            .count()
    }

    /// Writes it for people. The lines begin as those of py-spy do.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write_text(&self, options: &DumpOptions, out: &mut dyn Write) -> io::Result<()> {
        text::write(self, options, out)
    }
}

/// Writes processes for programs: one array of all threads, with py-spy's fields and some more.
///
/// # Errors
/// When `out` cannot be written.
pub fn write_json(dumps: &[Dump], out: &mut dyn Write) -> io::Result<()> {
    json::write(dumps, out)
}
