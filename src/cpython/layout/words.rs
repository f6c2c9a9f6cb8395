//! Where the words of `_Py_DebugOffsets` are in each minor version, and where in a [`Layout`] their
//! values belong. Checked against what generate.c prints.

use super::{DictLayout, GilSource, InstructionSource, IntLayout, Layout, LeafFrame, TextLayout};

/// Where a word is, in bytes from the table's start; `None` where a version does not have it.
pub(super) type Place = Option<u16>;

/// One word of the table.
pub(super) struct Word {
    /// Its name in CPython: group and member.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// 0 in other builds.
    pub(super) free_threaded_only: bool,
    pub(super) in_3_13: Place,
    pub(super) in_3_14: Place,
    pub(super) in_3_15: Place,
    pub(super) set: fn(&mut Layout, u32),
}

/// What an offset leads to, and so what it can be.
pub(super) struct Kind {
    /// The offset is below this. The runtime and interpreter states have up to 350 kB; other
    /// structures less than a kilobyte.
    pub(super) limit: u32,
    /// The offset is a multiple of this.
    pub(super) align: u32,
}

const STATE_POINTER: Kind = Kind {
    limit: 1 << 24,
    align: 8,
};
const STATE_INT: Kind = Kind {
    limit: 1 << 24,
    align: 4,
};
const POINTER_FIELD: Kind = Kind {
    limit: 4096,
    align: 8,
};
const INT_FIELD: Kind = Kind {
    limit: 4096,
    align: 4,
};
const BYTE_FIELD: Kind = Kind {
    limit: 4096,
    align: 1,
};

/// A word that every build has.
const fn word(
    name: &'static str,
    kind: Kind,
    places: [Place; 3],
    set: fn(&mut Layout, u32),
) -> Word {
    let [in_3_13, in_3_14, in_3_15] = places;
    Word {
        name,
        kind,
        free_threaded_only: false,
        in_3_13,
        in_3_14,
        in_3_15,
        set,
    }
}

/// A word that is 0 but in free-threaded builds.
const fn free_threaded(
    name: &'static str,
    kind: Kind,
    places: [Place; 3],
    set: fn(&mut Layout, u32),
) -> Word {
    let [in_3_13, in_3_14, in_3_15] = places;
    Word {
        name,
        kind,
        free_threaded_only: true,
        in_3_13,
        in_3_14,
        in_3_15,
        set,
    }
}

/// The words of the GIL, which are made into a layout together.
pub(super) struct GilWords {
    pub(super) start: Word,
    pub(super) holder: Word,
    pub(super) locked: Word,
    pub(super) enabled: Word,
}

const fn set_with_the_others(_: &mut Layout, _: u32) {}

pub(super) static GIL_WORDS: GilWords = GilWords {
    start: word(
        "interpreter_state.gil_runtime_state",
        STATE_POINTER,
        [Some(120), Some(128), Some(128)],
        set_with_the_others,
    ),
    enabled: free_threaded(
        "interpreter_state.gil_runtime_state_enabled",
        STATE_INT,
        [Some(128), Some(136), Some(136)],
        set_with_the_others,
    ),
    locked: word(
        "interpreter_state.gil_runtime_state_locked",
        STATE_INT,
        [Some(136), Some(144), Some(144)],
        set_with_the_others,
    ),
    holder: word(
        "interpreter_state.gil_runtime_state_holder",
        STATE_POINTER,
        [Some(144), Some(152), Some(152)],
        set_with_the_others,
    ),
};

pub(super) static WORDS: &[Word] = &[
    word(
        "runtime_state.interpreters_head",
        STATE_POINTER,
        [Some(40), Some(40), Some(40)],
        |layout, offset| layout.runtime.interpreters_head = offset,
    ),
    word(
        "interpreter_state.id",
        STATE_POINTER,
        [Some(56), Some(56), Some(56)],
        |layout, offset| layout.interpreter.id = Some(offset),
    ),
    word(
        "interpreter_state.next",
        STATE_POINTER,
        [Some(64), Some(64), Some(64)],
        |layout, offset| layout.interpreter.next = offset,
    ),
    word(
        "interpreter_state.threads_head",
        STATE_POINTER,
        [Some(72), Some(72), Some(72)],
        |layout, offset| layout.interpreter.threads_head = offset,
    ),
    word(
        "interpreter_state.imports_modules",
        STATE_POINTER,
        [Some(88), Some(96), Some(96)],
        |layout, offset| layout.interpreter.modules = offset,
    ),
    word(
        "interpreter_state.sysdict",
        STATE_POINTER,
        [Some(96), Some(104), Some(104)],
        |layout, offset| layout.interpreter.sysdict = offset,
    ),
    word(
        "interpreter_state.ceval_gil",
        STATE_POINTER,
        [Some(112), Some(120), Some(120)],
        |layout, offset| {
            if let GilSource::Interpreter { pointer, .. } = &mut layout.runtime.gil {
                *pointer = offset;
            }
        },
    ),
    word(
        "interpreter_state.code_object_generation",
        STATE_POINTER,
        [None, Some(160), Some(160)],
        |layout, offset| layout.interpreter.code_generation = Some(offset),
    ),
    free_threaded(
        "interpreter_state.tlbc_generation",
        STATE_INT,
        [None, Some(168), Some(168)],
        |layout, offset| layout.interpreter.bytecode_generation = Some(offset),
    ),
    word(
        "thread_state.next",
        POINTER_FIELD,
        [Some(168), Some(192), Some(192)],
        |layout, offset| layout.thread.next = offset,
    ),
    word(
        "thread_state.interp",
        POINTER_FIELD,
        [Some(176), Some(200), Some(200)],
        |layout, offset| layout.thread.interpreter = offset,
    ),
    word(
        "thread_state.current_frame",
        POINTER_FIELD,
        [Some(184), Some(208), Some(208)],
        |layout, offset| layout.thread.leaf = LeafFrame::Direct { offset },
    ),
    word(
        "thread_state.base_frame",
        POINTER_FIELD,
        [None, None, Some(216)],
        |layout, offset| layout.thread.base_frame = Some(offset),
    ),
    word(
        "thread_state.thread_id",
        POINTER_FIELD,
        [Some(192), Some(216), Some(240)],
        |layout, offset| layout.thread.thread_id = offset,
    ),
    word(
        "thread_state.native_thread_id",
        POINTER_FIELD,
        [Some(200), Some(224), Some(248)],
        |layout, offset| layout.thread.native_thread_id = Some(offset),
    ),
    word(
        "thread_state.datastack_chunk",
        POINTER_FIELD,
        [Some(208), Some(232), Some(256)],
        |layout, offset| layout.thread.datastack_chunk = Some(offset),
    ),
    word(
        "interpreter_frame.previous",
        POINTER_FIELD,
        [Some(232), Some(256), Some(320)],
        |layout, offset| layout.frame.previous = offset,
    ),
    word(
        "interpreter_frame.executable",
        POINTER_FIELD,
        [Some(240), Some(264), Some(328)],
        |layout, offset| layout.frame.code = offset,
    ),
    word(
        "interpreter_frame.instr_ptr",
        POINTER_FIELD,
        [Some(248), Some(272), Some(336)],
        |layout, offset| layout.frame.instruction = InstructionSource::Pointer { offset },
    ),
    word(
        "interpreter_frame.localsplus",
        POINTER_FIELD,
        [Some(256), Some(280), Some(344)],
        |layout, offset| layout.frame.locals = offset,
    ),
    word(
        "interpreter_frame.owner",
        BYTE_FIELD,
        [Some(264), Some(288), Some(352)],
        |layout, offset| {
            if let Some(owner) = &mut layout.frame.owner {
                owner.offset = offset;
            }
        },
    ),
    free_threaded(
        "interpreter_frame.tlbc_index",
        INT_FIELD,
        [None, Some(304), Some(368)],
        |layout, offset| layout.frame.bytecode_index = Some(offset),
    ),
    word(
        "code_object.filename",
        POINTER_FIELD,
        [Some(280), Some(320), Some(384)],
        |layout, offset| layout.code.filename = offset,
    ),
    word(
        "code_object.name",
        POINTER_FIELD,
        [Some(288), Some(328), Some(392)],
        |layout, offset| layout.code.name = offset,
    ),
    word(
        "code_object.qualname",
        POINTER_FIELD,
        [Some(296), Some(336), Some(400)],
        |layout, offset| layout.code.qualname = Some(offset),
    ),
    word(
        "code_object.linetable",
        POINTER_FIELD,
        [Some(304), Some(344), Some(408)],
        |layout, offset| layout.code.line_table = offset,
    ),
    word(
        "code_object.firstlineno",
        INT_FIELD,
        [Some(312), Some(352), Some(416)],
        |layout, offset| layout.code.first_line = offset,
    ),
    word(
        "code_object.argcount",
        INT_FIELD,
        [Some(320), Some(360), Some(424)],
        |layout, offset| layout.code.arg_count = offset,
    ),
    word(
        "code_object.localsplusnames",
        POINTER_FIELD,
        [Some(328), Some(368), Some(432)],
        |layout, offset| layout.code.local_names = offset,
    ),
    word(
        "code_object.localspluskinds",
        POINTER_FIELD,
        [Some(336), Some(376), Some(440)],
        |layout, offset| layout.code.local_kinds = Some(offset),
    ),
    word(
        "code_object.co_code_adaptive",
        POINTER_FIELD,
        [Some(344), Some(384), Some(448)],
        |layout, offset| layout.code.bytecode = Some(offset),
    ),
    free_threaded(
        "code_object.co_tlbc",
        POINTER_FIELD,
        [None, Some(392), Some(456)],
        |layout, offset| layout.code.bytecode_copies = Some(offset),
    ),
    word(
        "pyobject.ob_type",
        POINTER_FIELD,
        [Some(360), Some(408), Some(472)],
        |layout, offset| layout.object.ob_type = offset,
    ),
    word(
        "type_object.tp_name",
        POINTER_FIELD,
        [Some(376), Some(424), Some(488)],
        |layout, offset| layout.object.type_name = offset,
    ),
    word(
        "type_object.tp_flags",
        POINTER_FIELD,
        [Some(392), Some(440), Some(504)],
        |layout, offset| layout.object.type_flags = offset,
    ),
    word(
        "type_object.tp_basicsize",
        POINTER_FIELD,
        [None, None, Some(512)],
        |layout, offset| layout.object.type_basicsize = offset,
    ),
    word(
        "type_object.tp_dictoffset",
        POINTER_FIELD,
        [None, None, Some(520)],
        |layout, offset| layout.object.type_dictoffset = offset,
    ),
    word(
        "heap_type_object.ht_cached_keys",
        POINTER_FIELD,
        [None, None, Some(536)],
        |layout, offset| layout.object.type_cached_keys = Some(offset),
    ),
    word(
        "tuple_object.ob_item",
        POINTER_FIELD,
        [Some(408), Some(456), Some(552)],
        |layout, offset| layout.object.tuple_items = offset,
    ),
    word(
        "dict_object.ma_keys",
        POINTER_FIELD,
        [Some(456), Some(536), Some(632)],
        |layout, offset| {
            if let DictLayout::Logarithmic { keys, .. } = &mut layout.object.dict {
                *keys = offset;
            }
        },
    ),
    word(
        "dict_object.ma_values",
        POINTER_FIELD,
        [Some(464), Some(544), Some(640)],
        |layout, offset| {
            if let DictLayout::Logarithmic { values, .. } = &mut layout.object.dict {
                *values = offset;
            }
        },
    ),
    word(
        "long_object.lv_tag",
        POINTER_FIELD,
        [Some(496), Some(576), Some(672)],
        |layout, offset| {
            if let IntLayout::Tagged { tag, .. } = &mut layout.object.int {
                *tag = offset;
            }
        },
    ),
    word(
        "long_object.ob_digit",
        INT_FIELD,
        [Some(504), Some(584), Some(680)],
        |layout, offset| {
            if let IntLayout::Tagged { digits, .. } = &mut layout.object.int {
                *digits = offset;
            }
        },
    ),
    word(
        "bytes_object.ob_size",
        POINTER_FIELD,
        [Some(520), Some(600), Some(696)],
        |layout, offset| layout.object.bytes.size = offset,
    ),
    word(
        "bytes_object.ob_sval",
        BYTE_FIELD,
        [Some(528), Some(608), Some(704)],
        |layout, offset| layout.object.bytes.data = offset,
    ),
    word(
        "unicode_object.state",
        INT_FIELD,
        [Some(544), Some(624), Some(720)],
        |layout, offset| {
            if let TextLayout::Compact { state, .. } = &mut layout.object.text {
                *state = offset;
            }
        },
    ),
    word(
        "unicode_object.length",
        POINTER_FIELD,
        [Some(552), Some(632), Some(728)],
        |layout, offset| {
            if let TextLayout::Compact { length, .. } = &mut layout.object.text {
                *length = offset;
            }
        },
    ),
    word(
        "unicode_object.asciiobject_size",
        POINTER_FIELD,
        [Some(560), Some(640), Some(736)],
        |layout, offset| {
            if let TextLayout::Compact { ascii_data, .. } = &mut layout.object.text {
                *ascii_data = offset;
            }
        },
    ),
    word(
        "unicode_object.compactunicodeobject_size",
        POINTER_FIELD,
        [None, None, Some(744)],
        |layout, offset| {
            if let TextLayout::Compact {
                other_data,
                pointer,
                ..
            } = &mut layout.object.text
            {
                *other_data = offset;
                *pointer = offset;
            }
        },
    ),
];
