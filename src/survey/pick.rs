//! Which process is meant: by process id, port, command line or container.

use regex::Regex;

use super::{Found, RoleKind, Survey};
use crate::model::{Pid, TargetStr};
use crate::target::Identity;

/// What names a target.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Wanted {
    /// One process or several, by their ids.
    Pids(Vec<Pid>),
    /// The process that listens on this port.
    Port(u16),
    /// A process with this in its command line.
    Name(Regex),
    /// All processes in a container, by the beginning of its id.
    Container(String),
}

/// What is to be recorded.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Choice {
    pub roots: Vec<Identity>,
    /// Those of them that are autoreloaders: their children are recorded in their place.
    pub replaced_by_children: Vec<Identity>,
    /// Whether the processes that the roots started are recorded, too.
    pub children: bool,
    /// Whether all processes below the roots are recorded, too.
    pub descendants: bool,
    /// What was concluded beyond the user's words, in sentences for the user.
    pub notes: Vec<String>,
}

/// Why nothing was chosen.
#[derive(thiserror::Error, Clone, Debug)]
#[non_exhaustive]
pub enum PickError {
    #[error("no Python process that spyhole can see listens on port {port}")]
    NobodyListens { port: u16, unseen: usize },
    #[error("no running Python process has {pattern:?} in its command line")]
    NobodyNamed { pattern: String },
    #[error("no Python process runs in a container whose id begins with {id:?}")]
    NobodyContained { id: String },
    #[error("several are meant")]
    Several(Vec<Found>),
}

/// Chooses among the processes of a survey.
///
/// # Errors
/// When no process, or more than one, is meant.
pub fn pick(survey: &Survey, wanted: &Wanted) -> Result<Choice, PickError> {
    let matched: Vec<&Found> = survey
        .found
        .iter()
        .filter(|found| wanted.fits(found))
        .collect();
    let tops = tops(survey, &matched, wanted.is_exact());
    match wanted {
        Wanted::Pids(_) => {}
        _ if tops.is_empty() => return Err(wanted.nobody(survey)),
        // All processes in the container are meant.
        Wanted::Container(_) => {}
        Wanted::Port(_) | Wanted::Name(_) if tops.len() > 1 => {
            return Err(PickError::Several(tops.into_iter().cloned().collect()));
        }
        Wanted::Port(_) | Wanted::Name(_) => {}
    }
    let mut choice = Choice::default();
    for top in tops {
        choice.take(survey, top, wanted);
        let within = matched
            .iter()
            .filter(|found| survey.is_within(found.pid(), top.pid()));
        // Forked processes have the same command line.
        choice.descendants |= !wanted.is_exact()
            && !top.is_a(RoleKind::Reloader)
            && !top.is_a(RoleKind::Master)
            && within.count() > 1;
    }
    Ok(choice)
}

/// The matched processes that are not below another matched one, or all if each `is_named` by its id.
/// The child of an autoreloader is replaced by the autoreloader, so that later children are found, too.
fn tops<'a>(survey: &'a Survey, matched: &[&'a Found], is_named: bool) -> Vec<&'a Found> {
    let mut tops: Vec<&Found> = Vec::new();
    for found in matched {
        let is_below = !is_named
            && matched
                .iter()
                .any(|it| it.pid() != found.pid() && survey.is_within(found.pid(), it.pid()));
        let above = survey
            .above(found)
            .filter(|above| above.is_a(RoleKind::Reloader) && !found.is_a(RoleKind::Helper));
        let top = above.unwrap_or(found);
        let is_known = tops.iter().any(|it| it.pid() == top.pid());
        if !is_known && (!is_below || above.is_some()) {
            tops.push(top);
        }
    }
    tops
}

impl Wanted {
    pub(super) fn fits(&self, found: &Found) -> bool {
        match self {
            Wanted::Pids(pids) => pids.contains(&found.pid()),
            Wanted::Port(port) => found.ports.as_ref().is_some_and(|it| it.contains(port)),
            Wanted::Name(pattern) => pattern.is_match(&TargetStr::joined(&found.command)),
            Wanted::Container(id) => found.container.as_ref().is_some_and(|it| it.is_named(id)),
        }
    }

    /// Whether each process is named by its id.
    fn is_exact(&self) -> bool {
        matches!(self, Wanted::Pids(_))
    }

    fn nobody(&self, survey: &Survey) -> PickError {
        match self {
            Wanted::Port(port) => PickError::NobodyListens {
                port: *port,
                unseen: survey.found.iter().filter(|it| it.ports.is_none()).count(),
            },
            Wanted::Name(pattern) => PickError::NobodyNamed {
                pattern: pattern.as_str().to_owned(),
            },
            Wanted::Container(id) => PickError::NobodyContained { id: id.clone() },
            Wanted::Pids(_) => PickError::Several(Vec::new()),
        }
    }
}

impl Choice {
    fn take(&mut self, survey: &Survey, top: &Found, wanted: &Wanted) {
        let pid = top.pid();
        let children = || {
            let found = survey.found.iter();
            found.filter(|it| it.parent == pid && !it.is_a(RoleKind::Helper))
        };
        let name = top.role.map_or("process", |role| role.name);
        self.roots.push(top.who);
        if top.is_a(RoleKind::Reloader) {
            self.replaced_by_children.push(top.who);
            self.children = true;
            let child = children().next();
            let meant = match child {
                Some(child) => format!("its child {} is recorded", child.pid()),
                None => "the one that it starts is recorded".to_owned(),
            };
            self.notes.push(format!(
                "{pid} is a {name}: {meant}, and each that it starts anew"
            ));
        } else if top.is_a(RoleKind::Master) {
            self.children = true;
            let children = match children().count() {
                0 => "the children that it starts are".to_owned(),
                1 => "its child is".to_owned(),
                several => format!("its {several} children are"),
            };
            self.notes
                .push(format!("{pid} is a {name}: {children} recorded, too"));
        } else if !wanted.is_exact() {
            self.notes.push(match top.role {
                Some(role) => format!("This is process {pid}, a {}", role.name),
                None => format!("This is process {pid}"),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::Role;

    fn found(pid: i32, parent: i32, kind: Option<RoleKind>) -> Found {
        Found {
            who: Identity {
                pid: Pid(pid),
                started: 1,
            },
            parent: Pid(parent),
            command: vec![TargetStr::new(format!("python app.py {pid}"))],
            user: None,
            python: None,
            is_pypy: false,
            role: kind.map(|kind| Role { name: "it", kind }),
            ports: Some(vec![8000]),
            threads: 1,
            cpu: 0.0,
            container: None,
            refused: false,
        }
    }

    fn chosen(all: Vec<Found>, wanted: &Wanted) -> Result<(Vec<i32>, Choice), PickError> {
        let choice = pick(&Survey::made_of(all), wanted)?;
        let roots = choice.roots.iter().map(|root| root.pid.0).collect();
        Ok((roots, choice))
    }

    #[test]
    fn each_process_that_is_named_by_its_id_is_meant_even_below_another() {
        let all = vec![found(10, 1, None), found(11, 10, None)];
        let wanted = Wanted::Pids(vec![Pid(10), Pid(11)]);
        let (roots, choice) = chosen(all, &wanted).unwrap();
        assert_eq!(roots, [10, 11]);
        assert!(!choice.children && !choice.descendants);
    }

    #[test]
    fn a_child_of_an_autoreloader_stands_for_the_children_after_it() {
        let all = vec![
            found(10, 1, Some(RoleKind::Reloader)),
            found(11, 10, Some(RoleKind::Worker)),
        ];
        for wanted in [Wanted::Pids(vec![Pid(11)]), Wanted::Port(8000)] {
            let (roots, choice) = chosen(all.clone(), &wanted).unwrap();
            assert_eq!(roots, [10]);
            assert_eq!(choice.replaced_by_children, choice.roots);
            assert!(choice.children);
        }
    }

    #[test]
    fn processes_below_one_parent_are_one_target_and_unrelated_ones_are_listed() {
        let mut all = vec![found(10, 1, None), found(11, 10, None)];
        let (roots, choice) = chosen(all.clone(), &Wanted::Port(8000)).unwrap();
        assert_eq!(roots, [10]);
        assert!(choice.descendants);
        all.push(found(20, 1, None));
        let several = chosen(all.clone(), &Wanted::Port(8000)).unwrap_err();
        assert!(matches!(several, PickError::Several(tops) if tops.len() == 2));
        let nobody = chosen(all, &Wanted::Port(1)).unwrap_err();
        assert!(matches!(nobody, PickError::NobodyListens { unseen: 0, .. }));
    }
}
