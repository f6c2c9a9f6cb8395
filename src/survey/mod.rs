//! Which Python processes there are, what each is for, and which of them is meant.

mod look;
mod pick;
mod role;

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use self::look::{evidence_outside, look};
pub use self::pick::{Choice, PickError, Wanted, pick};
use crate::cpython::locate::{Glances, LocateError};
use crate::engine::cpython::OpenError;
use crate::frameworks::{self, ServerProgram};
pub use crate::frameworks::{Role, RoleKind};
use crate::memory::LiveMemory;
use crate::model::{Pid, PythonVersion, TargetStr, Tid};
pub use crate::sys::linux::cgroup::Container;
use crate::sys::linux::{processes, sockets};
use crate::target::{Identity, OpenError as OpenProcessError, Process};

/// The stretch over which it is measured how busy a process is. A shorter one would not tell, since the
/// kernel counts in hundredths of a second.
const CPU_STRETCH: Duration = Duration::from_millis(200);

/// A Python process.
#[derive(Clone, Debug)]
pub struct Found {
    pub who: Identity,
    pub parent: Pid,
    pub command: Vec<TargetStr>,
    /// Real uid.
    pub user: Option<u32>,
    /// `None` where it may not be read, or has only just begun.
    pub python: Option<PythonVersion>,
    /// Whether it is a PyPy, which is listed and not read.
    pub is_pypy: bool,
    pub role: Option<Role>,
    /// TCP ports on which it listens, in order; `None` where that may not be known.
    pub ports: Option<Vec<u16>>,
    pub threads: usize,
    /// How many CPUs it keeps busy, measured over a fifth of a second.
    pub cpu: f64,
    pub container: Option<Container>,
    /// Whether it may not be read.
    pub refused: bool,
}

impl Found {
    fn new(process: &Process) -> Found {
        let status = process.status().ok();
        Found {
            who: process.identity(),
            parent: process.parent(),
            command: process.command().to_vec(),
            user: status.and_then(|status| Some(status.uids?[0])),
            python: None,
            is_pypy: false,
            role: None,
            ports: None,
            threads: process.living_threads(),
            cpu: 0.0,
            container: None,
            refused: false,
        }
    }

    #[must_use]
    pub fn pid(&self) -> Pid {
        self.who.pid
    }

    /// Finds out what it is for, either by a look `inside` or only from outside. Returns `false` when it
    /// turns out to be no Python, or to have ended.
    fn look(&mut self, inside: bool) -> bool {
        let process = Process::open(self.pid()).ok();
        let Some(process) = process.filter(|it| it.identity() == self.who) else {
            return false;
        };
        let outside = evidence_outside(&process).role();
        if !inside {
            self.role = outside;
            return true;
        }
        let is_named_so = process.is_named_python();
        match look(process) {
            Ok(look) => {
                self.python = Some(look.python);
                self.role = look.evidence.role();
                return true;
            }
            Err(OpenError::Locate(error)) => match error {
                LocateError::NotPython | LocateError::Gone => return false,
                // Only a program that is named Python is believed to be becoming one.
                LocateError::NotReady | LocateError::Finalized if !is_named_so => return false,
                LocateError::PermissionDenied => self.refused = true,
                LocateError::PyPy => self.is_pypy = true,
                _ => {}
            },
            Err(OpenError::Layout(_)) => {}
        }
        self.role = outside;
        true
    }

    /// Whether it runs that program, by the name of its executable.
    fn runs(&self, program: &ServerProgram) -> bool {
        let path = self.command.first().map_or("", TargetStr::untrusted);
        program.is_run_by(path)
    }

    /// Whether it has a role of this kind.
    #[must_use]
    pub fn is_a(&self, kind: RoleKind) -> bool {
        self.role.is_some_and(|role| role.kind == kind)
    }
}

/// All Python processes that can be seen, parents before their children.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    pub found: Vec<Found>,
    parents: FxHashMap<Pid, Pid>,
}

/// The CPU time that a process had used at some moment, to tell later how busy it was.
struct Busy {
    at: Instant,
    ticks: u64,
}

impl Survey {
    /// Looks at all processes but our own. Takes a fifth of a second, and some milliseconds for each
    /// Python.
    #[must_use]
    pub fn take() -> Survey {
        let mut survey = Survey::glance(&processes::pids());
        survey.describe();
        let busy: Vec<_> = survey.found.iter().map(Busy::now).collect();
        let began = Instant::now();
        let looks: Vec<bool> = survey.found.iter_mut().map(|it| it.look(true)).collect();
        std::thread::sleep(CPU_STRETCH.saturating_sub(began.elapsed()));
        for (found, before) in survey.found.iter_mut().zip(busy) {
            found.cpu = before.map_or(0.0, |before| before.share(found));
        }
        let mut looks = looks.into_iter();
        survey.found.retain(|_| looks.next().unwrap_or(true));
        survey.tell_roles_by_parents();
        survey
    }

    /// All Python processes, without measuring how busy they are. Only those that are wanted, and the
    /// closest Python above each of them, are looked into.
    #[must_use]
    pub fn for_target(wanted: &Wanted) -> Survey {
        let mut survey = Survey::glance(&processes::pids());
        survey.describe();
        let fitting = survey.found.iter().filter(|found| wanted.fits(found));
        let closest: Vec<Pid> = fitting
            .flat_map(|found| [Some(found.pid()), survey.above(found).map(Found::pid)])
            .flatten()
            .collect();
        let found = &mut survey.found;
        found.retain_mut(|found| found.look(closest.contains(&found.pid())));
        survey.tell_roles_by_parents();
        survey
    }

    /// Some processes with their autoreloaders and their children, which may be recorded in their place.
    /// If there are no such relatives, the survey is empty and quick: it looks at command lines only.
    #[must_use]
    pub fn with_relatives(pids: &[Pid]) -> Survey {
        let mut relatives: Vec<Pid> = Vec::new();
        for pid in pids {
            let Ok(process) = Process::open(*pid) else {
                continue;
            };
            let parent = Process::open(process.parent()).ok();
            let parent = parent.filter(|parent| may_reload(parent, &process));
            relatives.extend(parent.map(|parent| parent.pid()));
            relatives.extend(process.children());
        }
        if relatives.is_empty() {
            return Survey::default();
        }
        let mut all = [pids, &relatives].concat();
        all.sort_unstable();
        all.dedup();
        let mut survey = Survey::glance(&all);
        survey.found.retain_mut(|found| {
            let is_child = pids.contains(&found.parent) && !pids.contains(&found.pid());
            found.look(!is_child)
        });
        survey.tell_roles_by_parents();
        survey
    }

    #[cfg(test)]
    fn made_of(found: Vec<Found>) -> Survey {
        let parents = found.iter().map(|found| (found.pid(), found.parent));
        Survey {
            parents: parents.collect(),
            found,
        }
    }

    /// The Python processes among these, as far as a glance tells.
    fn glance(pids: &[Pid]) -> Survey {
        let mut survey = Survey::default();
        let mut glances = Glances::default();
        for &pid in pids.iter().filter(|pid| **pid != Pid::ours()) {
            let Ok(process) = Process::open(pid) else {
                continue;
            };
            survey.parents.insert(pid, process.parent());
            if is_python(&process, &mut glances) {
                survey.found.push(Found::new(&process));
            }
        }
        survey.order();
        survey
    }

    /// Finds out on which ports they listen, and in which containers they run.
    fn describe(&mut self) {
        let mut tables: FxHashMap<u64, FxHashMap<u64, u16>> = FxHashMap::default();
        for found in &mut self.found {
            let pid = found.pid();
            let way_in = processes::way_in(pid);
            let listening = sockets::network_of(way_in).map(|network| {
                tables
                    .entry(network)
                    .or_insert_with(|| sockets::listening(way_in))
            });
            found.ports = listening.and_then(|listening| ports_of(way_in, listening));
            found.container = Container::of(pid);
        }
    }

    /// Sets the roles that only show in which process started which.
    fn tell_roles_by_parents(&mut self) {
        let programs = frameworks::ALL.iter();
        for program in programs.filter_map(|framework| framework.program.as_ref()) {
            self.tell_roles_of(program);
        }
    }

    fn tell_roles_of(&mut self, program: &ServerProgram) {
        let alike = self.found.iter().filter(|found| found.runs(program));
        let alike: Vec<(Pid, Pid)> = alike.map(|found| (found.pid(), found.parent)).collect();
        for found in &mut self.found {
            if found.role.is_none() && found.runs(program) {
                let has_parent = alike.iter().any(|(pid, _)| *pid == found.parent);
                let has_children = alike.iter().any(|(_, parent)| *parent == found.pid());
                found.role = Some(match (has_parent, has_children) {
                    (true, _) => program.worker,
                    (false, true) => program.master,
                    (false, false) => program.alone,
                });
            }
        }
    }

    /// Sorts the processes: parents first, each followed by all below it; siblings by age.
    fn order(&mut self) {
        let ages = self
            .found
            .iter()
            .map(|found| (found.pid(), found.who.started));
        let ages: FxHashMap<Pid, u64> = ages.collect();
        let mut found = std::mem::take(&mut self.found);
        // The key is the line of Pythons from the topmost one above a process down to itself.
        found.sort_by_cached_key(|found| {
            let up = self.up_from(found.pid());
            let mut line: Vec<_> = up.filter_map(|pid| Some((*ages.get(&pid)?, pid))).collect();
            line.reverse();
            line
        });
        self.found = found;
    }

    /// A process, its parent and so on. The length is limited, since parents that were read at different
    /// moments may form a cycle.
    fn up_from(&self, pid: Pid) -> impl Iterator<Item = Pid> + '_ {
        std::iter::successors(Some(pid), |pid| self.parents.get(pid).copied()).take(256)
    }

    /// The closest Python above a process.
    #[must_use]
    pub fn above(&self, found: &Found) -> Option<&Found> {
        self.up_from(found.parent).find_map(|pid| self.get(pid))
    }

    #[must_use]
    pub fn get(&self, pid: Pid) -> Option<&Found> {
        self.found.iter().find(|found| found.pid() == pid)
    }

    /// Whether a process is below another, or is it.
    #[must_use]
    pub fn is_within(&self, pid: Pid, top: Pid) -> bool {
        self.up_from(pid).any(|above| above == top)
    }
}

impl Busy {
    fn now(found: &Found) -> Option<Busy> {
        let stat = crate::target::Stat::of_process(found.pid())?;
        Some(Busy {
            at: Instant::now(),
            ticks: stat.used,
        })
    }

    fn share(&self, found: &Found) -> f64 {
        // USER_HZ of the kernel, which is 100 on almost every architecture, x86-64 and ARM among them.
        const TICKS_A_SECOND: f64 = 100.0;
        let Some(now) = Busy::now(found) else {
            return 0.0;
        };
        let seconds = now.at.duration_since(self.at).as_secs_f64();
        now.ticks.saturating_sub(self.ticks) as f64 / TICKS_A_SECOND / seconds.max(0.001)
    }
}

/// Why no process was found.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum FindError {
    #[error(transparent)]
    Pick(#[from] PickError),
    /// A process that was named by its id cannot be opened.
    #[error("process {pid}: {source}")]
    Open { pid: Pid, source: OpenProcessError },
}

/// Finds the processes that are meant.
///
/// # Errors
/// When no process matches, or several do where one is meant, or when a process that was named by its id
/// cannot be opened.
///
/// ```no_run
/// let target = spyhole::find(&spyhole::Wanted::Port(8000))?;
/// println!("{:?}", target.roots);
/// # Ok::<(), spyhole::FindError>(())
/// ```
pub fn find(wanted: &Wanted) -> Result<Choice, FindError> {
    let survey = match wanted {
        Wanted::Pids(pids) => Survey::with_relatives(pids),
        _ => Survey::for_target(wanted),
    };
    let mut choice = pick(&survey, wanted)?;
    if let Wanted::Pids(pids) = wanted {
        // A process that is no Python yet, or that may not be read, is not in the survey: opening it
        // tells whether it exists.
        for &pid in pids.iter().filter(|pid| survey.get(**pid).is_none()) {
            let process = Process::open(pid).map_err(|source| FindError::Open { pid, source })?;
            if !choice.roots.contains(&process.identity()) {
                choice.roots.push(process.identity());
            }
        }
    }
    Ok(choice)
}

/// What a process is for, as far as that shows without a look inside. Works from its start on.
#[must_use]
pub fn role_outside(process: &Process) -> Option<Role> {
    evidence_outside(process).role()
}

/// What a process is for, by a look inside.
///
/// # Errors
/// As [`cpython::open`](crate::engine::cpython::open).
pub fn role_inside(process: Process) -> Result<Option<Role>, OpenError> {
    Ok(look(process)?.evidence.role())
}

/// Whether a process may be the autoreloader of its child, as far as their command lines tell.
fn may_reload(parent: &Process, child: &Process) -> bool {
    let words = frameworks::ALL.iter();
    let mut words = words.flat_map(|framework| framework.reload_child_words);
    let command = TargetStr::joined(child.command());
    parent.command() == child.command() || words.any(|word| command.contains(word))
}

/// Whether a process is a Python, as far as a glance at its memory tells or, where that may not be read,
/// the names of its files.
pub fn is_python(process: &Process, glances: &mut Glances) -> bool {
    // A kernel thread.
    if process.executable().is_none() && process.command().is_empty() {
        return false;
    }
    let seen = glances.has_python(process, &mut LiveMemory::new(process.pid()));
    seen.unwrap_or_else(|| process.looks_like_python())
}

fn ports_of(tid: Tid, listening: &FxHashMap<u64, u16>) -> Option<Vec<u16>> {
    let sockets = sockets::open_sockets(tid).ok()?;
    let mut ports: Vec<_> = sockets
        .iter()
        .filter_map(|inode| listening.get(inode).copied())
        .collect();
    ports.sort_unstable();
    ports.dedup();
    Some(ports)
}
