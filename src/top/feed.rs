//! Hands over what a recording sees, every so often, to a thread that shows it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::model::{GilState, Interner, Nanos, Sample, ThreadId, Ticks};
use crate::profile::{Delta, Profile, Recording};
use crate::record::{Control, Sink};
use crate::sampler::SoFar;
use crate::sys::linux::signals;

/// What a thread was seen doing: wall time that its samples stand for, and CPU time that it used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Activity {
    pub seen: Nanos,
    pub holds_gil: Nanos,
    /// Within a request or a task.
    pub at_work: Nanos,
    pub cpu: Nanos,
}

impl Activity {
    fn add(&mut self, sample: &Sample) {
        let add = |sum: &mut Nanos, more: Nanos| *sum = sum.saturating_add(more);
        add(&mut self.seen, sample.wall);
        add(&mut self.cpu, sample.cpu);
        if sample.gil == GilState::Holds {
            add(&mut self.holds_gil, sample.wall);
        }
        if sample.at_work {
            add(&mut self.at_work, sample.wall);
        }
    }
}

/// What was seen since the last update.
#[derive(Debug)]
pub struct Update {
    /// Time since the last update, or since the beginning.
    pub interval: Nanos,
    pub delta: Delta,
    pub activity: FxHashMap<ThreadId, Activity>,
}

/// What the showing thread is told.
#[derive(Debug)]
pub enum Message {
    /// The recording begins.
    Begins(Box<Recording>),
    Update(Box<Update>),
    /// Something about a process, in words for the user.
    News(String),
    Over,
}

#[derive(Debug, Default)]
struct Shared {
    /// Whether an update is waiting, or being shown.
    busy: AtomicBool,
    /// Whether what was counted is to be forgotten.
    forget: AtomicBool,
}

type Show = Box<dyn FnOnce(Incoming) -> io::Result<()> + Send>;

/// The sink. An update that falls due while the last one is still being shown waits for that, so what
/// waits does not grow.
pub struct Feed {
    every: Nanos,
    /// When the next update is due.
    due: Nanos,
    last: Nanos,
    activity: FxHashMap<ThreadId, Activity>,
    /// The state of the recording when all was forgotten for the last time.
    forgot: (Nanos, Ticks),
    shared: Arc<Shared>,
    control: Arc<Control>,
    messages: Sender<Message>,
    /// Until the thread is started.
    waiting: Option<(Receiver<Message>, Show)>,
    thread: Option<JoinHandle<io::Result<()>>>,
    result: io::Result<()>,
}

impl Feed {
    /// `show` is called in a thread of its own, and returns after [`Message::Over`]. If it returns or
    /// panics before, the recording is asked to end.
    #[must_use]
    pub fn new(
        every: Duration,
        control: &Arc<Control>,
        show: impl FnOnce(Incoming) -> io::Result<()> + Send + 'static,
    ) -> Feed {
        let (messages, receiver) = channel();
        let every = Nanos::from(every);
        Feed {
            every,
            due: every,
            last: Nanos::ZERO,
            activity: FxHashMap::default(),
            forgot: (Nanos::ZERO, Ticks::default()),
            shared: Arc::default(),
            control: Arc::clone(control),
            messages,
            waiting: Some((receiver, Box::new(show))),
            thread: None,
            result: Ok(()),
        }
    }

    /// For who has other things to tell the thread.
    #[must_use]
    pub fn messages(&self) -> Sender<Message> {
        self.messages.clone()
    }

    /// Why showing ended, if that was the reason for the end of the recording.
    ///
    /// # Errors
    /// When nothing more could be shown.
    pub fn result(self) -> io::Result<()> {
        self.result
    }
}

impl Sink for Feed {
    /// Starts the thread, before the sampler moves to the CPU of its target, since a thread may run on the
    /// CPUs of the thread that starts it.
    fn begin(&mut self) {
        let Some((receiver, show)) = self.waiting.take() else {
            return;
        };
        let incoming = Incoming {
            receiver,
            shared: Arc::clone(&self.shared),
        };
        let ends = EndsRecording(Arc::clone(&self.control));
        self.thread = Some(std::thread::spawn(move || {
            let _ends = ends;
            show(incoming)
        }));
        // The other thread is told when its window is resized; this one is not to be interrupted by it.
        signals::leave_resizing_to_others();
    }

    fn add(&mut self, sample: &Sample, _: &Interner) {
        self.activity.entry(sample.thread).or_default().add(sample);
    }

    fn looked(&mut self, so_far: &SoFar<'_>, profile: &mut Profile) {
        if so_far.duration < self.due || self.shared.busy.load(Ordering::Acquire) {
            return;
        }
        so_far.enter(&mut profile.recording);
        if self.shared.forget.swap(false, Ordering::Relaxed) && profile.forget().is_ok() {
            self.forgot = (profile.recording.duration, profile.recording.ticks);
        }
        self.due = so_far.duration.saturating_add(self.every);
        let mut delta = profile.take_delta(u64::MAX);
        describe_since(&mut delta.recording, self.forgot);
        let update = Update {
            interval: so_far.duration.saturating_sub(self.last),
            delta,
            activity: std::mem::take(&mut self.activity),
        };
        self.last = so_far.duration;
        self.shared.busy.store(true, Ordering::Release);
        // Nobody listens if the thread has ended, which has ended the recording, too.
        let _ = self.messages.send(Message::Update(Box::new(update)));
    }

    /// Waits until the thread has ended, and so has given the terminal back.
    fn end(&mut self) {
        let _ = self.messages.send(Message::Over);
        if let Some(thread) = self.thread.take() {
            self.result = thread
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the thread that draws has panicked")));
        }
    }
}

/// Makes a recording's description that of what came after `start`.
fn describe_since(recording: &mut Recording, (start, ticks): (Nanos, Ticks)) {
    let later = i64::try_from(start.0)
        .ok()
        .map(jiff::SignedDuration::from_nanos);
    if let Some(started) = later.and_then(|later| recording.started.checked_add(later).ok()) {
        recording.started = started;
    }
    recording.duration = recording.duration.saturating_sub(start);
    recording.ticks = recording.ticks.since(ticks);
}

/// Asks for the end of the recording when it is dropped: what nobody can see need not be recorded.
struct EndsRecording(Arc<Control>);

impl Drop for EndsRecording {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Where the showing thread gets its messages from.
#[derive(Debug)]
pub struct Incoming {
    receiver: Receiver<Message>,
    shared: Arc<Shared>,
}

impl Incoming {
    /// The next message, if there is one by now.
    #[must_use]
    pub fn try_next(&self) -> Option<Message> {
        match self.receiver.try_recv() {
            Ok(message) => Some(message),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Message::Over),
        }
    }

    /// The next message.
    #[must_use]
    pub fn next(&self) -> Message {
        self.receiver.recv().unwrap_or(Message::Over)
    }

    /// To be called when an update was shown: only then the next one is made.
    pub fn shown(&self) {
        self.shared.busy.store(false, Ordering::Release);
    }

    /// Has all that was counted forgotten with the next update.
    pub fn forget(&self) {
        self.shared.forget.store(true, Ordering::Relaxed);
    }
}
