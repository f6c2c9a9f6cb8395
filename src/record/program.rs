//! A program that is recorded from its start.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::control::Control;
use super::{RecordError, Recorded};
use crate::model::{Ending, Pid};
use crate::sys::linux::credentials::Caller;
use crate::sys::linux::signals::Before;
use crate::sys::linux::spawn::{self, Scope, Started};
use crate::target::{Identity, Stat};

/// Time from SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// How long a program may take to end by the signal that ended the recording.
const OWN_END: Duration = Duration::from_secs(1);

/// A program to start.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Launch<'a> {
    /// The program and its arguments.
    pub words: Vec<OsString>,
    /// Its working directory, if not ours.
    pub directory: Option<&'a Path>,
    /// Environment variables that it gets in addition to ours.
    pub environment: Vec<(&'a str, String)>,
    /// Whether its output is captured instead of shown.
    pub capture: bool,
}

impl Launch<'_> {
    /// From the program and its arguments, to be started as from a shell.
    #[must_use]
    pub fn new<W: Into<OsString>>(words: impl IntoIterator<Item = W>) -> Self {
        Launch {
            words: words.into_iter().map(Into::into).collect(),
            ..Launch::default()
        }
    }
}

/// A program that was recorded, and may still run.
#[derive(Debug)]
pub struct Run {
    pub recorded: Result<Recorded, RecordError>,
    /// How it ended, if it did by itself.
    pub own_end: Option<Ending>,
    program: Program,
    control: Arc<Control>,
}

impl Run {
    pub(super) fn new(
        recorded: Result<Recorded, RecordError>,
        own_end: Option<Ending>,
        program: Program,
        control: Arc<Control>,
    ) -> Run {
        Run {
            recorded,
            own_end,
            program,
            control,
        }
    }

    /// Makes sure that the program has ended. What it left running when it ended by itself is its own
    /// affair; otherwise all that it started is ended, too, however the recording went.
    pub fn end(mut self) -> (Result<Recorded, RecordError>, Program) {
        if self.own_end.is_none() {
            self.program.end(&self.control);
        }
        (self.recorded, self.program)
    }

    /// Makes sure that the program has ended, as [`end`](Self::end) does, and returns only what was
    /// recorded.
    ///
    /// # Errors
    /// When nothing could be recorded.
    pub fn finish(self) -> Result<Recorded, RecordError> {
        self.end().0
    }
}

/// A program that we started.
#[derive(Debug)]
pub struct Program {
    started: Started,
    name: String,
    captured: Option<File>,
    /// Whether nothing is left to be ended.
    is_over: bool,
}

impl Drop for Program {
    fn drop(&mut self) {
        if !self.is_over {
            self.started.ask_to_end();
            self.started.end(GRACE);
        }
    }
}

impl Program {
    /// Starts a program as `user`, or as ourselves. With `adopt`, its orphans become our children.
    pub(super) fn start(
        launch: &Launch<'_>,
        user: Option<&Caller>,
        signals: Before,
        adopt: bool,
    ) -> Result<Program, RecordError> {
        let (program, arguments) = launch.words.split_first().ok_or(RecordError::NoProgram)?;
        let captured = match launch.capture {
            true => Some(tempfile::tempfile().map_err(RecordError::NoFileForOutput)?),
            false => None,
        };
        let name = program.to_string_lossy().into_owned();
        let started = spawn::start(&spawn::Launch {
            program,
            arguments,
            directory: launch.directory,
            environment: &launch.environment,
            capture: captured.as_ref(),
            user,
            signals,
            scope: match adopt {
                true => Scope::AllThatIsBelowUs,
                false => Scope::ItsTree,
            },
        });
        let started = started.map_err(|source| RecordError::NotStarted {
            program: name.clone(),
            source,
        })?;
        Ok(Program {
            started,
            name,
            captured,
            is_over: false,
        })
    }

    #[must_use]
    pub(super) fn identity(&self) -> Identity {
        let pid = self.started.pid();
        // It is there until we collect it, if only as a zombie.
        let started = Stat::of_process(pid).map_or(0, |stat| stat.started);
        Identity { pid, started }
    }

    #[must_use]
    pub fn pid(&self) -> Pid {
        self.started.pid()
    }

    /// Gives it a moment to end in its own way by the signal that has reached it.
    pub(super) fn end_of_signal(&mut self) {
        self.started.wait_for(OWN_END);
    }

    /// Asks it, and all that it started, to end.
    pub(super) fn ask_to_end(&self) {
        self.started.ask_to_end();
    }

    /// Makes sure that it has ended, and all that it started.
    fn end(&mut self, control: &Control) {
        self.started.end(GRACE);
        self.is_over = true;
        control.program_ended();
    }

    /// Waits for it to end by itself, and returns how it ended.
    pub(super) fn own_end(&mut self, control: &Control) -> Option<Ending> {
        let ending = self.started.wait_for(GRACE);
        if ending.is_some() {
            self.is_over = true;
            control.program_ended();
        }
        ending
    }

    /// The last part of its output, if that was captured.
    pub fn captured(&mut self) -> String {
        /// At most this many bytes: what a program did, it tells at the end.
        const LAST: u64 = 1 << 20;
        let Some(file) = &mut self.captured else {
            return String::new();
        };
        let mut bytes = Vec::new();
        // Output that cannot be read counts as not written.
        let length = file.metadata().map_or(0, |it| it.len());
        let _ = file.seek(SeekFrom::Start(length.saturating_sub(LAST)));
        let _ = file.take(LAST).read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The name by which it was started.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether its output is captured.
    #[must_use]
    pub fn is_captured(&self) -> bool {
        self.captured.is_some()
    }

    /// Copies all its output to `out`, if that was captured.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn copy_captured(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(file) = &mut self.captured {
            file.rewind()?;
            io::copy(file, out)?;
        }
        out.flush()
    }
}

/// Starts a program that is not waited for and whose output is discarded.
pub(super) fn start_aside(
    program: &str,
    argument: &OsStr,
    user: Option<&Caller>,
    signals: Before,
) -> io::Result<()> {
    let silent = File::options().write(true).open("/dev/null")?;
    // Not waited for: a browser stays when we are gone.
    spawn::start(&spawn::Launch {
        program: OsStr::new(program),
        arguments: &[argument.to_owned()],
        directory: None,
        environment: &[],
        capture: Some(&silent),
        user,
        signals,
        scope: Scope::ItsTree,
    })?;
    Ok(())
}
