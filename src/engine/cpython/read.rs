//! One look at every thread: from the snapshot, while whoever could change it stands still.

use std::ops::Range;

use super::hold::Held;
use super::tids::KernelThread;
use super::{CpythonEngine, TickError};
use crate::cpython::code::Fingerprint;
use crate::cpython::frames::{self, Anchor, RawStack, Witness};
use crate::cpython::threads::{self, Gil, ThreadState};
use crate::memory::{Fault, Memory};
use crate::model::{Addr, GilState, Proof, Tid};

/// Frames of all threads together that one look takes: a thousand threads of usual depth, or four
/// stacks that are as long as may be. Threads that come when this is used up are cut, or lost, and
/// looked at again in the next tick, when those that slept on need no look.
const FRAMES_A_LOOK: usize = 4 * frames::MAX_FRAMES;

/// Working space that is kept between ticks.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) interpreters: Vec<Addr>,
    pub(super) states: Vec<ThreadState>,
    /// Only the threads in `places` are looked at in this tick.
    pub(super) partial: bool,
    pub(super) places: Vec<ThreadPlace>,
    pub(super) cpus: Vec<usize>,
    /// What is left of [`FRAMES_A_LOOK`].
    pub(super) frames_left: usize,
    pub(super) gils: Vec<(Addr, Option<Gil>)>,
    /// Who had each GIL last, as the look before found it.
    holders: Vec<Option<Addr>>,
    pub(super) read: Vec<ReadThread>,
    /// Stacks to be used again, so that no tick allocates.
    pub(super) spare: Vec<RawStack>,
    pub(super) witnesses: Vec<Witness>,
}

impl Scratch {
    /// Before a look: who is thought to have each GIL.
    pub(super) fn remember_holders(&mut self) {
        let (holders, gils) = (&mut self.holders, &self.gils);
        holders.clear();
        holders.extend(
            gils.iter()
                .map(|(_, gil)| gil.as_ref().and_then(Gil::latest_holder)),
        );
    }

    /// After it: whether another has.
    pub(super) fn other_holders(&self) -> bool {
        let now = self
            .gils
            .iter()
            .map(|(_, gil)| gil.as_ref().and_then(Gil::latest_holder));
        !now.eq(self.holders.iter().copied())
    }
}

/// Where a thread is found.
#[derive(Clone, Copy, Debug)]
pub(super) struct ThreadPlace {
    pub(super) interpreter: Addr,
    pub(super) address: Addr,
}

/// A thread as one try read it.
#[derive(Debug)]
pub(super) struct ReadThread {
    pub(super) state: ThreadState,
    pub(super) tid: Option<Tid>,
    pub(super) gil: GilState,
    pub(super) proof: Proof,
    pub(super) stack: ReadStack,
    /// Its part of the witnesses, where they are kept.
    pub(super) witnesses: Range<usize>,
    /// A witness has changed since it was read.
    pub(super) ran_on: bool,
}

#[derive(Debug)]
pub(super) enum ReadStack {
    /// The thread slept since the last tick, so its stack is the same.
    Unchanged,
    Read(RawStack),
    /// Nothing could be read.
    Lost,
    /// No kernel thread runs it any more.
    Gone,
}

impl CpythonEngine {
    /// Reads every thread once, from one snapshot, while `held` stands still.
    pub(super) fn read_threads(&mut self, held: &Held) -> Result<(), TickError> {
        for thread in self.scratch.read.drain(..) {
            if let ReadStack::Read(stack) = thread.stack {
                self.scratch.spare.push(stack);
            }
        }
        self.scratch.witnesses.clear();
        self.scratch.frames_left = FRAMES_A_LOOK;
        self.tids.allow_searches();
        self.memory.refresh();
        self.list_threads()?;
        let deaths = self.deaths_of_codes();
        self.codes.begin_look(deaths);
        for index in 0..self.scratch.states.len() {
            if let Some(&state) = self.scratch.states.get(index) {
                let thread = self.read_thread(state, held);
                self.scratch.read.push(thread);
            }
        }
        Ok(())
    }

    /// Fills `scratch` with interpreters, GILs and thread states; with those in `scratch.places`
    /// alone where these are all that is to be looked at.
    fn list_threads(&mut self) -> Result<(), TickError> {
        let unreadable = |fault: Fault| TickError::Unreadable(fault.to_string());
        let (memory, layout, runtime) = (&mut self.memory, &self.layout, &self.located.runtime);
        let scratch = &mut self.scratch;
        scratch.states.clear();
        scratch.gils.clear();
        if !scratch.partial {
            threads::interpreters(memory, layout, runtime, &mut scratch.interpreters)
                .map_err(unreadable)?;
        }
        for &interpreter in &scratch.interpreters {
            let gil = threads::gil(memory, layout, runtime, interpreter).map_err(unreadable)?;
            scratch.gils.push((interpreter, gil));
            if !scratch.partial {
                threads::thread_states(memory, layout, interpreter, &mut scratch.states)
                    .map_err(unreadable)?;
            }
        }
        if scratch.partial {
            for place in &scratch.places {
                let state = threads::thread_state(memory, layout, place.interpreter, place.address);
                scratch.states.push(state.map_err(unreadable)?);
            }
        }
        Ok(())
    }

    /// How many code objects have died in all interpreters together; `None` where that is not
    /// counted, or not by all threads alike.
    fn deaths_of_codes(&mut self) -> Option<u64> {
        let interpreter = &self.layout.interpreter;
        let counter = interpreter
            .code_generation
            .filter(|_| !self.layout.version.free_threaded)?;
        self.scratch.interpreters.iter().try_fold(0, |sum, at| {
            let deaths = self.memory.read_u64(at.plus(counter.into())).ok()?;
            Some(u64::wrapping_add(sum, deaths))
        })
    }

    fn read_thread(&mut self, state: ThreadState, held: &Held) -> ReadThread {
        let kernel = self
            .tids
            .kernel_thread(&self.tasks, &mut self.memory, &state);
        let tid = kernel.tid();
        let gil = self
            .scratch
            .gils
            .iter()
            .find(|(interpreter, _)| *interpreter == state.interpreter);
        let holder = gil.and_then(|(_, gil)| *gil).map(|gil| gil.holder);
        let mut thread = ReadThread {
            state,
            tid,
            gil: match holder {
                None => GilState::Unknown,
                Some(Some(holder)) if holder == state.address => GilState::Holds,
                Some(_) => GilState::DoesNotHold,
            },
            proof: Proof::Unproven,
            stack: ReadStack::Lost,
            witnesses: 0..0,
            ran_on: false,
        };
        if kernel == KernelThread::Gone {
            thread.stack = ReadStack::Gone;
            thread.proof = Proof::Proven;
            return thread;
        }
        if self.scratch.frames_left == 0 {
            return thread;
        }
        let task = tid.and_then(|tid| self.tasks.get(tid));
        let slept = task.is_some_and(|task| task.slept_through);
        let known = self.threads.get(&state.address);
        if slept && known.is_some_and(|known| known.proven && known.is(tid, &state)) {
            thread.stack = ReadStack::Unchanged;
            thread.proof = Proof::Proven;
            return thread;
        }
        let mut stack = self.scratch.spare.pop().unwrap_or_default();
        let first_witness = self.scratch.witnesses.len();
        let witnesses = match held {
            Held::Nobody => Some(&mut self.scratch.witnesses),
            Held::Threads(_) => None,
        };
        let limit = self.scratch.frames_left.min(frames::MAX_FRAMES);
        let walked = frames::walk(
            &mut self.memory,
            &self.layout,
            &state,
            limit,
            &mut stack,
            witnesses,
        );
        self.scratch.frames_left -= limit.min(stack.frames.len().max(1));
        thread.witnesses = first_witness..self.scratch.witnesses.len();
        let unverified = stack
            .frames
            .iter()
            .filter(|frame| !self.codes.is_verified(frame.code))
            .map(|frame| Fingerprint::place(&self.layout, frame.code));
        self.memory.prefetch(unverified);
        let known_codes = stack
            .frames
            .iter()
            .take_while(|frame| {
                self.codes
                    .verify(&mut self.memory, &self.layout, frame.code)
            })
            .count();
        let all_known = known_codes == stack.frames.len();
        stack.frames.truncate(known_codes);
        stack.frames.retain(|frame| !self.codes.hides(*frame));
        match walked {
            Ok(anchor) if all_known => {
                // Cut for no other reason than its own length, it is all that is ever shown.
                let is_all = !stack.cut || limit == frames::MAX_FRAMES;
                if anchor == Anchor::Reached && is_all {
                    thread.proof = Proof::Proven;
                }
                thread.stack = ReadStack::Read(stack);
            }
            // While it runs on, a stack often changes under the reader. What was read until then is
            // better than nothing, and unproven.
            _ if matches!(held, Held::Nobody) && known_codes > 0 => {
                stack.cut = true;
                thread.stack = ReadStack::Read(stack);
            }
            _ => self.scratch.spare.push(stack),
        }
        thread
    }
}
