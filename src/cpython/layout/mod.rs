//! Where the fields of CPython's structures lie, for each version: a table of offsets and a few
//! named strategies.
//!
//! All offsets are in bytes from the start of the structure, for 64-bit builds. From 3.13 on the
//! table in the target (`_Py_DebugOffsets`, `Include/internal/pycore_debug_offsets.h`) is the
//! authority and the built-in one serves for what it leaves out.
//!
//! The built-in tables are written from what `generate.c` prints, which is compiled against the
//! headers of one version:
//!
//! ```text
//! cc -w -DNDEBUG -Wl,--unresolved-symbols=ignore-all [-DPy_GIL_DISABLED=1] \
//!     -I PREFIX/include/pythonX.Y -I PREFIX/include/pythonX.Y/internal -I PREFIX/include \
//!     -o generate src/cpython/layout/generate.c && ./generate
//! ```
//!
//! A test does so for all headers that it finds, and for those that `SPYHOLE_HEADERS` names.

mod debug_offsets;
#[cfg(test)]
mod generated;
mod tables;
mod tasks;
mod values;
mod words;

#[cfg(any(test, feature = "internals"))]
pub use debug_offsets::read_version;
pub use debug_offsets::{DEBUG_OFFSETS_SIZE_LIMIT, from_debug_offsets};
pub use values::{DequeLayout, GeneratorLayout, GeneratorState, OldStyleLayout, ValueLayout};

pub use tasks::{
    Awaiting, CoroutineLayout, GcLayout, GcOwner, StackTop, TaskForm, TaskLayout, TaskLists,
};

use crate::model::{Addr, PythonVersion};

/// The layout of `version` from the built-in tables. From 3.13 on the interpreter's states may lie
/// elsewhere than the table says: use [`from_debug_offsets`].
///
/// # Errors
/// [`LayoutError::UnknownVersion`] for what no table holds for: other branches than 2.7 and 3.6 to
/// 3.15, and what comes before the first release of a branch.
pub fn builtin(version: PythonVersion) -> Result<Layout, LayoutError> {
    tables::find(version).ok_or(LayoutError::UnknownVersion(version))
}

/// Everything that reading one build of CPython needs to know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    pub version: PythonVersion,
    pub runtime: RuntimeLayout,
    pub interpreter: InterpreterLayout,
    pub thread: ThreadLayout,
    pub frame: FrameLayout,
    pub code: CodeLayout,
    pub object: ObjectLayout,
    pub value: ValueLayout,
    /// `None` before 3.8.
    pub tasks: Option<TaskLayout>,
}

/// `_PyRuntimeState`, or the static variables that stood in its place before 3.7.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuntimeLayout {
    /// Pointer to the first interpreter state, from the runtime's start. Before 3.7 the locator
    /// gives the address of `interp_head` itself and this is 0.
    pub interpreters_head: u32,
    pub gil: GilSource,
}

/// Where the words that tell the GIL's holder are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GilSource {
    /// 2.7 and 3.6: the variable `_PyThreadState_Current`, whose address the locator gives, holds
    /// the thread state that has the GIL, or NULL.
    CurrentThreadVariable,
    /// 3.7 to 3.11: in `_PyRuntime`.
    Runtime(GilLayout),
    /// 3.12 on: through a pointer in the interpreter state.
    Interpreter {
        /// Offset of `ceval.gil` in the interpreter state.
        pointer: u32,
        gil: GilLayout,
    },
}

impl GilSource {
    /// Whether the GIL's holder is the very thread state that runs. In 3.7 to 3.11 it is another of the same
    /// kernel thread once that has swapped its states, until it takes the GIL anew: `PyThreadState_Swap`
    /// leaves the GIL alone (Python/pystate.c).
    #[must_use]
    pub fn names_the_running_state(self) -> bool {
        !matches!(self, GilSource::Runtime(_))
    }
}

/// `struct _gil_runtime_state` (`Include/internal/pycore_gil.h`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GilLayout {
    /// Pointer to the thread state that last had the GIL; outlives its release.
    pub last_holder: u32,
    /// int: 1 when taken.
    pub locked: u32,
    /// unsigned long: rises whenever the GIL goes to another thread.
    pub switch_number: u32,
    /// int, free-threaded builds only: 0 while the GIL is switched off, as it is unless
    /// `PYTHON_GIL=1` or an extension module asks for it.
    pub enabled: Option<u32>,
}

/// `PyInterpreterState`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InterpreterLayout {
    pub next: u32,
    /// int64 id; `None` before 3.7.
    pub id: Option<u32>,
    /// First thread state, newest first.
    pub threads_head: u32,
    /// `sys.modules`, a dict.
    pub modules: u32,
    /// The dict of the `sys` module.
    pub sysdict: u32,
    /// uint64 that rises when a code object dies, so that what is known by a code object's address
    /// may be out of date; from 3.14 on.
    pub code_generation: Option<u32>,
    /// uint32 that rises when a thread gets a copy of bytecode (`co_tlbc`); free-threaded 3.14 on.
    pub bytecode_generation: Option<u32>,
}

/// `PyThreadState`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ThreadLayout {
    pub next: u32,
    pub interpreter: u32,
    pub leaf: LeafFrame,
    /// unsigned long: the pthread id.
    pub thread_id: u32,
    /// unsigned long: the kernel's thread id, as the thread itself sees it; from 3.11 on.
    pub native_thread_id: Option<u32>,
    /// Pointer to the newest chunk of the data stack; from 3.11 on.
    pub datastack_chunk: Option<u32>,
    /// Pointer to where the newest chunk's used part ends; a chunk's own `top` is only written when
    /// the next one is begun. From 3.11 on.
    pub datastack_top: Option<u32>,
    /// `base_frame`, where the version has it (3.15): the sentinel at which a whole chain ends.
    pub base_frame: Option<u32>,
    /// `exc_info`, in 3.11 alone: while a generator runs, the address of its `gi_exc_state`
    /// (`gen_send_ex2` in `Objects/genobject.c`).
    pub exc_info: Option<u32>,
    /// Bytes from the start of the state that hold all the fields above.
    pub head_size: u32,
}

/// How a thread state leads to its running frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeafFrame {
    /// Up to 3.10 `frame`, from 3.13 on `current_frame`: the pointer at this offset.
    Direct { offset: u32 },
    /// 3.11 and 3.12: through `_PyCFrame`, which lies on the C stack.
    ThroughCFrame(CFrameLayout),
}

/// `_PyCFrame`: what an eval loop keeps on the C stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CFrameLayout {
    /// Pointer to the newest one, from the thread state's start.
    pub newest: u32,
    /// Pointer to the frame that the loop runs.
    pub current_frame: u32,
    /// Pointer to the cframe of the loop that called this one.
    pub previous: u32,
}

/// `PyFrameObject` up to 3.10, `_PyInterpreterFrame` from 3.11 on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FrameLayout {
    /// Pointer to the caller's frame.
    pub previous: u32,
    /// Pointer to the code object; see `tagged`.
    pub code: u32,
    /// 3.14 on: the two low bits of the code pointer (and of locals) are a tag to be cleared.
    pub tagged: bool,
    pub instruction: InstructionSource,
    /// `owner` byte and its values; from 3.11 on.
    pub owner: Option<OwnerLayout>,
    /// bool `is_entry`, in 3.11 alone: an eval loop was entered with this frame. 3.12 puts a frame
    /// of its own below such a one.
    pub entry: Option<u32>,
    /// How many bytes before a generator's frame its `gi_exc_state` is; in 3.11 alone.
    pub exc_state_before: Option<u32>,
    /// First of `localsplus`.
    pub locals: u32,
    /// Bytes from the start of a frame that hold all the fields above but the locals.
    pub head_size: u32,
    /// Free-threaded 3.14 on: int32 index of the thread's copy of the bytecode.
    pub bytecode_index: Option<u32>,
    /// 3.11 on: size of a data stack chunk's header, after which its first frame lies
    /// (`struct _PyStackChunk`: previous, size, top, data).
    pub chunk_header: Option<u32>,
}

/// How a frame tells which instruction it runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InstructionSource {
    /// int32 `f_lasti`, to be multiplied by `unit` bytes (1 up to 3.9, 2 in 3.10); -1 before the
    /// first instruction.
    LastIndex { offset: u32, unit: u32 },
    /// A pointer into the code object's bytecode: `prev_instr` (3.11, 3.12), which stands one unit
    /// before the bytecode in a frame that has not begun, or `instr_ptr` (3.13 on).
    Pointer { offset: u32 },
}

/// `_PyInterpreterFrame.owner` (`Include/internal/pycore_frame.h`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OwnerLayout {
    /// char.
    pub offset: u32,
    /// `FRAME_OWNED_BY_GENERATOR`.
    pub generator: u8,
    /// Owners from this value on are entries from C, not functions (`FRAME_OWNED_BY_CSTACK` in
    /// 3.12 and 3.13, `FRAME_OWNED_BY_INTERPRETER` in 3.14 on); 255 where there are none (3.11).
    pub first_shim: u8,
}

/// `PyCodeObject`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CodeLayout {
    pub filename: u32,
    pub name: u32,
    /// From 3.11 on.
    pub qualname: Option<u32>,
    /// int32.
    pub first_line: u32,
    /// `co_lnotab` or `co_linetable`, a bytes object (a str in 2.7).
    pub line_table: u32,
    pub line_format: LineFormat,
    /// int32: positional arguments.
    pub arg_count: u32,
    /// int32: arguments that are given by keyword only; from 3.0 on.
    pub keyword_only_count: Option<u32>,
    /// int32 of bits (`CO_VARARGS` and others in `Include/code.h`).
    pub flags: u32,
    /// `co_version`, uint32: no other code object of its interpreter has had the same number, unless it
    /// is 0. From 3.12 on.
    pub version: Option<u32>,
    /// Names of locals: `co_varnames` up to 3.10, `co_localsplusnames` from 3.11 on; a tuple.
    pub local_names: u32,
    /// `co_cellvars` and `co_freevars`, tuples; up to 3.10.
    pub cell_names: Option<u32>,
    pub free_names: Option<u32>,
    /// `co_localspluskinds`, a bytes object; from 3.11 on.
    pub local_kinds: Option<u32>,
    /// First instruction within the code object (`co_code_adaptive`); from 3.11 on.
    pub bytecode: Option<u32>,
    /// `_co_firsttraceable`, int32, in units of 2 bytes: before it a frame is not complete; from
    /// 3.11 on.
    pub first_traceable: Option<u32>,
    /// Free-threaded 3.14 on: pointer to the array of the threads' copies of the bytecode
    /// (`co_tlbc`: an 8-byte count, then pointers).
    pub bytecode_copies: Option<u32>,
    /// Bytes from the start of a code object that hold all the fields above.
    pub head_size: u32,
}

/// The format of a line table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LineFormat {
    /// 2.7: pairs of unsigned byte and line deltas.
    LnotabUnsigned,
    /// 3.6 to 3.9: the same with signed line deltas.
    LnotabSigned,
    /// 3.10: ranges, -128 for none (PEP 626).
    Ranges,
    /// 3.11 on: locations with columns (PEP 657, `Objects/locations.md`).
    Locations,
}

/// The objects that names and values are made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectLayout {
    /// Pointer to the type in any object.
    pub ob_type: u32,
    /// `PyTypeObject`: pointer to the C string name, and unsigned long flags.
    pub type_name: u32,
    pub type_flags: u32,
    pub type_basicsize: u32,
    /// Py_ssize_t `tp_dictoffset`.
    pub type_dictoffset: u32,
    /// `ht_cached_keys`, for objects with split or inline attribute values.
    pub type_cached_keys: Option<u32>,
    pub text: TextLayout,
    pub bytes: BytesLayout,
    pub tuple_items: u32,
    pub dict: DictLayout,
    pub attributes: AttributeSource,
    pub int: IntLayout,
    /// `PyWeakReference.wr_object`.
    pub weakref_target: u32,
}

/// `bytes` (`str` in 2.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BytesLayout {
    /// Py_ssize_t.
    pub size: u32,
    pub data: u32,
}

/// `str` from 3.6 on, `unicode` in 2.7.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TextLayout {
    /// 2.7: names and files are `bytes`; unicode objects have a length and a pointer to 2 or 4
    /// byte units (`unit`).
    Legacy {
        length: u32,
        pointer: u32,
        unit: u32,
    },
    /// PEP 393.
    Compact {
        /// Py_ssize_t, in code points.
        length: u32,
        /// Py_hash_t, -1 until computed.
        hash: u32,
        /// u32 of bit fields.
        state: u32,
        kind_shift: u8,
        compact_bit: u8,
        ascii_bit: u8,
        /// Data of a compact ASCII text.
        ascii_data: u32,
        /// Data of another compact text.
        other_data: u32,
        /// Pointer to the data of a text that is not compact.
        pointer: u32,
    },
}

/// `dict` and its keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DictLayout {
    /// 2.7: one table of (hash, key, value).
    Open { used: u32, mask: u32, table: u32 },
    /// 3.6 to 3.10: `dk_size`, `dk_usable`, `dk_nentries`, indices, then (hash, key, value).
    Compact {
        used: u32,
        keys: u32,
        values: u32,
        keys_size: u32,
        keys_count: u32,
        keys_indices: u32,
    },
    /// 3.11 on: sizes as logarithms, three kinds of entries.
    Logarithmic {
        used: u32,
        keys: u32,
        values: u32,
        log2_size: u32,
        log2_index_bytes: u32,
        kind: u32,
        keys_count: u32,
        keys_indices: u32,
        /// Where the values of a split dict begin in `PyDictValues`.
        split_values: u32,
    },
}

impl FrameLayout {
    /// A pointer of a frame without the tag that it may have.
    #[must_use]
    pub fn untagged(&self, pointer: u64) -> Addr {
        Addr(match self.tagged {
            true => pointer & !3,
            false => pointer,
        })
    }
}

impl DictLayout {
    /// Where the values of a split dict begin in their array.
    #[must_use]
    pub fn first_value(self) -> u32 {
        match self {
            DictLayout::Open { .. } | DictLayout::Compact { .. } => 0,
            DictLayout::Logarithmic { split_values, .. } => split_values,
        }
    }
}

/// How the attributes of an instance are found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttributeSource {
    /// Up to 3.10: a dict at `tp_dictoffset`.
    DictOffset,
    /// 3.11: pointers before the object: split values, or a dict.
    ManagedPair {
        values: i32,
        dict: i32,
        /// Bit of `tp_flags` that says that a type's objects have such words
        /// (`Py_TPFLAGS_MANAGED_DICT`); others have a dict at `tp_dictoffset`.
        managed_flag: u8,
    },
    /// 3.12: one word before the object: a dict, or with the low bit set the values' address - 1.
    ManagedTagged { word: i32, managed_flag: u8 },
    /// 3.13 on: values inline after the object's `tp_basicsize` unless `valid` is 0, else the dict
    /// before it.
    Inline {
        dict: i32,
        managed_flag: u8,
        /// Bit of `tp_flags` that says the values are inline (`Py_TPFLAGS_INLINE_VALUES`).
        inline_flag: u8,
        /// u8 `valid` within `PyDictValues`.
        valid: u32,
    },
}

/// `int`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IntLayout {
    /// 2.7: a C long.
    Long { value: u32 },
    /// To 3.11: signed count of 30-bit digits.
    Signed { count: u32, digits: u32 },
    /// 3.12 on: `lv_tag` (low bits 0 positive, 1 zero, 2 negative; count from bit 3 on).
    Tagged { tag: u32, digits: u32 },
}

/// Why no layout is known for a target.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
pub enum LayoutError {
    #[error("Python {0} is not a version that spyhole knows")]
    UnknownVersion(PythonVersion),
    /// What should be debug offsets is something else.
    #[error("no debug offsets of Python 3.13 or later stand there")]
    NoDebugOffsets,
    /// The debug offsets in the target make no sense.
    #[error("the debug offsets of Python {version} are not usable: {field} is {value}")]
    BadDebugOffsets {
        version: PythonVersion,
        field: &'static str,
        value: u64,
    },
}
