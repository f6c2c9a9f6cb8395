//! Objects of live interpreters are read as those interpreters themselves tell them.

mod common;

use std::collections::BTreeMap;

use common::{Interpreter, ProcMemory, Target};
use serde::Deserialize;
use spyhole::cpython::layout::{self, Layout};
use spyhole::cpython::locate::{Located, RuntimeAddress, locate};
use spyhole::cpython::{objects, thread_names};
use spyhole::memory::Memory;
use spyhole::model::Addr;
use spyhole::target::Process;

/// What `fixtures/objects.py` prints.
#[derive(Deserialize)]
struct Facts {
    texts: Vec<(u64, String)>,
    bytes: Vec<(u64, Vec<u8>)>,
    ints: Vec<(u64, i64)>,
    dicts: Vec<(u64, Vec<(u64, u64)>)>,
    /// Object, name of its type, address of its attribute `second` or 0.
    attributes: Vec<(u64, String, u64)>,
    codes: Vec<CodeFacts>,
    threads: Vec<(u64, String)>,
}

/// Address, name, file, first line, line table, qualified name, count and first of the arguments.
type CodeFacts = (
    u64,
    String,
    String,
    u32,
    Vec<u8>,
    Option<String>,
    u32,
    Vec<String>,
);

struct Live {
    name: String,
    layout: Layout,
    interpreter: Addr,
    memory: ProcMemory,
    facts: Facts,
    _target: Target,
}

impl Live {
    fn start(python: &Interpreter) -> Live {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/objects.py");
        let mut target = Target::start(python.command().arg(script)).expect("starts");
        let facts = target.line().expect("facts");
        let process = Process::open(target.pid()).expect("the target runs");
        let mut memory = ProcMemory::open(target.pid()).expect("readable");
        let located = locate(&process, &mut memory).expect("located");
        let layout = layout_of(&located);
        let head = match located.runtime {
            RuntimeAddress::Runtime(runtime) => {
                runtime.plus(layout.runtime.interpreters_head.into())
            }
            RuntimeAddress::Variables { interp_head, .. } => interp_head,
        };
        let interpreter = memory.read_addr(head).expect("an interpreter");
        let mut live = Live {
            name: python.name.clone(),
            interpreter,
            memory,
            facts: serde_json::from_str(&facts).expect("facts"),
            _target: target,
            layout,
        };
        live.layout.object =
            objects::with_unicode_unit(&mut live.memory, &live.layout, interpreter)
                .expect("the width of unicode");
        live
    }
}

fn layout_of(located: &Located) -> Layout {
    match &located.debug_offsets {
        Some(bytes) => layout::from_debug_offsets(bytes),
        None => layout::builtin(located.version),
    }
    .expect("a layout")
}

#[test]
fn objects_hold_what_the_interpreter_says() {
    for python in common::interpreters() {
        let mut live = Live::start(python);
        check_texts_and_numbers(&mut live);
        check_dicts(&mut live);
        check_attributes(&mut live);
        check_codes(&mut live);
        check_threads(&mut live);
    }
}

fn check_texts_and_numbers(live: &mut Live) {
    let (name, layout, memory) = (&live.name, &live.layout.object, &mut live.memory);
    for (at, expected) in &live.facts.texts {
        let text = objects::read_text(memory, layout, Addr(*at), 4000);
        assert_eq!(
            text.as_ref().map(|text| text.untrusted()),
            Ok(expected.as_str()),
            "{name}"
        );
        let text = objects::read_text(memory, layout, Addr(*at), 4).expect("a text");
        if expected.is_ascii() && expected.len() > 4 && !expected.contains('\\') {
            assert_eq!(text.untrusted(), format!("{}…", &expected[..4]), "{name}");
        }
    }
    for (at, expected) in &live.facts.bytes {
        let bytes = objects::read_bytes(memory, layout, Addr(*at), 2000);
        assert_eq!(bytes.as_ref(), Ok(expected), "{name}");
        assert_eq!(
            objects::read_bytes(memory, layout, Addr(*at), 1999).is_ok(),
            expected.len() < 2000,
            "{name}"
        );
    }
    for (at, expected) in &live.facts.ints {
        assert_eq!(
            objects::read_int(memory, layout, Addr(*at)),
            Ok(*expected),
            "{name}"
        );
    }
}

fn check_dicts(live: &mut Live) {
    let (name, layout, memory) = (&live.name, &live.layout.object, &mut live.memory);
    for (at, expected) in &live.facts.dicts {
        let mut entries =
            objects::dict_entries(memory, layout, Addr(*at), 1 << 20).expect("a dict");
        let mut found = BTreeMap::new();
        while let Some(entry) = entries.next(memory) {
            let (key, value) = entry.expect("an entry");
            found.insert(key.0, value.0);
        }
        let expected: BTreeMap<u64, u64> = expected.iter().copied().collect();
        assert_eq!(found.len(), expected.len(), "{name}");
        assert!(found == expected, "{name}");
        // In larger ones a key is not looked for to the end.
        if expected.len() <= 1000 {
            let one = objects::dict_get(memory, layout, Addr(*at), "key999");
            assert_eq!(
                one.expect("a dict").is_some(),
                expected.len() == 1000,
                "{name}"
            );
        }
        assert_eq!(
            objects::type_name(memory, layout, Addr(*at))
                .expect("a type")
                .untrusted(),
            "dict",
            "{name}"
        );
    }
}

fn check_attributes(live: &mut Live) {
    let (name, layout, memory) = (&live.name, &live.layout.object, &mut live.memory);
    for (at, class, expected) in &live.facts.attributes {
        let found = objects::attribute(memory, layout, Addr(*at), "second");
        let expected = (*expected != 0).then_some(Addr(*expected));
        assert_eq!(found, Ok(expected), "{name}: {class}");
        let missing = objects::attribute(memory, layout, Addr(*at), "missing");
        assert_eq!(missing, Ok(None), "{name}: {class}");
        let found = objects::type_name(memory, layout, Addr(*at)).expect("a type");
        assert_eq!(found.untrusted(), class, "{name}");
    }
}

fn check_codes(live: &mut Live) {
    let (name, layout, memory) = (&live.name, &live.layout, &mut live.memory);
    for (at, code_name, file, first_line, table, qualname, arg_count, arguments) in
        &live.facts.codes
    {
        let field = |offset: u32| Addr(*at).plus(offset.into());
        let mut text = |offset: u32| {
            let text = memory.read_addr(field(offset)).expect("a field");
            let text = objects::read_text(memory, &layout.object, text, 4096).expect("a text");
            text.untrusted().to_owned()
        };
        assert_eq!(text(layout.code.name), *code_name, "{name}");
        assert_eq!(text(layout.code.filename), *file, "{name}");
        assert_eq!(layout.code.qualname.map(&mut text), *qualname, "{name}");
        let bytes = memory
            .read_addr(field(layout.code.line_table))
            .expect("a field");
        let bytes = objects::read_bytes(memory, &layout.object, bytes, 1 << 20);
        assert_eq!(bytes.as_ref(), Ok(table), "{name}");
        assert_eq!(
            memory.read_u32(field(layout.code.first_line)),
            Ok(*first_line),
            "{name}"
        );
        assert_eq!(
            memory.read_u32(field(layout.code.arg_count)),
            Ok(*arg_count),
            "{name}"
        );
        if let Some(first) = arguments.first() {
            let names = memory
                .read_addr(field(layout.code.local_names))
                .expect("a field");
            let items = names.plus(layout.object.tuple_items.into());
            let item = memory.read_addr(items).expect("an item");
            let text = objects::read_text(memory, &layout.object, item, 100).expect("a text");
            assert_eq!(text.untrusted(), first, "{name}");
        }
    }
}

fn check_threads(live: &mut Live) {
    let before = live.memory.reads;
    let found = thread_names::read(&mut live.memory, &live.layout, live.interpreter);
    let reads = live.memory.reads - before;
    let found: BTreeMap<u64, String> = found
        .expect("names")
        .into_iter()
        .map(|(ident, name)| (ident, name.untrusted().to_owned()))
        .collect();
    let expected: BTreeMap<u64, String> = live.facts.threads.iter().cloned().collect();
    assert_eq!(found, expected, "{}", live.name);
    println!("{}: {} threads in {reads} reads", live.name, expected.len());
}
