//! Real servers, pools and test runners: what `ps` calls their processes, and that the one that serves is
//! recorded without its pid being typed.

mod common;
mod harness;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::interpreters::cache;
use common::lacking;
use harness::*;
use serde_json::Value;

/// A server with all that it started, ended when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It leads a group of its own.
        let _ = Command::new("kill")
            .args(["-KILL", "--", &format!("-{}", self.0.id())])
            .status();
        let _ = self.0.wait();
    }
}

fn fixture(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fixtures", name]
        .iter()
        .collect()
}

/// `python` with what servers import; `None`, and a word about it, where that is absent.
fn python_with_servers() -> Option<Command> {
    let packages = cache().join("servers");
    let python = interpreters().iter().find(|it| it.version == (3, 11));
    let (Some(python), true) = (python, packages.join("gunicorn").exists()) else {
        lacking(
            "servers",
            "a Python 3.11, or what .ci/servers installs, is absent",
        );
        return None;
    };
    let mut command = Command::new(&python.path);
    let servers = fixture("servers");
    let path = std::env::join_paths([packages, servers.clone()]).expect("a path");
    command.env("PYTHONPATH", path).current_dir(servers);
    // Several tests use one directory.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    Some(command)
}

fn start(command: &mut Command) -> Server {
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    Server(command.spawn().expect("a server"))
}

/// One that nobody listens on.
fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener
        .local_addr()
        .expect("an address")
        .port()
        .to_string()
}

/// What `ps` says of a process and all below it.
fn seen(place: &Place, top: u32) -> Vec<Value> {
    let output = place.spyhole(["ps", "--json"]).output().expect("runs");
    let all: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut family = vec![u64::from(top)];
    // Parents come first.
    for process in &all {
        let parent = process["parent"].as_u64().unwrap_or(0);
        if family.contains(&parent) {
            family.extend(process["pid"].as_u64());
        }
    }
    let is_of_it = |it: &Value| it["pid"].as_u64().is_some_and(|pid| family.contains(&pid));
    all.into_iter().filter(is_of_it).collect()
}

fn roles(seen: &[Value]) -> Vec<String> {
    let role = |it: &Value| it["role"].as_str().unwrap_or("-").to_owned();
    let mut roles: Vec<_> = seen.iter().map(role).collect();
    roles.sort();
    roles
}

/// Waits until a server's processes are these.
#[track_caller]
fn becomes(place: &Place, server: &Server, expected: &[&str]) -> Vec<Value> {
    let mut last = Vec::new();
    let deadline = std::time::Instant::now() + PATIENCE;
    while roles(&last) != expected {
        let now = std::time::Instant::now();
        assert!(now < deadline, "{:?} are not {expected:?}", roles(&last));
        last = seen(place, server.0.id());
    }
    last
}

/// Sets a flag when dropped.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asks again and again while something else is done.
fn under_load<T>(port: &str, path: &str, action: impl FnOnce() -> T) -> T {
    let (address, over) = (format!("127.0.0.1:{port}"), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let Ok(mut stream) = TcpStream::connect(&address) else {
                    // Between two generations.
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                };
                let _ = write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
                let _ = stream.read_to_end(&mut Vec::new());
                // They have other things to do, too.
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        // Also when it fails.
        let ends = Ends(&over);
        let result = action();
        drop(ends);
        load.join().expect("a client");
        result
    })
}

/// Records by `named` for a second, and expects the work of the server.
#[track_caller]
fn is_recorded_by(place: &Place, named: &[&str], port: &str) -> String {
    let output = under_load(port, "/", || {
        let options = ["-d", "1", "-r", "200", "-F", "-f", "raw", "-o", "-"];
        let mut command = place.record(named);
        command.args(options).output().expect("runs")
    });
    assert_code(&output, 0);
    let (all, at_work) = counts(&stdout(&output), "answer (app.py");
    assert!(
        all > 0 && at_work * 4 > all,
        "{at_work} of {all}: {named:?}\n{}",
        stdout(&output)
    );
    stderr(&output)
}

/// The processes at the roots of collapsed stacks.
fn recorded(collapsed: &str) -> std::collections::BTreeSet<&str> {
    let frames = collapsed.lines().flat_map(|line| line.split(';'));
    let roots = frames.filter_map(|frame| frame.strip_prefix("process "));
    roots.filter_map(|root| root.split(':').next()).collect()
}

#[test]
fn gunicorn() {
    let Some(mut python) = python_with_servers() else {
        return;
    };
    let (place, port) = (Place::new(), free_port());
    let bind = format!("127.0.0.1:{port}");
    let server = start(python.args(["-m", "gunicorn", "-w", "4", "-b", &bind, "app"]));
    let mut expected = vec!["gunicorn worker"; 4];
    expected.insert(0, "gunicorn master");
    let all = becomes(&place, &server, &expected);
    let number: u64 = port.parse().unwrap();
    assert!(
        all.iter()
            .all(|it| it["ports"] == serde_json::json!([number])),
        "{all:?}"
    );

    let told = is_recorded_by(&place, &["--port", &port], &port);
    let master = format!(
        "{} is a gunicorn master: its 4 children are recorded",
        server.0.id()
    );
    assert!(told.contains(&master), "{told}");
    // Only here is that address.
    is_recorded_by(&place, &["--name", &format!("gunicorn.*{port}")], &port);
    is_recorded_by(&place, &["--pid", &server.0.id().to_string()], &port);
    // One alone is one alone.
    let worker = all.last().unwrap()["pid"].to_string();
    let output = place
        .record(["-p", &worker, "-i", "-d", "0.3", "-f", "raw", "-o", "-"])
        .output();
    let output = output.unwrap();
    assert_code(&output, 0);
    assert!(recorded(&stdout(&output)).is_empty(), "{}", stdout(&output));
}

#[test]
fn a_worker_that_is_replaced_is_followed() {
    let Some(mut python) = python_with_servers() else {
        return;
    };
    let (place, port) = (Place::new(), free_port());
    let bind = format!("127.0.0.1:{port}");
    let server = start(python.args(["-m", "gunicorn", "-w", "1", "-b", &bind, "app"]));
    let before = becomes(&place, &server, &["gunicorn master", "gunicorn worker"]);
    let before = before[1]["pid"].as_u64().unwrap();
    let (collapsed, after) = under_load(&port, "/", || {
        let mut command = place.record(["--port", &port, "-r", "200", "-f", "raw", "-o", "x.txt"]);
        let recorder = command.spawn().unwrap();
        wait_until_sampling(&recorder);
        signal(before as u32, "KILL");
        let mut after = before;
        wait_until("another worker is there", || {
            let all = seen(&place, server.0.id());
            let worker = all.iter().find(|it| it["role"] == "gunicorn worker");
            after = worker.and_then(|it| it["pid"].as_u64()).unwrap_or(before);
            after != before
        });
        wait_until_sampling(&recorder);
        signal(recorder.id(), "INT");
        assert_code(&recorder.wait_with_output().unwrap(), 0);
        (std::fs::read_to_string(place.path("x.txt")).unwrap(), after)
    });
    for pid in [before, after] {
        let (_, samples) = counts(&collapsed, &format!("process {pid}:"));
        assert!(samples > 0, "{pid}: {collapsed}");
    }
}

#[test]
fn uvicorn_with_reload() {
    let Some(mut python) = python_with_servers() else {
        return;
    };
    let (place, port) = (Place::new(), free_port());
    let words = ["-m", "uvicorn", "--reload", "--port", &port, "app:asgi"];
    let server = start(python.args(words));
    becomes(
        &place,
        &server,
        &["resource tracker", "uvicorn reloader", "uvicorn worker"],
    );
    let told = is_recorded_by(&place, &["--port", &port], &port);
    assert!(told.contains("is a uvicorn reloader: its child"), "{told}");
    is_recorded_by(&place, &["--pid", &server.0.id().to_string()], &port);
}

#[test]
fn uvicorn_with_workers() {
    let Some(mut python) = python_with_servers() else {
        return;
    };
    let (place, port) = (Place::new(), free_port());
    let words = [
        "-m",
        "uvicorn",
        "--workers",
        "2",
        "--port",
        &port,
        "app:asgi",
    ];
    let server = start(python.args(words));
    let roles = [
        "resource tracker",
        "uvicorn master",
        "uvicorn worker",
        "uvicorn worker",
    ];
    becomes(&place, &server, &roles);
    is_recorded_by(&place, &["--port", &port], &port);
}

#[test]
fn flask_with_its_reloader() {
    let Some(mut python) = python_with_servers() else {
        return;
    };
    let (place, port) = (Place::new(), free_port());
    let words = [
        "-m",
        "flask",
        "--app",
        "app:make_flask",
        "run",
        "--debug",
        "--port",
        &port,
    ];
    let server = start(python.args(words));
    becomes(&place, &server, &["Flask reloader", "Flask server"]);
    let told = is_recorded_by(&place, &["--port", &port], &port);
    assert!(told.contains("is a Flask reloader: its child"), "{told}");
}

#[test]
fn celery() {
    let Some(mut python) = python_with_servers() else {
        return;
    };
    let place = Place::new();
    let node = format!("test-{}", std::process::id());
    let words = [
        "-m", "celery", "-A", "tasks", "worker", "-c", "2", "-n", &node,
    ];
    let server = start(python.args(words));
    becomes(
        &place,
        &server,
        &["Celery main", "Celery pool worker", "Celery pool worker"],
    );
    // On a busy machine it takes a while until all are open.
    let mut seen = Vec::new();
    let all_are_there = ["0.3", "3", "30"].into_iter().any(|seconds| {
        let options = ["-i", "-d", seconds, "-f", "raw", "-o", "-"];
        let output = place
            .record(["--name", &node])
            .args(options)
            .output()
            .unwrap();
        assert_code(&output, 0);
        seen.push(stdout(&output));
        // Two that wait for tasks, and the one that deals them out.
        let processes = recorded(&seen[seen.len() - 1]).len();
        assert!(processes <= 3, "{seen:#?}");
        processes == 3
    });
    assert!(all_are_there, "{seen:#?}");
}

#[test]
fn pytest_with_xdist() {
    let Some(mut python) = python_with_servers() else {
        return;
    };
    let place = Place::new();
    let words = [
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-n",
        "2",
        "test_sleeps.py",
    ];
    let server = start(python.args(words));
    becomes(
        &place,
        &server,
        &["pytest", "pytest-xdist worker", "pytest-xdist worker"],
    );
}

#[test]
fn multiprocessing() {
    let Some(mut python) = python_with_servers() else {
        return;
    };
    let place = Place::new();
    let cases: [(&str, &[&str]); 3] = [
        (
            "fork",
            &["-", "multiprocessing worker", "multiprocessing worker"],
        ),
        (
            "spawn",
            &[
                "-",
                "multiprocessing worker",
                "multiprocessing worker",
                "resource tracker",
            ],
        ),
        (
            "forkserver",
            &[
                "-",
                "fork server",
                "process pool worker",
                "process pool worker",
                "resource tracker",
            ],
        ),
    ];
    python.arg("children.py");
    for (how, expected) in cases {
        let mut command = Command::new(python.get_program());
        command.args(python.get_args()).arg(how);
        command.current_dir(python.get_current_dir().unwrap());
        let server = start(&mut command);
        becomes(&place, &server, expected);
    }
}

#[test]
fn uwsgi() {
    let program = cache().join("uwsgi/bin/uwsgi");
    if !program.exists() {
        return lacking("uWSGI", "it is not installed (.ci/embed)");
    }
    let (place, port) = (Place::new(), free_port());
    let socket = format!("127.0.0.1:{port}");
    let file = fixture("servers").join("app.py");
    let mut command = Command::new(program);
    command.args(["--master", "--processes", "2", "--http-socket", &socket]);
    let server = start(command.arg("--wsgi-file").arg(file));
    becomes(
        &place,
        &server,
        &["uWSGI master", "uWSGI worker", "uWSGI worker"],
    );
    is_recorded_by(&place, &["--port", &port], &port);
}

/// A request that waits, in a server in C: its outermost frame is the application's own.
const PAUSES: &str = "
import threading, time

def pause():
    time.sleep(600)

def application(environ, start_response):
    pause()

threading.Thread(target=lambda: time.sleep(600), name='idle', daemon=True).start()
";

/// Asks for a page, and records the process with this role while the request waits.
fn a_request_counts_while_it_waits(place: &Place, server: &Server, role: &str, port: &str) {
    becomes(place, server, &[role]);
    let mut request = TcpStream::connect(format!("127.0.0.1:{port}")).expect("it listens");
    request
        .write_all(b"GET / HTTP/1.0\r\n\r\n")
        .expect("it takes a request");
    let all = seen(place, server.0.id());
    let worker = all.iter().find(|it| it["role"] == role).expect("it");
    let pid = worker["pid"].to_string();
    wait_until("it answers", || {
        let output = place.spyhole(["dump", "-p", &pid]).output().expect("runs");
        stdout(&output).contains("    pause (pauses.py:")
    });
    let options = ["-d", "1", "-f", "raw", "-o", "-", "-p", &pid];
    let output = place.record(options).output().expect("runs");
    assert_code(&output, 0);
    let (all, in_request) = counts(&stdout(&output), "application (pauses.py:");
    assert!(all > 0 && in_request == all, "{}", stdout(&output));
}

#[test]
fn a_request_that_uwsgi_answers_counts_while_it_waits() {
    let program = cache().join("uwsgi/bin/uwsgi");
    if !program.exists() {
        return lacking("uWSGI", "it is not installed (.ci/embed)");
    }
    let (place, port) = (Place::new(), free_port());
    let socket = format!("127.0.0.1:{port}");
    let mut command = Command::new(program);
    command.args(["--enable-threads", "--http-socket", &socket, "--wsgi-file"]);
    let server = start(command.arg(place.program("pauses.py", PAUSES)));
    a_request_counts_while_it_waits(&place, &server, "uWSGI", &port);
}

#[test]
fn a_request_that_mod_wsgi_answers_counts_while_it_waits() {
    let modules = Path::new("/usr/lib/apache2/modules");
    let program = Path::new("/usr/sbin/apache2");
    if !program.exists() || !modules.join("mod_wsgi.so").exists() {
        return lacking("mod_wsgi", "it is not installed (.ci/packages)");
    }
    let (place, port) = (Place::new(), free_port());
    let directory = place.path("");
    let directory = directory.to_str().expect("text");
    place.program("pauses.py", PAUSES);
    let load = ["mpm_event", "authn_core", "authz_core", "wsgi"].map(|name| {
        format!(
            "LoadModule {name}_module {}/mod_{name}.so\n",
            modules.display()
        )
    });
    // As one process, which is the server's own and root's, or whose the tests are.
    let configuration = format!(
        "ServerRoot {directory}\nPidFile pid\nServerName localhost\nListen 127.0.0.1:{port}\n{}\
         ErrorLog errors\nWSGIApplicationGroup %{{GLOBAL}}\n\
         WSGIScriptAlias / {directory}/pauses.py\n\
         <Directory {directory}>\nRequire all granted\n</Directory>\n",
        load.concat()
    );
    let configuration = place.program("apache.conf", &configuration);
    let mut command = Command::new(program);
    let server = start(command.args(["-X", "-f"]).arg(configuration));
    a_request_counts_while_it_waits(&place, &server, "mod_wsgi", &port);
}

/// Changes a file of a Django project thrice while `runserver` answers and is recorded.
#[test]
fn a_runserver_that_reloads_is_recorded_on() {
    let packages = cache().join("django/3.11");
    let python = interpreters().iter().find(|it| it.version == (3, 11));
    let (Some(python), true) = (python, packages.exists()) else {
        return lacking("runserver", "a Python 3.11, or its Django, is absent");
    };
    let place = Place::new();
    let mut copy = Command::new("cp");
    let copied = copy
        .arg("-r")
        .arg(fixture("django_project"))
        .arg(place.path("project"))
        .status();
    assert!(copied.unwrap().success());
    let port = free_port();
    let mut command = Command::new(&python.path);
    command
        .args(["manage.py", "runserver", &port])
        .current_dir(place.path("project"))
        .env("PYTHONPATH", packages)
        .env("RECIPES_DATABASE", place.path("recipes.sqlite3"));
    let server = start(&mut command);
    let child = |all: &[Value]| {
        let served = all.iter().find(|it| it["role"] == "Django server");
        served.and_then(|it| it["pid"].as_u64())
    };
    let all = becomes(&place, &server, &["Django autoreloader", "Django server"]);
    let mut generations = vec![child(&all).expect("a server")];
    let answers = || TcpStream::connect(format!("127.0.0.1:{port}")).is_ok();
    wait_until("it answers", answers);
    let collapsed = under_load(&port, "/", || {
        let named = ["--port", &port, "-r", "200", "-f", "raw", "-o", "x.txt"];
        let recorder = place.record(named).spawn().unwrap();
        for _ in 0..3 {
            wait_until_sampling(&recorder);
            let views = place.path("project/recipes/views.py");
            let before = generations.last().copied();
            wait_until("it has reloaded", || {
                // Again and again: what changes before the reloader's first look is no change to it.
                let touched = Command::new("touch").arg(&views).status();
                assert!(touched.unwrap().success());
                std::thread::sleep(Duration::from_millis(300));
                let now = child(&seen(&place, server.0.id()));
                now.is_some() && now != before
            });
            generations.extend(child(&seen(&place, server.0.id())));
            wait_until("it answers", answers);
        }
        wait_until_sampling(&recorder);
        signal(recorder.id(), "INT");
        assert_code(&recorder.wait_with_output().unwrap(), 0);
        std::fs::read_to_string(place.path("x.txt")).unwrap()
    });
    assert_eq!(generations.len(), 4);
    for pid in &generations {
        let (all, samples) = counts(&collapsed, &format!(", process {pid}:"));
        assert!(samples > 0, "{pid} has none of {all}");
    }
    // One that a second touch replaced before we saw it has a number, too.
    let number_of = |pid: &u64| -> u32 {
        let told = collapsed.split(&format!(", process {pid}:")).next();
        let number = told.and_then(|told| told.rsplit_once("generation "));
        number.expect("a generation").1.parse().expect("a number")
    };
    let numbers: Vec<u32> = generations.iter().map(number_of).collect();
    assert_eq!(numbers[0], 1, "{numbers:?}");
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    let (_, of_the_reloader) = counts(&collapsed, &format!("process {}:", server.0.id()));
    assert_eq!(of_the_reloader, 0);
}

/// What is started is not known for a master, or an autoreloader, before it runs.
#[test]
fn a_server_that_is_started_is_recorded_by_those_that_serve() {
    let Some(python) = python_with_servers() else {
        return;
    };
    let place = Place::new();
    let words: [&[&str]; 2] = [
        &["-m", "gunicorn", "-w", "2", "app", "-b"],
        &[
            "-m",
            "flask",
            "--app",
            "app:make_flask",
            "run",
            "--debug",
            "--port",
        ],
    ];
    for words in words {
        let port = free_port();
        let address = match words[1] {
            "gunicorn" => format!("127.0.0.1:{port}"),
            _ => port.clone(),
        };
        let mut command = place.record(["-r", "200", "-f", "raw", "-o"]);
        command
            .arg(place.path("x.txt"))
            .arg("--")
            .arg(python.get_program());
        for (name, value) in python.get_envs() {
            command.env(name, value.expect("set"));
        }
        command
            .args(words)
            .arg(address)
            .current_dir(fixture("servers"));
        let log = place.path("log");
        command
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap());
        let mut recorder = command.spawn().unwrap();
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        under_load(&port, "/", || {
            wait_until("it is known for what it is", || {
                said().contains("what it starts is recorded")
            });
            wait_until_sampling(&recorder);
            wait_until_sampling(&recorder);
        });
        signal(recorder.id(), "INT");
        recorder.wait().unwrap();
        let collapsed = std::fs::read_to_string(place.path("x.txt")).unwrap_or_default();
        let (_, at_work) = counts(&collapsed, "answer (app.py");
        assert!(at_work > 0, "{words:?}: {}", said());
    }
}
