//! Reading: from a process's memory to the stacks of its threads, as addresses.
//!
//! Works on any memory: a live process's, a recording, a core file. It knows thread states, GILs and
//! frames, and nothing of kernel threads, of names, or of how threads are made to stand still. What it
//! must be told of a thread before it reads its stack it asks through [`KernelSide`]. Code objects are
//! verified in the [`CodeTable`] at once, while the memory of the stack's own moment is at hand.

mod look;

use rustc_hash::FxHashMap;

use super::code_table::CodeTable;
use crate::cpython::frames::{self, Anchor, RawStack, Witness};
use crate::cpython::layout::Layout;
use crate::cpython::locate::RuntimeAddress;
use crate::cpython::thread_names;
use crate::cpython::threads::{self, Gil, ThreadState};
use crate::memory::{Fault, Memory, Moments, Snapshot, Source};
use crate::model::{Addr, GilState, Proof, TargetStr, Tid};

pub use self::look::{Look, RawThread, ReadStack, Scope, ThreadPlace};

/// Frames of all threads together that one look takes: those of a thousand threads of usual depth, or
/// of four of the longest stacks. Threads that come when this is used up are cut, or lost, and looked
/// at again in the next tick, in which those that went on sleeping need no look.
const FRAMES_A_LOOK: usize = 4 * frames::MAX_FRAMES;

/// How often the words that name a stack are read again where nothing stood still. Once is not
/// enough: a program that does the same over and over may be at the same place again each time
/// that it is asked, and not have been there in between.
const READINGS_AGAIN: u32 = 4;

/// Reads the threads of one interpreter process.
#[derive(Debug)]
pub struct Reader<M> {
    memory: M,
    layout: Layout,
    runtime: RuntimeAddress,
    look: Look,
    /// Words that the stacks of this look stand on, where they may change while they are read.
    witnesses: Vec<Witness>,
    /// Working space, kept so that no tick allocates.
    states: Vec<ThreadState>,
    spare_stacks: Vec<RawStack>,
}

/// Which kernel thread runs a Python thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KernelThread {
    Is(Tid),
    /// There is none: the thread has ended, or stayed in the parent when this process was forked
    /// and its thread state came along (2.7 never clears these away, others a moment later).
    Gone,
    Unknown,
}

impl KernelThread {
    pub fn tid(self) -> Option<Tid> {
        match self {
            KernelThread::Is(tid) => Some(tid),
            KernelThread::Gone | KernelThread::Unknown => None,
        }
    }
}

/// What the reader must be told of each thread, since the interpreter's memory does not say it.
pub trait KernelSide {
    /// Which kernel thread runs a Python thread. May look into the memory: the C library's record of
    /// a thread tells it where the thread state does not.
    fn kernel_thread<M: Memory>(&mut self, memory: &mut M, state: &ThreadState) -> KernelThread;

    /// Whether the stack is known, and the same as at the last look.
    fn stack_is_unchanged(&mut self, tid: Option<Tid>, state: &ThreadState) -> bool;
}

/// Whether threads can go on while they are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Motion {
    /// They stand still, as far as they could be made to.
    Halted,
    /// They go on. The words that name each stack are kept, to be compared afterwards; of a stack that
    /// changes under the reader, what was read until then is taken: it is better than nothing.
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
            spare_stacks: Vec::new(),
        }
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What the last look found.
    pub fn last_look(&self) -> &Look {
        &self.look
    }

    pub fn last_look_mut(&mut self) -> &mut Look {
        &mut self.look
    }

    /// Reads every thread of `scope` once, all from one moment of the memory.
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
        self.look.frames_left = FRAMES_A_LOOK;
        self.memory.refresh();
        self.list_threads(scope)?;
        codes.begin_look(self.code_objects_freed());
        for index in 0..self.states.len() {
            if let Some(&state) = self.states.get(index) {
                let thread = self.read_thread(state, motion, codes, kernel);
                self.look.threads.push(thread);
            }
        }
        Ok(())
    }

    /// The look before this moment holds for it, too.
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

    /// Whether the GILs are now as the last look found them.
    pub fn gils_are_unchanged(&mut self) -> bool {
        let (layout, runtime) = (&self.layout, &self.runtime);
        self.look.gils.iter().all(|(interpreter, gil)| {
            threads::gil(self.memory.now(), layout, runtime, *interpreter) == Ok(*gil)
        })
    }

    /// A thread state as it is now, and the memory that it was read from.
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

    /// Whether it shows which thread has the GIL: not in a build of before 3.7 without symbols until one
    /// has it.
    pub fn knows_gil_holder(&self) -> bool {
        !matches!(
            self.runtime,
            RuntimeAddress::Variables {
                current_thread: None,
                ..
            }
        )
    }

    /// The names of threads by their Python ids, as they are now, for each interpreter of the last
    /// look in turn. An interpreter is left out whose names change while they are read.
    pub fn thread_names(&mut self) -> impl Iterator<Item = FxHashMap<u64, TargetStr>> {
        let (memory, layout) = (&mut self.memory, &self.layout);
        let interpreters = self.look.interpreters.iter();
        interpreters
            .flat_map(move |interpreter| thread_names::read(memory.now(), layout, *interpreter))
    }

    /// Reads the words again that name the stacks, several times, and marks each thread of which one
    /// has changed; its leaf too, since a frame keeps what it held after it has ended.
    pub fn read_witnesses_again(&mut self) {
        for reading in 0..READINGS_AGAIN {
            wait(reading);
            self.memory.refresh();
            for thread in &mut self.look.threads {
                let ReadStack::Read(_) = &thread.stack else {
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
            }
        }
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

    /// How many code objects all interpreters together have freed; `None` where that is not counted,
    /// or not by all threads alike.
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
        state: ThreadState,
        motion: Motion,
        codes: &mut CodeTable,
        kernel: &mut impl KernelSide,
    ) -> RawThread {
        let kernel_thread = kernel.kernel_thread(&mut self.memory, &state);
        let mut thread = RawThread {
            state,
            tid: kernel_thread.tid(),
            gil: gil_state(self.look.gil_of(state.interpreter), &state),
            proof: Proof::Unproven,
            stack: ReadStack::Lost,
            witnesses: 0..0,
            ran_on: false,
        };
        if kernel_thread == KernelThread::Gone {
            thread.stack = ReadStack::Gone;
            thread.proof = Proof::Proven;
        } else if !self.look.is_full() {
            if kernel.stack_is_unchanged(thread.tid, &state) {
                thread.stack = ReadStack::Unchanged;
                thread.proof = Proof::Proven;
            } else {
                self.read_stack(&mut thread, motion, codes);
            }
        }
        thread
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
        match walked {
            Ok(anchor) if all_verified => {
                // Cut for no other reason than its own length, it is all that is ever shown.
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

    /// Verifies the code object of each function in a stack, and cuts the stack at the first that
    /// cannot be; `true` when none had to be cut.
    fn verify_codes(&mut self, stack: &mut RawStack, codes: &mut CodeTable) -> bool {
        let (memory, layout) = (&mut self.memory, &self.layout);
        let functions = stack.functions().enumerate();
        memory.prefetch(functions.flat_map(|(depth, frame)| {
            codes.new_places(layout, frame.code, codes.check(frame.code, depth))
        }));
        let mut depths = 0..;
        let verified = stack
            .frames
            .iter()
            .take_while(|frame| {
                !frame.is_function() || {
                    let check = codes.check(frame.code, depths.next().unwrap_or(0));
                    codes.verify(memory, layout, frame.code, check)
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

    /// The memory beneath the snapshot.
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

/// Lets so much time pass before a reading that no two are equally far apart.
fn wait(reading: u32) {
    for _ in 0..reading * 37 {
        std::hint::spin_loop();
    }
}
