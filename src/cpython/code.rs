//! Code objects: what function they are, and which line each instruction belongs to.

use super::frames::RawFrame;
use super::layout::{Layout, LineFormat};
use super::linetable;
use super::objects::{self, ObjectError};
use crate::memory::{Fault, Memory};
use crate::model::{Addr, CodeAddr, TargetStr};

/// Names and paths beyond this many characters are cut.
const MAX_TEXT: usize = 4096;

/// A line table beyond this is not read; its frames have no line. CPython's own test suite holds
/// tables of 37 kB.
const MAX_LINE_TABLE: usize = 4 << 20;

/// The bytes of a code object between its first and last field that we use: two code objects that
/// were made one after the other at the same address differ here, as good as always.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fingerprint {
    bytes: [u8; Fingerprint::MAX],
    len: usize,
}

impl Fingerprint {
    const MAX: usize = 160;

    /// # Errors
    /// When the code object cannot be read.
    pub fn read<M: Memory>(
        memory: &mut M,
        layout: &Layout,
        code: CodeAddr,
    ) -> Result<Fingerprint, Fault> {
        let (start, len) = Fingerprint::span(layout);
        let mut fingerprint = Fingerprint {
            bytes: [0; Fingerprint::MAX],
            len,
        };
        let into = fingerprint.bytes.get_mut(..len).unwrap_or_default();
        memory.read(code.0.plus(start.into()), into)?;
        Ok(fingerprint)
    }

    /// Whether the code object there still is the one of which this was read.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn holds<M: Memory>(
        &self,
        memory: &mut M,
        layout: &Layout,
        code: CodeAddr,
    ) -> Result<bool, Fault> {
        let (start, len) = Fingerprint::span(layout);
        let bytes = self.bytes.get(..len).unwrap_or_default();
        memory.holds(code.0.plus(start.into()), bytes)
    }

    /// Where [`read`](Self::read) and [`holds`](Self::holds) will look.
    #[must_use]
    pub fn place(layout: &Layout, code: CodeAddr) -> (Addr, usize) {
        let (start, len) = Fingerprint::span(layout);
        (code.0.plus(start.into()), len)
    }

    /// Start and length within a code object.
    fn span(layout: &Layout) -> (u32, usize) {
        let fields = &layout.code;
        let starts = [
            fields.first_line,
            fields.filename,
            fields.name,
            fields.line_table,
        ];
        let start = starts.into_iter().min().unwrap_or(0);
        let end = starts.into_iter().chain(fields.qualname).max().unwrap_or(0) + 8;
        let len = (end.saturating_sub(start) as usize).min(Fingerprint::MAX);
        (start, len)
    }
}

/// What a code object says of itself.
#[derive(Clone, Debug)]
pub struct Code {
    /// `co_qualname`, or `co_name` where there is none.
    pub name: TargetStr,
    pub file: TargetStr,
    /// 0 where there is none.
    pub first_line: u32,
    /// What the lines of the table are counted from: below 1 where a program made the code up so.
    lines_from: i32,
    /// In bytes; 0 before 3.11.
    first_traceable: i32,
    line_table: Vec<u8>,
    line_format: LineFormat,
}

impl Code {
    /// # Errors
    /// When name or file cannot be read. A line table that cannot is as good as empty.
    pub fn read<M: Memory>(
        memory: &mut M,
        layout: &Layout,
        code: CodeAddr,
    ) -> Result<Code, ObjectError> {
        let fields = &layout.code;
        let field = |offset: u32| code.0.plus(offset.into());
        let name = memory.read_addr(field(fields.qualname.unwrap_or(fields.name)))?;
        let file = memory.read_addr(field(fields.filename))?;
        let table = memory.read_addr(field(fields.line_table))?;
        let lines_from = memory.read_u32(field(fields.first_line))?.cast_signed();
        Ok(Code {
            name: objects::read_text(memory, &layout.object, name, MAX_TEXT)?,
            file: objects::read_text(memory, &layout.object, file, MAX_TEXT)?,
            first_line: lines_from.max(0).cast_unsigned(),
            lines_from,
            first_traceable: match fields.first_traceable {
                // In units of two bytes.
                Some(first) => memory
                    .read_u32(field(first))?
                    .cast_signed()
                    .saturating_mul(2),
                None => 0,
            },
            line_table: objects::read_bytes(memory, &layout.object, table, MAX_LINE_TABLE)
                .unwrap_or_default(),
            line_format: fields.line_format,
        })
    }

    /// Whether a frame is still being made, which CPython hides as well (`_PyFrame_IsIncomplete` in
    /// Include/internal/pycore_frame.h).
    #[must_use]
    pub fn hides(&self, frame: &RawFrame) -> bool {
        frame.may_be_incomplete && frame.instruction < self.first_traceable
    }

    /// Bytes that its texts and its line table take.
    #[must_use]
    pub fn size(&self) -> usize {
        self.name.untrusted().len() + self.file.untrusted().len() + self.line_table.len()
    }

    /// The line of the instruction at that many bytes; 0 where the table has none. Before its
    /// first instruction a function is at its first line, as `frame.f_lineno` has it.
    #[must_use]
    pub fn line_at(&self, instruction: i32) -> u32 {
        match u32::try_from(instruction) {
            Ok(offset) => {
                linetable::line_at(self.line_format, &self.line_table, self.lines_from, offset)
                    .unwrap_or(0)
            }
            Err(_) => self.first_line,
        }
    }
}
