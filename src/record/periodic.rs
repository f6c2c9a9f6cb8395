//! The file of a recording that still goes on: it is brought up to date every few seconds, so that
//! little is lost if we are killed. The sampler hands over what is new; a thread of the lowest priority
//! encodes and writes it.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use super::Sink;
use super::control::{Control, Written};
use super::output::Output;
use super::output_name::OutputName;
use crate::model::Nanos;
use crate::profile::{Delta, Mirror, Profile};
use crate::sampler::SoFar;
use crate::sys::linux::output_file::OutputFile;
use crate::sys::linux::punctual;

/// Time between two handovers. One that falls due while the last is still being written is skipped.
const INTERVAL: Nanos = Nanos(5_000_000_000);

/// A timeline with more runs than this is left out of the file until the end: writing it anew every few
/// seconds would cost more than it is worth.
const MOST_RUNS: u64 = 1_000_000;

/// Writes a profile in some format.
pub type Encode = Box<dyn Fn(&Profile, &mut dyn Write) -> io::Result<()> + Send>;

/// A file that holds the profile as it was a few seconds ago, for as long as the recording goes on.
pub struct PeriodicFile {
    output: Output,
    control: Arc<Control>,
    /// What encodes the profile, and what is called if writing fails; taken when writing begins.
    waiting: Option<(Encode, Tell)>,
    writer: Option<Periodic>,
    due: Nanos,
}

type Tell = Box<dyn FnMut(&OutputName, &io::Error) + Send>;

impl PeriodicFile {
    /// `tell` is called once, in another thread, if the file cannot be written for now.
    #[must_use]
    pub fn new(
        output: Output,
        encode: Encode,
        control: &Arc<Control>,
        tell: impl FnMut(&OutputName, &io::Error) + Send + 'static,
    ) -> PeriodicFile {
        PeriodicFile {
            output,
            control: Arc::clone(control),
            waiting: Some((encode, Box::new(tell))),
            writer: None,
            due: INTERVAL,
        }
    }
}

impl Sink for PeriodicFile {
    /// Starts the writing thread. That is done before the sampler moves to the CPU of its target, since
    /// a thread may run on the CPUs of the thread that starts it.
    fn begin(&mut self) {
        if let Some((encode, tell)) = self.waiting.take() {
            let writer = Writer {
                shared: Arc::default(),
                control: Arc::clone(&self.control),
                output: self.output.clone(),
                encode,
            };
            self.writer = Some(Periodic::start(writer, tell));
        }
    }

    fn looked(&mut self, so_far: &SoFar<'_>, profile: &mut Profile) {
        let Some(writer) = &self.writer else {
            return;
        };
        if so_far.duration < self.due || profile.is_empty() {
            return;
        }
        self.due = so_far.duration.saturating_add(INTERVAL);
        if writer.is_idle() {
            so_far.enter(&mut profile.recording);
            writer.hand_over(profile.take_delta(MOST_RUNS));
        }
    }

    /// Stops writing to the file.
    fn end(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.finish();
        }
    }
}

/// A thread that writes the file.
#[derive(Debug)]
struct Periodic {
    shared: Arc<Shared>,
    deltas: Sender<(Instant, Delta)>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    busy: AtomicBool,
    over: AtomicBool,
}

impl Periodic {
    fn start(writer: Writer, tell: Tell) -> Periodic {
        let (deltas, incoming) = channel();
        Periodic {
            shared: Arc::clone(&writer.shared),
            deltas,
            thread: std::thread::spawn(move || writer.run(&incoming, tell)),
        }
    }

    fn is_idle(&self) -> bool {
        !self.shared.busy.load(Ordering::Acquire)
    }

    fn hand_over(&self, delta: Delta) {
        self.shared.busy.store(true, Ordering::Release);
        // If the thread has ended, the file is still written at the end of the recording.
        let _ = self.deltas.send((Instant::now(), delta));
    }

    /// Breaks off a write in progress, and waits until the thread has ended.
    fn finish(self) {
        self.shared.over.store(true, Ordering::Relaxed);
        drop(self.deltas);
        let _ = self.thread.join();
    }
}

struct Writer {
    shared: Arc<Shared>,
    control: Arc<Control>,
    output: Output,
    encode: Encode,
}

impl Writer {
    fn run(&self, deltas: &Receiver<(Instant, Delta)>, mut tell: Tell) {
        punctual::stand_back();
        let mut mirror = Mirror::default();
        let mut told = false;
        for (when, mut delta) in deltas {
            delta
                .recording
                .notes
                .push("Written while the recording was still going on.".to_owned());
            let result = self.write(mirror.update(delta), when);
            if let Err(error) = result
                && !told
                && !self.is_over()
            {
                told = true;
                tell(&self.output.name(), &error);
            }
            self.shared.busy.store(false, Ordering::Release);
        }
    }

    fn write(&self, profile: &Profile, when: Instant) -> io::Result<()> {
        let mut out = UntilOver {
            file: self.control.create(&self.output.destination)?,
            writer: self,
        };
        (self.encode)(profile, &mut out)?;
        out.check()?;
        let written = Written::SoFar(self.output.name(), when);
        self.control.commit(out.file, written)
    }

    fn is_over(&self) -> bool {
        self.shared.over.load(Ordering::Relaxed)
    }
}

/// A file to which writing fails once the recording is over, so that a write in progress breaks off.
struct UntilOver<'a> {
    file: OutputFile,
    writer: &'a Writer,
}

impl UntilOver<'_> {
    fn check(&self) -> io::Result<()> {
        match self.writer.is_over() {
            true => Err(io::ErrorKind::BrokenPipe.into()),
            false => Ok(()),
        }
    }
}

impl Write for UntilOver<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check()?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
