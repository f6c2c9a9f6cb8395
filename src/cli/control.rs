//! What the user wants now: go on, stop and write, or give up.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::model::Pid;
use crate::sys::linux::output_file::{Destination, OutputFile, Unfinished};
use crate::sys::linux::signals::{Before, Received, Signals};
use crate::sys::linux::spawn;

/// A second signal within this time belongs to the first: `timeout` sends two at once, and nervous
/// fingers do.
const SAME_SIGNAL: Duration = Duration::from_millis(300);

/// Shared with the thread that waits for signals.
#[derive(Debug, Default)]
pub struct Control {
    stop: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The program that we started, as long as it is ours to end.
    program: Option<Pid>,
    /// The file that is being written.
    unfinished: Option<Unfinished>,
    /// What was written before.
    written: Written,
    first_signal: Option<(Instant, Signal)>,
    /// All that was to be written is: with this code we are about to leave.
    concluded: Option<u8>,
}

/// What of the recording is in its place.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Written {
    #[default]
    Nothing,
    /// In this file, what was recorded until then.
    SoFar(String, Instant),
    Whole,
}

impl Written {
    /// For the user, about a recording that is not complete.
    #[must_use]
    pub fn what_is_kept(&self) -> String {
        match self {
            Written::Nothing => "nothing was written".to_owned(),
            Written::SoFar(name, until) => {
                let age = until.elapsed().as_secs();
                let seconds = if age == 1 { "second" } else { "seconds" };
                format!("{name} holds what was recorded until {age} {seconds} ago")
            }
            Written::Whole => "all was written".to_owned(),
        }
    }
}

impl Control {
    /// Takes the ending signals over. To be called before any thread is started.
    ///
    /// # Errors
    /// When signals cannot be received in this way.
    pub fn start() -> io::Result<(Arc<Control>, Before)> {
        let signals = Signals::hold_back()?;
        let before = signals.before();
        let control = Arc::new(Control::default());
        let shared = Arc::clone(&control);
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                while let Ok(received) = signals.wait() {
                    shared.receive(received);
                }
            })?;
        Ok((control, before))
    }

    /// Whether a signal asked us to stop.
    #[must_use]
    pub fn asked_to_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Why we were asked to stop, if we were.
    #[must_use]
    pub fn why_stop(&self) -> Option<String> {
        let (_, signal) = self.state().first_signal?;
        Some(match signal {
            Signal::SIGINT => "Control-C was pressed".into(),
            other => format!("{other} came"),
        })
    }

    /// From now on signals go to this program, too, and giving up ends it.
    pub fn program_started(&self, pid: Pid) {
        self.state().program = Some(pid);
    }

    /// The program has been collected: its number may be another's soon.
    pub fn program_ended(&self) {
        self.state().program = None;
    }

    /// Opens the output, which is discarded if we give up.
    ///
    /// # Errors
    /// As [`Destination::create`].
    pub fn create(&self, destination: &Destination) -> io::Result<OutputFile> {
        if !destination.is_regular() {
            // Opening a FIFO waits for its reader: nothing may be locked meanwhile.
            return destination.create();
        }
        let mut state = self.state();
        let file = destination.create()?;
        state.unfinished = file.unfinished();
        Ok(file)
    }

    /// Puts the output, which is then `written`, in its place.
    ///
    /// # Errors
    /// As [`OutputFile::commit`].
    pub fn commit(&self, file: OutputFile, written: Written) -> io::Result<()> {
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

    /// Nothing is left to do but to wait for the program's end.
    pub fn concluded(&self, code: u8) {
        self.state().concluded = Some(code);
    }

    fn receive(&self, received: Received) {
        let mut state = self.state();
        let now = Instant::now();
        match state.first_signal {
            None => state.first_signal = Some((now, received.signal)),
            Some((first, _)) if now.duration_since(first) < SAME_SIGNAL => {}
            Some(_) => give_up(&state),
        }
        // The terminal has given ^C to the program already.
        if let Some(program) = state.program
            && !received.from_terminal
        {
            spawn::forward(program, received.signal);
        }
        self.stop.store(true, Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is left half done under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leaves at once; if the result was not complete, without a trace of it.
fn give_up(state: &State) -> ! {
    if let Some(unfinished) = &state.unfinished {
        unfinished.discard();
    }
    if state.program.is_some() {
        spawn::kill_all();
    }
    let code = state.concluded.unwrap_or_else(|| {
        super::terminal::say(format_args!("Given up, {}", state.written.what_is_kept()));
        super::exit::GIVEN_UP
    });
    std::process::exit(code.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_told_as_it_is() {
        assert_eq!(Written::Nothing.what_is_kept(), "nothing was written");
        let before = Instant::now().checked_sub(Duration::from_millis(3500));
        let written = Written::SoFar("'x.pb.gz'".into(), before.expect("a machine that runs"));
        assert_eq!(
            written.what_is_kept(),
            "'x.pb.gz' holds what was recorded until 3 seconds ago"
        );
    }
}
