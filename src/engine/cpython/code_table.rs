//! What code addresses mean: code objects are read once and recognised by their fingerprint.
//!
//! An address says nothing by itself: the code object that was there may have been freed since, and
//! another may have taken its place. So reading and resolving share this table. Whoever reads stacks
//! verifies each code object here ([`CodeTable::verify`]) while the memory is that of the stack's own
//! moment; resolving looks up what was verified and needs no memory.
//!
//! What takes another's place may differ from it in nothing but what lies beneath the same pointers, up to
//! 3.11: see [`fingerprint`]. To look there costs three ranges a code object, which a deep stack would pay
//! for in every tick, and next to no program makes such code. So it is looked at where it is likeliest to
//! differ ([`CachedCode::check`]), everywhere now and then, and everywhere always once a program has been
//! seen to do it. What remains: until then, code that runs further out than the innermost calls, and
//! that was on the stack in the look before, may be shown as what was there before it, in no more than
//! [`LOOKS_BETWEEN`] looks.
//!
//! Stacks that come without the memory of their moment (from a ring buffer that the kernel fills) are
//! verified when they arrive. What they name then is what is at the address by that time: right as
//! long as no code object was freed in between, which the counter that
//! [`CodeTable::begin_look`] takes tells from 3.12 on.

use rustc_hash::FxHashMap;

use super::short_file::ShortFiles;
use crate::cpython::code::Code;
use crate::cpython::fingerprint::{self, Fingerprint};
use crate::cpython::frames::RawFrame;
use crate::cpython::layout::Layout;
use crate::memory::{Fault, Memory};
use crate::model::{
    Addr, CodeAddr, Frame, FrameId, FrameKind, Function, FunctionId, Interner, TargetStr,
};

/// When this much is kept of code objects, all is forgotten before the next look: a program that
/// makes code without end costs time then and no truth.
const FORGET_AT: usize = 8 << 20;

/// A single look takes no more than this; threads that would need more are lost to it.
const MAX_KEPT: usize = 16 << 20;

/// What a code object takes besides its texts and its line table, roughly.
const RECORD: usize = 512;

/// Of the innermost functions of each stack so many are checked to the last byte in each look.
const INNERMOST: usize = 4;

/// Of all others after so many looks.
const LOOKS_BETWEEN: u32 = 32;

/// The code objects of one process, and the frames of one interner that their instructions became.
#[derive(Debug, Default)]
pub struct CodeTable {
    cached: FxHashMap<CodeAddr, CachedCode>,
    /// Bytes that `cached` takes, roughly.
    kept: usize,
    /// Rises when an address means another function than before.
    generation: u64,
    /// Entries that were verified in an earlier epoch are to be verified again.
    epoch: u64,
    /// How many code objects the target had freed at the last look, where it counts them.
    freed: Option<u64>,
    /// Looks until everything is checked to the last byte again; 0 in the look in which it is.
    until_all: u32,
    /// Whether something else was found beneath the same pointers.
    is_remade: bool,
}

/// How closely a code object is compared with what was there before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Check {
    /// Its own fields.
    Itself,
    /// Its texts and its line table as well.
    Beneath,
}

#[derive(Debug)]
struct CachedCode {
    /// The epoch in which the code object was last found at its address.
    verified_in: u64,
    /// The same of what its pointers lead to.
    beneath_in: u64,
    fingerprint: Fingerprint,
    code: Code,
    /// Interned at the first use after the code object was read.
    function: Option<FunctionId>,
    frames: FxHashMap<i32, FrameId>,
}

impl CodeTable {
    /// Changes when frames resolved earlier may mean something else now.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Begins a look. What was verified has to be verified again, unless the target counts the code
    /// objects that it has `freed` and none was since the last look: then nothing can have taken
    /// another's place. Drops all entries when they take too much memory.
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

    /// Ends a look that was not proven: what it took for a code object may never have been one.
    pub fn distrust_last_look(&mut self) {
        self.freed = None;
    }

    /// Makes sure that the table has the code object as it is in `memory`, which must be that of the
    /// frame's own moment; its function is the `depth`th from the leaf (from 0). `false` when it cannot
    /// be read, or there is no room for it.
    pub fn verify<M: Memory>(
        &mut self,
        memory: &mut M,
        layout: &Layout,
        code: CodeAddr,
        depth: usize,
    ) -> bool {
        let (epoch, is_everywhere) = (self.epoch, self.until_all == 0);
        if let Some(cached) = self.cached.get_mut(&code) {
            let check = cached.check(depth, epoch, is_everywhere);
            match cached.holds(memory, layout, code, check, epoch) {
                Ok(Found::Same) => return true,
                Ok(Found::Other) => self.generation += 1,
                Ok(Found::OtherBeneath) => {
                    self.generation += 1;
                    self.is_remade = true;
                }
                Err(_) => return false,
            }
        }
        if self.kept > MAX_KEPT {
            return false;
        }
        let Ok(fingerprint) = Fingerprint::read(memory, layout, code) else {
            return false;
        };
        let Ok(code_object) = Code::read(memory, layout, code) else {
            return false;
        };
        self.kept += RECORD + fingerprint.size() + code_object.size();
        let cached = CachedCode {
            verified_in: self.epoch,
            beneath_in: self.epoch,
            fingerprint,
            code: code_object,
            function: None,
            frames: FxHashMap::default(),
        };
        self.cached.insert(code, cached);
        true
    }

    /// Which ranges (address, length) [`verify`](Self::verify) will look at that it did not look at in the
    /// last look: what it did is fetched at the beginning of this one. As far as that is known before.
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

    /// What a frame means whose code object was verified. `None` when it was not.
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

/// What is at the address of a code object.
enum Found {
    Same,
    Other,
    /// The same but for what its pointers lead to.
    OtherBeneath,
}

impl CachedCode {
    /// How closely to look at it this time. The innermost functions are the likeliest to be others than
    /// before, and so is what was not on a stack in the look before.
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

/// What a raw frame stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meaning {
    Frame(FrameId),
    /// The frame is still being made, and not to be shown.
    Incomplete,
}

fn intern_function(
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
