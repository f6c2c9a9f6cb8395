//! What code addresses mean: code objects are read once and recognised by their fingerprint.
//!
//! An address says nothing by itself: the code object that was there may have been freed since, and
//! another may have taken its place. So reading and resolving share this table. Whoever reads stacks
//! verifies each code object here ([`CodeTable::verify`]) while the memory is that of the stack's own
//! moment; resolving looks up what was verified and needs no memory.
//!
//! Stacks that come without the memory of their moment (from a ring buffer that the kernel fills) are
//! verified when they arrive. What they name then is what is at the address by that time: right as
//! long as no code object was freed in between, which the counter that
//! [`CodeTable::begin_look`] takes tells from 3.12 on.

use rustc_hash::FxHashMap;

use super::short_file::ShortFiles;
use crate::cpython::code::{Code, Fingerprint};
use crate::cpython::frames::RawFrame;
use crate::cpython::layout::Layout;
use crate::memory::Memory;
use crate::model::{
    CodeAddr, Frame, FrameId, FrameKind, Function, FunctionId, Interner, TargetStr,
};

/// When this much is kept of code objects, all is forgotten before the next look: a program that
/// makes code without end costs time then and no truth.
const FORGET_AT: usize = 8 << 20;

/// A single look takes no more than this; threads that would need more are lost to it.
const MAX_KEPT: usize = 16 << 20;

/// What a code object takes besides its texts and its line table, roughly.
const RECORD: usize = 512;

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
}

#[derive(Debug)]
struct CachedCode {
    /// The epoch in which the code object was last found at its address.
    verified_in: u64,
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
    /// frame's own moment. `false` when it cannot be read, or there is no room for it.
    pub fn verify<M: Memory>(&mut self, memory: &mut M, layout: &Layout, code: CodeAddr) -> bool {
        if self.is_verified(code) {
            return true;
        }
        if let Some(cached) = self.cached.get_mut(&code) {
            match cached.fingerprint.holds(memory, layout, code) {
                Ok(true) => {
                    cached.verified_in = self.epoch;
                    return true;
                }
                Ok(false) => self.generation += 1,
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
        self.kept += RECORD + code_object.size();
        let cached = CachedCode {
            verified_in: self.epoch,
            fingerprint,
            code: code_object,
            function: None,
            frames: FxHashMap::default(),
        };
        self.cached.insert(code, cached);
        true
    }

    /// Whether [`verify`](Self::verify) would have to look at it.
    pub fn is_verified(&self, code: CodeAddr) -> bool {
        let cached = self.cached.get(&code);
        cached.is_some_and(|cached| cached.verified_in == self.epoch)
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
