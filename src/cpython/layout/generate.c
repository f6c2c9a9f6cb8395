/* Prints where the fields that spyhole reads lie in one build of CPython, a line each:
 * `section.field value`, the names of `Layout` in mod.rs. mod.rs says how to run it.
 *
 * Compiled against installed headers. What CPython keeps out of its installed headers is repeated
 * here, with the file that it comes from.
 */
#ifndef Py_BUILD_CORE
#define Py_BUILD_CORE 1
#endif
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <pthread.h>
#ifdef SPYHOLE_AARCH64
/* The one type in CPython's state whose size differs between x86-64 and aarch64 (glibc, bits/
 * pthreadtypes-arch.h). */
typedef union { char size[48]; long align; } spyhole_mutex;
#define pthread_mutex_t spyhole_mutex
#endif

#include "Python.h"
#include "frameobject.h"
#include "structmember.h"

#define AT_LEAST(major, minor) (PY_VERSION_HEX >= ((major) << 24 | (minor) << 16))

#if defined(Py_GIL_DISABLED) && !AT_LEAST(3, 13)
#error "spyhole: no such build"
#endif

#if AT_LEAST(3, 8)
#include "internal/pycore_pystate.h"
#include "internal/pycore_gil.h"
#elif AT_LEAST(3, 7)
#include "internal/pystate.h"
#endif
#if AT_LEAST(3, 9)
#include "internal/pycore_interp.h"
#include "internal/pycore_runtime.h"
#endif
#if AT_LEAST(3, 11)
#include "internal/pycore_frame.h"
#include "internal/pycore_dict.h"
#include "internal/pycore_code.h"
#include "internal/pycore_object.h"
#include "internal/pycore_ceval.h"
#else
#include "code.h"
#include "longintrepr.h"
#endif
#if AT_LEAST(3, 13)
#include "internal/pycore_runtime_init.h"
#include "internal/pycore_tstate.h"
#endif
#if AT_LEAST(3, 14)
#include "internal/pycore_interpframe_structs.h"
#include "internal/pycore_interp_structs.h"
#include "internal/pycore_debug_offsets.h"
#include "internal/pycore_tstate.h"
#endif

#if AT_LEAST(3, 6) && !AT_LEAST(3, 11)
/* Objects/dict-common.h; the same in 3.6 to 3.10. */
struct _dictkeysobject {
    Py_ssize_t dk_refcnt;
    Py_ssize_t dk_size;
    void *dk_lookup;
    Py_ssize_t dk_usable;
    Py_ssize_t dk_nentries;
    char dk_indices[];
};
#endif

#define PRINT(name, value) printf("%s %lld\n", name, (long long)(value))
#define FIELD(name, type, member) PRINT(name, offsetof(type, member))
#define END(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))

/* The position of the lowest bit that `statement` sets in the state of a str called `text`. */
#define BIT(name, statement)                                                                     \
    do {                                                                                         \
        PyASCIIObject text;                                                                      \
        uint32_t word;                                                                           \
        memset(&text, 0, sizeof text);                                                           \
        statement;                                                                               \
        memcpy(&word, &text.state, sizeof word);                                                 \
        PRINT(name, __builtin_ctz(word));                                                        \
    } while (0)

static void print_runtime(void)
{
#if AT_LEAST(3, 7)
    FIELD("runtime.interpreters_head", _PyRuntimeState, interpreters.head);
#endif
#if AT_LEAST(3, 12)
    FIELD("gil.pointer", PyInterpreterState, ceval.gil);
#define GIL(member) offsetof(struct _gil_runtime_state, member)
#elif AT_LEAST(3, 7)
#define GIL(member) offsetof(_PyRuntimeState, ceval.gil.member)
#endif
#if AT_LEAST(3, 7)
    PRINT("gil.last_holder", GIL(last_holder));
    PRINT("gil.locked", GIL(locked));
    PRINT("gil.switch_number", GIL(switch_number));
#endif
#if defined(Py_GIL_DISABLED)
    PRINT("gil.enabled", GIL(enabled));
#endif
}

static void print_interpreter(void)
{
    FIELD("interpreter.next", PyInterpreterState, next);
#if AT_LEAST(3, 7)
    FIELD("interpreter.id", PyInterpreterState, id);
#endif
#if AT_LEAST(3, 11)
    FIELD("interpreter.threads_head", PyInterpreterState, threads.head);
#else
    FIELD("interpreter.threads_head", PyInterpreterState, tstate_head);
#endif
#if AT_LEAST(3, 12)
    FIELD("interpreter.modules", PyInterpreterState, imports.modules);
#else
    FIELD("interpreter.modules", PyInterpreterState, modules);
#endif
    FIELD("interpreter.sysdict", PyInterpreterState, sysdict);
#if AT_LEAST(3, 14) && defined(Py_GIL_DISABLED)
    FIELD("interpreter.bytecode_generation", PyInterpreterState, tlbc_indices.tlbc_generation);
#endif
#if AT_LEAST(3, 14)
    FIELD("interpreter.code_generation", PyInterpreterState, _code_object_generation);
#endif
}

static void print_thread(void)
{
    FIELD("thread.next", PyThreadState, next);
    FIELD("thread.interpreter", PyThreadState, interp);
#if AT_LEAST(3, 13)
    FIELD("thread.leaf", PyThreadState, current_frame);
#elif AT_LEAST(3, 11)
    FIELD("thread.leaf_cframe", PyThreadState, cframe);
    FIELD("thread.leaf", _PyCFrame, current_frame);
    FIELD("thread.cframe_previous", _PyCFrame, previous);
#else
    FIELD("thread.leaf", PyThreadState, frame);
#endif
    FIELD("thread.thread_id", PyThreadState, thread_id);
#if AT_LEAST(3, 11)
    FIELD("thread.native_thread_id", PyThreadState, native_thread_id);
    FIELD("thread.datastack_chunk", PyThreadState, datastack_chunk);
    FIELD("thread.datastack_top", PyThreadState, datastack_top);
#endif
#if AT_LEAST(3, 15)
    FIELD("thread.base_frame", PyThreadState, base_frame);
#endif
#if AT_LEAST(3, 11) && !AT_LEAST(3, 12)
    FIELD("thread.exc_info", PyThreadState, exc_info);
#endif
#if AT_LEAST(3, 11)
    PRINT("thread.head_size", END(PyThreadState, datastack_top));
#else
    PRINT("thread.head_size", END(PyThreadState, thread_id));
#endif
}

static void print_frame(void)
{
#if AT_LEAST(3, 11)
    typedef _PyInterpreterFrame Frame;
    FIELD("frame.previous", Frame, previous);
#if AT_LEAST(3, 13)
    FIELD("frame.code", Frame, f_executable);
    FIELD("frame.instruction", Frame, instr_ptr);
#else
    FIELD("frame.code", Frame, f_code);
    FIELD("frame.instruction", Frame, prev_instr);
#endif
    FIELD("frame.owner", Frame, owner);
    PRINT("frame.owner_generator", FRAME_OWNED_BY_GENERATOR);
#if AT_LEAST(3, 14)
    PRINT("frame.owner_first_shim", FRAME_OWNED_BY_INTERPRETER);
#elif AT_LEAST(3, 12)
    PRINT("frame.owner_first_shim", FRAME_OWNED_BY_CSTACK);
#endif
#if !AT_LEAST(3, 12)
    FIELD("frame.entry", Frame, is_entry);
    PRINT("frame.exc_state_before",
          offsetof(PyGenObject, gi_iframe) - offsetof(PyGenObject, gi_exc_state));
#endif
#if AT_LEAST(3, 14) && defined(Py_GIL_DISABLED)
    FIELD("frame.bytecode_index", Frame, tlbc_index);
#endif
    FIELD("frame.locals", Frame, localsplus);
    PRINT("frame.head_size", END(Frame, owner));
    FIELD("frame.chunk_header", _PyStackChunk, data);
#else
    FIELD("frame.previous", PyFrameObject, f_back);
    FIELD("frame.code", PyFrameObject, f_code);
    FIELD("frame.instruction", PyFrameObject, f_lasti);
    FIELD("frame.locals", PyFrameObject, f_localsplus);
    PRINT("frame.head_size", END(PyFrameObject, f_lasti));
#endif
}

static void print_code(void)
{
    FIELD("code.filename", PyCodeObject, co_filename);
    FIELD("code.name", PyCodeObject, co_name);
    FIELD("code.first_line", PyCodeObject, co_firstlineno);
    FIELD("code.arg_count", PyCodeObject, co_argcount);
    FIELD("code.flags", PyCodeObject, co_flags);
#if AT_LEAST(3, 0)
    FIELD("code.keyword_only_count", PyCodeObject, co_kwonlyargcount);
#endif
#if AT_LEAST(3, 10)
    FIELD("code.line_table", PyCodeObject, co_linetable);
#else
    FIELD("code.line_table", PyCodeObject, co_lnotab);
#endif
#if AT_LEAST(3, 11)
    FIELD("code.qualname", PyCodeObject, co_qualname);
    FIELD("code.local_names", PyCodeObject, co_localsplusnames);
    FIELD("code.local_kinds", PyCodeObject, co_localspluskinds);
    FIELD("code.bytecode", PyCodeObject, co_code_adaptive);
    FIELD("code.first_traceable", PyCodeObject, _co_firsttraceable);
#if AT_LEAST(3, 12)
    FIELD("code.version", PyCodeObject, co_version);
#endif
#if AT_LEAST(3, 14) && defined(Py_GIL_DISABLED)
    FIELD("code.bytecode_copies", PyCodeObject, co_tlbc);
#endif
    PRINT("code.head_size", offsetof(PyCodeObject, co_code_adaptive));
#else
    FIELD("code.local_names", PyCodeObject, co_varnames);
    FIELD("code.cell_names", PyCodeObject, co_cellvars);
    FIELD("code.free_names", PyCodeObject, co_freevars);
#if AT_LEAST(3, 10)
    PRINT("code.head_size", END(PyCodeObject, co_linetable));
#else
    PRINT("code.head_size", END(PyCodeObject, co_lnotab));
#endif
#endif
}

static void print_dict(void)
{
#if AT_LEAST(3, 6)
    FIELD("dict.used", PyDictObject, ma_used);
    FIELD("dict.keys", PyDictObject, ma_keys);
    FIELD("dict.values", PyDictObject, ma_values);
    FIELD("dict.keys_count", struct _dictkeysobject, dk_nentries);
    FIELD("dict.keys_indices", struct _dictkeysobject, dk_indices);
    FIELD("object.type_cached_keys", PyHeapTypeObject, ht_cached_keys);
#if AT_LEAST(3, 11)
    FIELD("dict.log2_size", struct _dictkeysobject, dk_log2_size);
    FIELD("dict.log2_index_bytes", struct _dictkeysobject, dk_log2_index_bytes);
    FIELD("dict.kind", struct _dictkeysobject, dk_kind);
    FIELD("dict.split_values", struct _dictvalues, values);
#else
    FIELD("dict.keys_size", struct _dictkeysobject, dk_size);
#endif
#else
    FIELD("dict.used", PyDictObject, ma_used);
    FIELD("dict.mask", PyDictObject, ma_mask);
    FIELD("dict.table", PyDictObject, ma_table);
#endif
}

static void print_text(void)
{
#if AT_LEAST(3, 6)
    FIELD("text.length", PyASCIIObject, length);
    FIELD("text.hash", PyASCIIObject, hash);
    FIELD("text.state", PyASCIIObject, state);
    BIT("text.kind_shift", text.state.kind = 1);
    BIT("text.compact_bit", text.state.compact = 1);
    BIT("text.ascii_bit", text.state.ascii = 1);
    PRINT("text.ascii_data", sizeof(PyASCIIObject));
    PRINT("text.other_data", sizeof(PyCompactUnicodeObject));
    FIELD("text.pointer", PyUnicodeObject, data);
#else
    FIELD("text.length", PyUnicodeObject, length);
    FIELD("text.pointer", PyUnicodeObject, str);
#endif
}

/* Where a function of pycore_object.h that only computes an address says that a word before an
 * object lies. */
#define BEFORE(function) ((char *)function(&middle[4]) - (char *)&middle[4])

static void print_objects(void)
{
    static PyObject middle[5];
    (void)middle;
    FIELD("object.ob_type", PyObject, ob_type);
    FIELD("object.type_name", PyTypeObject, tp_name);
    FIELD("object.type_flags", PyTypeObject, tp_flags);
    FIELD("object.type_basicsize", PyTypeObject, tp_basicsize);
    FIELD("object.type_dictoffset", PyTypeObject, tp_dictoffset);
    FIELD("object.tuple_items", PyTupleObject, ob_item);
    FIELD("object.weakref_target", PyWeakReference, wr_object);
    FIELD("bytes.size", PyVarObject, ob_size);
    FIELD("bytes.data", PyBytesObject, ob_sval);
#if AT_LEAST(3, 12)
    FIELD("int.tag", PyLongObject, long_value.lv_tag);
    FIELD("int.digits", PyLongObject, long_value.ob_digit);
#elif AT_LEAST(3, 0)
    FIELD("int.count", PyVarObject, ob_size);
    FIELD("int.digits", PyLongObject, ob_digit);
#else
    FIELD("int.value", PyIntObject, ob_ival);
#endif
#if AT_LEAST(3, 13)
    PRINT("attributes.dict", MANAGED_DICT_OFFSET);
    PRINT("attributes.inline_flag", __builtin_ctzl(Py_TPFLAGS_INLINE_VALUES));
    FIELD("attributes.valid", struct _dictvalues, valid);
#elif AT_LEAST(3, 12)
    PRINT("attributes.word", BEFORE(_PyObject_DictOrValuesPointer));
#elif AT_LEAST(3, 11)
    PRINT("attributes.values", BEFORE(_PyObject_ValuesPointer));
    PRINT("attributes.dict", BEFORE(_PyObject_ManagedDictPointer));
#endif
#if AT_LEAST(3, 11)
    PRINT("attributes.managed_flag", __builtin_ctzl(Py_TPFLAGS_MANAGED_DICT));
#endif
}

static void print_values(void)
{
    FIELD("value.type_mro", PyTypeObject, tp_mro);
    FIELD("value.type_dict", PyTypeObject, tp_dict);
    FIELD("value.float_value", PyFloatObject, ob_fval);
    FIELD("value.complex_value", PyComplexObject, cval);
    FIELD("value.list_items", PyListObject, ob_item);
    FIELD("value.set_mask", PySetObject, mask);
    FIELD("value.set_table", PySetObject, table);
    PRINT("value.set_entry_key", offsetof(setentry, key));
#if AT_LEAST(3, 0)
    FIELD("value.bytearray_start", PyByteArrayObject, ob_start);
    FIELD("value.type_qualname", PyHeapTypeObject, ht_qualname);
    FIELD("value.function_qualname", PyFunctionObject, func_qualname);
#else
    FIELD("value.bytearray_start", PyByteArrayObject, ob_bytes);
    FIELD("value.function_name", PyFunctionObject, func_name);
#endif
    FIELD("value.slice_start", PySliceObject, start);
    FIELD("value.cell_value", PyCellObject, ob_ref);
    FIELD("value.method_function", PyMethodObject, im_func);
    FIELD("value.method_self", PyMethodObject, im_self);
    FIELD("value.builtin_definition", PyCFunctionObject, m_ml);
    FIELD("value.builtin_self", PyCFunctionObject, m_self);
    FIELD("value.exception_args", PyBaseExceptionObject, args);
    PRINT("value.dict_size", sizeof(PyDictObject));
#if AT_LEAST(3, 11)
    FIELD("value.generator_qualname", PyGenObject, gi_qualname);
    FIELD("value.generator_frame", PyGenObject, gi_iframe);
    FIELD("value.generator_state", PyGenObject, gi_frame_state);
    PRINT("value.generator_created", FRAME_CREATED);
    PRINT("value.generator_executing", FRAME_EXECUTING);
    PRINT("value.generator_cleared", FRAME_CLEARED);
#else
#if AT_LEAST(3, 0)
    FIELD("value.generator_qualname", PyGenObject, gi_qualname);
#else
    FIELD("value.generator_code", PyGenObject, gi_code);
#endif
    FIELD("value.generator_frame", PyGenObject, gi_frame);
#if AT_LEAST(3, 10)
    FIELD("value.frame_state", PyFrameObject, f_state);
#else
    FIELD("value.generator_running", PyGenObject, gi_running);
#endif
#endif
#if !AT_LEAST(3, 0)
    FIELD("value.instance_class", PyInstanceObject, in_class);
    FIELD("value.instance_dict", PyInstanceObject, in_dict);
    FIELD("value.class_dict", PyClassObject, cl_dict);
    FIELD("value.class_name", PyClassObject, cl_name);
#endif
}

#if AT_LEAST(3, 8)
/* What tasks, coroutines and the collector's lists are read by. */
static void print_tasks(void)
{
    FIELD("tasks.thread_dict", PyThreadState, dict);
    FIELD("tasks.function_closure", PyFunctionObject, func_closure);
    FIELD("tasks.function_name", PyFunctionObject, func_name);
    FIELD("tasks.type_base", PyTypeObject, tp_base);
#if AT_LEAST(3, 13)
    FIELD("tasks.running_loop", _PyThreadStateImpl, asyncio_running_loop);
#endif
#if AT_LEAST(3, 14)
    FIELD("tasks.of_thread", _PyThreadStateImpl, asyncio_tasks_head);
    FIELD("tasks.of_interpreter", PyInterpreterState, asyncio_tasks_head);
#endif
#if AT_LEAST(3, 11)
#if AT_LEAST(3, 14)
    FIELD("tasks.top", _PyInterpreterFrame, stackpointer);
#else
    FIELD("tasks.top", _PyInterpreterFrame, stacktop);
#endif
#if AT_LEAST(3, 13)
    PRINT("tasks.awaiting_first", FRAME_SUSPENDED_YIELD_FROM);
#endif
#else
#if AT_LEAST(3, 10)
    FIELD("tasks.values", PyFrameObject, f_valuestack);
    FIELD("tasks.top", PyFrameObject, f_stackdepth);
#else
    FIELD("tasks.top", PyFrameObject, f_stacktop);
#endif
    FIELD("tasks.code", PyCodeObject, co_code);
#endif
#if !defined(Py_GIL_DISABLED)
#if AT_LEAST(3, 9)
    FIELD("tasks.gc", PyInterpreterState, gc.generations);
    FIELD("tasks.gc_permanent", PyInterpreterState, gc.permanent_generation);
#else
    FIELD("tasks.gc", _PyRuntimeState, gc.generations);
    FIELD("tasks.gc_permanent", _PyRuntimeState, gc.permanent_generation);
#endif
#endif
}
#endif

#if AT_LEAST(3, 13)
static void print_debug_offsets(void)
{
    /* Through a macro of the table itself, so that a field that the headers lack is an error. */
#define AT(group, member)                                                                        \
    PRINT("debug." #group "." #member, offsetof(_Py_DebugOffsets, group.member))
    AT(runtime_state, interpreters_head);
    AT(interpreter_state, id);
    AT(interpreter_state, next);
    AT(interpreter_state, threads_head);
    AT(interpreter_state, imports_modules);
    AT(interpreter_state, sysdict);
    AT(interpreter_state, ceval_gil);
    AT(interpreter_state, gil_runtime_state);
    AT(interpreter_state, gil_runtime_state_enabled);
    AT(interpreter_state, gil_runtime_state_locked);
    AT(interpreter_state, gil_runtime_state_holder);
    AT(thread_state, next);
    AT(thread_state, interp);
    AT(thread_state, current_frame);
    AT(thread_state, thread_id);
    AT(thread_state, native_thread_id);
    AT(thread_state, datastack_chunk);
    AT(interpreter_frame, previous);
    AT(interpreter_frame, executable);
    AT(interpreter_frame, instr_ptr);
    AT(interpreter_frame, localsplus);
    AT(interpreter_frame, owner);
    AT(code_object, filename);
    AT(code_object, name);
    AT(code_object, qualname);
    AT(code_object, linetable);
    AT(code_object, firstlineno);
    AT(code_object, argcount);
    AT(code_object, localsplusnames);
    AT(code_object, localspluskinds);
    AT(code_object, co_code_adaptive);
    AT(pyobject, ob_type);
    AT(type_object, tp_name);
    AT(type_object, tp_flags);
    AT(tuple_object, ob_item);
    AT(dict_object, ma_keys);
    AT(dict_object, ma_values);
    AT(long_object, lv_tag);
    AT(long_object, ob_digit);
    AT(bytes_object, ob_size);
    AT(bytes_object, ob_sval);
    AT(unicode_object, state);
    AT(unicode_object, length);
    AT(unicode_object, asciiobject_size);
#if AT_LEAST(3, 14)
    AT(interpreter_state, code_object_generation);
    AT(interpreter_state, tlbc_generation);
    AT(interpreter_frame, tlbc_index);
    AT(code_object, co_tlbc);
#endif
#if AT_LEAST(3, 15)
    AT(thread_state, base_frame);
    AT(type_object, tp_basicsize);
    AT(type_object, tp_dictoffset);
    AT(heap_type_object, ht_cached_keys);
    AT(unicode_object, compactunicodeobject_size);
#endif
    PRINT("debug.size", sizeof(_Py_DebugOffsets));

    _Py_DebugOffsets offsets;
    {
#if AT_LEAST(3, 14)
        _Py_DebugOffsets filled = _Py_DebugOffsets_INIT(_Py_Debug_Cookie);
#else
        /* 3.13 has no macro for this part alone. */
        static _PyRuntimeState runtime = _PyRuntimeState_INIT(runtime, _Py_Debug_Cookie);
        _Py_DebugOffsets filled = runtime.debug_offsets;
#endif
        memcpy(&offsets, &filled, sizeof offsets);
    }
    printf("debug.bytes ");
    for (size_t i = 0; i < sizeof offsets; i++) {
        printf("%02x", ((unsigned char *)&offsets)[i]);
    }
    printf("\n");
}
#endif

int main(void)
{
    printf("version %#x\n", PY_VERSION_HEX);
    print_runtime();
    print_interpreter();
    print_thread();
    print_frame();
    print_code();
    print_dict();
    print_text();
    print_objects();
    print_values();
#if AT_LEAST(3, 8)
    print_tasks();
#endif
#if AT_LEAST(3, 13)
    print_debug_offsets();
#endif
    return 0;
}
