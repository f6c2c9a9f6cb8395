//! Whether a recording is to go on, to stop and be written, or to be given up, whether what it has so far is
//! wanted, and what is half written meanwhile.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::output_name::OutputName;
use crate::model::Pid;
use crate::sys::linux::output_file::{Destination, OutputFile, Unfinished};
use crate::sys::linux::signals::{Before, Received, Signals};
use crate::sys::linux::spawn;

/// A second signal within this time belongs to the first: `timeout` sends two at once, and so may a
/// nervous user.
const SAME_SIGNAL: Duration = Duration::from_millis(300);

/// Called when a second signal asks us to exit at once, with what was written of the recording until
/// then. Returns the exit code.
pub type GiveUp = fn(&Written) -> u8;

/// Whether to stop, and what to clean up on giving up; shared with the thread that waits for signals.
#[derive(Debug, Default)]
pub struct Control {
    stop: AtomicBool,
    /// Whether what was recorded so far is to be written.
    wanted: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The program that we started, as long as it is ours to end.
    program: Option<Pid>,
    /// The file that is being written.
    unfinished: Option<Unfinished>,
    /// What was written so far.
    written: Written,
    first_signal: Option<(Instant, Signal)>,
    /// The exit code, once everything is written.
    concluded: Option<u8>,
}

/// How much of the recording is in its place.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Written {
    #[default]
    Nothing,
    /// This file holds what was recorded until then.
    SoFar(OutputName, Instant),
    Whole,
}

impl Control {
    /// Takes the awaited signals over. Must be called before any thread is started.
    ///
    /// # Errors
    /// When signals cannot be received in this way.
    pub(super) fn start(give_up: GiveUp) -> io::Result<(Arc<Control>, Before)> {
        let signals = Signals::hold_back()?;
        let before = signals.before();
        let control = Arc::new(Control::default());
        let shared = Arc::clone(&control);
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                while let Ok(received) = signals.wait() {
                    shared.receive(received, give_up);
                }
            })?;
        Ok((control, before))
    }

    /// Whether a signal asked us to stop.
    #[must_use]
    pub fn asked_to_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Asks for the end of the recording, which then writes what it has.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Asks for a file with what was recorded so far, while the recording goes on, as SIGUSR1 does.
    pub fn want_so_far(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// Whether someone asked for such a file since the last call.
    pub(super) fn take_wanted(&self) -> bool {
        // Read first: this is asked after each look, and a swap takes the line from other CPUs.
        self.wanted.load(Ordering::Relaxed) && self.wanted.swap(false, Ordering::Relaxed)
    }

    /// The signal that asked us to stop, if one did.
    #[must_use]
    pub fn stopped_by(&self) -> Option<Signal> {
        self.state().first_signal.map(|(_, signal)| signal)
    }

    /// Notes that a program was started: from now on signals are passed on to it, and giving up ends it.
    pub(super) fn program_started(&self, pid: Pid) {
        self.state().program = Some(pid);
    }

    /// Notes that the program's exit status was collected: its pid may soon be that of another process.
    pub(super) fn program_ended(&self) {
        self.state().program = None;
    }

    /// Opens the output, which is discarded if we give up.
    ///
    /// # Errors
    /// As [`Destination::create`].
    pub(super) fn create(&self, destination: &Destination) -> io::Result<OutputFile> {
        if !destination.is_regular() {
            // Opening a FIFO waits for its reader: nothing may be locked meanwhile.
            return destination.create();
        }
        let mut state = self.state();
        let file = destination.create()?;
        state.unfinished = file.unfinished();
        Ok(file)
    }

    /// Puts the output in its place, and notes that so much of the recording is then `written`.
    ///
    /// # Errors
    /// As [`OutputFile::commit`].
    pub(super) fn commit(&self, file: OutputFile, written: Written) -> io::Result<()> {
        // What takes time is done without the lock.
        let synced = file.sync();
        let mut state = self.state();
        let result = synced.and_then(|()| file.commit());
        state.unfinished = None;
        if result.is_ok() {
            state.written = written;
        }
        result
    }

    /// What was put in its place so far.
    #[must_use]
    pub fn written(&self) -> Written {
        self.state().written.clone()
    }

    /// Notes that nothing is left to do but to wait for the program's end, and the exit code after that.
    pub fn concluded(&self, code: u8) {
        self.state().concluded = Some(code);
    }

    fn receive(&self, received: Received, give_up: GiveUp) {
        if received.signal == Signal::SIGUSR1 {
            self.want_so_far();
            return;
        }
        let mut state = self.state();
        let now = Instant::now();
        match state.first_signal {
            None => state.first_signal = Some((now, received.signal)),
            Some((first, _)) if now.duration_since(first) < SAME_SIGNAL => {}
            Some(_) => leave(&state, give_up),
        }
        // The terminal has given ^C to the program already.
        if let Some(program) = state.program
            && !received.from_terminal
        {
            spawn::forward(program, received.signal);
        }
        self.stop();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is left half done under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Exits at once, and discards an output that is not complete.
fn leave(state: &State, give_up: GiveUp) -> ! {
    if let Some(unfinished) = &state.unfinished {
        unfinished.discard();
    }
    if state.program.is_some() {
        spawn::kill_all();
    }
    let code = state.concluded.unwrap_or_else(|| give_up(&state.written));
    std::process::exit(code.into());
}
