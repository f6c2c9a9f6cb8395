//! Where asyncio's tasks, coroutines and the lists of the garbage collector lie.

/// What tasks and greenlets are found and read by; from 3.8 on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TaskLayout {
    /// `PyThreadState.dict`, in which up to 3.12 the running event loop stands.
    pub thread_dict: u32,
    /// `_PyThreadStateImpl.asyncio_running_loop`; from 3.13 on.
    pub running_loop: Option<u32>,
    /// From 3.14 on.
    pub lists: Option<TaskLists>,
    pub coroutine: CoroutineLayout,
    /// `PyFunctionObject.func_closure`, a tuple of cells or NULL.
    pub function_closure: u32,
    pub function_name: u32,
    /// `PyTypeObject.tp_base`.
    pub type_base: u32,
    /// `None` in free-threaded builds, whose collector keeps no lists.
    pub gc: Option<GcLayout>,
    /// `_asyncio.Task`, in each form that releases of this branch have had.
    pub forms: &'static [TaskForm],
}

/// Lists of tasks (`Include/internal/pycore_tstate.h` and `pycore_interp_structs.h`), each a
/// `struct llist_node`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TaskLists {
    /// `_PyThreadStateImpl.asyncio_tasks_head`.
    pub of_thread: u32,
    /// `PyInterpreterState.asyncio_tasks_head`: tasks whose threads have ended.
    pub of_interpreter: u32,
}

/// What a suspended coroutine, generator or asynchronous generator awaits, besides what
/// [`GeneratorLayout`](super::GeneratorLayout) tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CoroutineLayout {
    pub top: StackTop,
    /// How many values, from the top of a suspended frame's stack, lead to the one that it awaits.
    pub awaited_depth: u32,
    pub awaiting: Awaiting,
}

/// How a frame tells where the top of its stack is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StackTop {
    /// A pointer behind it; up to 3.9 NULL in a frame that runs. In 3.8, 3.9, and 3.14 on.
    Pointer { offset: u32 },
    /// 3.10: a pointer to its first value, and an int32 of how many there are.
    Depth { values: u32, depth: u32 },
    /// 3.11 to 3.13: an int32 of how many there are, locals among them.
    Index { offset: u32 },
}

/// How a suspended frame tells that it awaits another, and is not at a `yield` of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Awaiting {
    /// Up to 3.10: by the next instruction, in the bytes object at this offset of the code object
    /// (`_PyGen_yf` in `Objects/genobject.c`).
    Opcode { code: u32, opcode: u8 },
    /// 3.11 and 3.12: by the argument of the next instruction, a RESUME.
    ResumeArgument,
    /// 3.13 on: by a range of states.
    States { first: i8, last: i8 },
}

/// `TaskObj` and the part of it that `FutureObj` has too (`Modules/_asynciomodule.c`, which no header
/// declares). What is not here is the same in all: `fut_loop`, `fut_callback0`, `fut_context0` and
/// `fut_callbacks` follow the object's head in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TaskForm {
    /// `tp_basicsize` of `_asyncio.Task`, by which a form is recognised.
    pub size: u32,
    /// `tp_basicsize` of `_asyncio.Future`.
    pub future_size: u32,
    /// int32: 0 while it is pending.
    pub state: u32,
    pub waiter: u32,
    pub coroutine: u32,
    /// A str, or an int of which the name is made when it is asked for.
    pub name: u32,
    /// `struct llist_node` of the lists; from 3.14 on.
    pub node: Option<u32>,
    /// Who awaits it: NULL, a future, or a set of them; from 3.14 on.
    pub awaited_by: Option<u32>,
}

/// Where the collector's lists are: three generations, one after the other, and the permanent one. Each is a
/// `struct gc_generation`, which begins with a `PyGC_Head`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GcLayout {
    pub within: GcOwner,
    pub generations: u32,
    pub permanent: u32,
}

/// What holds the collector's lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GcOwner {
    /// 3.8: `_PyRuntime`.
    Runtime,
    /// 3.9 on: the interpreter state.
    Interpreter,
}
