//! What is said while a recording goes on: news and, on a terminal, a line that lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::control::Control;
use super::{explain, terminal};
use crate::model::{Nanos, Pid, Ticks};
use crate::sampler::Watch;

/// Speaks in a thread of its own: a terminal that is held (^S) must not hold the sampler.
#[derive(Debug)]
pub struct Progress {
    shared: Arc<Shared>,
    news: Sender<News>,
    thread: JoinHandle<()>,
}

/// Whether there is a line that is redrawn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line {
    Hidden,
    Shown {
        /// What stands before the rest.
        prefix: String,
        /// What was asked for.
        duration: Option<Duration>,
    },
}

#[derive(Debug)]
enum News {
    Text(String),
    /// Threads of this process may not be paused; why is found out by who tells it.
    PauseRefused(Pid),
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
    /// Begins to speak.
    #[must_use]
    pub fn start(line: Line) -> Progress {
        let shared = Arc::<Shared>::default();
        let (news, incoming) = channel();
        let drawn = Arc::clone(&shared);
        Progress {
            shared,
            news,
            thread: std::thread::spawn(move || speak(&drawn, &incoming, &line)),
        }
    }

    /// Passes on what the sampler says.
    #[must_use]
    pub fn watch<'a>(&self, control: &'a Control) -> Watcher<'a> {
        Watcher {
            control,
            shared: Arc::clone(&self.shared),
            news: self.news.clone(),
        }
    }

    /// Something that tells the user a sentence at a time.
    #[must_use]
    pub fn teller(&self) -> Box<dyn FnMut(&str) + Send> {
        let news = self.news.clone();
        Box::new(move |text| drop(news.send(News::Text(text.to_owned()))))
    }

    /// Says what is still to be said and takes the line away.
    pub fn finish(self) {
        // It only speaks: how it ended changes nothing.
        let _ = self.news.send(News::Over);
        let _ = self.thread.join();
    }
}

/// The sampler's view of us.
#[derive(Debug)]
pub struct Watcher<'a> {
    control: &'a Control,
    shared: Arc<Shared>,
    news: Sender<News>,
}

impl Watch for Watcher<'_> {
    fn asked_to_stop(&mut self) -> bool {
        self.control.asked_to_stop()
    }

    fn ticked(&mut self, now: Nanos, ticks: &Ticks) {
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

    fn pause_refused(&mut self, pid: Pid) {
        // Nobody listens any more once all is over.
        let _ = self.news.send(News::PauseRefused(pid));
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
        // Nothing to tell before there is a process to look at.
        if shared.rounds.load(Ordering::Relaxed) > 0 {
            bar.set_message(format!("{prefix}{}", shared.line(*duration)));
            bar.tick();
        }
    }
    bar.finish_and_clear();
}

impl News {
    /// `None` when all has been said.
    fn text(self) -> Option<String> {
        match self {
            News::Text(text) => Some(text),
            News::PauseRefused(pid) => Some(explain::not_pausing(pid)),
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
