//! The meaning of code addresses: code objects are read once and recognised by their fingerprint.
//!
//! An address alone is not enough: the code object that was there may have been freed, and another may
//! have taken its place. Reading and resolving therefore share this table. Reading verifies each code
//! object here ([`CodeTable::verify`]) while it has the memory of the stack's own moment. Resolving looks
//! up what was verified and needs no memory.
//!
//! Up to 3.11, a new code object may differ from the old one at its address only in what the same
//! pointers lead to: see [`fingerprint`]. Checking that takes three more ranges per code object, which is
//! too much for every frame of a deep stack in every tick, and hardly any program creates such code. It
//! is therefore checked where code is most likely to differ ([`CachedCode::check`]), everywhere once in a
//! while, and everywhere in each look once a program was seen to do it. The error that remains: until
//! then, code further out than the innermost calls that was on the stack in the look before may be shown
//! as its predecessor, in at most [`LOOKS_BETWEEN`] looks.
//!
//! Stacks without the memory of their moment (from a ring buffer that the kernel fills) are verified when
//! they arrive, against what is at the address by then. That is right if no code object was freed in
//! between, which the counter passed to [`CodeTable::begin_look`] tells from 3.12 on.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::short_file::ShortFiles;
use super::watching::{PlacedWatch, place};
use crate::cpython::code::Code;
use crate::cpython::fingerprint::{self, Fingerprint};
use crate::cpython::frames::RawFrame;
use crate::cpython::layout::Layout;
use crate::frameworks::Watches;
use crate::memory::{Fault, Memory};
use crate::model::{
    Addr, CodeAddr, Frame, FrameId, FrameKind, Function, FunctionId, Interner, TargetStr,
};

/// When the table takes this many bytes, it is emptied before the next look. A program that creates code
/// without end then costs time, but no wrong results.
const FORGET_AT: usize = 8 << 20;

/// The most bytes that a single look may take. Threads that need more are lost in that look.
const MAX_KEPT: usize = 16 << 20;

/// The approximate size of a code object without its texts and line table, in bytes.
const RECORD: usize = 512;

/// In each look, this many innermost functions of each stack are checked completely.
const INNERMOST: usize = 4;

/// All other functions are checked completely once in this many looks.
const LOOKS_BETWEEN: u32 = 32;

/// The code objects of one process, and the frames of one interner that their instructions became.
#[derive(Debug, Default)]
pub struct CodeTable {
    cached: FxHashMap<CodeAddr, CachedCode>,
    /// The approximate size of `cached` in bytes.
    kept: usize,
    /// Increases when an address may mean another function than before.
    generation: u64,
    /// Entries that were verified in an earlier epoch must be verified again.
    epoch: u64,
    /// The target's count of freed code objects at the last look, if it has one.
    freed: Option<u64>,
    /// Looks until everything is checked completely again; 0 in the look that does it.
    until_all: u32,
    /// Whether different content was found behind the same pointers.
    is_remade: bool,
    /// What is read of the variables of some functions; nothing by default.
    watches: Option<Arc<Watches>>,
}

/// What is known of a frame's code object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verified {
    /// It cannot be read, or there is no room for it.
    No,
    Yes,
    /// And variables of it are watched.
    Watched,
}

/// How much of a code object is compared with what was there before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Check {
    /// Only its own fields.
    Itself,
    /// Also its texts and its line table.
    Beneath,
}

#[derive(Debug)]
struct CachedCode {
    /// The epoch in which its own fields were last verified.
    verified_in: u64,
    /// The epoch in which what its pointers lead to was last verified.
    beneath_in: u64,
    fingerprint: Fingerprint,
    code: Code,
    watches: Box<[PlacedWatch]>,
    /// Interned on first use after the code object was read.
    function: Option<FunctionId>,
    frames: FxHashMap<i32, FrameId>,
}

impl CodeTable {
    /// A table that also tells which variables are watched.
    pub fn watching(watches: Arc<Watches>) -> CodeTable {
        CodeTable {
            watches: Some(watches),
            ..CodeTable::default()
        }
    }

    /// What is watched of a function whose code object was verified.
    pub fn watches(&self, code: CodeAddr) -> &[PlacedWatch] {
        self.cached.get(&code).map_or(&[], |cached| &cached.watches)
    }

    /// Changes when frames that were resolved earlier may have another meaning now.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Begins a look. Everything must be verified again, unless the target counts the code objects that
    /// it has `freed` and freed none since the last look: then no code object can have been replaced.
    /// Drops all entries if they take too much memory.
    pub fn begin_look(&mut self, freed: Option<u64>) {
        if freed.is_none() || freed != self.freed {
            self.epoch += 1;
            self.until_all = match self.until_all {
                _ if self.is_remade => 0,
                0 => LOOKS_BETWEEN - 1,
                looks => looks - 1,
            };
        }
        self.freed = freed;
        if self.kept > FORGET_AT {
            self.cached.clear();
            self.kept = 0;
            self.generation += 1;
        }
    }

    /// Ends a look that was not proven. What it read as a code object may never have been one.
    pub fn distrust_last_look(&mut self) {
        self.freed = None;
    }

    /// Ensures that the table has the code object as it is in `memory`, which must be of the frame's own
    /// moment. Its function is the `depth`th from the leaf (from 0).
    pub fn verify<M: Memory>(
        &mut self,
        memory: &mut M,
        layout: &Layout,
        code: CodeAddr,
        depth: usize,
    ) -> Verified {
        let (epoch, is_everywhere) = (self.epoch, self.until_all == 0);
        if let Some(cached) = self.cached.get_mut(&code) {
            let check = cached.check(depth, epoch, is_everywhere);
            match cached.holds(memory, layout, code, check, epoch) {
                Ok(Found::Same) => return cached.verified(),
                Ok(Found::Other) => self.generation += 1,
                Ok(Found::OtherBeneath) => {
                    self.generation += 1;
                    self.is_remade = true;
                }
                Err(_) => return Verified::No,
            }
        }
        if self.kept > MAX_KEPT {
            return Verified::No;
        }
        let Ok(fingerprint) = Fingerprint::read(memory, layout, code) else {
            return Verified::No;
        };
        let Ok(code_object) = Code::read(memory, layout, code) else {
            return Verified::No;
        };
        let watches = self.watches.as_ref().map_or_else(Box::default, |watches| {
            place(memory, layout, code, &code_object, watches)
        });
        self.kept += RECORD + fingerprint.size() + code_object.size();
        let cached = CachedCode {
            verified_in: self.epoch,
            beneath_in: self.epoch,
            fingerprint,
            code: code_object,
            watches,
            function: None,
            frames: FxHashMap::default(),
        };
        let verified = cached.verified();
        self.cached.insert(code, cached);
        verified
    }

    /// The ranges (address, length) that [`verify`](Self::verify) will read and did not read in the last
    /// look, as far as they are known in advance. The ranges of the last look are fetched at the
    /// beginning of this one anyway.
    pub fn new_places(
        &self,
        layout: &Layout,
        code: CodeAddr,
        depth: usize,
    ) -> impl Iterator<Item = (Addr, usize)> + use<'_> {
        let is_everywhere = self.until_all == 0;
        let cached = self.cached.get(&code);
        let is_new = |last: u64| last + 1 < self.epoch;
        let own = cached.is_none_or(|cached| is_new(cached.verified_in));
        let own = own.then(|| fingerprint::place(layout, code));
        let beneath = cached.filter(|cached| {
            is_new(cached.beneath_in)
                && cached.check(depth, self.epoch, is_everywhere) == Check::Beneath
        });
        let beneath = beneath.map(|cached| cached.fingerprint.places_beneath());
        own.into_iter().chain(beneath.into_iter().flatten())
    }

    /// Whether a frame is still being made, and not to be shown.
    pub fn hides(&self, frame: &RawFrame) -> bool {
        let cached = self.cached.get(&frame.code);
        cached.is_some_and(|cached| cached.code.hides(frame))
    }

    /// The meaning of a frame whose code object was verified; `None` if it was not.
    pub fn resolve(
        &mut self,
        frame: &RawFrame,
        interner: &mut Interner,
        short_files: &mut ShortFiles,
    ) -> Option<Meaning> {
        let cached = self.cached.get_mut(&frame.code)?;
        let code = &cached.code;
        if code.hides(frame) {
            return Some(Meaning::Incomplete);
        }
        if let Some(&id) = cached.frames.get(&frame.instruction) {
            return Some(Meaning::Frame(id));
        }
        let function = *cached
            .function
            .get_or_insert_with(|| intern_function(code, interner, short_files));
        let line = code.line_at(frame.instruction);
        let id = interner.intern_frame(Frame { function, line });
        cached.frames.insert(frame.instruction, id);
        Some(Meaning::Frame(id))
    }
}

/// What was found at the address of a code object.
enum Found {
    Same,
    Other,
    /// The same fields, but different content behind its pointers.
    OtherBeneath,
}

impl CachedCode {
    fn verified(&self) -> Verified {
        match self.watches.is_empty() {
            true => Verified::Yes,
            false => Verified::Watched,
        }
    }

    /// How much of it to check this time. The innermost functions are the most likely to have changed, and
    /// so is code that was not on a stack in the look before.
    fn check(&self, depth: usize, epoch: u64, is_everywhere: bool) -> Check {
        match is_everywhere || depth < INNERMOST || self.verified_in + 1 < epoch {
            true => Check::Beneath,
            false => Check::Itself,
        }
    }

    fn holds<M: Memory>(
        &mut self,
        memory: &mut M,
        layout: &Layout,
        code: CodeAddr,
        check: Check,
        epoch: u64,
    ) -> Result<Found, Fault> {
        if self.verified_in != epoch && !self.fingerprint.holds(memory, layout, code)? {
            return Ok(Found::Other);
        }
        if check == Check::Beneath && self.beneath_in != epoch {
            if !self.fingerprint.holds_beneath(memory)? {
                return Ok(Found::OtherBeneath);
            }
            self.beneath_in = epoch;
        }
        self.verified_in = epoch;
        Ok(Found::Same)
    }
}

/// The meaning of a raw frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meaning {
    Frame(FrameId),
    /// The frame is not complete yet, and must not be shown.
    Incomplete,
}

pub fn intern_function(
    code: &Code,
    interner: &mut Interner,
    short_files: &mut ShortFiles,
) -> FunctionId {
    let name = interner.intern_text(&code.name);
    let file = interner.intern_text(&code.file);
    let short = TargetStr::new(short_files.shorten(code.file.untrusted()));
    let short_file = interner.intern_text(&short);
    interner.intern_function(Function {
        kind: FrameKind::Python,
        name,
        file,
        short_file,
        first_line: code.first_line,
    })
}
