//! A dump of a process that has ended, from its core file.

use std::sync::Arc;

use super::{Dump, DumpError, DumpOptions, DumpedThread};
use crate::engine::cpython::{self, Doing, VariableOptions};
use crate::model::{TargetStr, Tid};
use crate::output::visible;
use crate::target::core::{Core, CoreSignal, SignalCause};

/// What a core file tells besides what the threads did.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    /// The signal that ended the process; `None` if it went on after the core file was made.
    pub signal: Option<CoreSignal>,
    /// How many bytes the core file lacks at its end.
    pub missing: u64,
    /// The mapped files that were needed and are not there as they were.
    pub missing_files: Vec<TargetStr>,
    /// The mapped files that were read without proof that they are the same.
    pub unchecked_files: Vec<TargetStr>,
}

impl Dump {
    /// Looks at a process in its core file.
    ///
    /// # Errors
    /// When no interpreter that can be read is found in it.
    pub fn of_core(core: &Arc<Core>, options: &DumpOptions) -> Result<Dump, DumpError> {
        /// No thread is held still meanwhile, so that more may be read than of a live process.
        const TIMES_AS_MUCH: u64 = 16;
        let variables = options.locals.options(options.show_secrets);
        let variables = variables.map(|variables| VariableOptions {
            reads: variables.reads * TIMES_AS_MUCH,
            ..variables
        });
        let once = cpython::look_at_core(core, variables)?;
        if let Some(error) = once.failure {
            return Err(error.into());
        }
        let signal = core.signal();
        let interner = once.interner;
        let tid = |thread: &DumpedThread| interner.thread(thread.sample.thread).key.tid;
        let mut threads = DumpedThread::all(once.samples, once.doings, once.frames, &interner);
        for thread in &mut threads {
            // To get a signal that it raised itself, it had to run.
            if signal.is_some_and(|signal| tid(thread) == Some(signal.thread)) {
                thread.doing = Doing::Runs;
            }
        }
        threads.sort_by_key(tid);
        Ok(Dump {
            pid: core.pid(),
            parent: None,
            command: core.command().to_vec(),
            executable: core.executable().map(|it| it.display_path()),
            python: once.python,
            others: core.threads().len().saturating_sub(threads.len()),
            threads,
            halted: None,
            variables_are_cut: once.variables_are_cut,
            variables_may_have_moved: false,
            suspended: once.suspended,
            ended: Some(Ended {
                signal,
                missing: core.missing(),
                missing_files: core.missing_files(),
                unchecked_files: core.unchecked_files(),
            }),
            interner,
        })
    }

    /// The signal that a thread got, if it is the one that ended the process.
    #[must_use]
    pub fn signal_of(&self, thread: &DumpedThread) -> Option<CoreSignal> {
        let signal = self.ended.as_ref()?.signal?;
        let tid: Option<Tid> = self.interner.thread(thread.sample.thread).key.tid;
        (tid == Some(signal.thread)).then_some(signal)
    }
}

impl Ended {
    /// How the process ended, in a line.
    pub(super) fn sentence(&self, dump: &Dump) -> String {
        let Some(signal) = self.signal else {
            return "The process went on after this core file was made".to_owned();
        };
        let mut line = format!("Ended by {}", signal.name());
        match signal.cause {
            SignalCause::Fault(at) => line += &format!(" at {:#x}", at.0),
            SignalCause::SentBy(pid) if pid != dump.pid && pid.0 > 0 => {
                line += &format!(" from process {pid}");
            }
            SignalCause::SentBy(_) | SignalCause::Unknown => {}
        }
        line += &format!(" in thread {}", signal.thread);
        let mut threads = dump.threads.iter();
        if !threads.any(|thread| dump.signal_of(thread).is_some()) {
            line += ", which was in no Python code";
        }
        line
    }

    /// What a reader should know before he believes it, a sentence each.
    pub(super) fn notes(&self) -> Vec<String> {
        /// More names are counted.
        const NAMED: usize = 3;
        let mut notes = Vec::new();
        if self.missing > 0 {
            notes.push(format!(
                "the core file lacks {} bytes at its end; what was there is not shown",
                self.missing
            ));
        }
        for (files, what) in [
            (
                &self.missing_files,
                "not here as they were; --sysroot names a directory that has them",
            ),
            (
                &self.unchecked_files,
                "read although nothing tells whether they are the same as then",
            ),
        ] {
            if files.is_empty() {
                continue;
            }
            let mut names: Vec<String> = files.iter().take(NAMED).map(shown).collect();
            if files.len() > NAMED {
                names.push(format!("{} more", files.len() - NAMED));
            }
            notes.push(format!(
                "files of the process are {what}: {}",
                names.join(", ")
            ));
        }
        notes
    }
}

fn shown(path: &TargetStr) -> String {
    visible(path).into_owned()
}
