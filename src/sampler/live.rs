//! The processes of this machine.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use super::births::{Births, LookBelow};
use super::news::News;
use super::refusal::{OpenFailure, Refusal, RefusalKind};
use super::versionless::{Chance, Versionless};
use super::world::{Descendants, World};
use crate::cpython::locate::LocateError;
use crate::engine::cpython;
#[cfg(feature = "py-spy")]
use crate::engine::pyspy::{self, PySpyEngine};
use crate::engine::{Engine, EngineOptions, Several};
#[cfg(feature = "py-spy")]
use crate::model::Halting;
use crate::model::{Interner, ProcessId};
use crate::survey::{self, RoleKind};
use crate::target::{Halted, Identity, OpenError, Process, Standing};

/// How long a process is taken for an autoreloader by its command line alone.
const DOUBTED_AFTER: Duration = Duration::from_secs(3);

/// Which engine reads processes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EngineChoice {
    /// Ours, and py-spy for a Python that ours does not know.
    #[default]
    Auto,
    Cpython,
    #[cfg(feature = "py-spy")]
    PySpy,
}

/// The processes of this machine.
pub struct LiveWorld<'a> {
    #[cfg_attr(
        not(feature = "py-spy"),
        expect(dead_code, reason = "there is one engine")
    )]
    choice: EngineChoice,
    options: EngineOptions,
    births: Option<Births>,
    /// Autoreloaders: their children are recorded in their place.
    replaced_by_children: Vec<Identity>,
    /// Whether we started the root, and have to find out what it is for.
    started: bool,
    /// Since when a process has been taken for an autoreloader by its command line alone.
    doubted: FxHashMap<Identity, Instant>,
    /// Processes that are not open, to notice when they end or exec, and how many execs were noticed.
    watched: FxHashMap<Identity, (Process, u64)>,
    versionless: Versionless,
    /// Passes on what is found out.
    tell: Box<dyn FnMut(News<'_>) + 'a>,
    /// The topics of what was passed on.
    told: Vec<String>,
    /// What to do when the first process is open.
    on_first_open: Option<Box<dyn FnOnce() + 'a>>,
}

impl<'a> LiveWorld<'a> {
    /// `tell` is called with what is found out about processes, once per topic.
    #[must_use]
    pub fn new(
        choice: EngineChoice,
        options: EngineOptions,
        below: LookBelow,
        replaced_by_children: Vec<Identity>,
        tell: Box<dyn FnMut(News<'_>) + 'a>,
    ) -> LiveWorld<'a> {
        LiveWorld {
            choice,
            options,
            started: matches!(
                below,
                LookBelow::Started { .. } | LookBelow::Ourselves { .. }
            ),
            births: (below != LookBelow::Nowhere).then(|| Births::new(below)),
            replaced_by_children,
            doubted: FxHashMap::default(),
            watched: FxHashMap::default(),
            versionless: Versionless::default(),
            tell,
            told: Vec::new(),
            on_first_open: None,
        }
    }

    /// Sets what to do once the first process is open. It is not done if none ever is.
    pub fn on_first_open(&mut self, act: impl FnOnce() + 'a) {
        self.on_first_open = Some(Box::new(act));
    }

    fn open_with_choice(
        &mut self,
        who: Identity,
        parent: Option<ProcessId>,
        interner: &mut Interner,
    ) -> Result<Box<dyn Engine>, Refusal> {
        let process = open_process(who)?;
        if self.is_replaced_by_children(&process) {
            return Err(Refusal {
                kind: RefusalKind::ReplacedByChildren,
                error: OpenFailure::RecordedByChildren,
            });
        }
        #[cfg(feature = "py-spy")]
        if self.choice == EngineChoice::PySpy {
            return open_py_spy(process, parent, self.options.clone(), interner);
        }
        match cpython::open_each(process, parent, self.options.clone(), interner) {
            Ok(engines) => {
                self.versionless.forget(who);
                let engine = Several::new(engines).ok_or_else(|| Refusal {
                    kind: RefusalKind::NotPython,
                    error: cpython::OpenError::from(LocateError::NotPython).into(),
                })?;
                let pythons: Vec<String> = engine.pythons().map(|it| it.to_string()).collect();
                if pythons.len() > 1 {
                    self.tell_once(News::SeveralPythons {
                        pid: who.pid,
                        pythons: &pythons.join(" and "),
                    });
                }
                Ok(Box::new(engine))
            }
            Err(error @ cpython::OpenError::Locate(LocateError::UnknownVersion { .. })) => {
                self.without_version(who, parent, error, interner)
            }
            // Between its exec and the loading of its library, a Python cannot be recognised.
            Err(cpython::OpenError::Locate(LocateError::NotPython))
                if open_process(who)?.looks_like_python() =>
            {
                Err(Refusal {
                    kind: RefusalKind::NotYet,
                    error: cpython::OpenError::from(LocateError::NotPython).into(),
                })
            }
            #[cfg(feature = "py-spy")]
            Err(error) if self.choice == EngineChoice::Auto && is_unknown_version(&error) => {
                self.fall_back(who, parent, &error, interner)
            }
            Err(error) => Err(Refusal {
                kind: kind_of(&error),
                error: error.into(),
            }),
        }
    }
}

impl LiveWorld<'_> {
    /// Whether the process itself is not recorded, since it is an autoreloader or a helper of others.
    fn is_replaced_by_children(&mut self, process: &Process) -> bool {
        let who = process.identity();
        if self.replaced_by_children.contains(&who) {
            return true;
        }
        let is_root = self
            .births
            .as_ref()
            .is_none_or(|births| births.is_root(who.pid));
        match survey::role_outside(process).map(|role| role.kind) {
            Some(RoleKind::Helper) => !is_root,
            // At its start, only its command line is known. Later, a look at its stack tells for sure.
            Some(RoleKind::Reloader) if self.started => {
                let since = *self.doubted.entry(who).or_insert_with(Instant::now);
                let reloads = since.elapsed() < DOUBTED_AFTER || reloads(who);
                if reloads {
                    self.tell_once(News::Reloads {
                        pid: who.pid,
                        role: None,
                    });
                }
                reloads
            }
            _ => false,
        }
    }

    /// A Python that does not tell its version: since it has only begun, or since it is none of ours.
    #[cfg_attr(
        not(feature = "py-spy"),
        expect(unused_variables, reason = "no other engine may know it")
    )]
    fn without_version(
        &mut self,
        who: Identity,
        parent: Option<ProcessId>,
        error: cpython::OpenError,
        interner: &mut Interner,
    ) -> Result<Box<dyn Engine>, Refusal> {
        let chance = self.versionless.meets(who);
        #[cfg(feature = "py-spy")]
        if self.choice == EngineChoice::Auto && chance != Chance::MayBeEarly {
            let opened = self.fall_back(who, parent, &error, interner);
            if opened.is_ok() || chance == Chance::Over {
                return opened;
            }
        }
        let kind = match chance {
            Chance::MayBeEarly | Chance::MayBeForeign => RefusalKind::NotYet,
            Chance::Over => kind_of(&error),
        };
        Err(Refusal {
            kind,
            error: error.into(),
        })
    }

    /// Lets py-spy's engine read what ours does not know.
    #[cfg(feature = "py-spy")]
    fn fall_back(
        &mut self,
        who: Identity,
        parent: Option<ProcessId>,
        why: &cpython::OpenError,
        interner: &mut Interner,
    ) -> Result<Box<dyn Engine>, Refusal> {
        let process = open_process(who)?;
        let engine = open_py_spy(process, parent, self.options.clone(), interner)?;
        self.tell_once(News::FellBack { pid: who.pid, why });
        Ok(engine)
    }

    /// Passes news on, unless news of the same topic were passed on before.
    fn tell_once(&mut self, news: News<'_>) {
        let topic = news.topic();
        if !self.told.contains(&topic) {
            (self.tell)(news);
            self.told.push(topic);
        }
    }
}

/// Whether our engine does not know this version of Python, so that another engine may.
#[cfg(feature = "py-spy")]
fn is_unknown_version(error: &cpython::OpenError) -> bool {
    match error {
        cpython::OpenError::Layout(_) => true,
        cpython::OpenError::Locate(error) => {
            matches!(error, LocateError::UnsupportedVersion { .. })
        }
    }
}

fn kind_of(error: &cpython::OpenError) -> RefusalKind {
    match error {
        cpython::OpenError::Layout(_) => RefusalKind::Never,
        cpython::OpenError::Locate(error) => match error {
            // One of its children may be a CPython.
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

impl World for LiveWorld<'_> {
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
            // Only for processes below a recorded one; our caller says what becomes of a root.
            Err(refusal) if refusal.kind == RefusalKind::Never && parent.is_some() => {
                self.tell_once(News::NotRecorded {
                    pid: who.pid,
                    why: &refusal.error,
                });
            }
            Err(_) => {}
        }
        opened
    }

    fn role_kind(&mut self, who: Identity) -> Option<RoleKind> {
        let process = open_process(who).ok()?;
        if process.children().is_empty() {
            return None;
        }
        let role = survey::role_inside(process).ok()??;
        let (pid, name) = (who.pid, role.name);
        match role.kind {
            RoleKind::Reloader => {
                self.replaced_by_children.push(who);
                self.tell_once(News::Reloads {
                    pid,
                    role: Some(name),
                });
            }
            RoleKind::Master => self.tell_once(News::Leads { pid, role: name }),
            RoleKind::Worker | RoleKind::Helper => {}
        }
        Some(role.kind)
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
                Standing::Replaced => {
                    self.versionless.forget(who);
                    generation + 1
                }
            },
        };
        let process = open_process(who).ok()?;
        self.watched.insert(who, (process, generation));
        Some(generation)
    }

    fn halted(&mut self, who: Identity) -> Option<Halted> {
        Halted::find(who.pid)
    }

    fn descendants(&mut self) -> Option<Descendants> {
        let births = self.births.as_mut()?;
        let news = births.news()?;
        if let Descendants::All(present) = &news {
            // The roots are not among those below them.
            let remains =
                |who: &Identity| births.is_root(who.pid) || present.iter().any(|it| it.who == *who);
            self.watched.retain(|who, _| remains(who));
            self.versionless.retain(remains);
        }
        Some(news)
    }
}

/// Whether the stack of a process also says that it is an autoreloader; `true` where the stack cannot be
/// read.
fn reloads(who: Identity) -> bool {
    let process = Process::open(who.pid).ok();
    let process = process.filter(|process| process.identity() == who);
    let role = process.and_then(|process| survey::role_inside(process).ok());
    role.is_none_or(|role| role.is_some_and(|role| role.kind == RoleKind::Reloader))
}

/// Opens a process, if its id has not been given to another one since.
fn open_process(who: Identity) -> Result<Process, Refusal> {
    let gone = |error| Refusal {
        kind: RefusalKind::Gone,
        error,
    };
    match Process::open(who.pid) {
        Ok(process) if process.started() == who.started => Ok(process),
        Ok(_) => Err(gone(OpenFailure::Ended(who.pid))),
        Err(error @ OpenError::Unreadable { .. }) => Err(Refusal {
            kind: RefusalKind::Never,
            error: error.into(),
        }),
        Err(error) => Err(gone(error.into())),
    }
}

#[cfg(feature = "py-spy")]
fn open_py_spy(
    process: Process,
    parent: Option<ProcessId>,
    options: EngineOptions,
    interner: &mut Interner,
) -> Result<Box<dyn Engine>, Refusal> {
    if options.halting != Halting::Never && Halted::find(process.pid()).is_some() {
        return Err(Refusal {
            kind: RefusalKind::NotYet,
            error: OpenFailure::Halted,
        });
    }
    let kind = kind_for_py_spy(&process);
    if kind == RefusalKind::NotPython && parent.is_some() {
        // py-spy would read whole ELF files to find that out.
        return Err(Refusal {
            kind,
            error: pyspy::OpenError::NotPython.into(),
        });
    }
    match PySpyEngine::open(process, parent, options, interner) {
        Ok(engine) => Ok(Box::new(engine)),
        Err(error) => Err(Refusal {
            kind: match error {
                pyspy::OpenError::UnsupportedVersion(_) => RefusalKind::Never,
                pyspy::OpenError::NotPython | pyspy::OpenError::Other(_) => kind,
            },
            error: error.into(),
        }),
    }
}

/// What kind of refusal a failure of py-spy would be; its errors do not tell.
#[cfg(feature = "py-spy")]
fn kind_for_py_spy(process: &Process) -> RefusalKind {
    match process.maps() {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => RefusalKind::Never,
        _ if process.looks_like_python() => RefusalKind::NotYet,
        _ => RefusalKind::NotPython,
    }
}
