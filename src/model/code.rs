//! What runs: functions, their lines, and stacks of them. Names are handles of an `Interner`.

use super::{FrameId, FunctionId, StackId, TextId};

/// What kind of code a frame runs, if any.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FrameKind {
    /// A Python function.
    Python,
    /// A function of the interpreter, of an extension module or of a library.
    Native,
    /// Not a function of the program: the frame stands for something that is missing or could not be
    /// proven, or that the interpreter does by itself.
    Structure,
}

impl FrameKind {
    pub const ALL: [FrameKind; 3] = [FrameKind::Python, FrameKind::Native, FrameKind::Structure];
}

/// A function as a reader of the source knows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Function {
    pub kind: FrameKind,
    /// `co_qualname` from 3.11 on, `co_name` before.
    pub name: TextId,
    /// `co_filename`; empty where there is none.
    pub file: TextId,
    /// The file's path from its outermost package directory on, as py-spy shortens it.
    pub short_file: TextId,
    /// `co_firstlineno`; 0 where there is none.
    pub first_line: u32,
}

/// A function at a line.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Frame {
    pub function: FunctionId,
    /// The line that is executing; 0 where the line table gives none.
    pub line: u32,
}

/// A frame and the stack of its caller: a tree by construction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Stack {
    pub caller: StackId,
    pub frame: FrameId,
}
