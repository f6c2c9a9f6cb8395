//! Where the contents of values lie that are no names: floats, lists, functions, generators.

/// What the values of variables are made of, besides what
/// [`ObjectLayout`](super::ObjectLayout) tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ValueLayout {
    /// `tp_mro`, a tuple: the type itself and all its bases.
    pub type_mro: u32,
    /// `tp_dict`; of static types of 3.12 and later it may be null.
    pub type_dict: u32,
    /// `ht_qualname` of types that were made at run time; from 3.3 on.
    pub type_qualname: Option<u32>,
    /// double.
    pub float_value: u32,
    /// Two doubles.
    pub complex_value: u32,
    /// Pointer to the items of a list.
    pub list_items: u32,
    /// Py_ssize_t: the number of places of a set's table, less one.
    pub set_mask: u32,
    /// Pointer to the entries, of 16 bytes each: key and hash.
    pub set_table: u32,
    /// Where in an entry the key is.
    pub set_entry_key: u32,
    /// Pointer to the first byte of a bytearray.
    pub bytearray_start: u32,
    /// First of start, stop and step.
    pub slice_start: u32,
    pub cell_value: u32,
    /// `func_qualname`, in 2.7 `func_name`.
    pub function_name: u32,
    pub method_function: u32,
    pub method_self: u32,
    /// Pointer to the `PyMethodDef` of a function in C, which begins with a pointer to its name.
    pub builtin_definition: u32,
    pub builtin_self: u32,
    /// A tuple.
    pub exception_args: u32,
    /// `sizeof(PyDictObject)`, behind which subclasses in C have their own fields.
    pub dict_size: u32,
    pub generator: GeneratorLayout,
    pub deque: DequeLayout,
    /// Instances of classes without `object` as a base; in 2.7 alone.
    pub old_style: Option<OldStyleLayout>,
}

/// A generator, a coroutine, or an asynchronous generator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GeneratorLayout {
    /// `gi_qualname`, in 2.7 `gi_code`, which has a name.
    pub name: u32,
    pub state: GeneratorState,
}

/// Where a generator has its frame, and how it tells what it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GeneratorState {
    /// Up to 3.9: a pointer that is null once it has ended, a byte in the generator, and the frame's last
    /// instruction.
    Running { frame: u32, running: u32 },
    /// 3.10: the same pointer, and a signed byte in the frame (`PyFrameState` in `Include/cpython/frameobject.h`).
    InFrame { frame: u32, state: u32 },
    /// 3.11 on: the frame is within the generator, and so is a signed byte (`PyFrameState` in
    /// `Include/internal/pycore_frame.h`); what is between `created` and `executing` is suspended.
    Own {
        frame: u32,
        state: u32,
        created: i8,
        executing: i8,
        cleared: i8,
    },
}

/// `PyInstanceObject` and `PyClassObject` (2.7, `Include/classobject.h`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OldStyleLayout {
    pub instance_class: u32,
    pub instance_dict: u32,
    pub class_dict: u32,
    pub class_name: u32,
}

/// `collections.deque` (`Modules/_collectionsmodule.c`, in 2.7 `Modules/_collections.c`), which no header
/// has: blocks of items, linked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DequeLayout {
    /// Py_ssize_t.
    pub len: u32,
    /// Pointer to the first block.
    pub first_block: u32,
    /// Py_ssize_t: the place of the first item in it.
    pub first_index: u32,
    /// Py_ssize_t; negative where there is no bound.
    pub max_len: u32,
    /// Places of a block, and where in it they begin.
    pub block_len: u64,
    pub items: u32,
    /// Pointer to the next block.
    pub next_block: u32,
}
