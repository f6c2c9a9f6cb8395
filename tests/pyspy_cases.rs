//! The cases of py-spy's own test suite that concern recording and what is on a stack, on every
//! version: through the engine where that suite goes through its library, else through the binary.
//! Numbers of samples are shares here, since a busy machine takes fewer.

mod common;
mod harness;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Output;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use common::held::{Observer, Seen, SeenFrame, SeenStack, cpu_time};
use common::interpreters::one_of_each_version;
use common::{Interpreter, PATIENCE, Target, lacking};
use harness::{Place, counts, signal, stderr, stdout, wait_until};
use spyhole::engine::cpython::CpythonEngine;
use spyhole::model::GilState;

/// Runs a case on every version, several at a time: most of what they do is to wait.
fn on_every_version(oldest: (u8, u8), case: impl Fn(&Interpreter) -> Result<(), String> + Sync) {
    const AT_A_TIME: usize = 4;
    let mut pythons = one_of_each_version();
    pythons.retain(|python| python.version >= oldest);
    if pythons.is_empty() {
        return lacking("a case of py-spy's", "no interpreter");
    }
    let wrong = Mutex::new(Vec::new());
    let left = Mutex::new(pythons.iter());
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let next = left.lock().expect("no panic").next();
                    let Some(python) = next else { break };
                    if let Err(error) = case(python) {
                        let mut wrong = wrong.lock().expect("no panic");
                        wrong.push(format!("{}: {error}", python.name));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no panic");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/targets/{name}"))
}

/// The line that ends with `mark: NAME` in a target program.
fn mark(program: &str, name: &str) -> u32 {
    let text = std::fs::read_to_string(fixture(program)).expect("a fixture");
    let mark = format!("# mark: {name}");
    let index = text.lines().position(|line| line.ends_with(&mark));
    index.expect("a mark") as u32 + 1
}

fn start(python: &Interpreter, program: &str, arguments: &[&str]) -> Result<Target, String> {
    Target::start(python.command().arg(fixture(program)).args(arguments))
}

fn look(observer: &mut Observer<CpythonEngine>) -> Result<Seen, String> {
    observer.look().map_err(|error| error.to_string())
}

/// Looks as often as asked, in no step with the program.
fn looks(observer: &mut Observer<CpythonEngine>, times: u64) -> Result<Vec<Seen>, String> {
    let mut seen = Vec::new();
    let mut chance = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..times {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        std::thread::sleep(Duration::from_micros(chance % 1000));
        seen.push(look(observer)?);
    }
    Ok(seen)
}

fn only_thread(seen: &Seen) -> Result<&SeenStack, String> {
    match seen.values().collect::<Vec<_>>()[..] {
        [stack] => Ok(stack),
        _ => Err(format!("not one thread: {seen:?}")),
    }
}

fn places(frames: &[SeenFrame]) -> Vec<(&str, u32)> {
    frames
        .iter()
        .map(|frame| (frame.name.as_str(), frame.line))
        .collect()
}

fn names(seen: &Seen) -> BTreeSet<&str> {
    let names = seen.values().filter_map(|stack| stack.name.as_deref());
    names.collect()
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, seen: T, told: T) -> Result<(), String> {
    if seen == told {
        return Ok(());
    }
    Err(format!("{what}: {seen:?} where {told:?} is right"))
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

#[test]
fn a_busy_loop_runs_and_has_the_gil() {
    let (busy, above) = (mark("busyloop.py", "busy"), mark("busyloop.py", "busy") - 1);
    let root = mark("busyloop.py", "root");
    on_every_version((2, 7), |python| {
        let target = start(python, "busyloop.py", &[])?;
        let mut observer = Observer::own(target.pid())?;
        wait_until("it is busy", || {
            let seen = look(&mut observer).unwrap_or_default();
            seen.values().any(|stack| stack.frames.len() == 2)
        });
        let (mut right, mut running, mut holding) = (0, 0, 0);
        for _ in 0..100 {
            // One that waits for a CPU from look to look is not said to run.
            let used = cpu_time(target.pid());
            wait_until("it goes on", || cpu_time(target.pid()) > used);
            let seen = &look(&mut observer)?;
            let stack = only_thread(seen)?;
            let at = |line| [("busy_loop", line), ("<module>", root)];
            let frames = places(&stack.frames);
            right += u32::from(frames == at(busy) || frames == at(above));
            running += u32::from(stack.on_cpu);
            holding += u32::from(stack.gil == GilState::Holds);
        }
        let gil = if python.free_threaded { 0 } else { 95 };
        ensure(right >= 95 && running >= 95 && holding >= gil, || {
            format!("of 100: {right} right, {running} running, {holding} with the GIL")
        })
    });
}

#[test]
fn a_long_sleep_is_idle_without_the_gil_on_the_right_lines() {
    let told = [
        ("long_sleep", mark("longsleep.py", "sleep")),
        ("<module>", mark("longsleep.py", "root")),
    ];
    on_every_version((2, 7), |python| {
        let target = start(python, "longsleep.py", &[])?.asleep();
        let mut observer = Observer::own(target.pid())?;
        wait_until("it sleeps", || {
            let seen = look(&mut observer).unwrap_or_default();
            seen.values().any(|stack| {
                let sleeps = !stack.on_cpu && stack.gil != GilState::Holds;
                sleeps && places(&stack.frames) == told
            })
        });
        for seen in looks(&mut observer, 30)? {
            let stack = only_thread(&seen)?;
            expect("stack", &places(&stack.frames)[..], &told[..])?;
            ensure(!stack.on_cpu && stack.gil != GilState::Holds, || {
                format!("{stack:?}")
            })?;
        }
        Ok(())
    });
}

fn record(target: &Target, arguments: &[&str]) -> Output {
    let pid = target.pid().to_string();
    let usual = ["-p", &pid, "-f", "raw", "-o", "-", "-r", "200"];
    let place = Place::new();
    let mut command = place.record(usual.iter().chain(arguments));
    command.output().expect("spyhole starts")
}

fn recorded(target: &Target, arguments: &[&str]) -> Result<String, String> {
    let output = record(target, arguments);
    ensure(output.status.code() == Some(0), || stderr(&output))?;
    Ok(stdout(&output))
}

/// Records for longer and longer, until there is enough of what is to be seen: a busy machine gives
/// programs less time to start and to work in, and us less to look at them.
fn recorded_until(
    durations: &[&str],
    mut record: impl FnMut(&str) -> Result<String, String>,
    enough: impl Fn(&str) -> Result<(), String>,
) -> Result<String, String> {
    let mut result = Err("nothing was recorded".to_owned());
    for seconds in durations {
        result = record(seconds).and_then(|text| enough(&text).map(|()| text));
        if result.is_ok() {
            break;
        }
    }
    result
}

#[test]
fn recording_with_gil_shows_the_busy_loop_and_nothing_else() {
    on_every_version((2, 7), |python| {
        if python.free_threaded {
            return Ok(());
        }
        let target = start(python, "busyloop.py", &[])?;
        let text = recorded_until(
            &["0.6", "3", "15"],
            |seconds| recorded(&target, &["-d", seconds, "--gil"]),
            |text| ensure(counts(text, "").0 >= 5, || text.to_owned()),
        )?;
        let (all, busy) = counts(&text, "<module> (busyloop.py:13);busy_loop (busyloop.py:");
        ensure(busy * 100 >= all * 95, || text)
    });
}

#[test]
fn recording_with_idle_shows_the_sleep_and_with_gil_does_not() {
    let sleep = format!(
        "<module> (longsleep.py:{});long_sleep (longsleep.py:{}) ",
        mark("longsleep.py", "root"),
        mark("longsleep.py", "sleep")
    );
    on_every_version((2, 7), |python| {
        let target = start(python, "longsleep.py", &[])?.asleep();
        let text = recorded_until(
            &["0.4", "3", "15"],
            |seconds| recorded(&target, &["-d", seconds, "--idle"]),
            |text| ensure(counts(text, "").0 >= 10, || text.to_owned()),
        )?;
        let sleeping: u64 = text
            .lines()
            .filter_map(|line| line.strip_prefix(&sleep)?.parse::<u64>().ok())
            .sum();
        let (all, _) = counts(&text, "");
        ensure(sleeping * 100 >= all * 95, || text)?;
        if python.free_threaded {
            return Ok(());
        }
        // No sample at all is 3.
        let output = record(&target, &["-d", "0.4", "--gil"]);
        let (with_gil, _) = counts(&stdout(&output), "");
        ensure(
            matches!(output.status.code(), Some(0 | 3)) && with_gil * 10 <= all,
            || format!("{with_gil} with the GIL: {}", stderr(&output)),
        )
    });
}

#[test]
fn the_names_of_threads_are_exactly_those_that_the_program_gave() {
    let told: BTreeSet<String> = (0..10)
        .map(|number| format!("CustomThreadName-{number}"))
        .chain(["MainThread".to_owned()])
        .collect();
    on_every_version((2, 7), |python| {
        let target = start(python, "thread_names.py", &[])?.asleep();
        let text = recorded(&target, &["-d", "0.3", "-t", "-i"])?;
        let seen: BTreeSet<String> = text
            .lines()
            .filter_map(|line| line.split(';').next()?.split_once("): "))
            .map(|(_, name)| name.to_owned())
            .collect();
        expect("names", &seen, &told)?;
        ensure(text.lines().count() >= 11, || text)
    });
}

#[test]
fn names_of_threads_are_left_alone_when_nobody_wants_them() {
    on_every_version((2, 7), |python| {
        let target = start(python, "thread_names.py", &[])?;
        let mut observer = Observer::own(target.pid())?;
        for seen in looks(&mut observer, 3)? {
            expect("threads", seen.len(), 11)?;
            expect("names", names(&seen), BTreeSet::new())?;
        }
        Ok(())
    });
}

#[test]
fn threads_without_a_name_have_none_and_are_not_asked_again_and_again() {
    let told = BTreeSet::from(["MainThread", "Named-0", "Named-1", "Named-2"]);
    on_every_version((2, 7), |python| {
        let target = start(python, "thread_names_unnamed.py", &[])?.asleep();
        let mut reads = [0, 0];
        for (index, with_names) in [false, true].into_iter().enumerate() {
            let mut observer = Observer::own_with_names(target.pid(), with_names)?;
            // All are known after two looks.
            looks(&mut observer, 2)?;
            let before = observer.reads();
            let seen = looks(&mut observer, 10)?;
            reads[index] = observer.reads() - before;
            for seen in &seen {
                expect("threads", seen.len(), 6)?;
                if with_names {
                    expect("names", names(seen), told.clone())?;
                }
            }
        }
        // One look for names reads more than two dozen times.
        let [without, with] = reads;
        ensure(with <= without + 20, || {
            format!("{with} reads, {without} without names")
        })
    });
}

#[test]
fn names_are_found_when_threading_is_imported_late() {
    on_every_version((2, 7), |python| {
        // Imports it when it is told to.
        let mut target = start(python, "thread_names_late_import.py", &[])?;
        let mut observer = Observer::own_with_names(target.pid(), true)?;
        expect("names", names(&look(&mut observer)?), BTreeSet::new())?;
        signal(target.id(), "USR1");
        expect("says", target.line().as_deref(), Some("imported"))?;
        for late in ["LateThread-0", "MainThread", "LateThread-1"] {
            wait_until(late, || {
                names(&look(&mut observer).unwrap_or_default()).contains(late)
            });
        }
        Ok(())
    });
}

#[test]
fn a_recursion_has_its_depth_and_its_root() {
    let roots = [mark("recursive.py", "root"), mark("recursive.py", "loop")];
    let recurse = mark("recursive.py", "recurse");
    on_every_version((2, 7), |python| {
        let target = start(python, "recursive.py", &[])?;
        let mut observer = Observer::own(target.pid())?;
        wait_until("it has begun", || {
            let seen = look(&mut observer).unwrap_or_default();
            seen.values().any(|stack| stack.frames.len() > 1)
        });
        let (mut deepest, mut seen_enough) = (0, 0);
        let deadline = Instant::now() + PATIENCE;
        // It may not come to run between two looks.
        while seen_enough < 100 || deepest <= 10 {
            ensure(Instant::now() < deadline, || {
                format!("never deeper than {deepest}")
            })?;
            seen_enough += 1;
            let seen = looks(&mut observer, 1)?.remove(0);
            let stack = only_thread(&seen)?;
            let (root, calls) = stack.frames.split_last().ok_or("no frames")?;
            let right = root.name == "<module>"
                && roots.contains(&root.line)
                && calls.len() <= 21
                && calls.iter().all(|call| call.name == "recurse")
                && calls.iter().skip(1).all(|call| call.line == recurse);
            ensure(right && stack.proven, || format!("{stack:?}"))?;
            deepest = deepest.max(calls.len());
        }
        Ok(())
    });
}

#[test]
fn a_file_beyond_the_basic_plane_and_an_accented_function_are_named() {
    on_every_version((2, 7), |python| {
        let target = start(python, "unicode💩.py", &[])?;
        let mut observer = Observer::own(target.pid())?;
        let (name, line) = match python.version.0 {
            2 => ("plain_name", mark("unicode💩.py", "sleep")),
            _ => ("fonction_été", 3),
        };
        wait_until("it is there", || {
            let seen = look(&mut observer).unwrap_or_default();
            only_thread(&seen).is_ok_and(|stack| {
                let leaf = stack.frames.first();
                leaf.is_some_and(|leaf| leaf.name == name && leaf.line == line)
            })
        });
        let seen = look(&mut observer)?;
        let frames = &only_thread(&seen)?.frames;
        expect("frames", frames.len(), 2)?;
        ensure(
            frames
                .iter()
                .all(|frame| frame.file.ends_with("/unicode💩.py")),
            || format!("{frames:?}"),
        )
    });
}

#[test]
fn cyrillic_functions_and_files_are_named() {
    let source = std::fs::read_to_string(fixture("cyrillic.py")).expect("a fixture");
    // As the program's docstring says: compilers fold the last one.
    let defined = source
        .lines()
        .filter_map(|line| line.strip_prefix("def ")?.strip_suffix("():"))
        .map(|name| {
            if name.ends_with("unction") {
                "function"
            } else {
                name
            }
        });
    let mut told: Vec<&str> = defined.rev().collect();
    told.extend(["<module>", "<module>"]);
    let lines = [11, 7, 3, 14];
    on_every_version((3, 6), |python| {
        let target = start(python, "cyrillic.py", &[])?;
        let mut observer = Observer::own(target.pid())?;
        wait_until("it is there", || {
            let seen = look(&mut observer).unwrap_or_default();
            let mut leaves = seen.values().filter_map(|stack| stack.frames.first());
            leaves.any(|leaf| leaf.name == "function")
        });
        let seen = look(&mut observer)?;
        let frames = &only_thread(&seen)?.frames;
        let names: Vec<&str> = frames.iter().map(|frame| frame.name.as_str()).collect();
        expect("names", names, told.clone())?;
        for (frame, line) in frames.iter().zip(lines) {
            expect("file", frame.file.as_str(), "файл.py")?;
            expect("line", frame.line, line)?;
        }
        Ok(())
    });
}

#[test]
fn lines_that_go_backwards_stay_within_their_function() {
    let within = mark("negative_lines.py", "first")..=mark("negative_lines.py", "last");
    on_every_version((2, 7), |python| {
        let target = start(python, "negative_lines.py", &[])?;
        let mut observer = Observer::own(target.pid())?;
        let mut lines = BTreeSet::new();
        let deadline = Instant::now() + PATIENCE;
        // Some of its lines take much less time than others.
        while Instant::now() < deadline {
            for seen in looks(&mut observer, 100)? {
                for frame in &only_thread(&seen)?.frames {
                    if frame.name.starts_with("jump_back") || frame.name == "<listcomp>" {
                        ensure(within.contains(&frame.line), || format!("{frame:?}"))?;
                        lines.insert(frame.line);
                    }
                }
            }
            if lines.len() >= 3 {
                break;
            }
        }
        ensure(lines.len() >= 3, || format!("only {lines:?}"))
    });
}

#[test]
fn ids_of_threads_that_are_used_again_do_no_harm() {
    on_every_version((2, 7), |python| {
        let target = start(python, "thread_reuse.py", &[])?;
        let mut observer = Observer::own(target.pid())?;
        let (mut looks, mut errors, mut brief) = (0, 0, 0);
        let deadline = Instant::now() + PATIENCE;
        // A busy machine lets few threads run between two looks.
        while looks < 100 || brief < 20 {
            ensure(Instant::now() < deadline, || {
                format!("only {brief} brief threads in {looks} looks")
            })?;
            std::thread::sleep(Duration::from_millis(1));
            looks += 1;
            let Ok(seen) = look(&mut observer) else {
                errors += 1;
                continue;
            };
            errors += u32::from(seen.values().any(|stack| !stack.proven));
            for stack in seen.values().filter(|stack| stack.proven) {
                let names: Vec<&str> = stack.frames.iter().map(|frame| &*frame.name).collect();
                let spins = names.contains(&"spin_briefly");
                brief += u32::from(spins);
                // Whoever spins was called by `brief`, and that by the thread's own beginning.
                let torn = spins
                    && (names.contains(&"<module>")
                        || !names.contains(&"brief")
                        || !names.last().is_some_and(|root| root.contains("bootstrap")));
                ensure(!torn, || format!("{names:?}"))?;
            }
        }
        ensure(errors * 100 <= looks * 3, || {
            format!("{errors} errors in {looks} looks")
        })
    });
}

#[test]
fn processes_below_are_recorded_each_by_its_pid() {
    on_every_version((2, 7), |python| {
        let mut target = start(python, "subprocesses.py", &[])?;
        let told = target.line().ok_or("no pids")?;
        let told: BTreeSet<&str> = told.split_whitespace().collect();
        // Four processes that spin: on a busy machine it takes a while to open them all.
        recorded_until(
            &["1.5", "4", "10", "30"],
            |seconds| recorded(&target, &["-d", seconds, "-s"]),
            |text| each_process_is_there(text, &told),
        )
        .map(drop)
    });
}

fn each_process_is_there(text: &str, told: &BTreeSet<&str>) -> Result<(), String> {
    let seen: BTreeSet<&str> = text
        .lines()
        .flat_map(|line| line.split("process ").skip(1))
        .filter_map(|rest| rest.split(':').next())
        .collect();
    expect("pids", (told.len(), &seen), (4, told))?;
    for role in ["parent", "child", "grandchild"] {
        let frame = format!(";{role} (subprocesses.py:");
        ensure(text.contains(&frame), || format!("no {role}: {text}"))?;
    }
    Ok(())
}

#[test]
fn a_child_that_is_a_zombie_keeps_nothing_from_being_recorded() {
    on_every_version((2, 7), |python| {
        let target = start(python, "zombie_child.py", &[])?;
        let text = recorded_until(
            &["0.5", "3", "15"],
            |seconds| recorded(&target, &["-d", seconds, "-s"]),
            |text| ensure(counts(text, "").0 > 5, || text.to_owned()),
        )?;
        let (all, busy) = counts(&text, ";busy (zombie_child.py:");
        ensure(busy * 10 > all * 9, || text)
    });
}

#[test]
fn a_shell_that_starts_python_late_is_recorded_as_that_python() {
    on_every_version((2, 7), |python| {
        // A free-threaded 3.13 takes seconds to start on a busy machine, watched or not: each class
        // that it makes waits for all CPUs.
        let mut said = String::new();
        let right = ["2", "10", "40"].iter().any(|seconds| {
            let place = Place::new();
            let mut command = place.record(["-s", "-d", seconds, "-o", "x.txt"]);
            let output = command
                .args(["--", "bash"])
                .arg(fixture("delayed_launch.sh"))
                .arg(&python.path)
                .arg("0.3")
                .output()
                .expect("spyhole starts");
            let text = std::fs::read_to_string(place.path("x.txt")).unwrap_or_default();
            let processes: BTreeSet<&str> = text
                .lines()
                .filter_map(|line| line.split_once(':').map(|(process, _)| process))
                .collect();
            let is_python = |line: &str| {
                let command = line.split(';').next().unwrap_or_default();
                line.matches("process ").count() == 1 && command.contains("/busyloop.py")
            };
            let (_, busy) = counts(&text, ";busy_loop (busyloop.py:");
            said = format!("{text}\n{}", stderr(&output));
            processes.len() == 1 && text.lines().all(is_python) && busy > 5
        });
        ensure(right, || said)
    });
}
