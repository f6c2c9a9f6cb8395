//! The result of one look at a process: interpreters, GILs, and each thread's stack as addresses.

use std::ops::Range;

use rustc_hash::FxHashSet;

use crate::cpython::frames::RawStack;
use crate::cpython::threads::{Gil, ThreadState};
use crate::engine::cpython::watching::ThreadLabels;
use crate::model::{Addr, GilState, Proof, Tid};

/// One look. It is of one moment if the threads stood still.
#[derive(Debug, Default)]
pub struct Look {
    pub interpreters: Vec<Addr>,
    /// By interpreter; `None` for one that runs without a GIL.
    pub gils: Vec<(Addr, Option<Gil>)>,
    pub threads: Vec<RawThread>,
    /// The last holder of each GIL, as found by the look before this one.
    pub(super) holders_before: Vec<Option<Addr>>,
    /// The number of frames that this look may still read.
    pub(super) frames_left: usize,
}

/// One thread as it was read.
#[derive(Debug)]
pub struct RawThread {
    pub state: ThreadState,
    /// The kernel thread that runs it, if known.
    pub tid: Option<Tid>,
    /// The thread state at the root of this thread's stack: its own, unless several thread states make up
    /// the stack. It stays the same while others come and go on top of it.
    pub root: Addr,
    pub gil: GilState,
    /// Until halting has checked whether the thread stood still: whether its chain of frames is whole.
    pub proof: Proof,
    pub stack: ReadStack,
    pub patience: Patience,
    /// What watched functions of the stack have in their variables, if it was read.
    pub labels: ThreadLabels,
    /// Whether a word that identifies the stack has changed since it was read.
    pub ran_on: bool,
    /// Its range in the reader's witnesses, if these are kept.
    pub(super) witnesses: Range<usize>,
}

/// The effort that a tick may spend to prove a thread's stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Patience {
    /// Look again until it is proven.
    Full,
    /// Read it, but do not look again for its sake.
    OneTry,
    /// Do not read it.
    None,
}

/// The result of reading one thread's stack.
#[derive(Debug)]
pub enum ReadStack {
    /// Not read, since it is the same as at the look before.
    Unchanged,
    Read(RawStack),
    /// Part of the stack of another thread state, which the same kernel thread runs.
    Joined,
    /// Nothing could be read.
    Lost,
    /// No kernel thread runs this thread state any more.
    Gone,
}

/// The threads that a look reads.
#[derive(Debug, Default)]
pub struct Scope {
    is_partial: bool,
    places: Vec<ThreadPlace>,
}

/// The location of a thread state.
#[derive(Clone, Copy, Debug)]
pub struct ThreadPlace {
    pub interpreter: Addr,
    pub address: Addr,
}

impl Scope {
    /// All threads of all interpreters.
    pub fn set_all(&mut self) {
        self.is_partial = false;
    }

    /// Only these threads, of the interpreters that the look before found.
    pub fn set_only(&mut self, places: impl Iterator<Item = ThreadPlace>) {
        self.is_partial = true;
        self.places.clear();
        self.places.extend(places);
    }

    pub fn is_partial(&self) -> bool {
        self.is_partial
    }

    pub(super) fn places(&self) -> Option<&[ThreadPlace]> {
        self.is_partial.then_some(&self.places)
    }
}

impl Look {
    /// The thread whose state is at this address.
    pub fn thread_at(&self, state: Addr) -> Option<&RawThread> {
        let mut threads = self.threads.iter();
        threads.find(|thread| thread.state.address == state)
    }

    /// The GIL of an interpreter; `None` if it has none, or was not looked at.
    pub fn gil_of(&self, interpreter: Addr) -> Option<Gil> {
        let mut gils = self.gils.iter();
        gils.find(|(at, _)| *at == interpreter)?.1
    }

    /// Whether there are interpreters and each has a GIL.
    pub fn all_have_a_gil(&self) -> bool {
        !self.gils.is_empty() && self.gils.iter().all(|(_, gil)| gil.is_some())
    }

    /// Whether some thread holds a GIL.
    pub fn has_a_gil_holder(&self) -> bool {
        let mut gils = self.gils.iter();
        gils.any(|(_, gil)| gil.is_some_and(|gil| gil.holder.is_some()))
    }

    /// Whether each thread that holds a GIL, or held it last, was looked at.
    pub fn includes_every_gil_holder(&self) -> bool {
        let mut holders = self.gil_holders().flatten();
        holders.all(|holder| self.thread_at(holder).is_some())
    }

    /// Whether the GIL holders differ from those of the look before.
    pub fn gil_holders_changed(&self) -> bool {
        !self.gil_holders().eq(self.holders_before.iter().copied())
    }

    /// Whether it read as many frames as one look may, so that some threads are cut or lost.
    pub fn is_full(&self) -> bool {
        self.frames_left == 0
    }

    /// A stack of several parts has changed if any part has.
    pub(super) fn mark_joined_that_ran_on(&mut self) {
        let parts = self.threads.iter();
        let ran_on = parts.filter(|it| it.ran_on && matches!(it.stack, ReadStack::Joined));
        let ran_on: FxHashSet<Addr> = ran_on.map(|part| part.root).collect();
        if !ran_on.is_empty() {
            for thread in &mut self.threads {
                thread.ran_on |= ran_on.contains(&thread.root);
            }
        }
    }

    /// Whether some stack was not read or is not proven.
    pub fn has_unproven(&self) -> bool {
        let mut threads = self.threads.iter();
        threads.any(|thread| thread.proof == Proof::Unproven)
    }

    pub(super) fn remember_gil_holders(&mut self) {
        let mut holders = std::mem::take(&mut self.holders_before);
        holders.clear();
        holders.extend(self.gil_holders());
        self.holders_before = holders;
    }

    fn gil_holders(&self) -> impl Iterator<Item = Option<Addr>> {
        let gils = self.gils.iter();
        gils.map(|(_, gil)| gil.as_ref().and_then(Gil::latest_holder))
    }
}
