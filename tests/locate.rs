//! Where the state of a running Python lies is found, whatever way it was built, named and loaded.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::interpreters::{cache, one_of_each_version};
use common::target::WAITING;
use common::{Interpreter, ProcMemory, Target, interpreters, lacking, skipped};
use spyhole::cpython::locate::{Glances, LocateError, Located, RuntimeAddress, locate};
use spyhole::memory::{Fault, Memory};
use spyhole::model::{Addr, Pid};
use spyhole::target::Process;

fn locate_pid(pid: Pid) -> Result<Located, LocateError> {
    locate_hiding(pid, Hidden::Nothing)
}

fn locate_hiding(pid: Pid, hidden: Hidden) -> Result<Located, LocateError> {
    let process = Process::open(pid).expect("the target runs");
    let mut memory = Hiding {
        memory: ProcMemory::open(pid).expect("readable"),
        hidden,
    };
    locate(&process, &mut memory)
}

fn waiting(python: &Interpreter) -> Target {
    Target::start(python.command().args(["-c", WAITING])).expect("starts")
}

fn waiting_copy(python: &Interpreter, copy: &Path) -> Target {
    start_copy(python, copy).expect("starts")
}

/// Runs a copy of an interpreter, which would not find its library by itself.
fn start_copy(python: &Interpreter, copy: &Path) -> Result<Target, String> {
    let program = format!(
        "import sys\nassert sys.version_info[:2] == {:?}\n{WAITING}",
        python.version
    );
    let mut command = Command::new(copy);
    command
        .args(["-S", "-s", "-c", &program])
        .env("PYTHONHOME", home(python));
    Target::start(&mut command)
}

fn home(python: &Interpreter) -> String {
    let program = "import sys; sys.stdout.write(sys.prefix + ':' + sys.exec_prefix)";
    let output = python
        .command()
        .args(["-c", program])
        .output()
        .expect("runs");
    String::from_utf8(output.stdout).expect("a path")
}

fn assert_version(python: &Interpreter, located: &Located) {
    let version = located.version;
    assert_eq!(
        ((version.major, version.minor), version.free_threaded),
        (python.version, python.free_threaded),
        "{}",
        python.name
    );
    let has_table = located.debug_offsets.is_some();
    assert_eq!(has_table, python.version >= (3, 13), "{}", python.name);
    let is_runtime = matches!(located.runtime, RuntimeAddress::Runtime(_));
    assert_eq!(is_runtime, python.version >= (3, 7), "{}", python.name);
}

#[track_caller]
fn found(python: &Interpreter, pid: Pid) -> Located {
    let located = locate_pid(pid).unwrap_or_else(|error| panic!("{}: {error}", python.name));
    assert_version(python, &located);
    located
}

/// What of a target's memory to keep from the locator, so that it must take another way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hidden {
    Nothing,
    /// The dynamic section: the file must be asked.
    DynamicSymbols,
    /// The build id too: no file is trusted then.
    DynamicSymbolsAndFile,
    Everything,
}

struct Hiding {
    memory: ProcMemory,
    hidden: Hidden,
}

impl Memory for Hiding {
    fn read(&mut self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        const PT_DYNAMIC: u32 = 2;
        const PT_NOTE: u32 = 4;
        if self.hidden == Hidden::Everything {
            let len = into.len();
            return Err(Fault { at, len });
        }
        self.memory.read(at, into)?;
        // Program headers are read in one piece: entries of 56 bytes that begin with a type.
        let kind = |entry: &[u8]| u32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]);
        let are_headers = into.len().is_multiple_of(56)
            && into
                .chunks(56)
                .all(|entry| matches!(kind(entry), 1..=7 | 0x6400_0000..0x7fff_ffff));
        if are_headers {
            for entry in into.chunks_mut(56) {
                let hide = match kind(entry) {
                    PT_DYNAMIC => self.hidden != Hidden::Nothing,
                    PT_NOTE => self.hidden == Hidden::DynamicSymbolsAndFile,
                    _ => false,
                };
                if hide {
                    entry[..4].fill(0);
                }
            }
        }
        Ok(())
    }
}

#[test]
fn every_interpreter_is_found() {
    for python in interpreters() {
        found(python, waiting(python).pid());
    }
}

#[test]
fn the_file_leads_to_the_same_place_as_the_symbols_in_memory() {
    for python in interpreters() {
        let target = waiting(python);
        let expected = found(python, target.pid());
        let located = locate_hiding(target.pid(), Hidden::DynamicSymbols)
            .unwrap_or_else(|error| panic!("{}: {error}", python.name));
        assert_version(python, &located);
        assert_same_place(python, &located, &expected);
    }
}

#[test]
fn the_data_leads_to_the_same_place_as_the_symbols_in_memory() {
    for python in interpreters() {
        let target = waiting(python);
        let expected = found(python, target.pid());
        let located = locate_hiding(target.pid(), Hidden::DynamicSymbolsAndFile)
            .unwrap_or_else(|error| panic!("{}: {error}", python.name));
        assert_version(python, &located);
        assert_same_place(python, &located, &expected);
    }
}

/// The file of the interpreter may be mapped a second time, and another program export its names.
#[test]
fn a_flat_mapping_of_the_file_misleads_nobody() {
    let old = interpreters().iter().filter(|it| it.version <= (3, 8));
    for python in old {
        let program = format!(
            "{}/fixtures/targets/flat_mapping.py",
            env!("CARGO_MANIFEST_DIR")
        );
        let target = match Target::start(python.command().arg(program)) {
            Ok(target) => target,
            Err(error) => {
                skipped(&python.name, &error);
                continue;
            }
        };
        assert_leads_to_a_thread(python, target.pid(), &found(python, target.pid()));
    }
}

/// While some thread has the GIL it shows in memory where that is noted, without any symbol.
#[test]
fn who_has_the_gil_is_found_without_symbols() {
    const BUSY: &str = "\
import sys
sys.stdout.write('ready\\n')
sys.stdout.flush()
while True: pass
";
    for python in interpreters().iter().filter(|it| it.version <= (3, 6)) {
        let target = Target::start(python.command().args(["-c", BUSY])).expect("starts");
        let expected = found(python, target.pid());
        let located = locate_hiding(target.pid(), Hidden::DynamicSymbolsAndFile).expect("is found");
        assert_eq!(located.runtime, expected.runtime, "{}", python.name);
        assert_leads_to_a_thread(python, target.pid(), &located);
    }
}

/// Whether what tells who has the GIL is what the interpreter writes to.
#[track_caller]
fn assert_leads_to_a_thread(python: &Interpreter, pid: Pid, located: &Located) {
    let RuntimeAddress::Variables { current_thread, .. } = located.runtime else {
        return;
    };
    let variable = current_thread.unwrap_or_else(|| panic!("{}: none", python.name));
    let mut memory = ProcMemory::open(pid).expect("readable");
    // It lets the GIL go for moments.
    let shows = (0..1000).any(|_| {
        let thread = memory.read_addr(variable).unwrap_or(Addr::NULL);
        !thread.is_null() && memory.read_addr(thread).is_ok()
    });
    assert!(shows, "{}", python.name);
}

/// What a glance at each process says, for which less is read.
#[test]
fn a_glance_tells_pythons_from_other_programs() {
    let mut glances = Glances::default();
    let mut glance = |pid: Pid, hidden: Hidden| {
        let mut memory = Hiding {
            memory: ProcMemory::open(pid).expect("readable"),
            hidden,
        };
        let process = Process::open(pid).expect("runs");
        glances.has_python(&process, &mut memory)
    };
    let other = Target::no_python();
    assert_eq!(glance(other.pid(), Hidden::Nothing), Some(false));
    for python in interpreters() {
        let target = waiting(python);
        for hidden in [Hidden::Nothing, Hidden::DynamicSymbols] {
            assert_eq!(glance(target.pid(), hidden), Some(true), "{}", python.name);
        }
        assert_eq!(
            glance(target.pid(), Hidden::Everything),
            None,
            "{}",
            python.name
        );
    }
    assert_eq!(glance(other.pid(), Hidden::Nothing), Some(false));
}

#[test]
fn a_thread_tells_its_cpu_where_the_c_library_says() {
    const PROGRAM: &str = "\
import os, sys, threading, time
cpu = max(os.sched_getaffinity(0))
os.sched_setaffinity(0, {cpu})
for line in ('ready', threading.get_ident(), cpu):
    sys.stdout.write('%s\\n' % line)
sys.stdout.flush()
time.sleep(600)
";
    let mut told = 0;
    for python in interpreters().iter().filter(|it| it.version >= (3, 6)) {
        let mut target = Target::start(python.command().args(["-c", PROGRAM])).expect("starts");
        let mut number = || target.line().and_then(|line| line.parse::<u64>().ok());
        let (thread, cpu) = (number().expect("an id"), number().expect("a CPU"));
        let Some(cpu_id) = found(python, target.pid()).cpu_id else {
            skipped(&python.name, "its C library does not tell CPUs");
            continue;
        };
        told += 1;
        let mut memory = ProcMemory::open(target.pid()).expect("readable");
        let read = memory.read_u32(Addr(thread.wrapping_add(cpu_id)));
        assert_eq!(read.map(u64::from), Ok(cpu), "{}", python.name);
    }
    if told == 0 && cfg!(target_arch = "x86_64") {
        lacking("the CPU that a thread tells", "no C library tells it");
    }
}

/// Without symbols nobody knows where the thread that has the GIL is noted in 2.7 and 3.6.
fn assert_same_place(python: &Interpreter, located: &Located, expected: &Located) {
    match (located.runtime, expected.runtime) {
        (
            RuntimeAddress::Variables {
                interp_head: head, ..
            },
            RuntimeAddress::Variables { interp_head, .. },
        ) => assert_eq!(head, interp_head, "{}", python.name),
        (located, expected) => assert_eq!(located, expected, "{}", python.name),
    }
    assert_eq!(located.binary, expected.binary, "{}", python.name);
}

/// Interpreters of which a copy of the executable is the whole of it, one of each version.
fn whole_executables() -> Vec<Interpreter> {
    let mut found: Vec<Interpreter> = Vec::new();
    for python in interpreters() {
        let known = found.iter().any(|other| {
            other.version == python.version && other.free_threaded == python.free_threaded
        });
        let is_large = std::fs::metadata(&python.path).is_ok_and(|file| file.len() > 1 << 20);
        if !known && is_large {
            found.push(python.clone());
        }
    }
    if found.is_empty() {
        skipped("copies of an executable", "no Python is linked statically");
    }
    found
}

fn copy_to(python: &Interpreter, directory: &Path, name: &str) -> PathBuf {
    let copy = directory.join(name);
    std::fs::copy(&python.path, &copy).expect("copies");
    copy
}

#[test]
fn a_renamed_copy_is_found() {
    let directory = tempfile::tempdir().expect("a directory");
    for python in whole_executables() {
        let copy = copy_to(&python, directory.path(), "worker \u{e4}\n\u{1f40d}");
        let located = found(&python, waiting_copy(&python, &copy).pid());
        let expected = copy.canonicalize().expect("a path");
        assert_eq!(located.binary.untrusted(), expected.to_str().expect("text"));
    }
}

#[test]
fn a_stripped_copy_is_found() {
    let directory = tempfile::tempdir().expect("a directory");
    for python in whole_executables() {
        let copy = copy_to(&python, directory.path(), "worker");
        match Command::new("strip").arg("--strip-all").arg(&copy).status() {
            Ok(status) if status.success() => {}
            _ => return skipped("a stripped copy", "there is no strip"),
        }
        let target = match start_copy(&python, &copy) {
            Ok(target) => target,
            // `strip` damages executables that patchelf has edited.
            Err(error) => {
                skipped("a stripped copy", &error);
                continue;
            }
        };
        let expected = found(&python, target.pid());
        for hidden in [Hidden::DynamicSymbols, Hidden::DynamicSymbolsAndFile] {
            let located = locate_hiding(target.pid(), hidden).expect("is found");
            assert_same_place(&python, &located, &expected);
        }
    }
}

#[test]
fn a_deleted_binary_is_found() {
    let directory = tempfile::tempdir().expect("a directory");
    for python in whole_executables() {
        let copy = copy_to(&python, directory.path(), "worker");
        let target = waiting_copy(&python, &copy);
        let expected = found(&python, target.pid());
        std::fs::remove_file(&copy).expect("removes");
        assert_eq!(found(&python, target.pid()), expected);
        let located = locate_hiding(target.pid(), Hidden::DynamicSymbols).expect("is found");
        assert_same_place(&python, &located, &expected);
    }
}

#[test]
fn a_binary_with_another_ones_file_in_its_place_is_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let pythons = whole_executables();
    for (python, other) in pythons.iter().zip(pythons.iter().cycle().skip(1)) {
        let copy = copy_to(python, directory.path(), "worker");
        let target = waiting_copy(python, &copy);
        let expected = found(python, target.pid());
        let new = copy_to(other, directory.path(), "new");
        std::fs::rename(new, &copy).expect("replaces");
        assert_eq!(found(python, target.pid()), expected);
        let located = locate_hiding(target.pid(), Hidden::DynamicSymbols).expect("is found");
        assert_same_place(python, &located, &expected);
    }
}

#[test]
fn a_python_started_through_the_loader_is_found() {
    let loaders = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];
    let Some(loader) = loaders.iter().find(|path| Path::new(path).exists()) else {
        return skipped("the loader as the executable", "no loader of glibc's");
    };
    for python in one_of_each_version() {
        let mut command = Command::new(loader);
        command
            .arg(&python.path)
            .args(["-S", "-s", "-c", WAITING])
            .env("PYTHONHOME", home(&python));
        // An interpreter that was built for another loader does not run under this one.
        match Target::start(&mut command) {
            Ok(target) => drop(found(&python, target.pid())),
            Err(error) => skipped("the loader as the executable", &error),
        }
    }
}

/// A program that loads a Python as a plugin, initialises it if asked to, and waits.
const HOST: &str = r#"
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    void *python = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
    if (!python) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    if (argc > 2) {
        ((void (*)(void))dlsym(python, "Py_Initialize"))();
        ((int (*)(const char *))dlsym(python, "PyRun_SimpleString"))(argv[2]);
    }
    puts("ready");
    fflush(stdout);
    for (;;)
        pause();
}
"#;

fn compile_host(directory: &Path) -> Option<PathBuf> {
    let source = directory.join("host.c");
    let host = directory.join("host");
    std::fs::write(&source, HOST).expect("writes");
    let status = Command::new("cc")
        .arg("-o")
        .arg(&host)
        .arg(&source)
        .arg("-ldl")
        .status();
    status.is_ok_and(|status| status.success()).then_some(host)
}

/// The shared library that an interpreter runs from, told by what it has mapped.
fn shared_library(python: &Interpreter) -> Option<PathBuf> {
    let target = waiting(python);
    let maps = Process::open(target.pid()).ok()?.maps().ok()?;
    let mapping = maps
        .iter()
        .find(|mapping| mapping.file_name().starts_with(b"libpython"))?;
    Some(PathBuf::from(mapping.display_path().untrusted()))
}

#[test]
fn a_python_that_a_program_loads_under_another_name_is_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let Some(host) = compile_host(directory.path()) else {
        return skipped("an embedded Python", "there is no cc");
    };
    let mut any = false;
    for python in interpreters() {
        let Some(library) = shared_library(python) else {
            continue;
        };
        let plugin = directory.path().join("plugin.so");
        // Not a copy over the old one, which may be mapped still.
        let _ = std::fs::remove_file(&plugin);
        std::fs::copy(&library, &plugin).expect("copies");
        let started = Target::start(
            Command::new(&host)
                .arg(&plugin)
                .arg("import sys")
                .env("PYTHONHOME", home(python)),
        );
        match started {
            Ok(target) => {
                any = true;
                let located = found(python, target.pid());
                assert!(located.binary.untrusted().ends_with("/plugin.so"));
            }
            // A library of another system's needs another C library than the host's.
            Err(error) => skipped("an embedded Python", &error),
        }
    }
    if !any {
        skipped("an embedded Python", "no shared libpython could be loaded");
    }
}

#[test]
fn a_python_that_is_not_initialised_yet_is_known_as_such() {
    let directory = tempfile::tempdir().expect("a directory");
    let Some(host) = compile_host(directory.path()) else {
        return skipped("an uninitialised Python", "there is no cc");
    };
    for python in interpreters() {
        let Some(library) = shared_library(python) else {
            continue;
        };
        match Target::start(Command::new(&host).arg(&library)) {
            Ok(target) => {
                let error = locate_pid(target.pid()).expect_err("nothing to find");
                assert!(
                    matches!(error, LocateError::NotReady),
                    "{}: {error}",
                    python.name
                );
            }
            Err(error) => skipped("an uninitialised Python", &error),
        }
    }
}

#[test]
fn a_python_in_another_root_and_pid_namespace_is_found() {
    const WHAT: &str = "another root";
    let Ok(root) = std::fs::read_to_string(cache().join("sid.root")) else {
        return skipped(WHAT, "there is none");
    };
    let root = root.trim();
    let versions = [(3, 13), (3, 14), (3, 15)];
    for version in versions {
        let path = format!("/usr/bin/python{}.{}", version.0, version.1);
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--pid", "--fork", "--kill-child", "chroot"])
            .args([root, &path, "-S", "-E", "-s", "-c", WAITING]);
        let target = match Target::start(&mut command) {
            Ok(target) => target,
            Err(error) => {
                skipped(WHAT, &error);
                continue;
            }
        };
        let outer = Process::open(target.pid()).expect("runs");
        let children = outer.descendants();
        let [inner] = children.as_slice() else {
            panic!("one child expected: {children:?}");
        };
        let process = Process::open(*inner).expect("runs");
        let status = process.status().expect("its status");
        assert_eq!(status.namespace_pids, [*inner, Pid(1)]);
        let python = Interpreter {
            name: format!("{root}{path}"),
            version,
            free_threaded: false,
            path: path.into(),
        };
        let expected = found(&python, *inner);
        let located = locate_hiding(*inner, Hidden::DynamicSymbols).expect("is found");
        assert_same_place(&python, &located, &expected);
    }
}

#[test]
fn another_program_is_no_python() {
    // Stopped by itself: it is not on its way to anything else.
    let target = Target::start(Command::new("sh").args(["-c", "echo ready; kill -STOP $$"]))
        .expect("starts");
    assert!(matches!(
        locate_pid(target.pid()),
        Err(LocateError::NotPython)
    ));
}

#[test]
fn memory_that_cannot_be_read_is_a_matter_of_permission() {
    let Some(python) = interpreters().first() else {
        return;
    };
    let target = waiting(python);
    let error = locate_hiding(target.pid(), Hidden::Everything).expect_err("nothing is readable");
    assert!(matches!(error, LocateError::PermissionDenied), "{error}");
}

#[test]
fn a_process_that_has_ended_is_gone() {
    let Some(python) = interpreters().first() else {
        return;
    };
    let mut target = waiting(python);
    let process = Process::open(target.pid()).expect("runs");
    let mut memory = ProcMemory::open(target.pid()).expect("readable");
    target.end();
    let error = locate(&process, &mut memory).expect_err("it is gone");
    assert!(matches!(error, LocateError::Gone), "{error}");
}
