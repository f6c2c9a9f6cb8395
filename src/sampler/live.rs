//! The processes of this machine.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use super::births::{Births, LookBelow};
use super::world::{Kin, Refusal, RefusalKind, World};
use crate::cpython::locate::LocateError;
use crate::engine::cpython;
use crate::engine::pyspy::PySpyEngine;
use crate::engine::{Engine, EngineOptions, Several};
use crate::model::{Interner, Pid, ProcessId};
use crate::survey::{self, Duty};
use crate::target::{Identity, OpenError, Process, Standing};

/// How long a Python may take to tell its version.
const VERSION_PATIENCE: Duration = Duration::from_secs(1);

/// So long the command line of an autoreloader is believed.
const DOUBTED_AFTER: Duration = Duration::from_secs(3);

/// Which engine reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EngineChoice {
    /// Ours, and py-spy for a Python that ours does not know.
    #[default]
    Auto,
    Cpython,
    PySpy,
}

/// The processes of this machine.
pub struct LiveWorld {
    choice: EngineChoice,
    options: EngineOptions,
    births: Option<Births>,
    /// Processes that are meant by their children.
    passed_over: Vec<Identity>,
    /// Whether we started the root, and have to find out what it is for.
    started: bool,
    /// Since when one is passed over for what its command line says.
    doubted: FxHashMap<Identity, Instant>,
    /// Processes that are not open, to tell when they end or exec.
    watched: FxHashMap<Identity, (Process, u64)>,
    /// Since when the version of a Python could not be told.
    versionless: FxHashMap<Identity, Instant>,
    /// Tells the user something, a sentence at a time.
    tell: Box<dyn FnMut(&str)>,
    told: Vec<String>,
    /// To be done when the first process is open.
    on_first_open: Option<Box<dyn FnOnce()>>,
}

impl LiveWorld {
    /// `tell` is given what the user should know, a sentence at a time.
    #[must_use]
    pub fn new(
        choice: EngineChoice,
        options: EngineOptions,
        below: LookBelow,
        passed_over: Vec<Identity>,
        tell: Box<dyn FnMut(&str)>,
    ) -> LiveWorld {
        LiveWorld {
            choice,
            options,
            started: matches!(below, LookBelow::Ourselves { .. }),
            births: (below != LookBelow::Nowhere).then(|| Births::new(below)),
            passed_over,
            doubted: FxHashMap::default(),
            watched: FxHashMap::default(),
            versionless: FxHashMap::default(),
            tell,
            told: Vec::new(),
            on_first_open: None,
        }
    }

    /// What to do once the first process is open, and not where none can be.
    pub fn on_first_open(&mut self, act: impl FnOnce() + 'static) {
        self.on_first_open = Some(Box::new(act));
    }

    fn open_with_choice(
        &mut self,
        who: Identity,
        parent: Option<ProcessId>,
        interner: &mut Interner,
    ) -> Result<Box<dyn Engine>, Refusal> {
        let process = open_process(who)?;
        if self.is_passed_over(&process) {
            return Err(Refusal {
                kind: RefusalKind::PassedOver,
                error: anyhow::anyhow!("it is recorded by its children"),
            });
        }
        if self.choice == EngineChoice::PySpy {
            return open_py_spy(process, parent, self.options, interner);
        }
        match cpython::open_each(process, parent, self.options, interner) {
            Ok(engines) => {
                self.versionless.remove(&who);
                let engine = Several::new(engines).ok_or_else(|| Refusal {
                    kind: RefusalKind::NotPython,
                    error: cpython::OpenError::from(LocateError::NotPython).into(),
                })?;
                let pythons: Vec<String> = engine.pythons().map(|it| it.to_string()).collect();
                if pythons.len() > 1 {
                    let pythons = pythons.join(" and ");
                    self.tell_once(
                        who.pid,
                        &format!("several Pythons are loaded, {pythons}: each is recorded"),
                    );
                }
                Ok(Box::new(engine))
            }
            Err(error) if self.may_be_early(who, &error) => Err(Refusal {
                kind: RefusalKind::NotYet,
                error: error.into(),
            }),
            // Between an exec and the loading of its library a Python does not show.
            Err(cpython::OpenError::Locate(LocateError::NotPython))
                if open_process(who)?.looks_like_python() =>
            {
                Err(Refusal {
                    kind: RefusalKind::NotYet,
                    error: cpython::OpenError::from(LocateError::NotPython).into(),
                })
            }
            Err(error) if self.choice == EngineChoice::Auto && is_unknown_version(&error) => {
                let process = open_process(who)?;
                let engine = open_py_spy(process, parent, self.options, interner)?;
                self.tell_once(who.pid, &format!("{error}; py-spy's engine reads it"));
                Ok(engine)
            }
            Err(error) => Err(Refusal {
                kind: kind_of(&error),
                error: error.into(),
            }),
        }
    }
}

impl LiveWorld {
    /// Whether a process is meant by its children, or helps others.
    fn is_passed_over(&mut self, process: &Process) -> bool {
        let who = process.identity();
        if self.passed_over.contains(&who) {
            return true;
        }
        let is_root = self
            .births
            .as_ref()
            .is_none_or(|births| births.is_root(who.pid));
        match survey::role_outside(process).map(|role| role.duty) {
            Some(Duty::Helps) => !is_root,
            // Its command line is all that it shows at its start. Later a look tells for sure.
            Some(Duty::Reloads) if self.started => {
                let since = *self.doubted.entry(who).or_insert_with(Instant::now);
                let reloads = since.elapsed() < DOUBTED_AFTER || reloads(who);
                if reloads {
                    self.tell_once(
                        who.pid,
                        "an autoreloader: what it starts is recorded, and each that it starts anew",
                    );
                }
                reloads
            }
            _ => false,
        }
    }

    /// Whether a Python is without a version because it has only begun: up to 3.10 the text that
    /// tells it is made some milliseconds after the interpreter.
    fn may_be_early(&mut self, who: Identity, error: &cpython::OpenError) -> bool {
        let no_version = matches!(
            error,
            cpython::OpenError::Locate(LocateError::UnknownVersion { .. })
        );
        no_version && {
            let since = self.versionless.entry(who).or_insert_with(Instant::now);
            since.elapsed() < VERSION_PATIENCE
        }
    }

    /// Once for a thousand workers of which the same is to be said.
    fn tell_once(&mut self, pid: Pid, what: &str) {
        if !self.told.iter().any(|told| told == what) {
            (self.tell)(&format!("Process {pid}: {what}"));
            self.told.push(what.to_owned());
        }
    }
}

/// Whether another engine may know what ours does not.
fn is_unknown_version(error: &cpython::OpenError) -> bool {
    use LocateError::{UnknownVersion, UnsupportedVersion};
    match error {
        cpython::OpenError::Layout(_) => true,
        cpython::OpenError::Locate(error) => {
            matches!(error, UnknownVersion { .. } | UnsupportedVersion { .. })
        }
    }
}

fn kind_of(error: &cpython::OpenError) -> RefusalKind {
    match error {
        cpython::OpenError::Layout(_) => RefusalKind::Never,
        cpython::OpenError::Locate(error) => match error {
            // What it starts may be a CPython.
            LocateError::NotPython | LocateError::PyPy => RefusalKind::NotPython,
            LocateError::NotReady
            | LocateError::Finalized
            | LocateError::Replaced
            | LocateError::Unreadable(_) => RefusalKind::NotYet,
            LocateError::Gone => RefusalKind::Gone,
            _ => RefusalKind::Never,
        },
    }
}

impl World for LiveWorld {
    fn open(
        &mut self,
        who: Identity,
        parent: Option<ProcessId>,
        interner: &mut Interner,
    ) -> Result<Box<dyn Engine>, Refusal> {
        let opened = self.open_with_choice(who, parent, interner);
        match &opened {
            Ok(_) => {
                self.watched.remove(&who);
                if let Some(act) = self.on_first_open.take() {
                    act();
                }
            }
            // One of those below; what is to be said of the root is said by who named it.
            Err(refusal) if refusal.kind == RefusalKind::Never && parent.is_some() => {
                self.tell_once(who.pid, &format!("not recorded: {:#}", refusal.error));
            }
            Err(_) => {}
        }
        opened
    }

    fn duty(&mut self, who: Identity) -> Option<Duty> {
        let process = open_process(who).ok()?;
        if process.children().is_empty() {
            return None;
        }
        let role = survey::role_inside(process).ok()??;
        match role.duty {
            Duty::Reloads => {
                self.passed_over.push(who);
                let what = "what it starts is recorded from now on, and each that it starts anew";
                self.tell_once(who.pid, &format!("a {}: {what}", role.name));
            }
            Duty::Leads => {
                let what = "what it starts is recorded, too";
                self.tell_once(who.pid, &format!("a {}: {what}", role.name));
            }
            Duty::Works | Duty::Helps => {}
        }
        Some(role.duty)
    }

    fn program(&mut self, who: Identity) -> Option<u64> {
        let generation = match self.watched.get(&who) {
            None => 0,
            Some((process, generation)) => match process.standing() {
                Standing::Same => return Some(*generation),
                Standing::Ended => {
                    self.watched.remove(&who);
                    return None;
                }
                Standing::Replaced => generation + 1,
            },
        };
        let process = open_process(who).ok()?;
        self.watched.insert(who, (process, generation));
        Some(generation)
    }

    fn descendants(&mut self) -> Option<Kin> {
        let kin = self.births.as_mut()?.news()?;
        if let Kin::All(present) = &kin {
            let is_present = |who: &Identity| present.iter().any(|it| it.who == *who);
            self.watched.retain(|who, _| is_present(who));
            self.versionless.retain(|who, _| is_present(who));
        }
        Some(kin)
    }
}

/// Whether its stack says, too, that it starts others anew; where it cannot be read, it is believed.
fn reloads(who: Identity) -> bool {
    let process = Process::open(who.pid).ok();
    let process = process.filter(|process| process.identity() == who);
    let role = process.and_then(|process| survey::role_inside(process).ok());
    role.is_none_or(|role| role.is_some_and(|role| role.duty == Duty::Reloads))
}

/// Opens the process if it is still that one.
fn open_process(who: Identity) -> Result<Process, Refusal> {
    let gone = |error| Refusal {
        kind: RefusalKind::Gone,
        error,
    };
    match Process::open(who.pid) {
        Ok(process) if process.started() == who.started => Ok(process),
        Ok(_) => Err(gone(anyhow::anyhow!("process {} has ended", who.pid))),
        Err(error @ OpenError::Unreadable { .. }) => Err(Refusal {
            kind: RefusalKind::Never,
            error: error.into(),
        }),
        Err(error) => Err(gone(error.into())),
    }
}

fn open_py_spy(
    process: Process,
    parent: Option<ProcessId>,
    options: EngineOptions,
    interner: &mut Interner,
) -> Result<Box<dyn Engine>, Refusal> {
    let kind = kind_for_py_spy(&process);
    if kind == RefusalKind::NotPython && parent.is_some() {
        // py-spy would read whole ELF files to find that out.
        return Err(Refusal {
            kind,
            error: anyhow::anyhow!("not a Python process"),
        });
    }
    match PySpyEngine::open(process, parent, options, interner) {
        Ok(engine) => Ok(Box::new(engine)),
        Err(error) => Err(Refusal {
            kind: if format!("{error:#}").contains("Unsupported version") {
                RefusalKind::Never
            } else {
                kind
            },
            error,
        }),
    }
}

/// What a failure of py-spy would mean; its errors do not tell.
fn kind_for_py_spy(process: &Process) -> RefusalKind {
    match process.maps() {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => RefusalKind::Never,
        _ if process.looks_like_python() => RefusalKind::NotYet,
        _ => RefusalKind::NotPython,
    }
}
