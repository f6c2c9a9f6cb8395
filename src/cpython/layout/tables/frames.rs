//! Frames and code objects.

// Written from what generate.c prints; a name ends in the first version that it holds for, with T
// for free-threaded builds.

use crate::cpython::layout::{CodeLayout, FrameLayout, InstructionSource, LineFormat, OwnerLayout};

pub(super) const FRAME_2_7: FrameLayout = FrameLayout {
    previous: 24,
    code: 32,
    tagged: false,
    instruction: InstructionSource::LastIndex {
        offset: 120,
        unit: 1,
    },
    owner: None,
    entry: None,
    exc_state_before: None,
    locals: 376,
    head_size: 124,
    bytecode_index: None,
    chunk_header: None,
};

pub(super) const FRAME_3_7_0: FrameLayout = FrameLayout {
    previous: 24,
    code: 32,
    tagged: false,
    instruction: InstructionSource::LastIndex {
        offset: 104,
        unit: 1,
    },
    owner: None,
    entry: None,
    exc_state_before: None,
    locals: 360,
    head_size: 108,
    bytecode_index: None,
    chunk_header: None,
};

pub(super) const FRAME_3_10: FrameLayout = FrameLayout {
    previous: 24,
    code: 32,
    tagged: false,
    instruction: InstructionSource::LastIndex {
        offset: 96,
        unit: 2,
    },
    owner: None,
    entry: None,
    exc_state_before: None,
    locals: 352,
    head_size: 100,
    bytecode_index: None,
    chunk_header: None,
};

pub(super) const FRAME_3_11: FrameLayout = FrameLayout {
    previous: 48,
    code: 32,
    tagged: false,
    instruction: InstructionSource::Pointer { offset: 56 },
    owner: Some(OwnerLayout {
        offset: 69,
        generator: 1,
        first_shim: 255,
    }),
    entry: Some(68),
    exc_state_before: Some(32),
    locals: 72,
    head_size: 70,
    bytecode_index: None,
    chunk_header: Some(24),
};

pub(super) const FRAME_3_12: FrameLayout = FrameLayout {
    previous: 8,
    code: 0,
    tagged: false,
    instruction: InstructionSource::Pointer { offset: 56 },
    owner: Some(OwnerLayout {
        offset: 70,
        generator: 1,
        first_shim: 3,
    }),
    entry: None,
    exc_state_before: None,
    locals: 72,
    head_size: 71,
    bytecode_index: None,
    chunk_header: Some(24),
};

pub(super) const FRAME_3_14: FrameLayout = FrameLayout {
    previous: 8,
    code: 0,
    tagged: true,
    instruction: InstructionSource::Pointer { offset: 56 },
    owner: Some(OwnerLayout {
        offset: 74,
        generator: 1,
        first_shim: 3,
    }),
    entry: None,
    exc_state_before: None,
    locals: 80,
    head_size: 75,
    bytecode_index: None,
    chunk_header: Some(24),
};

pub(super) const FRAME_3_14T: FrameLayout = FrameLayout {
    previous: 8,
    code: 0,
    tagged: true,
    instruction: InstructionSource::Pointer { offset: 56 },
    owner: Some(OwnerLayout {
        offset: 78,
        generator: 1,
        first_shim: 3,
    }),
    entry: None,
    exc_state_before: None,
    locals: 80,
    head_size: 79,
    bytecode_index: Some(72),
    chunk_header: Some(24),
};

pub(super) const CODE_2_7: CodeLayout = CodeLayout {
    filename: 80,
    name: 88,
    qualname: None,
    first_line: 96,
    line_table: 104,
    line_format: LineFormat::LnotabUnsigned,
    arg_count: 16,
    version: None,
    local_names: 56,
    local_kinds: None,
    bytecode: None,
    first_traceable: None,
    bytecode_copies: None,
    head_size: 112,
};

pub(super) const CODE_3_6: CodeLayout = CodeLayout {
    filename: 96,
    name: 104,
    qualname: None,
    first_line: 36,
    line_table: 112,
    line_format: LineFormat::LnotabSigned,
    arg_count: 16,
    version: None,
    local_names: 64,
    local_kinds: None,
    bytecode: None,
    first_traceable: None,
    bytecode_copies: None,
    head_size: 120,
};

pub(super) const CODE_3_8: CodeLayout = CodeLayout {
    filename: 104,
    name: 112,
    qualname: None,
    first_line: 40,
    line_table: 120,
    line_format: LineFormat::LnotabSigned,
    arg_count: 16,
    version: None,
    local_names: 72,
    local_kinds: None,
    bytecode: None,
    first_traceable: None,
    bytecode_copies: None,
    head_size: 128,
};

pub(super) const CODE_3_10: CodeLayout = CodeLayout {
    filename: 104,
    name: 112,
    qualname: None,
    first_line: 40,
    line_table: 120,
    line_format: LineFormat::Ranges,
    arg_count: 16,
    version: None,
    local_names: 72,
    local_kinds: None,
    bytecode: None,
    first_traceable: None,
    bytecode_copies: None,
    head_size: 128,
};

pub(super) const CODE_3_11: CodeLayout = CodeLayout {
    filename: 112,
    name: 120,
    qualname: Some(128),
    first_line: 72,
    line_table: 136,
    line_format: LineFormat::Locations,
    arg_count: 56,
    version: None,
    local_names: 96,
    local_kinds: Some(104),
    bytecode: Some(184),
    first_traceable: Some(168),
    bytecode_copies: None,
    head_size: 184,
};

pub(super) const CODE_3_12: CodeLayout = CodeLayout {
    filename: 112,
    name: 120,
    qualname: Some(128),
    first_line: 68,
    line_table: 136,
    line_format: LineFormat::Locations,
    arg_count: 52,
    version: Some(92),
    local_names: 96,
    local_kinds: Some(104),
    bytecode: Some(192),
    first_traceable: Some(176),
    bytecode_copies: None,
    head_size: 192,
};

pub(super) const CODE_3_13: CodeLayout = CodeLayout {
    filename: 112,
    name: 120,
    qualname: Some(128),
    first_line: 68,
    line_table: 136,
    line_format: LineFormat::Locations,
    arg_count: 52,
    version: Some(92),
    local_names: 96,
    local_kinds: Some(104),
    bytecode: Some(200),
    first_traceable: Some(184),
    bytecode_copies: None,
    head_size: 200,
};

pub(super) const CODE_3_13T: CodeLayout = CodeLayout {
    filename: 128,
    name: 136,
    qualname: Some(144),
    first_line: 84,
    line_table: 152,
    line_format: LineFormat::Locations,
    arg_count: 68,
    version: Some(108),
    local_names: 112,
    local_kinds: Some(120),
    bytecode: Some(216),
    first_traceable: Some(200),
    bytecode_copies: None,
    head_size: 216,
};

pub(super) const CODE_3_14: CodeLayout = CodeLayout {
    filename: 112,
    name: 120,
    qualname: Some(128),
    first_line: 68,
    line_table: 136,
    line_format: LineFormat::Locations,
    arg_count: 52,
    version: Some(92),
    local_names: 96,
    local_kinds: Some(104),
    bytecode: Some(208),
    first_traceable: Some(192),
    bytecode_copies: None,
    head_size: 208,
};

pub(super) const CODE_3_14T: CodeLayout = CodeLayout {
    filename: 128,
    name: 136,
    qualname: Some(144),
    first_line: 84,
    line_table: 152,
    line_format: LineFormat::Locations,
    arg_count: 68,
    version: Some(108),
    local_names: 112,
    local_kinds: Some(120),
    bytecode: Some(232),
    first_traceable: Some(208),
    bytecode_copies: Some(224),
    head_size: 232,
};
