//! Code objects: what function they are, and which line each instruction belongs to.

use super::frames::RawFrame;
use super::layout::{Layout, LineFormat};
use super::linetable;
use super::objects::{self, ObjectError};
use crate::memory::Memory;
use crate::model::{CodeAddr, TargetStr};

/// Names and paths beyond this many characters are cut.
const MAX_TEXT: usize = 4096;

/// A line table beyond this is not read; its frames have no line. CPython's own test suite holds
/// tables of 37 kB.
const MAX_LINE_TABLE: usize = 4 << 20;

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
