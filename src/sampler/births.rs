//! Which processes have begun below those that are recorded.
//!
//! The kernel says which id it gave last, in a microsecond; when that has moved on, only the ids that
//! it gave since are looked at. So the cost follows what begins and not what exists, and a child is
//! known some milliseconds after its birth, without any privilege. What that misses, since its parent
//! had ended by then, a look at all of `/proc` finds, which takes milliseconds that the thread that
//! ticks does not have.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rustc_hash::FxHashSet;

use super::world::{Descendant, Descendants};
use crate::model::Pid;
use crate::sys::linux::loadavg::Loadavg;
use crate::sys::linux::processes;
use crate::target::{Identity, Stat, Status};

/// Time between two looks at all of `/proc`.
const WHOLE_LOOKS: Duration = Duration::from_millis(100);
/// More new ids than this are left to a look at all.
const MANY: i32 = 128;

/// Where to look for processes below those that are recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LookBelow {
    Nowhere,
    /// Below the roots, which were there before us.
    Roots(Vec<Pid>),
    /// Below the root, which we started.
    Started {
        root: Pid,
    },
    /// Below ourselves: we started the root, and what it leaves behind falls to us.
    Ourselves {
        root: Pid,
    },
}

/// The births below some roots.
pub(super) struct Births {
    below: LookBelow,
    loadavg: Option<Loadavg>,
    /// The id given last, when that was asked.
    newest: Option<Pid>,
    /// All that are known to be below the roots.
    known: FxHashSet<Pid>,
    scanner: Scanner,
    scanned: Instant,
}

impl Births {
    pub fn new(below: LookBelow) -> Births {
        let loadavg = Loadavg::open().ok();
        Births {
            newest: None,
            known: FxHashSet::default(),
            scanner: Scanner::start(below.clone()),
            // At once.
            scanned: Instant::now() - WHOLE_LOOKS,
            below,
            loadavg,
        }
    }

    pub fn is_root(&self, pid: Pid) -> bool {
        match &self.below {
            LookBelow::Nowhere => true,
            LookBelow::Roots(roots) => roots.contains(&pid),
            LookBelow::Started { root } | LookBelow::Ourselves { root } => *root == pid,
        }
    }

    /// What is new since the last time.
    pub fn news(&mut self) -> Option<Descendants> {
        if self.scanned.elapsed() >= WHOLE_LOOKS {
            self.scanned = Instant::now();
            self.scanner.ask();
        }
        if let Some(present) = self.scanner.answer() {
            self.known = present.iter().map(|it| it.who.pid).collect();
            return Some(Descendants::All(present));
        }
        let newest = self.loadavg.as_ref().and_then(Loadavg::now)?.newest;
        let before = self.newest.replace(newest)?;
        let given = (before.0 + 1)..=newest.0;
        if newest.0 <= before.0 || newest.0 - before.0 > MANY {
            return None;
        }
        let born: Vec<_> = given.filter_map(|pid| self.descendant(Pid(pid))).collect();
        (!born.is_empty()).then_some(Descendants::Born(born))
    }

    /// The process of that id, if it is a process and below the roots.
    fn descendant(&mut self, pid: Pid) -> Option<Descendant> {
        let status = Status::of_process(pid).ok()?;
        let parent = status.parent.filter(|_| status.tgid == Some(pid))?;
        let is_ours = self.known.contains(&parent) || self.is_top(parent);
        if !is_ours || self.is_root(pid) {
            return None;
        }
        let descendant = living(pid, parent)?;
        self.known.insert(pid);
        Some(descendant)
    }

    /// Whether what it starts is below the roots.
    fn is_top(&self, pid: Pid) -> bool {
        let is_us = || pid == Pid::ours();
        self.is_root(pid) || matches!(self.below, LookBelow::Ourselves { .. }) && is_us()
    }
}

/// Looks at all of `/proc`. It looks when it is asked to, and a process was made since it last did, and
/// gives the answer when it has one.
struct Scanner {
    ask: Sender<()>,
    /// `None`: no process was made.
    answers: Receiver<Option<Vec<Descendant>>>,
    asked: bool,
}

impl Scanner {
    fn start(below: LookBelow) -> Scanner {
        let (ask, questions) = channel();
        let (answer, answers) = channel();
        // Ends when the other ends of its channels are dropped.
        std::thread::spawn(move || {
            let loadavg = Loadavg::open().ok();
            let mut seen = None;
            while questions.recv().is_ok() {
                // Asked before the look, so that one made during it is looked for again.
                let newest = loadavg
                    .as_ref()
                    .and_then(Loadavg::now)
                    .map(|load| load.newest);
                let news = (newest.is_none() || newest != seen).then(|| scan(&below));
                seen = newest;
                if answer.send(news).is_err() {
                    break;
                }
            }
        });
        Scanner {
            ask,
            answers,
            asked: false,
        }
    }

    fn ask(&mut self) {
        if !self.asked {
            self.asked = self.ask.send(()).is_ok();
        }
    }

    fn answer(&mut self) -> Option<Vec<Descendant>> {
        let answer = self.answers.try_recv().ok()?;
        self.asked = false;
        answer
    }
}

fn scan(below: &LookBelow) -> Vec<Descendant> {
    let (tops, left_out) = match below {
        LookBelow::Nowhere => return Vec::new(),
        LookBelow::Roots(roots) => (roots.clone(), roots.clone()),
        LookBelow::Started { root } => (vec![*root], vec![*root]),
        LookBelow::Ourselves { root } => (vec![Pid::ours()], vec![*root]),
    };
    let mut found: Vec<Descendant> = Vec::new();
    for top in tops {
        for (pid, parent) in processes::descendants(top) {
            let is_known = found.iter().any(|it| it.who.pid == pid);
            if !is_known && !left_out.contains(&pid) {
                found.extend(living(pid, parent));
            }
        }
    }
    found
}

/// A process that has not ended.
fn living(pid: Pid, parent: Pid) -> Option<Descendant> {
    let started = Stat::of_process(pid)?.started;
    if processes::has_ended(pid) {
        return None;
    }
    Some(Descendant {
        who: Identity { pid, started },
        parent,
    })
}
