//! Thread states that the same kernel thread runs, and the single stack that they make up.
//!
//! A thread that runs code of a subinterpreter has a thread state there, on top of the one whose code
//! called it (`run_string`, `Interpreter.exec`, or C code that swaps thread states). Only one of them is
//! attached at a time. The stack continues at the root of each with the state below it. Within one
//! interpreter, a kernel thread runs one state. If another leads to the same kernel thread, its thread
//! stayed in the parent when C code forked without telling Python, and its memory was reused for a new
//! thread (`__reclaim_stacks` in glibc's nptl/allocatestack.c).

use rustc_hash::FxHashMap;

use super::look::{Look, RawThread, ReadStack};
use super::{KernelThread, ThreadState};
use crate::cpython::frames::{FrameKind, RawStack};
use crate::model::{Addr, GilState, Proof};

/// Which of the listed thread states belong together.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    /// What the groups were made from. They are kept while this is the same.
    of: Vec<(Addr, KernelThread)>,
    groups: Vec<Group>,
    /// By thread state; empty if there are no groups.
    roles: Vec<Role>,
    /// Reused between looks.
    by_thread: Vec<usize>,
}

/// The states that lead to one kernel thread, as indices into the list: newest interpreters first, and
/// newest states first within each.
#[derive(Debug)]
struct Group {
    members: Vec<usize>,
    some_are_certain: bool,
    /// By interpreter: the state that the kernel thread runs.
    chosen: FxHashMap<Addr, Chosen>,
    /// How the last look joined them.
    joined: Option<Joined>,
}

#[derive(Clone, Copy, Debug)]
struct Chosen {
    index: usize,
    /// A state that once had the GIL stays the chosen one while it has frames, until another has it.
    had_gil: bool,
}

#[derive(Clone, Copy, Debug)]
struct Joined {
    /// The member that holds the joined stack.
    top: usize,
    root: Addr,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// No other state leads to the same kernel thread, or its kernel thread is not known.
    Alone,
    /// Part of the group with this number.
    Part(usize),
    /// The kernel thread that it leads to runs another state.
    Stale,
}

/// The position of a thread state in a stack that did not change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) is_top: bool,
    pub(super) root: Addr,
}

impl Sharing {
    /// Takes the thread states of a look, with their kernel threads.
    pub(super) fn assign(&mut self, states: &[ThreadState], kernel: &[KernelThread], look: &Look) {
        let now = || {
            states
                .iter()
                .map(|it| it.address)
                .zip(kernel.iter().copied())
        };
        if !self.of.iter().copied().eq(now()) {
            self.of.clear();
            self.of.extend(now());
            self.group();
        }
        self.roles.clear();
        if self.groups.is_empty() {
            return;
        }
        self.roles.resize(states.len(), Role::Alone);
        for (number, group) in self.groups.iter_mut().enumerate() {
            group.choose(states, kernel, look);
            for index in &group.members {
                if let Some(role) = self.roles.get_mut(*index) {
                    *role = match group.runs(*index, states, kernel) {
                        true => Role::Part(number),
                        false => Role::Stale,
                    };
                }
            }
        }
    }

    pub(super) fn role(&self, index: usize) -> Role {
        self.roles.get(index).copied().unwrap_or(Role::Alone)
    }

    /// The position of a member of a group if its kernel thread did not run since the last look.
    pub(super) fn last_place(&self, index: usize, group: usize) -> Option<Place> {
        let joined = self.groups.get(group)?.joined?;
        (self.role(joined.top) == Role::Part(group)).then_some(Place {
            is_top: joined.top == index,
            root: joined.root,
        })
    }

    /// Joins the stacks of each group, of which either all were read or all are unchanged. `attached`
    /// tells whether the holder of a GIL is the state that runs.
    pub(super) fn join(
        &mut self,
        attached: bool,
        threads: &mut [RawThread],
        spare: &mut Vec<RawStack>,
    ) {
        for group in &mut self.groups {
            let members = &group.members;
            let is_unchanged = |index: &usize| {
                let thread = threads.get(*index);
                thread.is_some_and(|it| matches!(it.stack, ReadStack::Unchanged))
            };
            if !members.iter().any(is_unchanged) {
                let roles = &self.roles;
                let is_part = |index: &usize| matches!(roles.get(*index), Some(Role::Part(_)));
                self.by_thread.clear();
                self.by_thread
                    .extend(members.iter().copied().filter(is_part));
                group.joined = join(&mut self.by_thread, attached, threads, spare);
            }
        }
    }

    /// Finds the kernel threads that several states lead to.
    fn group(&mut self) {
        let tid = |index: usize| self.of.get(index).and_then(|(_, kernel)| kernel.tid());
        self.groups.clear();
        self.by_thread.clear();
        let known = (0..self.of.len()).filter(|index| tid(*index).is_some());
        self.by_thread.extend(known);
        self.by_thread
            .sort_unstable_by_key(|index| (tid(*index), *index));
        let of_one_thread = self.by_thread.chunk_by(|a, b| tid(*a) == tid(*b));
        let several = of_one_thread.filter(|members| members.len() > 1);
        self.groups.extend(several.map(|members| Group {
            members: members.to_vec(),
            some_are_certain: false,
            chosen: FxHashMap::default(),
            joined: None,
        }));
    }
}

impl Group {
    /// Finds the state that the kernel thread runs in each interpreter: the one that had the GIL last, or
    /// else the newest.
    fn choose(&mut self, states: &[ThreadState], kernel: &[KernelThread], look: &Look) {
        self.some_are_certain = self.members.iter().any(|it| is_certain(*it, kernel));
        self.chosen.retain(|_, chosen| {
            let state = states.get(chosen.index);
            chosen.had_gil && state.is_some_and(ThreadState::has_frames)
        });
        for &index in &self.members {
            // A state without frames is not considered: each thread has one before it has started, with
            // the ids of its creator (`new_threadstate` in Python/pystate.c, up to 3.11).
            let state = states.get(index).filter(|state| state.has_frames());
            let Some(state) = state.filter(|_| self.may_run(index, kernel)) else {
                continue;
            };
            let gil = look.gil_of(state.interpreter);
            let had_gil = gil.and_then(|gil| gil.latest_holder()) == Some(state.address);
            let this = Chosen { index, had_gil };
            if had_gil {
                self.chosen.insert(state.interpreter, this);
            } else {
                self.chosen.entry(state.interpreter).or_insert(this);
            }
        }
    }

    /// Whether the kernel thread runs this state. A state without frames may always be one of its own.
    fn runs(&self, index: usize, states: &[ThreadState], kernel: &[KernelThread]) -> bool {
        let Some(state) = states.get(index) else {
            return false;
        };
        let chosen = self.chosen.get(&state.interpreter);
        let is_chosen = chosen.is_some_and(|chosen| chosen.index == index);
        self.may_run(index, kernel) && (is_chosen || !state.has_frames())
    }

    /// If some states have the thread's id for certain, the others are not its own.
    fn may_run(&self, index: usize, kernel: &[KernelThread]) -> bool {
        !self.some_are_certain || is_certain(index, kernel)
    }
}

fn is_certain(index: usize, kernel: &[KernelThread]) -> bool {
    matches!(kernel.get(index), Some(KernelThread::Is(_)))
}

/// Joins the stacks of one kernel thread into one; sorts `members` from the top down.
fn join(
    members: &mut [usize],
    attached: bool,
    threads: &mut [RawThread],
    spare: &mut Vec<RawStack>,
) -> Option<Joined> {
    members.sort_by_cached_key(|index| {
        let thread = threads.get(*index);
        (thread.map(|thread| height(thread, attached)), *index)
    });
    let (&top, callers) = members.split_first()?;
    let first = threads.get_mut(top)?;
    let mut root = first.state.address;
    let (mut gil, mut proof) = (first.gil, first.proof);
    let mut whole = match std::mem::replace(&mut first.stack, ReadStack::Lost) {
        ReadStack::Read(stack) => Some(stack),
        _ => None,
    };
    for &index in callers {
        let Some(caller) = threads.get_mut(index) else {
            continue;
        };
        if caller.gil == GilState::Holds {
            gil = GilState::Holds;
        }
        if caller.state.has_frames() {
            root = caller.state.address;
        }
        if caller.proof == Proof::Unproven {
            proof = Proof::Unproven;
        }
        let stack = std::mem::replace(&mut caller.stack, ReadStack::Joined);
        caller.proof = Proof::Proven;
        let Some(whole) = &mut whole else {
            continue;
        };
        let ReadStack::Read(stack) = stack else {
            whole.cut = true;
            continue;
        };
        if !whole.cut {
            whole.frames.extend_from_slice(&stack.frames);
            whole.cut = stack.cut;
        }
        spare.push(stack);
    }
    for &index in members.iter() {
        if let Some(thread) = threads.get_mut(index) {
            thread.root = root;
        }
    }
    let first = threads.get_mut(top)?;
    (first.gil, first.proof) = (gil, proof);
    first.stack = whole.map_or(ReadStack::Lost, ReadStack::Read);
    Some(Joined { top, root })
}

/// Sort key for the states of a kernel thread, from the one that runs to the one that called all others.
/// Equal states stay in the order of the list: newer interpreters first, since a caller is older than the
/// interpreter that it calls.
fn height(thread: &RawThread, attached: bool) -> (u8, Addr) {
    let runs = attached && thread.gil == GilState::Holds;
    let rank = match (runs, thread.state.has_frames()) {
        (true, _) => 0,
        // It has called no other.
        (false, false) => 1,
        (false, true) => 2,
    };
    // From 3.12 on, a shim is a local variable of the eval loop (`_PyEval_EvalFrameDefault` in
    // Python/ceval.c), and the C stack grows downwards.
    let newest_loop = match &thread.stack {
        ReadStack::Read(stack) => {
            let mut frames = stack.frames.iter();
            frames.find(|frame| frame.kind == FrameKind::Shim)
        }
        _ => None,
    };
    (rank, newest_loop.map_or(Addr::NULL, |shim| shim.address))
}

#[cfg(test)]
mod tests {
    use super::super::look::Patience;
    use super::*;
    use crate::cpython::frames::RawFrame;
    use crate::cpython::threads::Gil;
    use crate::model::{CodeAddr, Tid};

    const MAIN: Addr = Addr(0x100);
    const SUB: Addr = Addr(0x200);

    /// A thread state with a frame whose code is at the same address, or without frames.
    fn state(address: u64, interpreter: Addr, has_frames: bool) -> ThreadState {
        ThreadState {
            address: Addr(address),
            interpreter,
            leaf: Addr(if has_frames { address } else { 0 }),
            thread_id: 7,
            native_thread_id: None,
            datastack_chunk: None,
            eval_loop: None,
            base_frame: None,
        }
    }

    fn look(interpreter: Addr, holder: u64) -> Look {
        let gil = Gil {
            holder: None,
            last_holder: Some(Addr(holder)),
            switch_number: 1,
        };
        Look {
            gils: vec![(interpreter, Some(gil))],
            ..Look::default()
        }
    }

    fn roles(states: &[ThreadState], kernel: &[KernelThread], look: &Look) -> Vec<Role> {
        let mut sharing = Sharing::default();
        sharing.assign(states, kernel, look);
        (0..states.len()).map(|index| sharing.role(index)).collect()
    }

    const IS: KernelThread = KernelThread::Is(Tid(1));
    const RECORDED: KernelThread = KernelThread::Recorded(Tid(1));

    #[test]
    fn of_one_interpreter_a_kernel_thread_runs_the_newest_state_or_the_one_that_had_the_gil() {
        let states = [state(2, MAIN, true), state(1, MAIN, true)];
        let with = |holder| roles(&states, &[RECORDED; 2], &look(MAIN, holder));
        assert_eq!(with(9), [Role::Part(0), Role::Stale]);
        assert_eq!(with(1), [Role::Stale, Role::Part(0)]);
    }

    #[test]
    fn the_state_that_had_the_gil_stays_the_one_when_another_thread_takes_it() {
        let mut states = [state(2, MAIN, true), state(1, MAIN, true)];
        let mut sharing = Sharing::default();
        let mut role = |states: &[ThreadState], holder| {
            sharing.assign(states, &[RECORDED; 2], &look(MAIN, holder));
            sharing.role(1)
        };
        assert_eq!(role(&states, 9), Role::Stale);
        assert_eq!(role(&states, 1), Role::Part(0));
        assert_eq!(role(&states, 9), Role::Part(0));
        assert_eq!(role(&states, 2), Role::Stale);
        assert_eq!(role(&states, 9), Role::Stale);
        states[0].leaf = Addr::NULL;
        assert_eq!(role(&states, 9), Role::Part(0));
    }

    #[test]
    fn a_state_that_has_the_threads_id_wins_over_one_that_the_c_library_leads_to() {
        for has_frames in [true, false] {
            let states = [state(2, MAIN, true), state(1, MAIN, has_frames)];
            let roles = roles(&states, &[RECORDED, IS], &look(MAIN, 9));
            assert_eq!(roles, [Role::Stale, Role::Part(0)]);
        }
    }

    #[test]
    fn a_state_without_frames_is_no_rival_and_other_threads_are_none() {
        let states = [
            state(3, MAIN, false),
            state(2, MAIN, true),
            state(1, MAIN, true),
        ];
        let kernel = [RECORDED, RECORDED, KernelThread::Recorded(Tid(2))];
        let found = roles(&states, &kernel, &look(MAIN, 9));
        assert_eq!(found, [Role::Part(0), Role::Part(0), Role::Alone]);
        let unknown = [KernelThread::Unknown, KernelThread::Gone, IS];
        let found = roles(&states, &unknown, &look(MAIN, 9));
        assert_eq!(found, [Role::Alone; 3]);
    }

    #[test]
    fn a_process_all_of_whose_states_claim_one_thread_takes_no_longer_than_another() {
        let states: Vec<_> = (1..=60_000).map(|at| state(at, MAIN, true)).collect();
        let roles = roles(&states, &vec![RECORDED; states.len()], &look(MAIN, 9));
        assert_eq!(roles.iter().filter(|it| **it == Role::Part(0)).count(), 1);
    }

    fn frame(address: u64, kind: FrameKind) -> RawFrame {
        RawFrame {
            address: Addr(address),
            kind,
            code: CodeAddr(Addr(address)),
            instruction: 0,
            may_be_incomplete: false,
        }
    }

    /// A state that was read: one function, in an eval loop whose shim is at this address of the C stack.
    fn read(state: ThreadState, gil: GilState, shim: Option<u64>) -> RawThread {
        let mut frames = Vec::new();
        if state.has_frames() {
            frames.push(frame(state.address.0, FrameKind::Function));
            frames.extend(shim.map(|shim| frame(shim, FrameKind::Shim)));
        }
        RawThread {
            labels: crate::engine::cpython::watching::ThreadLabels::default(),
            state,
            tid: Some(Tid(1)),
            root: state.address,
            gil,
            proof: Proof::Proven,
            stack: ReadStack::Read(RawStack { frames, cut: false }),
            patience: Patience::Full,
            ran_on: false,
            witnesses: 0..0,
        }
    }

    /// The joined result of these threads: functions, root and GIL of each that has a stack.
    fn joined(attached: bool, mut threads: Vec<RawThread>) -> Vec<(Vec<u64>, u64, GilState)> {
        let states: Vec<_> = threads.iter().map(|thread| thread.state).collect();
        let mut sharing = Sharing::default();
        sharing.assign(&states, &vec![RECORDED; states.len()], &Look::default());
        sharing.join(attached, &mut threads, &mut Vec::new());
        let whole = threads.iter().filter_map(|thread| {
            let ReadStack::Read(stack) = &thread.stack else {
                return None;
            };
            let functions = stack.functions().map(|frame| frame.address.0);
            Some((functions.collect(), thread.root.0, thread.gil))
        });
        whole.collect()
    }

    use GilState::{DoesNotHold, Holds, Unknown};

    #[test]
    fn the_state_that_has_its_gil_runs_and_the_others_called_it() {
        let threads = |host, sub| {
            vec![
                read(state(2, SUB, true), sub, None),
                read(state(1, MAIN, true), host, None),
            ]
        };
        let by_sub = vec![(vec![2, 1], 1, Holds)];
        assert_eq!(joined(true, threads(DoesNotHold, Holds)), by_sub);
        let by_host = vec![(vec![1, 2], 2, Holds)];
        assert_eq!(joined(true, threads(Holds, DoesNotHold)), by_host);
        // With the words of 3.7 to 3.11, the holder may be the one that called.
        assert_eq!(joined(false, threads(Holds, DoesNotHold)), by_sub);
        assert_eq!(
            joined(true, threads(DoesNotHold, DoesNotHold)),
            [(vec![2, 1], 1, DoesNotHold)]
        );
    }

    #[test]
    fn without_a_gil_the_newest_eval_loop_is_lowest_on_the_c_stack() {
        for (host, sub, order, root) in [(900, 800, vec![2, 1], 1), (800, 900, vec![1, 2], 2)] {
            let threads = vec![
                read(state(2, SUB, true), Unknown, Some(sub)),
                read(state(1, MAIN, true), Unknown, Some(host)),
            ];
            assert_eq!(joined(true, threads), [(order, root, Unknown)]);
        }
    }

    #[test]
    fn a_state_without_frames_adds_none_and_is_no_root() {
        let threads = vec![
            read(state(3, SUB, false), DoesNotHold, None),
            read(state(2, SUB, false), Holds, None),
            read(state(1, MAIN, true), DoesNotHold, None),
        ];
        assert_eq!(joined(true, threads), [(vec![1], 1, Holds)]);
    }

    #[test]
    fn a_stack_of_which_a_part_is_not_proven_is_not_and_one_that_cannot_be_read_is_cut() {
        let mut host = read(state(1, MAIN, true), DoesNotHold, None);
        (host.proof, host.stack) = (Proof::Unproven, ReadStack::Lost);
        let mut threads = [read(state(2, SUB, true), Holds, None), host];
        super::join(&mut [0, 1], true, &mut threads, &mut Vec::new()).expect("a top");
        assert_eq!(threads[0].proof, Proof::Unproven);
        assert!(matches!(&threads[0].stack, ReadStack::Read(stack) if stack.cut));
        assert!(matches!(threads[1].stack, ReadStack::Joined));
    }

    #[test]
    fn what_did_not_change_keeps_its_place_until_a_state_comes_or_goes() {
        let states = [state(2, SUB, true), state(1, MAIN, true)];
        let mut threads = states.map(|state| read(state, Unknown, None));
        let mut sharing = Sharing::default();
        sharing.assign(&states, &[RECORDED; 2], &Look::default());
        assert!(sharing.last_place(0, 0).is_none());
        sharing.join(true, &mut threads, &mut Vec::new());
        sharing.assign(&states, &[RECORDED; 2], &Look::default());
        let places = [0, 1].map(|index| sharing.last_place(index, 0).expect("a place"));
        assert_eq!(places.map(|place| place.is_top), [true, false]);
        assert_eq!(places.map(|place| place.root), [Addr(1); 2]);
        // As for a thread that slept.
        threads[0].stack = ReadStack::Unchanged;
        threads[1].stack = ReadStack::Joined;
        sharing.join(true, &mut threads, &mut Vec::new());
        assert!(sharing.last_place(0, 0).is_some());
        sharing.assign(&states[..1], &[RECORDED], &Look::default());
        assert_eq!(sharing.role(0), Role::Alone);
    }
}
