//! One moment of a process: its threads, what each does, and their stacks.

mod json;
mod text;

use std::io::{self, Write};

use crate::engine::TickError;
use crate::engine::cpython::{self, Doing, Once, OnceOptions, OpenError};
use crate::model::{Halting, Interner, Pid, Proof, PythonVersion, Sample, TargetStr};
use crate::target::{Halted, Process};

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
    /// What the threads' samples refer to.
    pub interner: Interner,
}

/// A thread at that moment.
#[derive(Clone, Copy, Debug)]
pub struct DumpedThread {
    pub sample: Sample,
    /// What it did when it had been looked at.
    pub doing: Doing,
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
    /// Whether it had a CPU, or was ready to run.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.sample.on_cpu || self.doing == Doing::Runs
    }
}

impl Dump {
    /// Looks at a process.
    ///
    /// # Errors
    /// When no interpreter that can be read is found in it, or it ends.
    pub fn take(process: Process, options: &DumpOptions) -> Result<Dump, DumpError> {
        let (pid, command) = (process.pid(), process.command().to_vec());
        let executable = process.executable().map(|it| it.path.clone());
        let kernel_threads = process.living_threads();
        let halted = Halted::find(pid);
        let Once {
            python,
            interner,
            samples,
            doings,
            failure,
            ..
        } = cpython::look_once(
            process,
            OnceOptions {
                halting: match options.nonblocking {
                    true => Halting::Never,
                    false => Halting::WhenNeeded,
                },
                thread_names: true,
                waits: true,
            },
        )?;
        if let Some(error) = failure {
            return Err(error.into());
        }
        let mut threads: Vec<DumpedThread> = samples
            .into_iter()
            .zip(doings)
            .filter(|(sample, _)| interner.stack(sample.stack).is_some())
            .map(|(sample, doing)| DumpedThread { sample, doing })
            .collect();
        threads.sort_by_key(|thread| {
            let key = interner.thread(thread.sample.thread).key;
            (key.started, key.tid)
        });
        Ok(Dump {
            pid,
            parent: None,
            command,
            executable,
            python,
            others: kernel_threads.saturating_sub(threads.len()),
            threads,
            halted,
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
