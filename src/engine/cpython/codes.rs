//! From addresses to frames: code objects are read once and known again by their fingerprint.

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

/// All code objects that were met.
#[derive(Debug, Default)]
pub struct Codes {
    known: FxHashMap<CodeAddr, Known>,
    /// Bytes that `known` takes, roughly.
    kept: usize,
    /// Rises when an address means another function than before.
    generation: u64,
    /// Rises with each look, but where no code object has died since the one before.
    look: u64,
    /// How many have died, where the interpreter counts.
    deaths: Option<u64>,
}

#[derive(Debug)]
struct Known {
    /// The look in which it was found to be what it was before.
    verified_in: u64,
    fingerprint: Fingerprint,
    code: Code,
    /// Interned at the first use after the code object was read.
    function: Option<FunctionId>,
    frames: FxHashMap<i32, FrameId>,
}

impl Codes {
    /// Changes when frames resolved earlier may mean something else now.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Before a look: what was verified is to be verified again, unless as many code objects have
    /// died as before, where the interpreter counts them: nothing can be where another was then.
    /// Forgets all when it has become too much.
    pub fn begin_look(&mut self, deaths: Option<u64>) {
        if deaths.is_none() || deaths != self.deaths {
            self.look += 1;
        }
        self.deaths = deaths;
        if self.kept > FORGET_AT {
            self.known.clear();
            self.kept = 0;
            self.generation += 1;
        }
    }

    /// After a look that was not proven: what it took for a code object may never have been one.
    pub fn distrust(&mut self) {
        self.deaths = None;
    }

    /// Makes sure that the code object is known as it is now; to be called while the memory is
    /// that of the frame's own instant. `false` when it cannot be read or there is no room.
    pub fn verify<M: Memory>(&mut self, memory: &mut M, layout: &Layout, code: CodeAddr) -> bool {
        if self.is_verified(code) {
            return true;
        }
        if let Some(known) = self.known.get_mut(&code) {
            match known.fingerprint.holds(memory, layout, code) {
                Ok(true) => {
                    known.verified_in = self.look;
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
        let known = Known {
            verified_in: self.look,
            fingerprint,
            code: code_object,
            function: None,
            frames: FxHashMap::default(),
        };
        self.known.insert(code, known);
        true
    }

    /// Whether [`verify`](Self::verify) would have to look at it.
    pub fn is_verified(&self, code: CodeAddr) -> bool {
        let known = self.known.get(&code);
        known.is_some_and(|known| known.verified_in == self.look)
    }

    /// Whether a frame of a code object that was verified in this look is still being made.
    pub fn hides(&self, frame: RawFrame) -> bool {
        let known = self.known.get(&frame.code);
        known.is_some_and(|known| known.code.hides(frame))
    }

    /// The frame of an instruction of a code object that was verified in this look. `None` when it
    /// was not.
    pub fn resolve(
        &mut self,
        frame: RawFrame,
        interner: &mut Interner,
        short_files: &mut ShortFiles,
    ) -> Option<FrameId> {
        let known = self.known.get_mut(&frame.code)?;
        if let Some(&id) = known.frames.get(&frame.instruction) {
            return Some(id);
        }
        let code = &known.code;
        let function = *known
            .function
            .get_or_insert_with(|| intern_function(code, interner, short_files));
        let line = code.line_at(frame.instruction);
        let id = interner.intern_frame(Frame { function, line });
        known.frames.insert(frame.instruction, id);
        Some(id)
    }
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
