//! The file of a recording that still goes on: it is brought up to date every few seconds, so that
//! who is killed leaves what was recorded. The sampler hands over what is new; a thread that gives way
//! to all others encodes and writes.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use super::control::{Control, Written};
use crate::model::{Interner, Nanos, Sample};
use crate::output::{self, Format, OutputError, RenderOptions};
use crate::profile::{Delta, Mirror, Profile};
use crate::sampler::{Sink, SoFar};
use crate::sys::linux::output_file::{Destination, OutputFile};
use crate::sys::linux::punctual;

/// Time between two handovers. One that falls due while the last is still being written is left out.
const INTERVAL: Nanos = Nanos(5_000_000_000);

/// Of a longer timeline, to write it anew every few seconds would cost more than it is worth.
const MOST_RUNS: u64 = 1_000_000;

/// Where the profile goes.
#[derive(Clone, Debug)]
pub struct KeptFile {
    pub destination: Arc<Destination>,
    /// For the user.
    pub name: String,
    /// One that keeps up to date.
    pub format: &'static dyn Format,
}

/// A profile that is recorded, and its file.
#[derive(Debug)]
pub struct KeptUpToDate<'a> {
    profile: &'a mut Profile,
    periodic: Option<Periodic>,
    due: Nanos,
}

impl KeptUpToDate<'_> {
    /// Without a writer nothing is written.
    #[must_use]
    pub fn new(profile: &mut Profile, periodic: Option<Periodic>) -> KeptUpToDate<'_> {
        KeptUpToDate {
            profile,
            periodic,
            due: INTERVAL,
        }
    }

    /// Leaves the file alone from now on.
    pub fn finish(self) {
        if let Some(periodic) = self.periodic {
            periodic.finish();
        }
    }
}

impl Sink for KeptUpToDate<'_> {
    fn interner(&mut self) -> &mut Interner {
        &mut self.profile.interner
    }

    fn add(&mut self, sample: &Sample) {
        self.profile.add(sample);
    }

    fn ticked(&mut self, so_far: &SoFar<'_>) {
        let Some(periodic) = &self.periodic else {
            return;
        };
        if so_far.duration < self.due || self.profile.is_empty() {
            return;
        }
        self.due = so_far.duration.saturating_add(INTERVAL);
        if periodic.is_idle() {
            so_far.enter(&mut self.profile.recording);
            periodic.hand_over(self.profile.take_delta(MOST_RUNS));
        }
    }
}

/// Writes in a thread of its own.
#[derive(Debug)]
pub struct Periodic {
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
    /// To be called before the sampler moves to the CPU of its target: a thread begins where the one
    /// that starts it may run.
    #[must_use]
    pub fn start(
        control: Arc<Control>,
        file: KeptFile,
        tell: Box<dyn FnMut(&str) + Send>,
    ) -> Periodic {
        let shared = Arc::<Shared>::default();
        let (deltas, incoming) = channel();
        let writer = Writer {
            shared: Arc::clone(&shared),
            control,
            file,
        };
        Periodic {
            shared,
            deltas,
            thread: std::thread::spawn(move || writer.run(&incoming, tell)),
        }
    }

    fn is_idle(&self) -> bool {
        !self.shared.busy.load(Ordering::Acquire)
    }

    fn hand_over(&self, delta: Delta) {
        self.shared.busy.store(true, Ordering::Release);
        // Should the thread have ended, the file is written at the end as ever.
        let _ = self.deltas.send((Instant::now(), delta));
    }

    /// Breaks off what is being written, and waits until nothing is.
    fn finish(self) {
        self.shared.over.store(true, Ordering::Relaxed);
        drop(self.deltas);
        let _ = self.thread.join();
    }
}

struct Writer {
    shared: Arc<Shared>,
    control: Arc<Control>,
    file: KeptFile,
}

impl Writer {
    fn run(&self, deltas: &Receiver<(Instant, Delta)>, mut tell: Box<dyn FnMut(&str) + Send>) {
        punctual::stand_back();
        let mut mirror = Mirror::default();
        let mut told = false;
        for (when, mut delta) in deltas {
            delta
                .recording
                .notes
                .push("Written while the recording was still going on.".to_owned());
            let profile = mirror.update(delta);
            let result = self.write(profile, when);
            if let Err(error) = result
                && !told
                && !self.is_over()
            {
                told = true;
                tell(&format!(
                    "{} could not be written for now: {error}. Recording goes on, and it is tried \
                     again",
                    self.file.name
                ));
            }
            self.shared.busy.store(false, Ordering::Release);
        }
    }

    fn write(&self, profile: &Profile, when: Instant) -> Result<(), OutputError> {
        let mut out = UntilOver {
            file: self.control.create(&self.file.destination)?,
            writer: self,
        };
        output::write(
            self.file.format,
            profile,
            &RenderOptions::default(),
            &mut out,
        )?;
        out.check()?;
        let written = Written::SoFar(self.file.name.clone(), when);
        Ok(self.control.commit(out.file, written)?)
    }

    fn is_over(&self) -> bool {
        self.shared.over.load(Ordering::Relaxed)
    }
}

/// A file whose writing fails once nobody waits for it any more.
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
