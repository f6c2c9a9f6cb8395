//! The processes of a recording: which are meant, when to look for more, and how they are opened and
//! closed.

use rustc_hash::FxHashMap;

use super::engines::Engines;
use super::member::{Member, State, Waiting, millis};
use super::open::Open;
use super::refusal::{OpenFailure, Refusal, RefusalKind, Refused};
use super::world::{Descendants, Follow, World};
use super::{News, Options};
use crate::model::{Counting, Interner, Nanos, Pid, ProcessId, PythonVersion};
use crate::survey::RoleKind;
use crate::target::Identity;

/// Time between two looks at which processes there are, and whether one runs another program now: the
/// first while children are followed or a process is young, otherwise the second.
const POLL: (Nanos, Nanos) = (millis(3), millis(100));
/// First and longest pause between two checks of the role of a program that we started, once it is
/// recorded. The pause doubles after each check; after the longest, there are no more.
const REVIEWS: (Nanos, Nanos) = (millis(300), millis(30_000));
/// How long the process that the user named may take to show its Python.
const ROOT_PATIENCE: Nanos = millis(2000);

pub(super) struct Family {
    pub members: Vec<Member>,
    roots: Vec<Identity>,
    follow: Follow,
    counting: Counting,
    /// Until when an attached root, or something below it, must have shown its Python.
    patience: Option<Nanos>,
    /// When a root that has not shown its Python was found halted, the last time.
    halted_until: Nanos,
    next_poll: Nanos,
    parents: FxHashMap<Pid, Pid>,
    processes: FxHashMap<Pid, ProcessId>,
    /// Processes whose children are recorded in their place, and how many of these children were opened.
    replaced_by_children: FxHashMap<Pid, u32>,
    /// Processes that are recorded together with their children.
    masters: Vec<Pid>,
    /// When to check the role of a started program next, and the pause before that check.
    review: Option<(Nanos, Nanos)>,
    pub engines: Engines,
    /// Why a process could not be opened, the last time that happened.
    pub last_refusal: Option<Refused>,
}

impl Family {
    pub fn new(options: &Options) -> Family {
        let member = |who: &Identity| Member {
            who: *who,
            parent: None,
            state: State::Waiting(Waiting::first(Nanos::ZERO)),
        };
        Family {
            members: options.roots.iter().map(member).collect(),
            roots: options.roots.clone(),
            follow: options.follow,
            counting: options.counting,
            patience: options.attached.then_some(ROOT_PATIENCE),
            halted_until: Nanos::ZERO,
            next_poll: Nanos::ZERO,
            parents: FxHashMap::default(),
            processes: FxHashMap::default(),
            replaced_by_children: FxHashMap::default(),
            masters: Vec::new(),
            review: None,
            engines: Engines::default(),
            last_refusal: None,
        }
    }

    pub fn follow(&self) -> Follow {
        self.follow
    }

    pub fn open_count(&self) -> u64 {
        self.members
            .iter()
            .filter(|member| member.is_open())
            .count() as u64
    }

    /// Whether no process is left that is, or may become, a Python.
    pub fn is_over(&self) -> bool {
        self.members.iter().all(|member| match &member.state {
            State::Open(_) => false,
            State::Waiting(waiting) => !self.is_root(member.who) && !waiting.is_promising(),
            State::Done => true,
        })
    }

    fn is_root(&self, who: Identity) -> bool {
        self.roots.contains(&who)
    }

    /// When [`attend`](Self::attend) will have something to do.
    pub fn next_attention(&self) -> Nanos {
        // A process that is not meant is not tried, even when it is due.
        let meant = self.members.iter().filter(|member| self.is_meant(member));
        let tries = meant.filter_map(|member| match &member.state {
            State::Waiting(waiting) => Some(waiting.next),
            _ => None,
        });
        let poll = self.looks_around().then_some(self.next_poll);
        let review = self.review.map(|(next, _)| next);
        tries
            .chain(poll)
            .chain(review)
            .min()
            .unwrap_or(Nanos(u64::MAX))
    }

    /// Whether processes below the roots matter now, or a process may have changed its program.
    fn looks_around(&self) -> bool {
        match self.follow {
            Follow::All | Follow::Children => true,
            Follow::Roots => self.members.iter().any(Member::is_waiting),
            Follow::FirstPython => self.open_count() == 0,
        }
    }

    /// Whether a process is one of those to record.
    fn is_meant(&self, member: &Member) -> bool {
        let is_root = self.is_root(member.who);
        match self.follow {
            Follow::All => true,
            Follow::Roots => is_root,
            Follow::FirstPython => self.open_count() == 0,
            Follow::Children => {
                let is_parent = |pid: Pid| {
                    self.replaced_by_children.contains_key(&pid)
                        || self.masters.contains(&pid)
                        || self.roots.iter().any(|root| root.pid == pid)
                };
                is_root || member.parent.is_some_and(is_parent)
            }
        }
    }

    /// Looks for new processes and tries those that are due.
    ///
    /// # Errors
    /// When what the user named cannot be recorded.
    pub fn attend(
        &mut self,
        now: Nanos,
        world: &mut dyn World,
        interner: &mut Interner,
    ) -> Result<(), Refused> {
        // First, since it may find that more processes are meant.
        if self.review.is_some_and(|(next, _)| now >= next) {
            self.review_open(now, world);
        }
        if self.looks_around() && now >= self.next_poll {
            self.look_around(now, world);
            let soon = matches!(self.follow, Follow::All | Follow::Children)
                || self.members.iter().any(|member| member.is_young(now));
            self.next_poll = now.saturating_add(if soon { POLL.0 } else { POLL.1 });
        }
        for index in 0..self.members.len() {
            let member = &self.members[index];
            let due = matches!(&member.state,
                State::Waiting(waiting) if waiting.next <= now);
            if due && self.is_meant(member) {
                self.try_open(index, now, world, interner)?;
            }
        }
        Ok(())
    }

    /// Checks the role of a started program: the children of a master or autoreloader are meant, too.
    fn review_open(&mut self, now: Nanos, world: &mut dyn World) {
        let pause = self.review.map_or(REVIEWS.0, |(_, pause)| pause);
        let again = Nanos(pause.0.saturating_mul(2));
        self.review = (again <= REVIEWS.1).then_some((now.saturating_add(again), again));
        for index in 0..self.members.len() {
            let who = self.members[index].who;
            if !self.members[index].is_open() {
                continue;
            }
            match world.role_kind(who) {
                Some(RoleKind::Reloader) => {
                    self.retire(index);
                    self.members[index].state = State::Waiting(Waiting::first(now));
                    self.members[index].postpone(RefusalKind::ReplacedByChildren, None, now);
                    self.replace_by_children(who.pid);
                    self.review = None;
                }
                Some(RoleKind::Master) => {
                    self.masters.push(who.pid);
                    self.follow = Follow::Children;
                    self.review = None;
                }
                Some(RoleKind::Worker | RoleKind::Helper) | None => {}
            }
        }
    }

    fn look_around(&mut self, now: Nanos, world: &mut dyn World) {
        for member in &mut self.members {
            let is_young = member.is_young(now);
            let State::Waiting(waiting) = &mut member.state else {
                continue;
            };
            if !is_young && now < waiting.program_asked.saturating_add(POLL.1) {
                continue;
            }
            waiting.program_asked = now;
            match world.program(member.who) {
                None => member.state = State::Done,
                program if waiting.program.is_some() && program != waiting.program => {
                    *waiting = Waiting::first(now);
                }
                _ => {}
            }
        }
        if self.follow == Follow::Roots {
            return;
        }
        let (descendants, are_all) = match world.descendants() {
            None => return,
            Some(Descendants::All(all)) => (all, true),
            Some(Descendants::Born(some)) => (some, false),
        };
        for descendant in &descendants {
            self.parents.insert(descendant.who.pid, descendant.parent);
            let known = self
                .members
                .iter()
                .any(|member| member.who == descendant.who);
            if !known {
                self.hurry(descendant.parent, now);
                self.members.push(Member {
                    who: descendant.who,
                    parent: Some(descendant.parent),
                    state: State::Waiting(Waiting::first(now)),
                });
            }
        }
        if !are_all {
            return;
        }
        // A process that is done and no longer listed need not be remembered.
        let roots = &self.roots;
        self.members.retain(|member| {
            roots.contains(&member.who)
                || !matches!(member.state, State::Done)
                || descendants
                    .iter()
                    .any(|descendant| descendant.who == member.who)
        });
    }

    /// Lets a process that has started a child be tried now: it is probably ready, and must be opened
    /// before the child to be recorded as its parent.
    fn hurry(&mut self, pid: Pid, now: Nanos) {
        for member in &mut self.members {
            if let State::Waiting(waiting) = &mut member.state
                && member.who.pid == pid
                && waiting.kind == RefusalKind::NotYet
            {
                waiting.next = now;
            }
        }
    }

    fn try_open(
        &mut self,
        index: usize,
        now: Nanos,
        world: &mut dyn World,
        interner: &mut Interner,
    ) -> Result<(), Refused> {
        let member = &self.members[index];
        let (who, is_root) = (member.who, self.is_root(member.who));
        let above = member.parent;
        // Asked before the try, so that an exec during the try is noticed.
        let program = world.program(who);
        let parent = self.recorded_ancestor(member.parent);
        let opened = world.open(who, parent, interner).and_then(|engine| {
            if self.counting == Counting::Gil && !engine.knows_gil_holder() {
                return Err(no_gil(engine.python(), who.pid));
            }
            Ok(engine)
        });
        match opened {
            Ok(engine) => {
                let process = engine.process();
                if let Some(generation) =
                    above.and_then(|pid| self.replaced_by_children.get_mut(&pid))
                {
                    *generation += 1;
                    interner.set_generation(process, *generation);
                }
                self.engines.enter(&*engine);
                if self.processes.insert(who.pid, process).is_none() {
                    self.adopt(process, interner);
                }
                self.members[index].state = State::Open(Open::new(who.pid, engine, now));
                self.patience = None;
                if self.follow == Follow::FirstPython {
                    self.review = Some((now.saturating_add(REVIEWS.0), REVIEWS.0));
                }
                Ok(())
            }
            Err(refusal) => {
                // One that is halted cannot show its Python, and gets as much time afterwards.
                if is_root && refusal.kind == RefusalKind::NotYet && world.halted(who).is_some() {
                    self.halted_until = now;
                }
                let fatal = is_root && self.is_fatal(refusal.kind, now);
                let refused = Refused {
                    pid: who.pid,
                    error: refusal.error,
                };
                if fatal {
                    return Err(refused);
                }
                if refusal.kind == RefusalKind::ReplacedByChildren {
                    self.replace_by_children(who.pid);
                } else {
                    self.last_refusal = Some(refused);
                }
                self.members[index].postpone(refusal.kind, program, now);
                Ok(())
            }
        }
    }

    /// Notes that the children of a process are recorded in its place.
    fn replace_by_children(&mut self, pid: Pid) {
        self.replaced_by_children.entry(pid).or_default();
        if self.follow != Follow::All {
            self.follow = Follow::Children;
        }
        // There is no limit to how long the children may take.
        self.patience = None;
    }

    /// Until when an attached root that is not ready is waited for before it is reported that it cannot
    /// be recorded; zero where nothing is waited for in this way.
    pub fn patient_until(&self) -> Nanos {
        self.patience.unwrap_or(Nanos::ZERO)
    }

    /// Why the only root has not been opened, if it already ran before we came.
    pub fn take_refusal_of_root(&mut self) -> Option<Refused> {
        let [root] = &self.roots[..] else {
            return None;
        };
        let (pid, refused) = (root.pid, self.last_refusal.as_ref()?);
        // A process that is halted may go on at any time, so that it was halted is no verdict.
        let is_verdict = !matches!(refused.error, OpenFailure::Halted);
        match self.patience.is_some() && refused.pid == pid && is_verdict {
            true => self.last_refusal.take(),
            false => None,
        }
    }

    /// Whether the recording must fail when a root is refused in this way.
    fn is_fatal(&self, kind: RefusalKind, now: Nanos) -> bool {
        if self.engines.opened > 0 || self.roots.len() > 1 {
            return false;
        }
        match kind {
            RefusalKind::ReplacedByChildren => false,
            RefusalKind::Never => true,
            RefusalKind::Gone => self.patience.is_some(),
            RefusalKind::NotYet => self.patience.is_some_and(|end| {
                let since_halted = self.halted_until.saturating_add(ROOT_PATIENCE);
                now >= end.max(since_halted)
            }),
            // Where children are followed, one of them may be the Python that is meant.
            RefusalKind::NotPython => match self.follow {
                Follow::Roots => self.patience.is_some(),
                _ => self.patience.is_some_and(|end| now >= end),
            },
        }
    }

    /// Enters a process that was just opened as the parent of processes below it that were opened
    /// before: a child may show its Python sooner than its parent.
    fn adopt(&self, parent: ProcessId, interner: &mut Interner) {
        for (pid, &process) in &self.processes {
            let above = self.parents.get(pid).copied();
            if self.recorded_ancestor(above) == Some(parent) {
                interner.set_parent(process, parent);
            }
        }
    }

    /// The closest recorded process on the way up from `parent`.
    fn recorded_ancestor(&self, parent: Option<Pid>) -> Option<ProcessId> {
        // Since the table mixes looks at different moments, it may hold a cycle: the length is limited.
        std::iter::successors(parent, |pid| self.parents.get(pid).copied())
            .take(256)
            .find_map(|pid| self.processes.get(&pid).copied())
    }

    /// Closes a process that has ended.
    pub fn close(&mut self, index: usize) {
        self.retire(index);
        self.members[index].state = State::Done;
    }

    /// Lets a process that now runs another program be tried again as if it were new.
    pub fn await_again(&mut self, index: usize, now: Nanos) {
        self.members[index].state = State::Waiting(Waiting::first(now));
    }

    /// Takes over what the engine of an open process reports at its end.
    fn retire(&mut self, index: usize) {
        if let State::Open(open) = &mut self.members[index].state {
            self.engines.report += open.engine.report();
            if let Some(used) = open.cpu_used() {
                self.engines.cpu_used.push((open.engine.process(), used));
            }
        }
    }

    /// News of what is waited for, while nothing is open yet.
    pub fn nothing_yet(&self) -> Option<News<'static>> {
        let replaced_by_children = self.replaced_by_children.keys().next().copied();
        let root = self.roots.first().map(|root| root.pid);
        Some(News::NothingYet {
            pid: replaced_by_children.or(root)?,
            starts_others: replaced_by_children.is_some(),
        })
    }

    /// Closes all that is open.
    pub fn finish(&mut self) {
        for index in 0..self.members.len() {
            self.retire(index);
            self.members[index].state = State::Done;
        }
    }
}

fn no_gil(python: PythonVersion, pid: Pid) -> Refusal {
    if python.free_threaded {
        return Refusal {
            kind: RefusalKind::Never,
            error: OpenFailure::NoGil { pid, python },
        };
    }
    Refusal {
        // The holder can be found once some thread has the GIL.
        kind: RefusalKind::NotYet,
        error: OpenFailure::UnknownGilHolder { pid, python },
    }
}
