//! Messages during a recording: news and, on a terminal, a progress line.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{terminal, words};
use crate::model::{Nanos, Ticks};
use crate::record::{Event, Observer};

/// Writes from a thread of its own: a terminal that is suspended (^S) must not block the sampler.
#[derive(Debug)]
pub struct Progress {
    line: Line,
    /// Whether to say at the start what is recorded.
    announces: bool,
    shared: Arc<Shared>,
    news: Sender<News>,
    /// `None` once the thread has started.
    incoming: Mutex<Option<Receiver<News>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Whether there is a progress line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line {
    Hidden,
    Shown {
        /// The text before the rest of the line.
        prefix: String,
        /// The duration that was asked for.
        duration: Option<Duration>,
    },
}

impl Line {
    /// Shown if the terminal can redraw it, unless it is to be hidden.
    pub fn new(hidden: bool, prefix: &str, duration: Option<Duration>) -> Line {
        match hidden || !terminal::can_redraw() {
            true => Line::Hidden,
            false => Line::Shown {
                prefix: prefix.to_owned(),
                duration,
            },
        }
    }
}

#[derive(Debug)]
enum News {
    Text(String),
    Over,
}

#[derive(Debug, Default)]
struct Shared {
    begun: AtomicU64,
    now: AtomicU64,
    rounds: AtomicU64,
    samples: AtomicU64,
    unproven: AtomicU64,
    lost: AtomicU64,
}

impl Progress {
    #[must_use]
    pub fn new(line: Line, announces: bool) -> Progress {
        let (news, incoming) = channel();
        Progress {
            line,
            announces,
            shared: Arc::default(),
            news,
            incoming: Mutex::new(Some(incoming)),
            thread: Mutex::new(None),
        }
    }

    /// A function that shows messages from another thread.
    pub fn teller(&self) -> impl FnMut(&str) + Send + 'static {
        let news = self.news.clone();
        move |text| drop(news.send(News::Text(text.to_owned())))
    }

    /// Writes the remaining messages and removes the line.
    pub fn finish(self) {
        // An error changes nothing, since the thread only writes messages.
        let _ = self.news.send(News::Over);
        if let Some(thread) = unpoisoned(&self.thread).take() {
            let _ = thread.join();
        }
    }
}

/// These locks protect no state that could be left inconsistent.
fn unpoisoned<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Observer for Progress {
    fn begin(&self) {
        if let Some(incoming) = unpoisoned(&self.incoming).take() {
            let (drawn, line) = (Arc::clone(&self.shared), self.line.clone());
            let speaks = std::thread::spawn(move || speak(&drawn, &incoming, &line));
            *unpoisoned(&self.thread) = Some(speaks);
        }
    }

    fn event(&self, event: Event<'_>) {
        if let Event::Begins {
            recording,
            duration,
            ..
        } = event
            && self.announces
        {
            words::announce(recording, duration);
        }
        if let Some(text) = words::event(event) {
            // Sending fails only after the end, when nothing is shown any more.
            let _ = self.news.send(News::Text(text));
        }
    }

    fn ticked(&self, now: Nanos, ticks: &Ticks) {
        let set = |number: &AtomicU64, value| number.store(value, Ordering::Relaxed);
        if ticks.looks <= 1 {
            set(&self.shared.begun, now.0);
        }
        set(&self.shared.now, now.0);
        set(&self.shared.rounds, ticks.looks);
        set(&self.shared.samples, ticks.samples);
        set(&self.shared.unproven, ticks.unproven);
        set(&self.shared.lost, ticks.lost);
    }
}

fn speak(shared: &Shared, news: &Receiver<News>, line: &Line) {
    const PAUSE: Duration = Duration::from_millis(200);
    let Line::Shown { prefix, duration } = line else {
        while let Some(text) = news.recv().ok().and_then(News::text) {
            terminal::say(text);
        }
        return;
    };
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    loop {
        match news.recv_timeout(PAUSE).map(News::text) {
            Ok(Some(text)) => bar.suspend(|| terminal::say(text)),
            Ok(None) | Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        // There is nothing to show before a process is read.
        if shared.rounds.load(Ordering::Relaxed) > 0 {
            bar.set_message(format!("{prefix}{}", shared.line(*duration)));
            bar.tick();
        }
    }
    bar.finish_and_clear();
}

impl News {
    /// `None` for the end.
    fn text(self) -> Option<String> {
        match self {
            News::Text(text) => Some(text),
            News::Over => None,
        }
    }
}

impl Shared {
    fn line(&self, duration: Option<Duration>) -> String {
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let elapsed = Nanos(get(&self.now).saturating_sub(get(&self.begun))).as_secs_f64();
        let mut line = match duration {
            Some(duration) => format!("{elapsed:.0} of {} s", duration.as_secs_f64()),
            None => format!("{elapsed:.0} s"),
        };
        line += &format!(", {} samples", get(&self.samples));
        if elapsed >= 1.0 {
            line += &format!(", {:.0} looks a second", get(&self.rounds) as f64 / elapsed);
        }
        for (count, what) in [(get(&self.unproven), "unproven"), (get(&self.lost), "lost")] {
            if count > 0 {
                line += &format!(", {count} {what}");
            }
        }
        line
    }
}
