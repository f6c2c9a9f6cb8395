//! The tables against CPython's own headers: generate.c is compiled for every version whose
//! headers are found, and what it prints must be what the tables say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::words::{GIL_WORDS, WORDS, Word};
use super::{
    AttributeSource, Awaiting, DictLayout, GeneratorState, GilLayout, GilSource, InstructionSource,
    IntLayout, Layout, LeafFrame, StackTop, TaskLayout, TextLayout, ValueLayout, builtin,
    from_debug_offsets,
};
use crate::model::PythonVersion;

type Fields = BTreeMap<&'static str, i64>;

#[test]
fn tables_say_what_the_headers_say() {
    let headers = installed_headers();
    let mut checked = 0;
    for include in &headers {
        for free_threaded in [false, true] {
            let Some(printed) = generate(include, free_threaded) else {
                continue;
            };
            compare(&printed, free_threaded);
            checked += 1;
            println!(
                "checked {} (free-threaded: {free_threaded})",
                include.display()
            );
        }
    }
    if checked == 0 {
        println!("skipped: no C compiler, or no headers of CPython with its internal ones");
    }
}

/// Folders of headers: pyenv's, the system's, and those that `SPYHOLE_HEADERS` names, separated
/// by colons.
fn installed_headers() -> Vec<PathBuf> {
    let home = std::env::var("HOME").unwrap_or_default();
    let pyenv = std::fs::read_dir(Path::new(&home).join(".pyenv/versions"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("include"));
    let mut folders: Vec<PathBuf> = pyenv
        .chain([PathBuf::from("/usr/include")])
        .flat_map(std::fs::read_dir)
        .flatten()
        .flatten()
        .map(|folder| folder.path())
        .filter(|folder| {
            folder
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("python"))
        })
        .collect();
    let named = std::env::var_os("SPYHOLE_HEADERS").unwrap_or_default();
    folders.extend(std::env::split_paths(&named));
    folders.retain(|folder| folder.join("Python.h").exists());
    folders
}

/// What generate.c prints for one version; `None` where there is no compiler or the headers are
/// not whole. Only 3.13 and later have a free-threaded build.
fn generate(include: &Path, free_threaded: bool) -> Option<BTreeMap<String, String>> {
    let folder = tempfile::tempdir().ok()?;
    let program = folder.path().join("generate");
    let mut compiler = Command::new("cc");
    compiler
        .args(["-w", "-DNDEBUG", "-Wl,--unresolved-symbols=ignore-all"])
        .arg(format!(
            "-DPy_GIL_DISABLED{}",
            if free_threaded { "=1" } else { "_NOT" }
        ))
        .arg("-I")
        .arg(include)
        .arg("-I")
        .arg(include.join("internal"))
        // Debian's pyconfig.h includes one in a folder beside.
        .arg("-I")
        .arg(include.parent()?)
        .arg("-o")
        .arg(&program)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cpython/layout/generate.c"));
    let compiled = compiler.output().ok()?;
    if !compiled.status.success() {
        let said = String::from_utf8_lossy(&compiled.stderr);
        let free_threaded_before_3_13 = said.contains("spyhole: no such build");
        assert!(
            free_threaded_before_3_13 || said.contains("No such file"),
            "{}: {said}",
            include.display()
        );
        return None;
    }
    let printed = Command::new(&program).output().ok()?;
    assert!(
        printed.status.success(),
        "{}: {:?}",
        include.display(),
        printed.status
    );
    Some(
        String::from_utf8(printed.stdout)
            .ok()?
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    )
}

fn compare(printed: &BTreeMap<String, String>, free_threaded: bool) {
    let hex = printed["version"].trim_start_matches("0x");
    let version = PythonVersion::from_hex(u32::from_str_radix(hex, 16).unwrap(), free_threaded);
    let (debug, expected): (BTreeMap<&str, &str>, BTreeMap<&str, &str>) = printed
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| *name != "version")
        .partition(|(name, _)| name.starts_with("debug."));

    let table = fields(&builtin(version).unwrap());
    let authority = match debug.get("debug.bytes") {
        None => table,
        Some(bytes) => {
            for (name, value) in table.iter().filter(|(name, _)| !name.starts_with("interp")) {
                assert_eq!(
                    Some(&value.to_string().as_str()),
                    expected.get(name),
                    "{version} {name}"
                );
            }
            fields(&from_debug_offsets(&from_hex(bytes)).unwrap())
        }
    };
    let found: BTreeMap<&str, String> = authority
        .iter()
        .map(|(name, value)| (*name, value.to_string()))
        .collect();
    let found: BTreeMap<&str, &str> = found
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert_eq!(found, expected, "{version}");

    let gil = [
        &GIL_WORDS.start,
        &GIL_WORDS.holder,
        &GIL_WORDS.locked,
        &GIL_WORDS.enabled,
    ];
    for word in WORDS.iter().chain(gil) {
        let place = place(word, version).map(|place| place.to_string());
        let expected = debug.get(format!("debug.{}", word.name).as_str());
        assert_eq!(
            place.as_deref(),
            expected.copied(),
            "{version} {}",
            word.name
        );
    }
}

fn place(word: &Word, version: PythonVersion) -> Option<u16> {
    match version.minor {
        13 => word.in_3_13,
        14 => word.in_3_14,
        15 => word.in_3_15,
        _ => None,
    }
}

fn from_hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// A layout in the names that generate.c prints.
fn fields(layout: &Layout) -> Fields {
    let mut fields = Fields::new();
    let Layout {
        runtime,
        interpreter,
        thread,
        frame,
        code,
        object,
        value,
        ..
    } = layout;
    let mut add = |name, value: Option<u32>| {
        if let Some(value) = value {
            fields.insert(name, i64::from(value));
        }
    };

    let (pointer, gil): (_, Option<GilLayout>) = match runtime.gil {
        GilSource::CurrentThreadVariable => (None, None),
        GilSource::Runtime(gil) => (None, Some(gil)),
        GilSource::Interpreter { pointer, gil } => (Some(pointer), Some(gil)),
    };
    // Before 3.7 there is no runtime state.
    add(
        "runtime.interpreters_head",
        gil.map(|_| runtime.interpreters_head),
    );
    add("gil.pointer", pointer);
    add("gil.last_holder", gil.map(|gil| gil.last_holder));
    add("gil.locked", gil.map(|gil| gil.locked));
    add("gil.switch_number", gil.map(|gil| gil.switch_number));
    add("gil.enabled", gil.and_then(|gil| gil.enabled));

    add("interpreter.next", Some(interpreter.next));
    add("interpreter.id", interpreter.id);
    add("interpreter.threads_head", Some(interpreter.threads_head));
    add("interpreter.modules", Some(interpreter.modules));
    add("interpreter.sysdict", Some(interpreter.sysdict));
    add("interpreter.code_generation", interpreter.code_generation);
    add(
        "interpreter.bytecode_generation",
        interpreter.bytecode_generation,
    );

    let (cframe, leaf, previous) = match thread.leaf {
        LeafFrame::Direct { offset } => (None, offset, None),
        LeafFrame::ThroughCFrame(cframe) => (
            Some(cframe.newest),
            cframe.current_frame,
            Some(cframe.previous),
        ),
    };
    add("thread.next", Some(thread.next));
    add("thread.interpreter", Some(thread.interpreter));
    add("thread.leaf_cframe", cframe);
    add("thread.leaf", Some(leaf));
    add("thread.cframe_previous", previous);
    add("thread.thread_id", Some(thread.thread_id));
    add("thread.native_thread_id", thread.native_thread_id);
    add("thread.datastack_chunk", thread.datastack_chunk);
    add("thread.datastack_top", thread.datastack_top);
    add("thread.base_frame", thread.base_frame);
    add("thread.exc_info", thread.exc_info);
    add("thread.head_size", Some(thread.head_size));

    let instruction = match frame.instruction {
        InstructionSource::LastIndex { offset, .. } | InstructionSource::Pointer { offset } => {
            offset
        }
    };
    add("frame.previous", Some(frame.previous));
    add("frame.code", Some(frame.code));
    add("frame.instruction", Some(instruction));
    add("frame.owner", frame.owner.map(|owner| owner.offset));
    add(
        "frame.owner_generator",
        frame.owner.map(|owner| owner.generator.into()),
    );
    add(
        "frame.owner_first_shim",
        frame
            .owner
            .map(|owner| owner.first_shim.into())
            .filter(|first| *first != 255),
    );
    add("frame.entry", frame.entry);
    add("frame.exc_state_before", frame.exc_state_before);
    add("frame.locals", Some(frame.locals));
    add("frame.head_size", Some(frame.head_size));
    add("frame.bytecode_index", frame.bytecode_index);
    add("frame.chunk_header", frame.chunk_header);

    add("code.filename", Some(code.filename));
    add("code.name", Some(code.name));
    add("code.qualname", code.qualname);
    add("code.first_line", Some(code.first_line));
    add("code.line_table", Some(code.line_table));
    add("code.arg_count", Some(code.arg_count));
    add("code.keyword_only_count", code.keyword_only_count);
    add("code.flags", Some(code.flags));
    add("code.cell_names", code.cell_names);
    add("code.free_names", code.free_names);
    add("code.version", code.version);
    add("code.local_names", Some(code.local_names));
    add("code.local_kinds", code.local_kinds);
    add("code.bytecode", code.bytecode);
    add("code.first_traceable", code.first_traceable);
    add("code.bytecode_copies", code.bytecode_copies);
    add("code.head_size", Some(code.head_size));

    add("object.ob_type", Some(object.ob_type));
    add("object.type_name", Some(object.type_name));
    add("object.type_flags", Some(object.type_flags));
    add("object.type_basicsize", Some(object.type_basicsize));
    add("object.type_dictoffset", Some(object.type_dictoffset));
    add("object.type_cached_keys", object.type_cached_keys);
    add("object.tuple_items", Some(object.tuple_items));
    add("object.weakref_target", Some(object.weakref_target));
    add("bytes.size", Some(object.bytes.size));
    add("bytes.data", Some(object.bytes.data));

    match object.int {
        IntLayout::Long { value } => add("int.value", Some(value)),
        IntLayout::Signed { count, digits } => {
            add("int.count", Some(count));
            add("int.digits", Some(digits));
        }
        IntLayout::Tagged { tag, digits } => {
            add("int.tag", Some(tag));
            add("int.digits", Some(digits));
        }
    }
    match object.text {
        TextLayout::Legacy {
            length, pointer, ..
        } => {
            add("text.length", Some(length));
            add("text.pointer", Some(pointer));
        }
        TextLayout::Compact {
            length,
            hash,
            state,
            kind_shift,
            compact_bit,
            ascii_bit,
            ascii_data,
            other_data,
            pointer,
        } => {
            add("text.length", Some(length));
            add("text.hash", Some(hash));
            add("text.state", Some(state));
            add("text.kind_shift", Some(kind_shift.into()));
            add("text.compact_bit", Some(compact_bit.into()));
            add("text.ascii_bit", Some(ascii_bit.into()));
            add("text.ascii_data", Some(ascii_data));
            add("text.other_data", Some(other_data));
            add("text.pointer", Some(pointer));
        }
    }
    match object.dict {
        DictLayout::Open { used, mask, table } => {
            add("dict.used", Some(used));
            add("dict.mask", Some(mask));
            add("dict.table", Some(table));
        }
        DictLayout::Compact {
            used,
            keys,
            values,
            keys_size,
            keys_count,
            keys_indices,
        } => {
            add("dict.used", Some(used));
            add("dict.keys", Some(keys));
            add("dict.values", Some(values));
            add("dict.keys_size", Some(keys_size));
            add("dict.keys_count", Some(keys_count));
            add("dict.keys_indices", Some(keys_indices));
        }
        DictLayout::Logarithmic {
            used,
            keys,
            values,
            log2_size,
            log2_index_bytes,
            kind,
            keys_count,
            keys_indices,
            split_values,
        } => {
            add("dict.used", Some(used));
            add("dict.keys", Some(keys));
            add("dict.values", Some(values));
            add("dict.log2_size", Some(log2_size));
            add("dict.log2_index_bytes", Some(log2_index_bytes));
            add("dict.kind", Some(kind));
            add("dict.keys_count", Some(keys_count));
            add("dict.keys_indices", Some(keys_indices));
            add("dict.split_values", Some(split_values));
        }
    }
    add_values(&mut fields, value);
    if let Some(tasks) = &layout.tasks {
        tasks_fields(tasks, &mut fields);
    }
    // These may lie before the object.
    match object.attributes {
        AttributeSource::DictOffset => {}
        AttributeSource::ManagedPair {
            values,
            dict,
            managed_flag,
        } => {
            fields.insert("attributes.values", values.into());
            fields.insert("attributes.dict", dict.into());
            fields.insert("attributes.managed_flag", managed_flag.into());
        }
        AttributeSource::ManagedTagged { word, managed_flag } => {
            fields.insert("attributes.word", word.into());
            fields.insert("attributes.managed_flag", managed_flag.into());
        }
        AttributeSource::Inline {
            dict,
            managed_flag,
            inline_flag,
            valid,
        } => {
            fields.insert("attributes.dict", dict.into());
            fields.insert("attributes.managed_flag", managed_flag.into());
            fields.insert("attributes.inline_flag", inline_flag.into());
            fields.insert("attributes.valid", valid.into());
        }
    }
    fields
}

fn add_values(fields: &mut Fields, value: &ValueLayout) {
    let has_qualnames = value.type_qualname.is_some();
    let mut add = |name, value: Option<u32>| {
        if let Some(value) = value {
            fields.insert(name, i64::from(value));
        }
    };
    add("value.type_mro", Some(value.type_mro));
    add("value.type_dict", Some(value.type_dict));
    add("value.type_qualname", value.type_qualname);
    add("value.float_value", Some(value.float_value));
    add("value.complex_value", Some(value.complex_value));
    add("value.list_items", Some(value.list_items));
    add("value.set_mask", Some(value.set_mask));
    add("value.set_table", Some(value.set_table));
    add("value.set_entry_key", Some(value.set_entry_key));
    add("value.bytearray_start", Some(value.bytearray_start));
    add("value.slice_start", Some(value.slice_start));
    add("value.cell_value", Some(value.cell_value));
    add("value.method_function", Some(value.method_function));
    add("value.method_self", Some(value.method_self));
    add("value.builtin_definition", Some(value.builtin_definition));
    add("value.builtin_self", Some(value.builtin_self));
    add("value.exception_args", Some(value.exception_args));
    add("value.dict_size", Some(value.dict_size));
    let (function, generator) = match has_qualnames {
        true => ("value.function_qualname", "value.generator_qualname"),
        false => ("value.function_name", "value.generator_code"),
    };
    add(function, Some(value.function_name));
    add(generator, Some(value.generator.name));
    let old = value.old_style;
    add("value.instance_class", old.map(|old| old.instance_class));
    add("value.instance_dict", old.map(|old| old.instance_dict));
    add("value.class_dict", old.map(|old| old.class_dict));
    add("value.class_name", old.map(|old| old.class_name));
    match value.generator.state {
        GeneratorState::Running { frame, running } => {
            add("value.generator_frame", Some(frame));
            add("value.generator_running", Some(running));
        }
        GeneratorState::InFrame { frame, state } => {
            add("value.generator_frame", Some(frame));
            add("value.frame_state", Some(state));
        }
        GeneratorState::Own {
            frame,
            state,
            created,
            executing,
            cleared,
        } => {
            add("value.generator_frame", Some(frame));
            add("value.generator_state", Some(state));
            fields.insert("value.generator_created", created.into());
            fields.insert("value.generator_executing", executing.into());
            fields.insert("value.generator_cleared", cleared.into());
        }
    }
}

/// What a header tells of tasks: not the forms of `_asyncio.Task`.
fn tasks_fields(tasks: &TaskLayout, fields: &mut Fields) {
    let mut add = |name: &'static str, value: Option<u32>| {
        fields.extend(value.map(|value| (name, i64::from(value))));
    };
    add("tasks.thread_dict", Some(tasks.thread_dict));
    add("tasks.function_closure", Some(tasks.function_closure));
    add("tasks.function_name", Some(tasks.function_name));
    add("tasks.type_base", Some(tasks.type_base));
    add("tasks.running_loop", tasks.running_loop);
    add("tasks.of_thread", tasks.lists.map(|it| it.of_thread));
    add(
        "tasks.of_interpreter",
        tasks.lists.map(|it| it.of_interpreter),
    );
    add("tasks.gc", tasks.gc.map(|gc| gc.generations));
    add("tasks.gc_permanent", tasks.gc.map(|gc| gc.permanent));
    let (values, top) = match tasks.coroutine.top {
        StackTop::Pointer { offset } | StackTop::Index { offset } => (None, offset),
        StackTop::Depth { values, depth } => (Some(values), depth),
    };
    add("tasks.values", values);
    add("tasks.top", Some(top));
    if let Awaiting::Opcode { code, .. } = tasks.coroutine.awaiting {
        add("tasks.code", Some(code));
    }
    if let Awaiting::States { first, .. } = tasks.coroutine.awaiting {
        fields.insert("tasks.awaiting_first", first.into());
    }
}
