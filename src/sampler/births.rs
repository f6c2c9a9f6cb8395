//! Which processes have been started below those that are recorded.
//!
//! Asking the kernel which id it gave last takes a microsecond; when that has moved on, only the ids
//! given since are looked at. So the cost depends on how many processes are started, not on how many
//! exist, and a child is known some milliseconds after its birth, without any privilege. What this
//! misses (many births at once, a parent that was not known), a look at all of `/proc` finds. That takes
//! milliseconds, which the sampling thread does not have, so another thread does it.

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
    /// Below the roots, which already ran before we came.
    Roots(Vec<Pid>),
    /// Below the root, which we started.
    Started {
        root: Pid,
    },
    /// Below ourselves: we started the root, and its orphans become our children.
    Ourselves {
        root: Pid,
    },
}

/// The births below some roots.
pub(super) struct Births {
    below: LookBelow,
    loadavg: Option<Loadavg>,
    /// The id that had been given last at the last call of `news`.
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

    /// Whether it is a root or another process whose children count as below the roots.
    fn is_top(&self, pid: Pid) -> bool {
        let is_us = || pid == Pid::ours();
        self.is_root(pid) || matches!(self.below, LookBelow::Ourselves { .. }) && is_us()
    }
}

/// Looks at all of `/proc` in a thread of its own, when it is asked to and a process was created since
/// its last look.
struct Scanner {
    ask: Sender<()>,
    /// `None`: no process was created.
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
                // Asked before the look, so that a process created during it leads to another look.
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

/// The process of that id, unless it has ended.
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
