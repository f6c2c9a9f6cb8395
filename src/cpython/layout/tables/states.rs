//! The runtime, interpreter and thread states.

// Written from what generate.c prints; a name ends in the first version that it holds for, with T
// for free-threaded builds.

use crate::cpython::layout::{
    CFrameLayout, GilLayout, GilSource, InterpreterLayout, LeafFrame, RuntimeLayout, ThreadLayout,
};

pub(super) const RUNTIME_2_7: RuntimeLayout = RuntimeLayout {
    interpreters_head: 0,
    gil: GilSource::CurrentThreadVariable,
};

pub(super) const RUNTIME_3_7_0: RuntimeLayout = RuntimeLayout {
    interpreters_head: 24,
    gil: GilSource::Runtime(GilLayout {
        last_holder: 1184,
        locked: 1192,
        switch_number: 1200,
        enabled: None,
    }),
};

pub(super) const RUNTIME_3_7_4: RuntimeLayout = RuntimeLayout {
    interpreters_head: 24,
    gil: GilSource::Runtime(GilLayout {
        last_holder: 1272,
        locked: 1280,
        switch_number: 1288,
        enabled: None,
    }),
};

pub(super) const RUNTIME_3_8: RuntimeLayout = RuntimeLayout {
    interpreters_head: 32,
    gil: GilSource::Runtime(GilLayout {
        last_holder: 1160,
        locked: 1168,
        switch_number: 1176,
        enabled: None,
    }),
};

pub(super) const RUNTIME_3_9: RuntimeLayout = RuntimeLayout {
    interpreters_head: 32,
    gil: GilSource::Runtime(GilLayout {
        last_holder: 360,
        locked: 368,
        switch_number: 376,
        enabled: None,
    }),
};

pub(super) const RUNTIME_3_11: RuntimeLayout = RuntimeLayout {
    interpreters_head: 40,
    gil: GilSource::Runtime(GilLayout {
        last_holder: 368,
        locked: 376,
        switch_number: 384,
        enabled: None,
    }),
};

pub(super) const RUNTIME_3_12: RuntimeLayout = RuntimeLayout {
    interpreters_head: 40,
    gil: GilSource::Interpreter {
        pointer: 384,
        gil: GilLayout {
            last_holder: 8,
            locked: 16,
            switch_number: 24,
            enabled: None,
        },
    },
};

pub(super) const RUNTIME_3_13: RuntimeLayout = RuntimeLayout {
    interpreters_head: 632,
    gil: GilSource::Interpreter {
        pointer: 16,
        gil: GilLayout {
            last_holder: 8,
            locked: 16,
            switch_number: 24,
            enabled: None,
        },
    },
};

pub(super) const RUNTIME_3_13T: RuntimeLayout = RuntimeLayout {
    interpreters_head: 632,
    gil: GilSource::Interpreter {
        pointer: 16,
        gil: GilLayout {
            last_holder: 16,
            locked: 24,
            switch_number: 32,
            enabled: Some(0),
        },
    },
};

pub(super) const RUNTIME_3_14: RuntimeLayout = RuntimeLayout {
    interpreters_head: 808,
    gil: GilSource::Interpreter {
        pointer: 16,
        gil: GilLayout {
            last_holder: 8,
            locked: 16,
            switch_number: 24,
            enabled: None,
        },
    },
};

pub(super) const RUNTIME_3_14T: RuntimeLayout = RuntimeLayout {
    interpreters_head: 808,
    gil: GilSource::Interpreter {
        pointer: 16,
        gil: GilLayout {
            last_holder: 16,
            locked: 24,
            switch_number: 32,
            enabled: Some(0),
        },
    },
};

pub(super) const RUNTIME_3_15: RuntimeLayout = RuntimeLayout {
    interpreters_head: 936,
    gil: GilSource::Interpreter {
        pointer: 16,
        gil: GilLayout {
            last_holder: 8,
            locked: 16,
            switch_number: 24,
            enabled: None,
        },
    },
};

pub(super) const RUNTIME_3_15T: RuntimeLayout = RuntimeLayout {
    interpreters_head: 936,
    gil: GilSource::Interpreter {
        pointer: 16,
        gil: GilLayout {
            last_holder: 16,
            locked: 24,
            switch_number: 32,
            enabled: Some(0),
        },
    },
};

pub(super) const INTERPRETER_2_7: InterpreterLayout = InterpreterLayout {
    next: 0,
    id: None,
    threads_head: 8,
    modules: 16,
    sysdict: 24,
    code_generation: None,
    bytecode_generation: None,
};

pub(super) const INTERPRETER_3_6: InterpreterLayout = InterpreterLayout {
    next: 0,
    id: None,
    threads_head: 8,
    modules: 16,
    sysdict: 32,
    code_generation: None,
    bytecode_generation: None,
};

pub(super) const INTERPRETER_3_7_0: InterpreterLayout = InterpreterLayout {
    next: 0,
    id: Some(16),
    threads_head: 8,
    modules: 40,
    sysdict: 56,
    code_generation: None,
    bytecode_generation: None,
};

pub(super) const INTERPRETER_3_8: InterpreterLayout = InterpreterLayout {
    next: 0,
    id: Some(16),
    threads_head: 8,
    modules: 56,
    sysdict: 72,
    code_generation: None,
    bytecode_generation: None,
};

pub(super) const INTERPRETER_3_9: InterpreterLayout = InterpreterLayout {
    next: 0,
    id: Some(24),
    threads_head: 8,
    modules: 856,
    sysdict: 872,
    code_generation: None,
    bytecode_generation: None,
};

pub(super) const INTERPRETER_3_11: InterpreterLayout = InterpreterLayout {
    next: 0,
    id: Some(48),
    threads_head: 16,
    modules: 888,
    sysdict: 904,
    code_generation: None,
    bytecode_generation: None,
};

pub(super) const INTERPRETER_3_12: InterpreterLayout = InterpreterLayout {
    next: 0,
    id: Some(8),
    threads_head: 72,
    modules: 944,
    sysdict: 352,
    code_generation: None,
    bytecode_generation: None,
};

pub(super) const INTERPRETER_3_13: InterpreterLayout = InterpreterLayout {
    next: 7264,
    id: Some(7272),
    threads_head: 7344,
    modules: 7656,
    sysdict: 7640,
    code_generation: None,
    bytecode_generation: None,
};

pub(super) const INTERPRETER_3_13T: InterpreterLayout = InterpreterLayout {
    next: 7264,
    id: Some(7272),
    threads_head: 7344,
    modules: 7664,
    sysdict: 7648,
    code_generation: None,
    bytecode_generation: None,
};

pub(super) const INTERPRETER_3_14: InterpreterLayout = InterpreterLayout {
    next: 7272,
    id: Some(7280),
    threads_head: 7344,
    modules: 7688,
    sysdict: 7672,
    code_generation: Some(7992),
    bytecode_generation: None,
};

pub(super) const INTERPRETER_3_14T: InterpreterLayout = InterpreterLayout {
    next: 7272,
    id: Some(7280),
    threads_head: 7344,
    modules: 7712,
    sysdict: 7696,
    code_generation: Some(8024),
    bytecode_generation: Some(17300),
};

pub(super) const INTERPRETER_3_15: InterpreterLayout = InterpreterLayout {
    next: 7264,
    id: Some(7272),
    threads_head: 7336,
    modules: 7592,
    sysdict: 7576,
    code_generation: Some(7944),
    bytecode_generation: None,
};

pub(super) const INTERPRETER_3_15T: InterpreterLayout = InterpreterLayout {
    next: 7264,
    id: Some(7272),
    threads_head: 7336,
    modules: 7592,
    sysdict: 7576,
    code_generation: Some(7952),
    bytecode_generation: Some(17252),
};

pub(super) const THREAD_2_7: ThreadLayout = ThreadLayout {
    next: 0,
    interpreter: 8,
    leaf: LeafFrame::Direct { offset: 16 },
    thread_id: 144,
    native_thread_id: None,
    datastack_chunk: None,
    datastack_top: None,
    base_frame: None,
    exc_info: None,
    head_size: 152,
};

pub(super) const THREAD_3_6: ThreadLayout = ThreadLayout {
    next: 8,
    interpreter: 16,
    leaf: LeafFrame::Direct { offset: 24 },
    thread_id: 152,
    native_thread_id: None,
    datastack_chunk: None,
    datastack_top: None,
    base_frame: None,
    exc_info: None,
    head_size: 160,
};

pub(super) const THREAD_3_7_0: ThreadLayout = ThreadLayout {
    next: 8,
    interpreter: 16,
    leaf: LeafFrame::Direct { offset: 24 },
    thread_id: 176,
    native_thread_id: None,
    datastack_chunk: None,
    datastack_top: None,
    base_frame: None,
    exc_info: None,
    head_size: 184,
};

pub(super) const THREAD_3_11: ThreadLayout = ThreadLayout {
    next: 8,
    interpreter: 16,
    leaf: LeafFrame::ThroughCFrame(CFrameLayout {
        newest: 56,
        current_frame: 8,
        previous: 16,
    }),
    thread_id: 152,
    native_thread_id: Some(160),
    datastack_chunk: Some(296),
    datastack_top: Some(304),
    base_frame: None,
    exc_info: Some(120),
    head_size: 312,
};

pub(super) const THREAD_3_12: ThreadLayout = ThreadLayout {
    next: 8,
    interpreter: 16,
    leaf: LeafFrame::ThroughCFrame(CFrameLayout {
        newest: 56,
        current_frame: 0,
        previous: 8,
    }),
    thread_id: 136,
    native_thread_id: Some(144),
    datastack_chunk: Some(232),
    datastack_top: Some(240),
    base_frame: None,
    exc_info: None,
    head_size: 248,
};

pub(super) const THREAD_3_13: ThreadLayout = ThreadLayout {
    next: 8,
    interpreter: 16,
    leaf: LeafFrame::Direct { offset: 72 },
    thread_id: 152,
    native_thread_id: Some(160),
    datastack_chunk: Some(232),
    datastack_top: Some(240),
    base_frame: None,
    exc_info: None,
    head_size: 248,
};

pub(super) const THREAD_3_15: ThreadLayout = ThreadLayout {
    next: 8,
    interpreter: 16,
    leaf: LeafFrame::Direct { offset: 72 },
    thread_id: 176,
    native_thread_id: Some(184),
    datastack_chunk: Some(256),
    datastack_top: Some(264),
    base_frame: Some(80),
    exc_info: None,
    head_size: 272,
};
