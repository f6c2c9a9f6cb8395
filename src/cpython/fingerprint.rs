//! By what a code object is recognised at its address.
//!
//! From 3.12 on code objects are numbered (`co_version`), and the number lies among the bytes that are
//! compared. Before that nothing in a code object changes when another takes its place: one that differs
//! in a text alone (`code.replace`, `types.CodeType`) may have the same pointers, since the allocator
//! gives what was freed last, texts too. So what lies beneath the pointers is compared as well.

use super::layout::{CodeLayout, Layout};
use super::objects::{self, ObjectError};
use crate::memory::{Fault, Memory};
use crate::model::{Addr, CodeAddr};

/// How much is compared of each text and of the line table, in bytes: all of it, as good as always.
const MAX_COMPARED: usize = 1024;

/// What tells one code object from another that was at the same address before or comes there
/// afterwards.
///
/// Up to 3.11 two code objects are still one to it that differ in nothing but a text or a line table of the
/// same length, behind its first [`MAX_COMPARED`] bytes; or in the bytecode alone, of which nothing is
/// shown. Code objects of 3.12 and later are compared in the same way where they have no number, as those
/// have none that are made after the four thousand millionth.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fingerprint {
    /// The code object between its first and last field that we use.
    own: [u8; Fingerprint::MAX],
    len: usize,
    /// What its pointers lead to, addresses and bytes: the lengths and contents of its name, its file and its
    /// line table. What else these objects hold may change while they live.
    beneath: Vec<Piece>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Piece {
    at: Addr,
    bytes: Box<[u8]>,
}

impl Fingerprint {
    const MAX: usize = 160;

    /// # Errors
    /// When the code object, its name or its file cannot be read.
    pub fn read<M: Memory>(
        memory: &mut M,
        layout: &Layout,
        code: CodeAddr,
    ) -> Result<Fingerprint, ObjectError> {
        let (start, len) = place(layout, code);
        let mut fingerprint = Fingerprint {
            own: [0; Fingerprint::MAX],
            len,
            beneath: Vec::new(),
        };
        memory.read(start, fingerprint.own.get_mut(..len).unwrap_or_default())?;
        if !is_numbered(memory, layout, code)? {
            fingerprint.beneath = read_beneath(memory, layout, code)?;
        }
        Ok(fingerprint)
    }

    /// Whether the code object there still is the one of which this was read, as far as it tells itself: to
    /// look at it takes a range more of a reader who has its frame.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn holds<M: Memory>(
        &self,
        memory: &mut M,
        layout: &Layout,
        code: CodeAddr,
    ) -> Result<bool, Fault> {
        let (start, _) = place(layout, code);
        memory.holds(start, self.own.get(..self.len).unwrap_or_default())
    }

    /// Whether its pointers still lead to the same name, file and lines, as those of one that is numbered do
    /// in any case. It takes up to three ranges more.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn holds_beneath<M: Memory>(&self, memory: &mut M) -> Result<bool, Fault> {
        for piece in &self.beneath {
            if !memory.holds(piece.at, &piece.bytes)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Where [`holds_beneath`](Self::holds_beneath) will look: ranges (address, length in bytes).
    pub fn places_beneath(&self) -> impl Iterator<Item = (Addr, usize)> + use<'_> {
        self.beneath
            .iter()
            .map(|piece| (piece.at, piece.bytes.len()))
    }

    /// Bytes that it keeps of what lies beneath.
    #[must_use]
    pub fn size(&self) -> usize {
        self.beneath.iter().map(|piece| piece.bytes.len()).sum()
    }
}

/// Where [`holds`](Fingerprint::holds) will look (address, length in bytes).
#[must_use]
pub fn place(layout: &Layout, code: CodeAddr) -> (Addr, usize) {
    let CodeLayout {
        first_line,
        filename,
        name,
        qualname,
        line_table,
        ..
    } = layout.code;
    let starts = [first_line, filename, name, line_table];
    let start = starts.into_iter().min().unwrap_or(0);
    let end = starts.into_iter().chain(qualname).max().unwrap_or(0) + 8;
    let len = (end.saturating_sub(start) as usize).min(Fingerprint::MAX);
    (code.0.plus(start.into()), len)
}

/// Whether no other code object has had the same number. The counter stays at 0 when it has gone round
/// (`init_code` in Objects/codeobject.c, 3.12).
fn is_numbered<M: Memory>(memory: &mut M, layout: &Layout, code: CodeAddr) -> Result<bool, Fault> {
    match layout.code.version {
        Some(version) => Ok(memory.read_u32(code.0.plus(version.into()))? != 0),
        None => Ok(false),
    }
}

fn read_beneath<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    code: CodeAddr,
) -> Result<Vec<Piece>, ObjectError> {
    let CodeLayout {
        filename,
        name,
        qualname,
        line_table,
        ..
    } = layout.code;
    let mut pointer = |offset: u32| memory.read_addr(code.0.plus(offset.into()));
    let (name, file) = (pointer(qualname.unwrap_or(name))?, pointer(filename)?);
    let table = pointer(line_table)?;
    let objects = &layout.object;
    let mut places = Vec::new();
    places.extend(objects::text_places(memory, objects, name)?);
    places.extend(objects::text_places(memory, objects, file)?);
    let mut beneath = places
        .into_iter()
        .map(|place| piece(memory, place))
        .collect::<Result<Vec<_>, _>>()?;
    // A line table that cannot be read is as good as empty.
    let table = objects::bytes_places(memory, objects, table).ok();
    beneath.extend(
        table
            .into_iter()
            .flatten()
            .map_while(|place| piece(memory, place).ok()),
    );
    Ok(beneath)
}

/// As much as is compared of a range (address, length in bytes).
fn piece<M: Memory>(memory: &mut M, (at, len): (Addr, u64)) -> Result<Piece, Fault> {
    let len = usize::try_from(len).unwrap_or(usize::MAX).min(MAX_COMPARED);
    let bytes = memory.read_vec(at, len)?.into_boxed_slice();
    Ok(Piece { at, bytes })
}
