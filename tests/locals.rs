//! `spyhole dump -l`: what variables hold.

mod common;
mod harness;

use std::collections::HashMap;

use common::interpreters::{cache, one_of_each_version};
use common::look::{script, with_each};
use common::{Interpreter, Target, lacking};
use harness::*;
use serde_json::Value;

/// What a program tells of its variables: function, name, what kind it is, notation.
type Fact = (String, String, String, String);

/// A program of `fixtures/targets`, with the facts that it tells, asleep.
fn telling(python: &Interpreter, name: &str) -> (Target, Vec<Fact>) {
    let mut target = Target::start(python.command().arg(script(name))).expect("a target");
    let facts = target.line().expect("facts");
    let facts = serde_json::from_str(&facts).expect("facts");
    (target.asleep(), facts)
}

fn dump_of(target: &Target, words: &[&str]) -> String {
    dump(&[&["--pid", &target.id().to_string()], words].concat())
}

/// The variables of a dump by function and name; functions without what they are within.
fn variables(json: &str) -> HashMap<(String, String), Value> {
    let threads: Vec<Value> = serde_json::from_str(json).expect("JSON");
    let mut found = HashMap::new();
    for frame in threads
        .iter()
        .flat_map(|thread| thread["frames"].as_array().expect("frames"))
    {
        let function = frame["name"].as_str().expect("a name");
        let function = function.rsplit('.').next().expect("a name");
        for variable in frame["locals"].as_array().expect("variables") {
            let name = variable["name"].as_str().expect("a name");
            found.insert((function.to_owned(), name.to_owned()), variable.clone());
        }
    }
    found
}

#[test]
fn each_kind_of_value_is_shown_as_python_writes_it() {
    with_each(&one_of_each_version(), |python| {
        let (target, facts) = telling(python, "locals.py");
        let json = dump_of(&target, &["-l", "--json"]);
        let found = variables(&json);
        let mut wrong = Vec::new();
        for (function, name, kind, expected) in facts {
            let shown = found.get(&(function, name.clone()));
            let is_argument = kind == "argument";
            if shown.is_none_or(|it| it["repr"] != expected.as_str() || it["arg"] != is_argument) {
                wrong.push(format!("{name} is {expected}, not {shown:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(!found.contains_key(&("outer".to_owned(), "unset".to_owned())));
        let module = ("<module>".to_owned(), "facts".to_owned());
        assert!(!found.contains_key(&module));
        let threads: Vec<Value> = serde_json::from_str(&json).expect("JSON");
        assert_eq!(threads[0]["proven"], true);
    });
}

#[test]
fn variables_stand_below_their_frame() {
    let python = &one_of_each_version()[0];
    let (target, _) = telling(python, "locals.py");
    let text = dump_of(&target, &["-l"]);
    let frame = text.split("    outer (").nth(1);
    let frame = frame.unwrap_or_else(|| panic!("{text}"));
    let (_, variables) = frame.split_once('\n').expect("lines");
    let expected = "        Arguments:
            first: 1
            by_inner: 'b'
            rest: (3,)
            named: {'k': 4}
        Locals:
            kept: [1]
            inner: <function ";
    let expected = expected.lines().map(str::trim_start);
    let lines: Vec<&str> = variables.lines().collect();
    assert!(lines[0].starts_with("        Arguments:"), "{frame}");
    for line in expected.take(7) {
        assert!(
            lines.iter().any(|it| it.trim_start() == line),
            "{line}: {frame}"
        );
    }
    assert!(
        text.contains("\n        Closure:\n            by_inner: 'b'\n"),
        "{text}"
    );
}

#[test]
fn variables_are_left_out_unless_they_are_asked_for() {
    let python = &one_of_each_version()[0];
    let (target, _) = telling(python, "locals.py");
    let threads: Vec<Value> = serde_json::from_str(&dump_of(&target, &["-j"])).expect("JSON");
    let frames = threads[0]["frames"].as_array().expect("frames");
    assert!(frames.len() > 3, "{threads:#?}");
    for frame in frames {
        assert_eq!(frame["locals"], Value::Null, "{frame:#}");
        assert!(frame["is_entry"].is_boolean(), "{frame:#}");
    }
    assert_eq!(frames[frames.len() - 1]["is_shim_entry"], true);
    assert!(!dump_of(&target, &[]).contains("Locals:"));
}

#[test]
fn secrets_are_masked_unless_they_are_asked_for() {
    with_each(&one_of_each_version(), |python| {
        let (target, _) = telling(python, "locals.py");
        for masked in [&["-l"][..], &["-ll"], &["-lj"], &["-llj"]] {
            let shown = dump_of(&target, masked);
            assert!(shown.contains("'***'"), "{shown}");
            assert!(!shown.contains("hidden"), "{shown}");
        }
        let shown = dump_of(&target, &["-l", "--show-secrets"]);
        assert!(shown.contains("password: 'hidden'\n"), "{shown}");
        assert!(shown.contains("'PASSWORD': 'hidden'"), "{shown}");
        assert!(!shown.contains("'***'"), "{shown}");
    });
}

/// No value takes more characters than that, with -l and with -ll, nor its names.
const LONGEST_LINE: usize = 1_000;
const LONGEST_WHOLE: usize = 30_000;

#[test]
fn values_that_lie_are_shown_within_bounds() {
    with_each(&one_of_each_version(), |python| {
        let head = if python.free_threaded { "32" } else { "16" };
        let mut command = python.command();
        command.arg(script("hostile_values.py")).arg(head);
        let target = Target::start(&mut command).expect("a target").asleep();
        for (words, longest) in [(&["-l"][..], LONGEST_LINE), (&["-ll"], LONGEST_WHOLE)] {
            let text = dump_of(&target, words);
            let is_odd = |c: char| c != '\n' && spyhole::model::is_unsafe_to_show(c);
            assert!(!text.contains(is_odd), "{text:?}");
            let line = text.lines().map(|line| line.chars().count()).max();
            assert!(line.is_some_and(|line| line <= longest), "{line:?}");
            let value = |name: &str| {
                let start = format!("            {name}: ");
                let mut lines = text.lines().filter_map(|line| line.strip_prefix(&start));
                lines.next().unwrap_or_else(|| panic!("no {name}: {text}"))
            };
            for name in ["no_type", "freed", "own_type", "odd_type"] {
                assert!(
                    value(name).starts_with("<unreadable object at 0x"),
                    "{text}"
                );
            }
            for name in ["negative_text", "half_built", "negative_list"] {
                assert!(value(name).starts_with("<unreadable "), "{text}");
            }
            assert!(
                value("real_list").ends_with(", … 10,000,000 items]"),
                "{text}"
            );
            let lies = "… 1,152,921,504,606,846,976 items}";
            assert!(value("used_dict").ends_with(lies), "{text}");
            assert!(value("holes").contains(", <NULL>, 3)"), "{text}");
            assert!(
                value("together").starts_with("{'list': [{...}, ({...}, ["),
                "{text}"
            );
            assert!(
                value("named").starts_with("<__main__.\\x1b[31mRed"),
                "{text}"
            );
        }
    });
}

/// Two threads that change their variables all the time.
const CHANGING: &str = "
import sys, threading
def work():
    number = 0
    while True:
        number += 1
        pair = (number, [number, {'n': number}])
        number = pair[0]
        texts = [str(number), str(number)]
        del texts
other = threading.Thread(target=work)
other.daemon = True
other.start()
sys.stdout.write('ready\\n')
sys.stdout.flush()
work()
";

#[test]
fn values_of_threads_that_run_are_of_one_moment() {
    with_each(&one_of_each_version(), |python| {
        let place = Place::new();
        let script = place.program("changing.py", CHANGING);
        let target = Target::start(python.command().arg(script)).expect("a target");
        for _ in 0..10 {
            let mut threads: Vec<Value> = Vec::new();
            wait_until("all is of one moment", || {
                let json = dump_of(&target, &["-l", "--json"]);
                threads = serde_json::from_str(&json).expect("JSON");
                threads.iter().all(|thread| thread["proven"] == true)
            });
            let frames = threads
                .iter()
                .flat_map(|thread| thread["frames"].as_array().expect("frames"));
            for frame in frames.filter(|frame| frame["name"] == "work") {
                let mut variables = frame["locals"].as_array().expect("variables").iter();
                if let Some(pair) = variables.find(|it| it["name"] == "pair") {
                    let pair = pair["repr"].as_str().expect("a value");
                    let number = pair.trim_start_matches('(').split(',').next();
                    let number = number.expect("a number");
                    assert_eq!(pair, format!("({number}, [{number}, {{'n': {number}}}])"));
                }
            }
        }
    });
}

#[test]
fn threads_that_hold_values_are_each_shown() {
    let place = Place::new();
    let target = place.target(
        "
import sys, threading
lock = threading.Lock()
lock.acquire()
def waits(number):
    started.release()
    lock.acquire()
started = threading.Semaphore(0)
for number in range(3):
    thread = threading.Thread(target=waits, args=(number,))
    thread.daemon = True
    thread.start()
for number in range(3):
    started.acquire()
print('ready', flush=True)
lock.acquire()
",
    );
    let target = target.asleep();
    assert!(dump_of(&target, &[]).contains("; 2 more with the same stack"));
    let text = dump_of(&target, &["-l"]);
    assert!(!text.contains("with the same stack"), "{text}");
    for number in 0..3 {
        let line = format!("        Arguments:\n            number: {number}\n");
        assert_eq!(text.matches(&line).count(), 1, "{text}");
    }
}

/// More variables than one dump shows, and a thread that works.
const CROWD: &str = "
import sys, threading, time
def waits(number, depth):
    items, pairs, text = [number] * 20, {'a': (number, 'b'), 'c': [1, 2, 3]}, 'text %d' % number
    if depth:
        return waits(number, depth - 1)
    begun.append(number)
    time.sleep(10000)
begun = []
for number in range(100):
    thread = threading.Thread(target=waits, args=(number, 40))
    thread.daemon = True
    thread.start()
while len(begun) < 100:
    time.sleep(0.001)
def works(depth):
    if depth:
        return works(depth - 1)
    print('ready', flush=True)
    count = 0
    while True:
        count += 1
works(30)
";

#[test]
fn where_not_all_can_be_shown_the_thread_that_works_is() {
    let place = Place::new();
    let target = place.target(CROWD);
    let mut text = String::new();
    wait_until("it is caught at work", || {
        text = dump_of(&target, &["-l"]);
        text.contains(" (active+gil): \"MainThread\"")
    });
    assert!(
        text.contains("\nNote: reading all variables would take too long"),
        "{text}"
    );
    let frames = text.matches("    works (").count();
    let shown = text.matches("            depth: ").count();
    assert_eq!(frames, 31, "{text}");
    let of_main = text.split("\nThread ").find(|it| it.contains("MainThread"));
    let of_main = of_main.expect("the main thread");
    assert_eq!(
        of_main.matches("            depth: ").count(),
        31,
        "{of_main}"
    );
    // Of each of the others some.
    assert!(shown >= 131, "{shown}");
}

#[test]
fn a_dump_without_halting_says_that_values_may_have_moved() {
    let python = &one_of_each_version()[0];
    let (target, _) = telling(python, "locals.py");
    let note = "\nNote: variables were read while the program ran";
    assert!(dump_of(&target, &["-l", "--nonblocking"]).contains(note));
    assert!(!dump_of(&target, &["--nonblocking"]).contains(note));
    assert!(!dump_of(&target, &["-l"]).contains(note));
}

#[test]
fn within_a_request_of_django_request_serializer_and_query_are_shown() {
    let pythons: Vec<Interpreter> = one_of_each_version()
        .into_iter()
        .filter(|python| packages(python).exists())
        .collect();
    with_each(&pythons, |python| {
        let place = Place::new();
        let project = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/fixtures/django_project/hold.py"
        );
        // The standard library's sqlite3 is no part of every build.
        let mut command = std::process::Command::new(&python.path);
        let has_sqlite = command.args(["-c", "import sqlite3"]).output();
        if !has_sqlite.is_ok_and(|output| output.status.success()) {
            return lacking(&python.name, "it has no sqlite3");
        }
        let mut command = std::process::Command::new(&python.path);
        command
            .args(["-B", project])
            .env("PYTHONPATH", packages(python))
            .env("RECIPES_DATABASE", place.path("recipes.sqlite3"));
        let target = Target::start(&mut command).expect("a target").asleep();
        let text = dump_of(&target, &["-ll"]);
        let below = |frame: &str| {
            let mut frames = text.split("\n    ").skip_while(|it| !it.starts_with(frame));
            assert!(frames.next().is_some(), "no {frame}: {text}");
            let variables = frames.take_while(|it| it.starts_with(' '));
            variables.collect::<Vec<_>>().join("\n")
        };
        let name = |class: &str, function: &str| match python.version >= (3, 11) {
            true => format!("{class}.{function} ("),
            false => format!("{function} ("),
        };
        let u = if python.version.0 == 2 { "u" } else { "" };
        let view = below("get_slow_list_view (recipes/views.py:");
        let request = format!("request: <WSGIRequest GET {u}'/recipes/slow/'>");
        assert!(view.contains(&request), "{view}");
        let method = below(&name("SlowIngredientSerializer", "get_recipe_name"));
        let serializer = "self: <SlowIngredientSerializer with fields id, name, grams, recipe_name";
        assert!(method.contains(serializer), "{method}");
        assert!(
            method.contains("ingredient: <Ingredient pk=1: "),
            "{method}"
        );
        let execute = below(&name("CursorWrapper", "execute"));
        let sql = format!("sql: {u}'SELECT \"recipes_author\".\"id\", ");
        assert!(execute.contains(&sql), "{execute}");
        assert!(!text.contains("s3cr3t"), "{text}");
    });
}

/// Where the Django for a Python is.
fn packages(python: &Interpreter) -> std::path::PathBuf {
    let (major, minor) = python.version;
    let t = if python.free_threaded { "t" } else { "" };
    cache().join(format!("django/{major}.{minor}{t}"))
}

#[test]
fn arrays_frames_and_rows_are_shown() {
    let pythons = one_of_each_version();
    let python = pythons.iter().find(|it| it.version == (3, 11));
    let packages = cache().join("data");
    let (Some(python), true) = (python, packages.exists()) else {
        return lacking("numpy", "it, or a Python 3.11, is absent");
    };
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/data/hold.py");
    let mut command = std::process::Command::new(&python.path);
    command.args(["-B", program]).env("PYTHONPATH", packages);
    let mut target = Target::start(&mut command).expect("a target");
    let facts: Vec<Fact> = serde_json::from_str(&target.line().expect("facts")).expect("facts");
    let target = target.asleep();
    let found = variables(&dump_of(&target, &["-l", "--json"]));
    for (function, name, _, expected) in facts {
        let shown = &found[&(function, name.clone())]["repr"];
        assert_eq!(shown, expected.as_str(), "{name}");
    }
}
