//! The program that is recorded from its start.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::time::Duration;

use anyhow::{Context, anyhow};

use super::control::Control;
use super::session::Launch;
use crate::model::Pid;
use crate::sys::linux::credentials::Caller;
use crate::sys::linux::signals::Before;
use crate::sys::linux::spawn::{self, Ending, Started};
use crate::target::Identity;
use crate::target::Stat;

/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// How long a program may take to end of the signal that ended the recording.
const OWN_END: Duration = Duration::from_secs(1);

/// A program that we started.
#[derive(Debug)]
pub struct Program {
    started: Started,
    name: String,
    captured: Option<File>,
}

/// What to start, and as whom.
#[derive(Debug)]
pub struct Setup<'a> {
    pub launch: Launch<'a>,
    pub user: Option<&'a Caller>,
    pub signals: Before,
}

impl Program {
    /// # Errors
    /// When it cannot be started.
    pub fn start(setup: &Setup) -> Result<Program, anyhow::Error> {
        let wanted = setup.launch;
        let (program, arguments) = wanted
            .words
            .split_first()
            .ok_or_else(|| anyhow!("no program was named"))?;
        let captured = match wanted.capture {
            true => Some(tempfile::tempfile().context("no temporary file for the output")?),
            false => None,
        };
        let name = program.to_string_lossy().into_owned();
        let started = spawn::start(&spawn::Launch {
            program,
            arguments,
            directory: wanted.directory,
            environment: wanted.environment,
            capture: captured.as_ref(),
            user: setup.user,
            signals: setup.signals,
        })
        .with_context(|| format!("'{name}' cannot be started"))?;
        spawn::collect_in_background();
        Ok(Program {
            started,
            name,
            captured,
        })
    }

    #[must_use]
    pub fn identity(&self) -> Identity {
        let pid = self.started.pid();
        // It is there until we collect it, if only as a zombie.
        let started = Stat::of_process(pid).map_or(0, |stat| stat.started);
        Identity { pid, started }
    }

    #[must_use]
    pub fn pid(&self) -> Pid {
        self.started.pid()
    }

    /// Leaves it a moment to end of the signal that has reached it, in its own way.
    pub fn end_of_signal(&mut self) {
        self.started.wait_for(OWN_END);
    }

    /// Begins to end it, and all that it started.
    pub fn ask_to_end(&self) {
        self.started.ask_to_end();
    }

    /// Sees to it that it has ended, and all that it started.
    pub fn end(&mut self, control: &Control) {
        self.started.end(GRACE);
        control.program_ended();
    }

    /// How it ended by itself.
    pub fn own_end(&mut self, control: &Control) -> Option<Ending> {
        let ending = self.started.wait_for(GRACE);
        if ending.is_some() {
            control.program_ended();
        }
        ending
    }

    /// The last of what it wrote, if that was kept.
    pub fn captured(&mut self) -> String {
        /// Where a program tells what it did.
        const LAST: u64 = 1 << 20;
        let Some(file) = &mut self.captured else {
            return String::new();
        };
        let mut bytes = Vec::new();
        // What cannot be read was not written.
        let length = file.metadata().map_or(0, |it| it.len());
        let _ = file.seek(SeekFrom::Start(length.saturating_sub(LAST)));
        let _ = file.take(LAST).read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Shows what it wrote, if that was kept.
    pub fn show_captured(&mut self) {
        let Some(file) = &mut self.captured else {
            return;
        };
        super::terminal::say(format_args!("'{}' wrote:", self.name));
        // What it wrote goes out as it would have without us; if it cannot, nobody reads it.
        let _ = file.rewind();
        let mut stderr = std::io::stderr().lock();
        let _ = std::io::copy(file, &mut stderr);
        let _ = stderr.flush();
    }
}

/// How it ended, for the user.
#[must_use]
pub fn describe(ending: Ending) -> String {
    match ending {
        Ending::Code(code) => format!("with exit code {code}"),
        Ending::Signal(signal) => match nix::sys::signal::Signal::try_from(signal) {
            Ok(signal) => format!("by {signal}"),
            Err(_) => format!("by signal {signal}"),
        },
        Ending::Unknown => "in an unknown way".into(),
    }
}

/// Opens a file in the browser, as the user who called us.
///
/// # Errors
/// When there is nothing to open it with.
pub fn open_in_browser(
    path: &std::path::Path,
    user: Option<&Caller>,
    signals: Before,
) -> Result<(), anyhow::Error> {
    let silent = File::options()
        .write(true)
        .open("/dev/null")
        .context("/dev/null cannot be opened")?;
    // Not waited for: the browser stays when we are gone.
    spawn::start(&spawn::Launch {
        program: OsStr::new("xdg-open"),
        arguments: &[path.as_os_str().to_owned()],
        directory: None,
        environment: &[],
        capture: Some(&silent),
        user,
        signals,
    })
    .context("xdg-open cannot be started; is the package xdg-utils installed?")?;
    Ok(())
}
