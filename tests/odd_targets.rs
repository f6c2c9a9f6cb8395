//! Stacks of Pythons that are not where one expects them: inside other programs, on another C
//! library, in another root and pid namespace, with their binary gone or another in its place.

mod common;

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::held::sleeps;
use common::interpreters::{cache, one_of_each_version};
use common::look::{Look, Seen, mark, script, with_each};
use common::{Interpreter, Target, interpreters, lacking, skipped};
use spyhole::model::{GilState, Pid, Tid};
use spyhole::target::Process;

/// A program with a Python inside, as `embed.list` has it.
struct Embedding {
    name: String,
    version: (u8, u8),
    program: PathBuf,
    library: String,
    home: String,
}

fn embeddings() -> Vec<Embedding> {
    let text = std::fs::read_to_string(cache().join("embed.list")).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split('\t').map(str::to_owned);
            let (name, version) = (fields.next()?, fields.next()?);
            let (major, minor) = version.split_once('.')?;
            let program = PathBuf::from(fields.next()?);
            program.exists().then_some(Embedding {
                name,
                version: (major.parse().ok()?, minor.parse().ok()?),
                program,
                library: fields.next()?,
                home: fields.next()?,
            })
        })
        .collect()
}

impl Embedding {
    /// Runs a program of `fixtures/targets` in it, in the main thread or in another, beside so
    /// many native threads.
    fn start(&self, thread: &str, native: u32, program: &str) -> Target {
        let mut command = Command::new(&self.program);
        command
            .args([thread, &native.to_string(), &script(program)])
            .env("LIBPYTHON", &self.library)
            .env("PYTHONHOME", &self.home);
        Target::start(&mut command).expect("an embedded Python")
    }
}

/// The kernel's ids of all threads of a process.
fn tasks(pid: Pid) -> Vec<Tid> {
    let process = Process::open(pid).expect("runs");
    process.tasks().expect("tasks")
}

/// The stack of `busyloop.py`, proven, with its kernel thread known and the GIL's holder.
fn assert_busy(look: &mut Look, expected: impl Fn(Tid) -> bool) {
    let busy = mark("busyloop.py", "busy");
    look.until("it is busy", |seen| {
        assert_eq!(seen.len(), 1, "{seen:#?}");
        let seen = &seen[0];
        if seen.frames.len() < 2 {
            return false;
        }
        assert_eq!(seen.names(), ["<module>", "busy_loop"]);
        assert!(seen.frames[0].file.ends_with("busyloop.py"));
        assert_eq!(seen.frames[0].line, mark("busyloop.py", "root"));
        assert!((busy - 1..=busy).contains(&seen.leaf().line));
        let tid = seen.tid.expect("a kernel thread");
        assert!(expected(tid), "{tid}");
        true
    });
    let (mut looks, mut with_gil) = (0, 0);
    // 2.7 lets it go every hundred instructions, and may stand there without it from look to look
    // while other programs have the CPUs.
    look.until("it has the GIL at ten looks", |seen| {
        assert_eq!(seen[0].names(), ["<module>", "busy_loop"]);
        looks += 1;
        with_gil += u32::from(seen[0].gil != GilState::DoesNotHold);
        looks >= 20 && with_gil >= 10
    });
    assert!(look.engine_held(), "a thread that runs was held");
}

#[test]
fn a_python_inside_another_program_is_read() {
    let embeddings = embeddings();
    if embeddings.is_empty() {
        return lacking("embedded Pythons", "no embed.list");
    }
    let mut failed = Vec::new();
    for embedding in &embeddings {
        for thread in ["main", "thread"] {
            let result = std::panic::catch_unwind(|| {
                let target = embedding.start(thread, 2, "busyloop.py");
                let pid = target.pid();
                let all = tasks(pid);
                assert_eq!(all.len(), if thread == "main" { 3 } else { 4 });
                let mut look = Look::at(pid);
                let python = spyhole::engine::Engine::python(&look.engine);
                assert_eq!((python.major, python.minor), embedding.version);
                // The native threads come before Python's second one.
                assert_busy(&mut look, |tid| match thread {
                    "main" => tid == Tid(pid.0),
                    _ => tid != Tid(pid.0) && Some(&tid) == all.iter().max(),
                });
            });
            if result.is_err() {
                failed.push(format!("{} {thread}", embedding.name));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

/// uWSGI's process and those below it that serve, when they are ready.
fn start_uwsgi(socket: &Path, options: &[&str], servers: usize) -> Option<(Target, Vec<Pid>)> {
    let program = cache().join("uwsgi/bin/uwsgi");
    if !program.exists() {
        lacking("uWSGI", ".ci/embed installs it");
        return None;
    }
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec 9>&1; exec \"$@\"", "sh"])
        .arg(program)
        .arg("--http-socket")
        .arg(socket)
        .arg("--wsgi-file")
        .arg(script("uwsgi_app.py"))
        .args(["--enable-threads", "--die-on-term", "--disable-logging"])
        .args(options)
        .stderr(std::process::Stdio::null());
    let mut target = Target::start(&mut command).expect("uWSGI runs");
    for _ in 1..servers {
        assert_eq!(target.line().as_deref(), Some("ready"));
    }
    let pid = target.pid();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.expect("its children");
    let below: Vec<Pid> = children
        .split_whitespace()
        .map(|child| Pid(child.parse().expect("a pid")))
        .collect();
    Some((target, if below.is_empty() { vec![pid] } else { below }))
}

struct EndsWithUs(Pid);

impl Drop for EndsWithUs {
    fn drop(&mut self) {
        // An error means that it has ended.
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(self.0.0),
            nix::sys::signal::Signal::SIGKILL,
        );
    }
}

#[test]
fn uwsgi_and_its_workers_are_read_while_they_serve() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("socket");
    let prefork = ["--master", "--processes", "2", "--lazy-apps"];
    for (options, servers) in [(&prefork[..], 2), (&["--single-interpreter"], 1)] {
        let Some((_uwsgi, serving)) = start_uwsgi(&socket, options, servers) else {
            return;
        };
        assert_eq!(serving.len(), servers);
        // Each takes one and keeps it.
        let asking: Vec<UnixStream> = serving
            .iter()
            .map(|_| {
                let mut asking = UnixStream::connect(&socket).expect("uWSGI listens");
                asking
                    .write_all(b"GET / HTTP/1.0\r\n\r\n")
                    .expect("uWSGI hears");
                asking
            })
            .collect();
        // Those below live on when the one above is killed.
        let _end_with_us: Vec<EndsWithUs> = serving.iter().copied().map(EndsWithUs).collect();
        for &pid in &serving {
            Look::at(pid).until("it serves, and its thread is busy", |seen| {
                assert!(seen.iter().all(|seen| seen.proven));
                let busy = seen.iter().find(|seen| seen.has("busy"));
                let serving = seen.iter().find(|seen| seen.has("application"));
                busy.is_some_and(|busy| busy.thread.as_deref() == Some("busy"))
                    && serving.is_some_and(|serving| {
                        let lines: Vec<_> = serving.frames.iter().map(|frame| frame.line).collect();
                        let at = |name| mark("uwsgi_app.py", name);
                        serving.names() == ["application", "handle"]
                            && lines == [at("application"), at("handle")]
                    })
            });
        }
        drop(asking);
    }
}

#[test]
fn each_thread_of_an_embedded_python_has_its_stack() {
    // One of each version will do.
    let mut seen = std::collections::BTreeSet::new();
    for embedding in embeddings() {
        if !embedding.name.starts_with("loaded") || !seen.insert(embedding.version) {
            continue;
        }
        let target = embedding.start("thread", 3, "thread_names.py");
        let wait = mark("thread_names.py", "wait");
        Look::at(target.pid()).until("all threads wait", |seen| {
            let waiting = seen
                .iter()
                .filter(|seen| seen.leaf().name == "wait_in_thread")
                .inspect(|seen| assert_eq!(seen.leaf().line, wait))
                .filter(|seen| {
                    let name = seen.thread.as_deref().unwrap_or("");
                    name.starts_with("CustomThreadName-") && seen.tid.is_some()
                })
                .count();
            assert!(seen.len() <= 11, "{seen:#?}");
            waiting == 10
        });
    }
    if seen.is_empty() {
        lacking("threads of embedded Pythons", "no embed.list");
    }
}

#[test]
fn a_python_on_musl_is_read_and_its_threads_are_proven() {
    let mut pythons = interpreters().to_vec();
    pythons.retain(|python| python.name.starts_with("musl"));
    with_each(&pythons, |python| {
        let target = start(python, "busyloop.py");
        assert_busy(&mut Look::at(target.pid()), |tid| tid.0 == target.pid().0);
        let target = start(python, "many_threads.py");
        let mut look = Look::at(target.pid());
        look.until("all threads have come", |seen| seen.len() == 501);
        look.times(3, |seen| {
            let of_process = tasks(target.pid());
            assert!(
                seen.iter()
                    .all(|seen| seen.proven && of_process.contains(&seen.tid.expect("a tid")))
            );
        });
    });
}

#[track_caller]
fn start(python: &Interpreter, program: &str) -> Target {
    Target::start(python.command().arg(script(program))).expect("a running program")
}

/// The kernel's id of a thread comes from its thread state from 3.11 on, and from `struct pthread`
/// before.
#[test]
fn a_thread_has_its_own_kernel_id_on_every_version() {
    with_each(&one_of_each_version(), |python| {
        let mut command = python.command();
        let program = "\
import sys, threading, time
def wait():
    time.sleep(1000)
thread = threading.Thread(target=wait)
thread.daemon = True
thread.start()
sys.stdout.write('ready\\n')
sys.stdout.flush()
time.sleep(1000)
";
        let target = Target::start(command.args(["-c", program])).expect("runs");
        let mut look = Look::at(target.pid());
        look.until("both wait", |seen| {
            let tid_of = |name: &str| seen.iter().find(|seen| seen.has(name))?.tid;
            let (main, thread) = (tid_of("<module>"), tid_of("wait"));
            assert_eq!(main, Some(Tid(target.pid().0)));
            thread.is_some_and(|tid| {
                assert_ne!(Some(tid), main);
                assert!(tasks(target.pid()).contains(&tid));
                true
            })
        });
    });
}

/// A shell command in a new mount and pid namespace, its root that of another system.
fn in_another_root(root: &str, python: &str, program: &str) -> Result<Target, String> {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--pid", "--fork", "--kill-child", "chroot"])
        .args([root, python, "-S", "-E", "-s", "-c", program]);
    Target::start(&mut command)
}

#[test]
fn a_python_in_another_root_and_pid_namespace_is_read() {
    const WHAT: &str = "another root and pid namespace";
    let Ok(root) = std::fs::read_to_string(cache().join("sid.root")) else {
        return lacking(WHAT, "there is none");
    };
    // The programs are not in that root.
    let busy = std::fs::read_to_string(script("busyloop.py")).expect("a program");
    let threads = std::fs::read_to_string(script("thread_states.py")).expect("a program");
    for version in ["3.13", "3.14", "3.15"] {
        let python = format!("/usr/bin/python{version}");
        let target = match in_another_root(root.trim(), &python, &busy) {
            Ok(target) => target,
            Err(error) => {
                skipped(WHAT, &error);
                continue;
            }
        };
        let inner = |target: &Target| {
            let outer = Process::open(target.pid()).expect("runs");
            let [inner] = outer.descendants()[..] else {
                panic!("one child expected");
            };
            inner
        };
        let pid = inner(&target);
        Look::at(pid).until("it is busy", |seen| {
            assert_eq!(seen.len(), 1);
            assert_eq!(seen[0].tid, Some(Tid(pid.0)), "{version}");
            seen[0].names() == ["<module>", "busy_loop"]
        });

        let target = in_another_root(root.trim(), &python, &threads).expect("runs");
        let pid = inner(&target);
        let mut look = Look::at(pid);
        let line = mark("thread_states.py", "sleeping");
        look.until("all threads are there, and one sleeps", |seen| {
            let sleeping = seen.iter().find(|seen| seen.has("sleeping"));
            seen.len() == 7
                && sleeping.is_some_and(|it| it.leaf().line == line && sleeps(pid, it.tid))
        });
        look.times(30, |seen| {
            // Each by its id in our namespace, none by the small number that it has in its own.
            let of_process = tasks(pid);
            assert_eq!(seen.len(), 7);
            for seen in seen {
                assert!(of_process.contains(&seen.tid.expect("a tid")));
            }
            let sleeping = seen.iter().find(|seen| seen.has("sleeping"));
            assert!(!sleeping.expect("it is there").on_cpu);
        });
    }
}

/// A copy of an interpreter that can stand alone, with what it needs to find its library.
fn copy_of(python: &Interpreter, directory: &Path) -> Option<(PathBuf, String)> {
    let output = python
        .command()
        .args(["-c", "import sys; sys.stdout.write(sys.prefix)"])
        .output()
        .ok()?;
    let home = String::from_utf8(output.stdout).ok()?;
    let copy = directory.join("python");
    let _ = std::fs::remove_file(&copy);
    std::fs::copy(&python.path, &copy).ok()?;
    Some((copy, home))
}

#[test]
fn a_python_whose_binary_is_deleted_or_upgraded_is_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut pythons = one_of_each_version();
    pythons.extend(
        interpreters()
            .iter()
            .filter(|python| python.name.starts_with("stripped"))
            .cloned(),
    );
    let other = pythons.last().map(|python| python.path.clone());
    with_each(&pythons, |python| {
        for upgraded in [false, true] {
            let (copy, home) = copy_of(python, directory.path()).expect("a copy");
            let mut command = Command::new(&copy);
            command
                .args(["-S", &script("busyloop.py")])
                .env("PYTHONHOME", home);
            let target = match common::target::patiently(|| Ok(Target::start(&mut command))) {
                Ok(Ok(target)) => target,
                Ok(Err(error)) => return skipped("a copy of an interpreter", &error),
                Err(error) => panic!("{error}"),
            };
            std::fs::remove_file(&copy).expect("deletes");
            if upgraded {
                std::fs::copy(other.as_ref().expect("one"), &copy).expect("copies");
            }
            let mut look = Look::at(target.pid());
            assert_busy(&mut look, |tid| tid.0 == target.pid().0);
        }
    });
}

#[test]
fn a_python_of_a_virtual_environment_is_read() {
    let pythons: Vec<Interpreter> = one_of_each_version()
        .into_iter()
        .filter(|python| python.version >= (3, 3))
        .collect();
    with_each(&pythons, |python| {
        let directory = tempfile::tempdir().expect("a directory");
        let made = Command::new(&python.path)
            .args(["-m", "venv", "--without-pip"])
            .arg(directory.path())
            .output()
            .expect("runs");
        if !made.status.success() {
            let why = String::from_utf8_lossy(&made.stderr).into_owned();
            return skipped("a virtual environment", &why);
        }
        let mut command = Command::new(directory.path().join("bin/python"));
        let target = Target::start(command.arg(script("busyloop.py"))).expect("runs");
        assert_busy(&mut Look::at(target.pid()), |tid| tid.0 == target.pid().0);
    });
}

#[test]
fn the_main_thread_has_its_name_under_greenlets_and_a_nameless_one_the_kernels() {
    let mut pythons = one_of_each_version();
    // Without ctypes.
    pythons.retain(|python| !python.name.starts_with("musl"));
    with_each(&pythons, |python| {
        let target = start(python, "greenlet_names.py");
        let main = Tid(target.pid().0);
        Look::at(target.pid()).until("both have names", |seen| {
            let name = |is_main: bool| {
                let mut seen = seen.iter().filter(|it| (it.tid == Some(main)) == is_main);
                seen.next().and_then(|it| it.thread.clone())
            };
            seen.len() == 2
                && name(true).as_deref() == Some("MainThread")
                && name(false).as_deref() == Some("pool-worker")
        });
    });
}

/// A line below the first is none, and never one of those that count from it.
#[test]
fn lines_below_the_first_are_no_lines() {
    let mut pythons = one_of_each_version();
    pythons.retain(|python| python.version <= (3, 10));
    with_each(&pythons, |python| {
        let target = start(python, "lines_below_one.py");
        let lines = |seen: &[Seen]| -> Vec<u32> {
            let frames = seen.iter().flat_map(|seen| &seen.frames);
            let made_up = frames.filter(|it| it.file.ends_with("made_up.py"));
            made_up.map(|frame| frame.line).collect()
        };
        let mut look = Look::at(target.pid());
        look.until("it is there", |seen| !lines(seen).is_empty());
        look.times(20, |seen| {
            let lines = lines(seen);
            assert!(
                !lines.is_empty() && lines.iter().all(|line| *line == 0),
                "{seen:#?}"
            );
        });
    });
}
