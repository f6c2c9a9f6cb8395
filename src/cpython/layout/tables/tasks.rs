//! Tasks, coroutines and the collector's lists.

// Written from what generate.c prints, but for the forms of tasks, which come from
// Modules/_asynciomodule.c of the branches; a name ends in the first version that it holds for, with T
// for free-threaded builds.

use crate::cpython::layout::{
    Awaiting, CoroutineLayout, GcLayout, GcOwner, StackTop, TaskForm, TaskLayout, TaskLists,
};
use crate::model::PythonVersion;

/// A free-threaded build's objects begin with 16 bytes more.
const MORE: u32 = 16;

const FORM_3_8: TaskForm = TaskForm {
    size: 144,
    future_size: 104,
    state: 72,
    waiter: 104,
    coroutine: 112,
    name: 120,
    node: None,
    awaited_by: None,
};

/// With `fut_cancel_msg` and `fut_cancelled_exc_state`.
const FORM_3_9: TaskForm = TaskForm {
    size: 184,
    future_size: 144,
    state: 80,
    waiter: 144,
    coroutine: 152,
    name: 160,
    node: None,
    awaited_by: None,
};

/// With `fut_exception_tb`, which came to later releases of 3.10.
const FORM_3_10_LATER: TaskForm = TaskForm {
    size: 192,
    future_size: 152,
    state: 88,
    waiter: 152,
    coroutine: 160,
    name: 168,
    node: None,
    awaited_by: None,
};

/// With `fut_cancelled_exc` and `task_num_cancels_requested`.
const FORM_3_11: TaskForm = TaskForm {
    size: 176,
    future_size: 128,
    state: 88,
    waiter: 128,
    coroutine: 136,
    name: 144,
    node: None,
    awaited_by: None,
};

/// Without a dict and weak references of its own.
const fn form_3_13(more: u32) -> TaskForm {
    TaskForm {
        size: 144 + more,
        future_size: 104 + more,
        state: 96 + more,
        waiter: 112 + more,
        coroutine: 120 + more,
        name: 128 + more,
        node: None,
        awaited_by: None,
    }
}

/// With `fut_awaited_by` and `task_node`, in free-threaded builds `task_tid` too.
const fn form_3_14(more: u32, tid: u32) -> TaskForm {
    TaskForm {
        size: 168 + more + tid,
        future_size: 112 + more,
        state: 104 + more,
        waiter: 120 + more,
        coroutine: 128 + more,
        name: 136 + more,
        node: Some(152 + more),
        awaited_by: Some(96 + more),
    }
}

const COROUTINE_3_8: CoroutineLayout = CoroutineLayout {
    top: StackTop::Pointer { offset: 72 },
    awaited_depth: 1,
    awaiting: Awaiting::Opcode {
        code: 48,
        opcode: YIELD_FROM,
    },
};

/// `Include/opcode.h`.
const YIELD_FROM: u8 = 72;

const COROUTINE_3_10: CoroutineLayout = CoroutineLayout {
    top: StackTop::Depth {
        values: 64,
        depth: 80,
    },
    awaited_depth: 1,
    awaiting: Awaiting::Opcode {
        code: 48,
        opcode: YIELD_FROM,
    },
};

const COROUTINE_3_11: CoroutineLayout = CoroutineLayout {
    top: StackTop::Index { offset: 64 },
    awaited_depth: 1,
    awaiting: Awaiting::ResumeArgument,
};

const fn coroutine_3_13(top: StackTop) -> CoroutineLayout {
    CoroutineLayout {
        top,
        awaited_depth: 1,
        awaiting: Awaiting::States {
            first: -1,
            last: -1,
        },
    }
}

/// A delegating frame keeps an index above the iterator (`_PyGen_yf` in Objects/genobject.c).
const COROUTINE_3_15: CoroutineLayout = CoroutineLayout {
    top: StackTop::Pointer { offset: 64 },
    awaited_depth: 2,
    awaiting: Awaiting::States { first: 2, last: 3 },
};

const fn gc_of(generations: u32, permanent: u32) -> Option<GcLayout> {
    Some(GcLayout {
        within: GcOwner::Interpreter,
        generations,
        permanent,
    })
}

const TASKS_3_8: TaskLayout = TaskLayout {
    thread_dict: 152,
    running_loop: None,
    lists: None,
    coroutine: COROUTINE_3_8,
    function_closure: 48,
    function_name: 64,
    type_base: 256,
    gc: Some(GcLayout {
        within: GcOwner::Runtime,
        generations: 368,
        permanent: 448,
    }),
    forms: &[FORM_3_8],
};

const TASKS_3_9: TaskLayout = TaskLayout {
    gc: gc_of(640, 720),
    forms: &[FORM_3_9],
    ..TASKS_3_8
};

const TASKS_3_10: TaskLayout = TaskLayout {
    thread_dict: 152,
    running_loop: None,
    lists: None,
    coroutine: COROUTINE_3_10,
    function_closure: 72,
    function_name: 32,
    type_base: 256,
    gc: gc_of(640, 720),
    forms: &[FORM_3_9, FORM_3_10_LATER],
};

const TASKS_3_11: TaskLayout = TaskLayout {
    thread_dict: 128,
    coroutine: COROUTINE_3_11,
    gc: gc_of(672, 752),
    forms: &[FORM_3_11],
    ..TASKS_3_10
};

const TASKS_3_12: TaskLayout = TaskLayout {
    thread_dict: 112,
    gc: gc_of(136, 216),
    ..TASKS_3_11
};

const TASKS_3_13: TaskLayout = TaskLayout {
    thread_dict: 128,
    running_loop: Some(304),
    coroutine: coroutine_3_13(StackTop::Index { offset: 64 }),
    gc: gc_of(7424, 7504),
    forms: &[form_3_13(0)],
    ..TASKS_3_12
};

const TASKS_3_13T: TaskLayout = TaskLayout {
    coroutine: coroutine_3_13(StackTop::Index { offset: 64 }),
    function_closure: 72 + MORE,
    function_name: 32 + MORE,
    type_base: 256 + MORE,
    gc: None,
    forms: &[form_3_13(MORE)],
    ..TASKS_3_13
};

const TASKS_3_14: TaskLayout = TaskLayout {
    running_loop: Some(864),
    lists: Some(TaskLists {
        of_thread: 880,
        of_interpreter: 10880,
    }),
    coroutine: coroutine_3_13(StackTop::Pointer { offset: 64 }),
    gc: gc_of(7432, 7504),
    forms: &[form_3_14(0, 0)],
    ..TASKS_3_13
};

const TASKS_3_14T: TaskLayout = TaskLayout {
    running_loop: Some(864),
    lists: Some(TaskLists {
        of_thread: 880,
        of_interpreter: 17304,
    }),
    coroutine: coroutine_3_13(StackTop::Pointer { offset: 64 }),
    forms: &[form_3_14(MORE, 8)],
    ..TASKS_3_13T
};

const TASKS_3_15: TaskLayout = TaskLayout {
    thread_dict: 152,
    running_loop: Some(1024),
    lists: Some(TaskLists {
        of_thread: 1048,
        of_interpreter: 10856,
    }),
    coroutine: COROUTINE_3_15,
    gc: gc_of(7408, 7480),
    ..TASKS_3_14
};

const TASKS_3_15T: TaskLayout = TaskLayout {
    thread_dict: 152,
    running_loop: Some(1024),
    lists: Some(TaskLists {
        of_thread: 1048,
        of_interpreter: 17256,
    }),
    coroutine: COROUTINE_3_15,
    ..TASKS_3_14T
};

/// What holds for a version; `None` before 3.8.
pub(super) fn find(version: PythonVersion) -> Option<TaskLayout> {
    if version.major != 3 {
        return None;
    }
    Some(match (version.minor, version.free_threaded) {
        (8, _) => TASKS_3_8,
        (9, _) => TASKS_3_9,
        (10, _) => TASKS_3_10,
        (11, _) => TASKS_3_11,
        (12, _) => TASKS_3_12,
        (13, false) => TASKS_3_13,
        (13, true) => TASKS_3_13T,
        (14, false) => TASKS_3_14,
        (14, true) => TASKS_3_14T,
        (15, false) => TASKS_3_15,
        (15, true) => TASKS_3_15T,
        _ => return None,
    })
}
