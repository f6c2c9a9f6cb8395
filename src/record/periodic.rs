//! The file of a recording that still goes on: it is brought up to date every few seconds, so that
//! little is lost if we are killed, or when someone asks for it. The sampler hands over what is new; a
//! thread of the lowest priority encodes and writes it.

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

/// A timeline with more runs than this is left out of the file until the end, unless someone asks:
/// writing it anew every few seconds would cost more than it is worth.
const MOST_RUNS: u64 = 1_000_000;

/// When the file is brought up to date.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Updates {
    /// Every few seconds, and when someone asks for it.
    Regularly,
    /// When someone asks for it ([`Control::want_so_far`]).
    WhenAsked,
}

/// What became of a file that is not the last one.
#[derive(Debug)]
pub enum Telling<'a> {
    /// It was written, as someone had asked.
    Written,
    /// Nothing was sampled yet, so there is nothing to write.
    NothingYet,
    /// The output is a pipe or a device, which gets the recording at the end, and once.
    NotAFile,
    /// It could not be written. Of the updates that nobody asked for, only the first that fails is told.
    Failed(&'a io::Error),
}

/// Writes a profile in some format.
pub type Encode = Box<dyn Fn(&Profile, &mut dyn Write) -> io::Result<()> + Send>;

/// A file that holds the profile as it was a few seconds ago, or when someone asked for it.
pub struct PeriodicFile {
    output: Output,
    control: Arc<Control>,
    /// What encodes the profile, and what is called if writing fails; taken when writing begins.
    waiting: Option<(Encode, Tell)>,
    writer: Option<Periodic>,
    /// When the next update is due by itself.
    due: Option<Nanos>,
    /// Whether someone asked, and nothing was handed over yet.
    asked: bool,
}

type Tell = Box<dyn FnMut(&OutputName, Telling<'_>) + Send>;

impl PeriodicFile {
    /// `tell` is called in another thread.
    #[must_use]
    pub fn new(
        output: Output,
        updates: Updates,
        encode: Encode,
        control: &Arc<Control>,
        tell: impl FnMut(&OutputName, Telling<'_>) + Send + 'static,
    ) -> PeriodicFile {
        PeriodicFile {
            output,
            control: Arc::clone(control),
            waiting: Some((encode, Box::new(tell))),
            writer: None,
            due: match updates {
                Updates::Regularly => Some(INTERVAL),
                Updates::WhenAsked => None,
            },
            asked: false,
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
        self.asked |= self.control.take_wanted();
        let is_due = self.due.is_some_and(|due| so_far.duration >= due);
        if !(is_due && !profile.is_empty() || self.asked) {
            return;
        }
        if let Some(due) = self.due.as_mut().filter(|_| is_due) {
            *due = so_far.duration.saturating_add(INTERVAL);
        }
        if !writer.is_idle() {
            return;
        }
        let asked = std::mem::take(&mut self.asked);
        if asked && !self.output.is_regular() {
            writer.hand_over(Work::Tell(Telling::NotAFile));
            return;
        }
        if profile.is_empty() {
            writer.hand_over(Work::Tell(Telling::NothingYet));
            return;
        }
        so_far.enter(&mut profile.recording);
        writer.hand_over(Work::Write {
            when: Instant::now(),
            delta: Box::new(profile.take_delta(if asked { u64::MAX } else { MOST_RUNS })),
            asked,
        });
    }

    /// Stops writing to the file.
    fn end(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.finish();
        }
    }
}

/// What the sampler hands over.
#[derive(Debug)]
enum Work {
    Write {
        when: Instant,
        delta: Box<Delta>,
        asked: bool,
    },
    Tell(Telling<'static>),
}

/// A thread that writes the file.
#[derive(Debug)]
struct Periodic {
    shared: Arc<Shared>,
    work: Sender<Work>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    busy: AtomicBool,
    over: AtomicBool,
}

impl Periodic {
    fn start(writer: Writer, tell: Tell) -> Periodic {
        let (work, incoming) = channel();
        Periodic {
            shared: Arc::clone(&writer.shared),
            work,
            thread: std::thread::spawn(move || writer.run(&incoming, tell)),
        }
    }

    fn is_idle(&self) -> bool {
        !self.shared.busy.load(Ordering::Acquire)
    }

    fn hand_over(&self, work: Work) {
        self.shared.busy.store(true, Ordering::Release);
        // If the thread has ended, the file is still written at the end of the recording.
        let _ = self.work.send(work);
    }

    /// Breaks off a write in progress, and waits until the thread has ended.
    fn finish(self) {
        self.shared.over.store(true, Ordering::Relaxed);
        drop(self.work);
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
    fn run(&self, work: &Receiver<Work>, mut tell: Tell) {
        punctual::stand_back();
        let mut mirror = Mirror::default();
        let mut told = false;
        for work in work {
            match work {
                Work::Tell(telling) => tell(&self.output.name(), telling),
                Work::Write {
                    when,
                    mut delta,
                    asked,
                } => {
                    delta
                        .recording
                        .notes
                        .push("Written while the recording was still going on.".to_owned());
                    let result = self.write(mirror.update(*delta), when);
                    match result {
                        Ok(()) if asked => tell(&self.output.name(), Telling::Written),
                        Ok(()) => {}
                        Err(_) if self.is_over() || (told && !asked) => {}
                        Err(error) => {
                            told |= !asked;
                            tell(&self.output.name(), Telling::Failed(&error));
                        }
                    }
                }
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
