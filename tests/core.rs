//! `spyhole dump --core`: what threads did when their process ended.

mod common;
mod harness;

use std::fs;
use std::io::{PipeWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use common::interpreters::{interpreters, one_of_each_version};
use common::look::{mark, script, with_each};
use common::watchdog::watch;
use common::{Interpreter, Target, lacking, skipped};
use harness::{Place, assert_code, dump, python, stderr, stdout, wait_until};
use serde_json::Value;
use spyhole::Core;
use spyhole::dump::{Dump, DumpOptions, Locals};

/// `crashing.py`, which may leave a core file in a directory of its own.
struct Crashing {
    target: Target,
    input: PipeWriter,
    place: Place,
}

impl Crashing {
    fn start(python: &Interpreter) -> Crashing {
        let place = Place::new();
        let python = python.command();
        let (reader, input) = std::io::pipe().expect("a pipe");
        let mut command = Command::new("sh");
        // Where the limit may not be raised, there will be no core file.
        command
            .args(["-c", "ulimit -c unlimited 2> /dev/null; exec \"$@\"", "sh"])
            .arg(python.get_program())
            .args(python.get_args())
            .arg(script("crashing.py"))
            .stderr(Stdio::null())
            .current_dir(place.path(""));
        let target = Target::start_with_input(&mut command, reader).expect("a target");
        Crashing {
            target,
            input,
            place,
        }
    }

    /// What its threads do once all of them wait.
    fn threads(&self) -> Vec<Value> {
        let pid = self.target.id().to_string();
        let live = || threads(&dump(&["--json", "--locals", "--pid", &pid]));
        wait_until("all wait where they will stay", || {
            let threads = live();
            let waits = |name: &str| {
                let marked = if name == "crasher" {
                    "listens"
                } else {
                    "waits"
                };
                frames(&threads, name)[0].ends_with(&format!(":{}", mark("crashing.py", marked)))
            };
            ["one", "deep", "crasher"].into_iter().all(waits)
                && threads.iter().all(|thread| thread["waits_in"].is_string())
        });
        live()
    }

    /// Lets it crash, and gives its core file, if the kernel writes one.
    fn crash(&mut self, how: &str) -> Option<PathBuf> {
        writeln!(self.input, "{how}").expect("it listens");
        self.core_file()
    }

    fn core_file(&mut self) -> Option<PathBuf> {
        self.target.wait_for_end();
        let mut names = self.place.names().into_iter();
        let core = names.find(|name| name.starts_with("core"));
        core.map(|name| self.place.path(&name))
    }
}

/// Whether the kernel writes core files into the directory of the process.
fn are_written_there() -> bool {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    let is_there = pattern.starts_with("core") && !pattern.contains('/');
    if !is_there {
        skipped(
            "core files",
            &format!("they go elsewhere: {}", pattern.trim()),
        );
    }
    is_there
}

/// A crash of some Python, with its core file, or `None` where none is written.
fn any_crash() -> Option<(Crashing, PathBuf)> {
    if !are_written_there() {
        return None;
    }
    let pythons = one_of_each_version();
    let python = pythons.iter().find(|it| it.version == (3, 11));
    let mut crashing = Crashing::start(python.or(pythons.last())?);
    let core = crashing.crash("abort");
    if core.is_none() {
        skipped("core files", "none is written, as by a limit of zero");
    }
    Some((crashing, core?))
}

fn spyhole(words: &[&str]) -> Output {
    let place = Place::new();
    let mut command = place.spyhole(["dump"]);
    command.args(words).output().expect("spyhole")
}

fn threads(json: &str) -> Vec<Value> {
    serde_json::from_str(json).expect("JSON")
}

fn named<'a>(threads: &'a [Value], name: &str) -> &'a Value {
    let mut threads = threads.iter();
    let found = threads.find(|it| it["thread_name"] == name);
    found.unwrap_or_else(|| panic!("no {name}"))
}

/// The frames of the thread of this name, as `function:line`, innermost first.
fn frames(threads: &[Value], name: &str) -> Vec<String> {
    let frames = named(threads, name)["frames"].as_array().expect("frames");
    let frames = frames.iter().map(|frame| {
        let name = frame["name"].as_str().expect("a name");
        format!("{name}:{}", frame["line"])
    });
    frames.collect()
}

/// All that is told of a process and its threads but how it ended, with `but` left out.
fn without_end(threads: &[Value], but: &str) -> Vec<Value> {
    let mut threads = threads.to_vec();
    threads.retain(|thread| thread["thread_name"] != but);
    for thread in &mut threads {
        thread.as_object_mut().expect("an object").remove("signal");
        let process = thread["process_info"].as_object_mut().expect("an object");
        process.remove("ended_by");
    }
    threads.sort_by_key(|thread| thread["thread_id"].as_u64());
    threads
}

/// That the core file of a crash tells of all other threads what they did before it.
fn tells_what_was(python: &Interpreter, how: &str) {
    let mut crashing = Crashing::start(python);
    let live = crashing.threads();
    let Some(core) = crashing.crash(how) else {
        return skipped("core files", "none is written, as by a limit of zero");
    };
    let core = core.to_str().expect("text");
    let seen = threads(&dump(&["--json", "--locals", "--core", core]));
    let but = "crasher";
    assert_eq!(without_end(&seen, but), without_end(&live, but));
    assert_eq!(live.len(), 4);
    assert_eq!(seen.len(), 4);

    let crasher = named(&seen, but);
    let now = frames(&seen, but);
    let before = frames(&live, but);
    let place = format!("crashes:{}", mark("crashing.py", how));
    let at = now.iter().position(|frame| *frame == place);
    let at = at.unwrap_or_else(|| panic!("{now:?}"));
    assert_eq!(now[at + 1..], before[1..]);
    assert_eq!(crasher["os_thread_id"], named(&live, but)["os_thread_id"]);
    assert_eq!(crasher["active"], true);
    if !python.free_threaded {
        assert_eq!(crasher["holds_gil"], true, "{crasher:#}");
    }
    let name = if how == "abort" { "SIGABRT" } else { "SIGSEGV" };
    assert_eq!(crasher["signal"]["name"], name);

    let text = dump(&["--core", core]);
    let tid = &crasher["os_thread_id"];
    let ended = format!("\nEnded by {name}");
    assert!(text.contains(&ended), "{text}");
    assert!(text.contains(&format!(" in thread {tid}\n\n")), "{text}");
    assert!(
        text.contains(&format!(": \"crasher\", got {name}\n")),
        "{text}"
    );
}

#[test]
fn a_fault_in_c_code_leaves_the_stacks_of_all_threads() {
    if are_written_there() {
        with_each(&one_of_each_version(), |python| {
            tells_what_was(python, "fault")
        });
    }
}

#[test]
fn an_abort_leaves_the_stacks_of_all_threads_in_every_build() {
    if are_written_there() {
        with_each(interpreters(), |python| tells_what_was(python, "abort"));
    }
}

#[test]
fn a_signal_from_elsewhere_is_told_with_its_sender() {
    if !are_written_there() {
        return;
    }
    let pythons = one_of_each_version();
    let mut crashing = Crashing::start(pythons.last().expect("a Python"));
    let live = crashing.threads();
    let pid = nix::unistd::Pid::from_raw(crashing.target.pid().0);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGABRT).expect("sent");
    let Some(core) = crashing.core_file() else {
        return skipped("core files", "none is written, as by a limit of zero");
    };
    let core = core.to_str().expect("text");
    let seen = threads(&dump(&["--json", "--locals", "--core", core]));
    // The signal goes to any thread.
    let but = seen.iter().find(|thread| thread["signal"].is_object());
    let but = but.expect("a thread")["thread_name"]
        .as_str()
        .expect("a name");
    assert_eq!(without_end(&seen, but), without_end(&live, but));
    assert_eq!(frames(&seen, but), frames(&live, but));
    let text = dump(&["--core", core]);
    let ended = format!(
        "\nEnded by SIGABRT from process {} in thread ",
        std::process::id()
    );
    assert!(text.contains(&ended), "{text}");
}

/// Crashes in C code that keeps the GIL, for which another thread waits.
const KEEPS_GIL: &str = "
import ctypes, threading

def works():
    begun.set()
    while True:
        sum(range(100))

begun = threading.Event()
thread = threading.Thread(target=works, name='works', daemon=True)
thread.start()
begun.wait()
print('ready', flush=True)
ctypes.string_at(0)
";

#[test]
fn a_thread_that_waits_for_the_gil_of_another_that_crashed_is_told() {
    if !are_written_there() {
        return;
    }
    let place = Place::new();
    let program = place.program("keeps_gil.py", KEEPS_GIL);
    let shell = "ulimit -c unlimited 2> /dev/null; exec \"$@\"";
    let mut written = true;
    // It may be seen in the instant between two waits.
    wait_until("it waits for the GIL", || {
        let mut command = Command::new("sh");
        command
            .args(["-c", shell, "sh"])
            .arg(python())
            .arg(&program)
            .stderr(Stdio::null())
            .current_dir(place.path(""));
        let mut target = Target::start(&mut command).expect("a target");
        target.wait_for_end();
        let mut names = place.names().into_iter();
        let Some(core) = names.find(|name| name.starts_with("core")) else {
            written = false;
            return true;
        };
        let core = place.path(&core);
        let seen = threads(&dump(&["--json", "-c", core.to_str().expect("text")]));
        fs::remove_file(core).expect("it is there");
        assert_eq!(named(&seen, "MainThread")["owns_gil"], true);
        named(&seen, "works")["waits_for_gil"] == true
    });
    if !written {
        skipped("core files", "none is written, as by a limit of zero");
    }
}

#[test]
fn a_core_file_that_a_debugger_makes_of_a_living_process_is_read() {
    if Command::new("gcore").arg("-h").output().is_err() {
        return lacking("core files of debuggers", "there is no gcore (gdb)");
    }
    with_each(&one_of_each_version(), |python| {
        let crashing = Crashing::start(python);
        let live = crashing.threads();
        let pid = crashing.target.id().to_string();
        let _watched = watch("gcore");
        let mut gcore = Command::new("gcore");
        gcore
            .args(["-o", "made", &pid])
            .current_dir(crashing.place.path(""));
        let output = gcore.output().expect("gcore");
        if !output.status.success() {
            return skipped("gcore", &stderr(&output));
        }
        let core = crashing.place.path(&format!("made.{pid}"));
        let core = core.to_str().expect("text");
        let seen = threads(&dump(&["--json", "-l", "-c", core]));
        for thread in ["MainThread", "one", "deep", "crasher"] {
            let (mut now, was) = (frames(&seen, thread), frames(&live, thread));
            // gdb 13 leaves out the rest of a stack behind pages that glibc has made unreadable (2.42 on).
            if named(&seen, thread)["proven"] == false {
                assert!(stderr(&output).contains("Memory read failed"), "{now:?}");
                assert_eq!(now.pop().as_deref(), Some("<more frames>:0"));
                assert!(!now.is_empty() && was.starts_with(&now), "{now:?}");
            } else {
                assert_eq!(now, was);
            }
            // A debugger that cannot follow a program's threads leaves out what they wait for.
            let (seen, live) = (named(&seen, thread), named(&live, thread));
            assert!(seen["waits_in"].is_null() || seen["waits_in"] == live["waits_in"]);
            assert_eq!(
                (&seen["active"], &seen["owns_gil"]),
                (&live["active"], &live["owns_gil"])
            );
        }
        assert_eq!(seen.len(), live.len());
        let text = dump(&["-c", core]);
        assert!(text.contains("\nThe process went on after"), "{text}");
    });
}

#[test]
fn packed_and_piped_core_files_are_read_as_they_are() {
    let Some((crashing, core)) = any_crash() else {
        return;
    };
    let plain = fs::read(&core).expect("a core file");
    let expected = dump(&["--core", core.to_str().expect("text")]);
    let zstd = ruzstd::encoding::compress_to_vec(
        plain.as_slice(),
        ruzstd::encoding::CompressionLevel::Fastest,
    );
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(&plain).expect("packs");
    let lz4 = lz4.finish().expect("packs");
    for (name, packed) in [("core.zst", zstd), ("core.lz4", lz4), ("plain", plain)] {
        let path = crashing.place.path(name);
        fs::write(&path, packed).expect("room");
        assert_eq!(dump(&["--core", path.to_str().expect("text")]), expected);
        let mut cat = Command::new("cat");
        let mut cat = cat.arg(&path).stdout(Stdio::piped()).spawn().expect("cat");
        let mut command = crashing.place.spyhole(["dump", "--core", "-"]);
        command.stdin(cat.stdout.take().expect("its output"));
        let output = command.output().expect("spyhole");
        cat.wait().expect("ends");
        assert_code(&output, 0);
        assert_eq!(stdout(&output), expected);
    }
}

#[test]
fn files_are_found_below_the_directory_that_is_named() {
    let Some((crashing, core)) = any_crash() else {
        return;
    };
    let core = core.to_str().expect("text");
    let told = dump(&["--core", core]);
    assert!(!told.contains("Note:"), "{told}");
    let seen = threads(&dump(&["--json", "--locals", "--core", core]));
    let program = seen[0]["process_info"]["executable"]
        .as_str()
        .expect("a path");
    let sysroot = crashing.place.path("sysroot");
    fs::create_dir(&sysroot).expect("a directory");
    let words = ["--core", core, "--sysroot", sysroot.to_str().expect("text")];
    // Without any file the interpreter is found by its data.
    let without = dump(&words);
    let line = without.lines().find(|line| line.starts_with("Note: "));
    assert!(line.expect("a note").contains(program), "{without}");
    assert_eq!(
        without.matches("\n    ").count(),
        told.matches("\n    ").count()
    );

    let copy = sysroot.join(Path::new(program).file_name().expect("a name"));
    fs::copy(program, &copy).expect("room");
    let with = dump(&words);
    assert!(
        !with.contains(program) || !with.contains(&format!("have them: {program}")),
        "{with}"
    );
    // Another file of that name is not taken for it.
    let mut other = fs::read(&copy).expect("readable");
    other[300] ^= 1;
    fs::write(&copy, other).expect("room");
    assert_eq!(dump(&words), without);
}

#[test]
fn what_cannot_be_dumped_is_told_in_a_line() {
    let place = Place::new();
    let refused = |bytes: &[u8], reason: &str| {
        let path = place.path("file");
        fs::write(&path, bytes).expect("room");
        let output = spyhole(&["--core", path.to_str().expect("text")]);
        assert_code(&output, 1);
        let told = stderr(&output);
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(told.contains(reason), "{told}");
        assert_eq!(stdout(&output), "");
    };
    refused(b"", "it is no ELF core file");
    refused(b"a text", "it is no ELF core file");
    refused(b"\x7fELF\x02\x01\x01", "it ends before");
    refused(b"\xfd7zXZ\0", "packed with xz");
    refused(b"\x28\xb5\x2f\xfdno more", "cannot be unpacked");
    let program = fs::read(env!("CARGO_BIN_EXE_spyhole")).expect("a program");
    refused(&program, "a program or a library");
    for words in [
        &["--core", "no-such-file"][..],
        &["--core", "/tmp"],
        &["--core", "/dev/null"],
        &["--core", "x", "--sysroot", "/no-such-directory"],
    ] {
        assert_code(&spyhole(words), 1);
    }
    for words in [
        &["--core", "x", "-p", "1"][..],
        &["--core", "x", "-s"],
        &["--sysroot", "/", "-p", "1"],
    ] {
        assert_code(&spyhole(words), 2);
    }
}

/// Dumps it in this process, where a panic shows.
fn survives(core: &[u8], place: &Place) {
    let path = place.path("damaged");
    fs::write(&path, core).expect("room");
    let Ok(core) = Core::open(&path, None, &mut |_, _| {}) else {
        return;
    };
    let mut options = DumpOptions::default();
    options.locals = Locals::Whole;
    if let Ok(dump) = Dump::of_core(&Arc::new(core), &options) {
        let text = &mut Vec::new();
        dump.write_text(&options, text).expect("room");
    }
}

#[test]
fn a_core_file_that_is_cut_or_damaged_is_survived() {
    let Some((crashing, core)) = any_crash() else {
        return;
    };
    let _watched = watch("reads damaged core files");
    let whole = fs::read(&core).expect("a core file");
    let mut chance = fastrand::Rng::with_seed(7);
    for _ in 0..40 {
        survives(&whole[..chance.usize(..whole.len())], &crashing.place);
    }
    for _ in 0..150 {
        let mut damaged = whole.clone();
        // Headers and notes, which are what is read first.
        for _ in 0..chance.usize(1..8) {
            damaged[chance.usize(16..40_000)] = chance.u8(..);
        }
        survives(&damaged, &crashing.place);
    }
}
