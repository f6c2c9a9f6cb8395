//! A developer may not look, or looks at the wrong process: what is said, and what to do about it.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::ptrace;

use crate::harness::*;

/// Records the process and tells what was said about it.
fn told(place: &Place, pid: u32) -> String {
    let output = place
        .record(["-p", &pid.to_string(), "-o", "x.svg"])
        .output()
        .unwrap();
    assert_code(&output, 1);
    assert!(!place.path("x.svg").exists());
    stderr(&output)
}

#[test]
fn a_process_that_is_traced_already_is_recorded_and_told_of_once() {
    if engine() != "cpython" {
        return;
    }
    let place = Place::new();
    let target = place.target(BUSY);
    let pid = nix::unistd::Pid::from_raw(target.pid().0);
    if let Err(error) = ptrace::seize(pid, ptrace::Options::empty()) {
        return crate::common::skipped("a tracer", &error.to_string());
    }
    let arguments = ["-p", &pid.to_string(), "-d", "1", "-f", "raw", "-o", "-"];
    // Who may stand where the target runs need not pause it.
    let output = place.record(arguments).output().unwrap();
    assert_code(&output, 0);
    let text = stderr(&output);
    assert!(!text.contains("unproven"), "{text}");

    if !keep_apart(pid.as_raw()) {
        ptrace::detach(pid, None).unwrap_or_default();
        return crate::common::skipped("a refused pause", "only one CPU");
    }
    let output = place.record(arguments).output().unwrap();
    assert_code(&output, 0);
    let text = stderr(&output);
    let expected = format!(
        "stay unproven: process {pid} is being traced already, by process {} (",
        std::process::id()
    );
    assert_eq!(text.matches(&expected).count(), 1, "{text}");
    assert!(text.contains("--nonblocking"), "{text}");
    assert!(
        text.contains("How: without pausing, which was refused"),
        "{text}"
    );
    let (all, at_work) = counts(&stdout(&output), "main (target.py:");
    assert!(at_work > 10 && at_work * 10 > all * 8, "{all} {at_work}");

    ptrace::detach(pid, None).unwrap_or_default();
}

#[test]
fn a_process_that_is_no_python_names_those_that_it_started() {
    if engine() != "cpython" {
        return;
    }
    let place = Place::new();
    let program = place.program("p\u{1b}[2J.py", "import time\ntime.sleep(60)\n");
    let script = format!(
        "{} {} & echo ready; wait",
        python().display(),
        program.display()
    );
    let mut shell = Target::start(Command::new("sh").args(["-c", &script])).unwrap();
    let children = format!("/proc/{0}/task/{0}/children", shell.id());
    let child = std::fs::read_to_string(children).unwrap();
    let child: u32 = child.trim().parse().unwrap();
    wait_until("it is Python", || {
        std::fs::read(format!("/proc/{child}/cmdline")).is_ok_and(|line| line.contains(&b'['))
    });
    let text = told(&place, shell.id());
    shell.end();
    signal(child, "KILL");
    assert!(text.contains("(sh -c"), "{text}");
    assert!(text.contains("is not a Python process"), "{text}");
    // Nothing was sampled.
    assert!(!text.contains("Press Control-C"), "{text}");
    assert!(text.contains(&format!("use `--pid {child}`")), "{text}");
    assert!(text.contains("p\\u{1b}[2J.py"), "{text}");
    assert!(text.contains("`--subprocesses`"), "{text}");
}

#[test]
fn a_thread_is_told_from_a_process() {
    let place = Place::new();
    let mut target = place.target(
        "
import os, threading, time
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
print('ready', flush=True)
print(max(int(name) for name in os.listdir('/proc/self/task')), flush=True)
time.sleep(60)
",
    );
    let thread: u32 = target.line().unwrap().parse().unwrap();
    let text = told(&place, thread);
    let pid = target.pid();
    let expected = format!("{thread} is a thread of process {pid}");
    assert!(text.contains(&expected), "{text}");
    assert!(text.contains(&format!("use `--pid {pid}`")), "{text}");
}

#[test]
fn a_zombie_is_told_from_a_process() {
    let place = Place::new();
    let mut target = place.target(WAITS);
    target.kill();
    wait_until("it is a zombie", || !runs(target.id()));
    let text = told(&place, target.id());
    assert!(text.contains("(a zombie)"), "{text}");
    target.end();
    let text = told(&place, target.id());
    let expected = format!("there is no process {}", target.pid());
    assert!(text.contains(&expected), "{text}");
    assert!(text.contains("check the number"), "{text}");
}

#[test]
fn another_users_process_needs_sudo() {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return crate::common::skipped("another user's process", "this needs root");
    }
    let place = Place::new();
    let target = place.target(WAITS);
    let binary = place.path("spyhole");
    std::fs::copy(env!("CARGO_BIN_EXE_spyhole"), &binary).unwrap();
    for path in [place.path(""), binary.clone()] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o777)).unwrap();
    }
    let mut command = Command::new(&binary);
    command
        .args(["record", "--engine", &engine(), "-o", "x.svg", "-p"])
        .arg(target.pid().to_string())
        .current_dir(place.path(""))
        .uid(65534)
        .gid(65534);
    let output = crate::common::target::patiently(|| command.output()).unwrap();
    assert_code(&output, 1);
    let text = stderr(&output);
    assert!(text.contains("belongs to another user (uid 0)"), "{text}");
    // In a container that may not, sudo would not help, and is not named.
    assert!(
        text.contains("`sudo`") || text.contains("--cap-add SYS_PTRACE"),
        "{text}"
    );
    assert!(!place.path("x.svg").exists());
}

/// As container runtimes before Linux 4.8's rules do it, where `/proc/PID/mem` cannot serve in its place.
#[test]
fn a_seccomp_filter_that_forbids_reading_is_named() {
    if engine() != "cpython" || !cfg!(target_arch = "x86_64") {
        return;
    }
    let place = Place::new();
    let target = place.target(BUSY);
    let pid = target.id();
    // A socket cannot be opened as a file.
    let socket = place.path("socket");
    let _listener = UnixListener::bind(&socket).expect("a socket");
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private", "sh", "-c"])
        .arg("mount --bind \"$1\" \"$2\" || exit 77; shift 2; exec \"$@\"")
        .arg("sh")
        .arg(&socket)
        .arg(format!("/proc/{pid}/task/{pid}/mem"))
        .arg(env!("CARGO_BIN_EXE_spyhole"))
        .args(["record", "-d", "1", "-o", "x.svg", "-p", &pid.to_string()])
        .current_dir(place.path(""));
    // SAFETY: between fork and exec only system calls are made, on memory that was there before.
    unsafe {
        command.pre_exec(|| forbid(libc::SYS_process_vm_readv));
    }
    let output = command.output().unwrap();
    let text = stderr(&output);
    if !text.contains("spyhole>") {
        return crate::common::skipped("a seccomp filter", &text);
    }
    assert_code(&output, 1);
    assert!(
        text.contains("a seccomp filter, such as that of a container"),
        "{text}"
    );
    assert!(text.contains("--security-opt"), "{text}");
}

/// Where it may not choose its CPU it pauses, and says so.
#[test]
fn how_it_looks_is_told_where_it_may_not_choose_its_cpu() {
    if engine() != "cpython" || !cfg!(target_arch = "x86_64") {
        return;
    }
    let place = Place::new();
    let target = place.target(BUSY);
    let mut command = place.attach(&target, ["-d", "1", "-f", "raw", "-o", "-"]);
    // SAFETY: between fork and exec only system calls are made, on memory that was there before.
    unsafe {
        command.pre_exec(|| forbid(libc::SYS_sched_setaffinity));
    }
    let output = command.output().unwrap();
    assert_code(&output, 0);
    let text = stderr(&output);
    let how = text.lines().find(|line| line.contains("How: "));
    let how = how.unwrap_or_else(|| panic!("{text}"));
    assert!(
        how.contains("pausing") && !how.contains("standing"),
        "{how}"
    );
}

/// Lets a system call fail with EPERM from now on, in what is started, too.
fn forbid(call: libc::c_long) -> std::io::Result<()> {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const EQUALS: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut filter = [
        // The number of the call is the first word (struct seccomp_data).
        step(LOAD, 0, 0, 0),
        step(EQUALS, 0, 1, call as u32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: plain calls; `program` and what it points to outlive them.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const program,
            ) == 0
    };
    match done {
        true => Ok(()),
        false => Err(std::io::Error::last_os_error()),
    }
}
