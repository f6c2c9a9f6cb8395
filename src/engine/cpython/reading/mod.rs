//! Reading: from a process's memory to the stacks of its threads, as addresses.
//!
//! Works on any memory: that of a live process, a recording, a core file. It knows thread states, GILs
//! and frames, but not kernel threads, names, or how threads are held still. What it must know about a
//! thread before it reads the stack, it asks through [`KernelSide`]. It verifies code objects in the
//! [`CodeTable`] at once, while it has the memory of the stack's own moment.

mod look;
mod sharing;

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::code_table::{CodeTable, Verified};
use super::watching::{ThreadLabels, Watcher};
use crate::cpython::frames::{self, Anchor, RawStack, Witness};
use crate::cpython::layout::Layout;
use crate::cpython::locate::RuntimeAddress;
use crate::cpython::thread_names;
use crate::cpython::threads::{self, Gil, ThreadState};
use crate::memory::{Fault, Memory, Moments, Snapshot, Source};
use crate::model::{Addr, GilState, Proof, TargetStr, Tid};

pub use self::look::{Look, Patience, RawThread, ReadStack, Scope, ThreadPlace};
use self::sharing::{Place, Role, Sharing};

/// The most frames of all threads together in one look: enough for a thousand threads of usual depth, or
/// for four of the deepest stacks. The threads after that are cut or lost. The next tick looks at them
/// again and can skip those that went on sleeping.
const FRAMES_A_LOOK: usize = 4 * frames::MAX_FRAMES;

/// How often the words that identify a stack are read again if nothing was halted. Once is not enough: a
/// program that repeats itself may be at the same place whenever it is asked, but have been elsewhere in
/// between.
const READINGS_AGAIN: u32 = 4;

/// Reads the threads of one interpreter process.
#[derive(Debug)]
pub struct Reader<M> {
    memory: M,
    layout: Layout,
    runtime: RuntimeAddress,
    look: Look,
    /// Words that identify the stacks of this look, if these may change while they are read.
    witnesses: Vec<Witness>,
    /// Reused, so that ticks do not allocate.
    states: Vec<ThreadState>,
    /// The kernel threads of `states`.
    kernel_threads: Vec<KernelThread>,
    sharing: Sharing,
    spare_stacks: Vec<RawStack>,
    /// Reads labels, if any are wanted.
    watcher: Option<Watcher>,
    /// The places of the watched frames of one stack.
    watched: Vec<usize>,
}

/// The kernel thread of a Python thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KernelThread {
    Is(Tid),
    /// Known only from the C library's record of the thread. If C code forked, a thread that stayed in
    /// the parent may have its record reused by a later thread.
    Recorded(Tid),
    /// There is none: the thread has ended, or it stayed in the parent when this process was forked and
    /// only its thread state was copied (2.7 never removes these, later versions do so a moment later).
    Gone,
    Unknown,
}

impl KernelThread {
    pub fn tid(self) -> Option<Tid> {
        match self {
            KernelThread::Is(tid) | KernelThread::Recorded(tid) => Some(tid),
            KernelThread::Gone | KernelThread::Unknown => None,
        }
    }
}

/// What the reader must know about each thread that is not in the interpreter's memory.
pub trait KernelSide {
    /// The kernel thread of a Python thread. May read the memory: if the thread state does not have the
    /// id, the C library's record of the thread does.
    fn kernel_thread<M: Memory>(&mut self, memory: &mut M, state: &ThreadState) -> KernelThread;

    /// Whether the stack of the thread with this root thread state is known, and the same as at the last
    /// look.
    fn stack_is_unchanged(&mut self, tid: Option<Tid>, root: Addr, python_id: u64) -> bool;

    /// The effort that may be spent to prove the stack of a thread.
    fn patience_with(&mut self, tid: Option<Tid>, state: &ThreadState) -> Patience;
}

/// Whether threads run while they are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Motion {
    /// They are halted, as far as possible.
    Halted,
    /// They run. The words that identify each stack are kept, to be compared afterwards. If a stack
    /// changes during the read, the part that was read until then is used.
    Running,
}

impl<M: Moments> Reader<M> {
    pub fn new(memory: M, layout: Layout, runtime: RuntimeAddress) -> Reader<M> {
        Reader {
            memory,
            layout,
            runtime,
            look: Look::default(),
            witnesses: Vec::new(),
            states: Vec::new(),
            kernel_threads: Vec::new(),
            sharing: Sharing::default(),
            spare_stacks: Vec::new(),
            watcher: None,
            watched: Vec::new(),
        }
    }

    /// Lets each look read labels, too.
    pub fn watch(&mut self, watcher: Watcher) {
        self.watcher = Some(watcher);
    }

    /// What reads the labels, and knows those of the last look.
    pub fn watcher(&self) -> Option<&Watcher> {
        self.watcher.as_ref()
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    pub fn runtime(&self) -> &RuntimeAddress {
        &self.runtime
    }

    /// The result of the last look.
    pub fn last_look(&self) -> &Look {
        &self.look
    }

    pub fn last_look_mut(&mut self) -> &mut Look {
        &mut self.look
    }

    /// Reads every thread of `scope` once, all from the same moment of memory.
    ///
    /// # Errors
    /// When interpreters, GILs or thread states cannot be read. The look then has no threads.
    pub fn look(
        &mut self,
        scope: &Scope,
        motion: Motion,
        codes: &mut CodeTable,
        kernel: &mut impl KernelSide,
    ) -> Result<(), Fault> {
        self.look.remember_gil_holders();
        for thread in self.look.threads.drain(..) {
            if let ReadStack::Read(stack) = thread.stack {
                self.spare_stacks.push(stack);
            }
        }
        self.witnesses.clear();
        if let Some(watcher) = &mut self.watcher {
            watcher.begin_look();
        }
        self.look.frames_left = FRAMES_A_LOOK;
        self.memory.refresh();
        self.list_threads(scope)?;
        codes.begin_look(self.code_objects_freed());
        self.kernel_threads.clear();
        for state in &self.states {
            let found = kernel.kernel_thread(&mut self.memory, state);
            self.kernel_threads.push(found);
        }
        self.sharing
            .assign(&self.states, &self.kernel_threads, &self.look);
        for index in 0..self.states.len() {
            self.read_thread(index, motion, codes, kernel);
        }
        let attached = self.layout.runtime.gil.names_the_running_state();
        let threads = &mut self.look.threads;
        self.sharing.join(attached, threads, &mut self.spare_stacks);
        Ok(())
    }

    /// Keeps the last look, which is still valid at this moment.
    pub fn keep_last_look(&mut self) {
        for thread in &mut self.look.threads {
            if !matches!(thread.stack, ReadStack::Read(_)) {
                continue;
            }
            let stack = std::mem::replace(&mut thread.stack, ReadStack::Unchanged);
            if let ReadStack::Read(stack) = stack {
                self.spare_stacks.push(stack);
            }
        }
    }

    /// Whether the GILs are still as the last look found them.
    pub fn gils_are_unchanged(&mut self) -> bool {
        let (layout, runtime) = (&self.layout, &self.runtime);
        self.look.gils.iter().all(|(interpreter, gil)| {
            threads::gil(self.memory.now(), layout, runtime, *interpreter) == Ok(*gil)
        })
    }

    /// A thread state as it is now, with the memory that it was read from.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn thread_state_now(
        &mut self,
        interpreter: Addr,
        address: Addr,
    ) -> Result<(ThreadState, &mut M::Now), Fault> {
        let memory = self.memory.now();
        let state = threads::thread_state(memory, &self.layout, interpreter, address)?;
        Ok((state, memory))
    }

    /// Whether it can tell which thread has the GIL. Before 3.7 without symbols, it cannot until some
    /// thread has it.
    pub fn knows_gil_holder(&self) -> bool {
        !matches!(
            self.runtime,
            RuntimeAddress::Variables {
                current_thread: None,
                ..
            }
        )
    }

    /// The memory of each GIL, as far as known, including what threads wait on.
    pub fn gil_memory(&mut self) -> Vec<Range<u64>> {
        let (memory, layout, runtime) = (&mut self.memory, &self.layout, &self.runtime);
        let interpreters = self.look.interpreters.iter();
        interpreters
            .filter_map(|interpreter| {
                threads::gil_memory(memory.now(), layout, runtime, *interpreter).ok()?
            })
            .collect()
    }

    /// The current names of threads by Python id, one map per interpreter of the last look. An
    /// interpreter is left out if its names change during the read.
    pub fn thread_names(&mut self) -> impl Iterator<Item = FxHashMap<u64, TargetStr>> {
        let (memory, layout) = (&mut self.memory, &self.layout);
        let interpreters = self.look.interpreters.iter();
        interpreters
            .flat_map(move |interpreter| thread_names::read(memory.now(), layout, *interpreter))
    }

    /// Reads the words that identify the stacks again, several times, and marks each thread of which one
    /// has changed. The leaf is compared, too, since an ended frame keeps its content.
    pub fn read_witnesses_again(&mut self) {
        for reading in 0..READINGS_AGAIN {
            wait(reading);
            self.memory.refresh();
            for thread in &mut self.look.threads {
                let (ReadStack::Read(_) | ReadStack::Joined) = &thread.stack else {
                    continue;
                };
                let ThreadState {
                    interpreter,
                    address,
                    leaf,
                    ..
                } = thread.state;
                let memory = &mut self.memory;
                let now = threads::thread_state(memory, &self.layout, interpreter, address);
                let witnesses = self.witnesses.get(thread.witnesses.clone());
                let mut witnesses = witnesses.unwrap_or_default().iter();
                thread.ran_on |= !now.is_ok_and(|now| now.leaf == leaf)
                    || !witnesses.all(|(at, value)| memory.read_u64(*at) == Ok(*value));
                if let Some(watcher) = &self.watcher {
                    thread.ran_on |= !watcher.is_unchanged(memory, &thread.labels);
                }
            }
        }
        self.look.mark_joined_that_ran_on();
    }

    /// Fills `look` and `states` with interpreters, GILs and thread states.
    fn list_threads(&mut self, scope: &Scope) -> Result<(), Fault> {
        let (memory, layout, runtime) = (&mut self.memory, &self.layout, &self.runtime);
        let (look, states) = (&mut self.look, &mut self.states);
        states.clear();
        look.gils.clear();
        let places = scope.places();
        if places.is_none() {
            threads::interpreters(memory, layout, runtime, &mut look.interpreters)?;
        }
        for &interpreter in &look.interpreters {
            let gil = threads::gil(memory, layout, runtime, interpreter)?;
            look.gils.push((interpreter, gil));
            if places.is_none() {
                threads::thread_states(memory, layout, interpreter, states)?;
            }
        }
        for place in places.unwrap_or_default() {
            let state = threads::thread_state(memory, layout, place.interpreter, place.address)?;
            states.push(state);
        }
        Ok(())
    }

    /// The number of code objects that all interpreters have freed; `None` if it is not counted, or not
    /// reliably by all threads.
    fn code_objects_freed(&mut self) -> Option<u64> {
        let interpreter = &self.layout.interpreter;
        let counter = interpreter
            .code_generation
            .filter(|_| !self.layout.version.free_threaded)?;
        self.look.interpreters.iter().try_fold(0, |sum, at| {
            let freed = self.memory.read_u64(at.plus(counter.into())).ok()?;
            Some(u64::wrapping_add(sum, freed))
        })
    }

    fn read_thread(
        &mut self,
        index: usize,
        motion: Motion,
        codes: &mut CodeTable,
        kernel: &mut impl KernelSide,
    ) {
        let (states, threads) = (&self.states, &self.kernel_threads);
        let (Some(&state), Some(&kernel_thread)) = (states.get(index), threads.get(index)) else {
            return;
        };
        let role = self.sharing.role(index);
        let place = match role {
            Role::Part(group) => self.sharing.last_place(index, group),
            Role::Alone | Role::Stale => Some(Place {
                is_top: true,
                root: state.address,
            }),
        };
        let is_gone = kernel_thread == KernelThread::Gone || role == Role::Stale;
        let mut thread = RawThread {
            state,
            tid: kernel_thread.tid().filter(|_| !is_gone),
            root: place.map_or(state.address, |place| place.root),
            gil: gil_state(self.look.gil_of(state.interpreter), &state),
            proof: Proof::Unproven,
            stack: ReadStack::Lost,
            patience: Patience::Full,
            labels: ThreadLabels::default(),
            witnesses: 0..0,
            ran_on: false,
        };
        let unchanged = |place: &Place| {
            kernel.stack_is_unchanged(thread.tid, place.root, thread.state.thread_id)
        };
        if is_gone {
            thread.stack = ReadStack::Gone;
            thread.proof = Proof::Proven;
        } else if !self.look.is_full() {
            if let Some(place) = place.filter(unchanged) {
                thread.stack = match place.is_top {
                    true => ReadStack::Unchanged,
                    false => ReadStack::Joined,
                };
                thread.proof = Proof::Proven;
            } else {
                thread.patience = kernel.patience_with(thread.tid, &thread.state);
                if thread.patience != Patience::None {
                    self.read_stack(&mut thread, motion, codes);
                }
            }
        }
        self.look.threads.push(thread);
    }

    fn read_stack(&mut self, thread: &mut RawThread, motion: Motion, codes: &mut CodeTable) {
        let mut stack = self.spare_stacks.pop().unwrap_or_default();
        let first_witness = self.witnesses.len();
        let witnesses = match motion {
            Motion::Running => Some(&mut self.witnesses),
            Motion::Halted => None,
        };
        let limit = self.look.frames_left.min(frames::MAX_FRAMES);
        let walked = frames::walk(
            &mut self.memory,
            &self.layout,
            &thread.state,
            limit,
            &mut stack,
            witnesses,
        );
        self.look.frames_left -= limit.min(stack.functions().count().max(1));
        thread.witnesses = first_witness..self.witnesses.len();
        let all_verified = self.verify_codes(&mut stack, codes);
        if let Some(watcher) = &mut self.watcher
            && !self.watched.is_empty()
        {
            let is_still = motion == Motion::Halted;
            let (memory, layout, watched) = (&mut self.memory, &self.layout, &self.watched);
            thread.labels = watcher.read(memory, layout, &stack, watched, codes, is_still);
        }
        match walked {
            Ok(anchor) if all_verified => {
                // A stack that is cut only at the maximum depth has all frames that are ever shown.
                let is_all = !stack.cut || limit == frames::MAX_FRAMES;
                if anchor == Anchor::Reached && is_all {
                    thread.proof = Proof::Proven;
                }
                thread.stack = ReadStack::Read(stack);
            }
            _ if motion == Motion::Running && stack.functions().next().is_some() => {
                stack.cut = true;
                thread.stack = ReadStack::Read(stack);
            }
            _ => self.spare_stacks.push(stack),
        }
    }

    /// Verifies the code object of each function in a stack, and cuts the stack at the first that cannot
    /// be verified; `true` if all were verified.
    fn verify_codes(&mut self, stack: &mut RawStack, codes: &mut CodeTable) -> bool {
        let (memory, layout) = (&mut self.memory, &self.layout);
        let functions = stack.functions().enumerate();
        memory.prefetch(
            functions.flat_map(|(depth, frame)| codes.new_places(layout, frame.code, depth)),
        );
        let mut depths = 0..;
        let watched = &mut self.watched;
        watched.clear();
        let verified = stack
            .frames
            .iter()
            .enumerate()
            .take_while(|(place, frame)| {
                !frame.is_function() || {
                    let depth = depths.next().unwrap_or(0);
                    let verified = codes.verify(memory, layout, frame.code, depth);
                    if verified == Verified::Watched {
                        watched.push(*place);
                    }
                    verified != Verified::No
                }
            })
            .count();
        let all = verified == stack.frames.len();
        stack.frames.truncate(verified);
        all
    }
}

impl<S: Source> Reader<Snapshot<S>> {
    pub fn memory(&mut self) -> &mut Snapshot<S> {
        &mut self.memory
    }

    /// The memory that the snapshot is taken from.
    pub fn source(&self) -> &S {
        self.memory.source_ref()
    }
}

fn gil_state(gil: Option<Gil>, state: &ThreadState) -> GilState {
    match gil {
        None => GilState::Unknown,
        Some(gil) if gil.holder == Some(state.address) => GilState::Holds,
        Some(_) => GilState::DoesNotHold,
    }
}

/// Waits before a reading. The waits differ, so that readings are not at equal distances.
fn wait(reading: u32) {
    for _ in 0..reading * 37 {
        std::hint::spin_loop();
    }
}
