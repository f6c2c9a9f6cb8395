//! A developer looks into a process that runs already.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::*;

#[test]
fn a_running_process_is_recorded_for_a_duration() {
    let place = Place::new();
    let target = place.target(BUSY);
    let begun = Instant::now();
    let output = place
        .attach(&target, ["-d", "1.5", "-f", "raw", "-o", "-"])
        .output()
        .unwrap();
    assert_code(&output, 0);
    assert!(begun.elapsed() >= Duration::from_millis(1500));
    assert!(begun.elapsed() < PATIENCE);
    let (all, at_work) = counts(&stdout(&output), "work (target.py:");
    // On a busy machine ticks are missed, and not made up.
    assert!((5..=160).contains(&all), "{all}");
    assert!(at_work * 10 > all * 8, "{}", stdout(&output));
    let told = stderr(&output);
    assert!(
        told.contains("100 times a second for 1.5 seconds. Press Control-C to exit."),
        "{told}"
    );
    assert!(
        told.contains(&format!("standard output. Samples: {all} Errors: 0")),
        "{told}"
    );
}

#[test]
fn a_pid_may_be_hexadecimal_and_the_command_short() {
    let place = Place::new();
    let target = place.target(BUSY);
    let pid = format!("{:#x}", target.id());
    for command in ["r", "re", "rec"] {
        let output = place
            .spyhole([
                command,
                "--engine",
                &engine(),
                "-p",
                &pid,
                "-d",
                "0.2",
                "-o",
                "x.svg",
            ])
            .output()
            .unwrap();
        assert_code(&output, 0);
    }
    assert!(
        std::fs::read_to_string(place.path("x.svg"))
            .unwrap()
            .contains("<svg")
    );
}

#[test]
fn control_c_and_sigterm_and_sighup_end_the_recording_and_write_the_file() {
    let place = Place::new();
    let target = place.target(BUSY);
    for name in ["INT", "TERM", "HUP"] {
        let file = format!("{name}.txt");
        let spyhole = place
            .attach(&target, ["-r", "1000", "-o", &file])
            .spawn()
            .unwrap();
        wait_until_sampling(&spyhole);
        signal(spyhole.id(), name);
        let output = spyhole.wait_with_output().unwrap();
        assert_code(&output, 0);
        let text = std::fs::read_to_string(place.path(&file)).unwrap();
        assert!(counts(&text, "work").1 > 0, "{text}");
        assert!(
            stderr(&output).contains("Stopped sampling"),
            "{}",
            stderr(&output)
        );
    }
    assert!(runs(target.id()));
}

#[test]
fn the_end_of_the_process_ends_the_recording() {
    let place = Place::new();
    let mut target = place.target(BUSY);
    let spyhole = place
        .attach(&target, ["-r", "1000", "-o", "x.txt"])
        .spawn()
        .unwrap();
    wait_until_sampling(&spyhole);
    target.end();
    let output = spyhole.wait_with_output().unwrap();
    assert_code(&output, 0);
    assert!(
        stderr(&output).contains("process ended"),
        "{}",
        stderr(&output)
    );
    assert_eq!(place.names(), ["target.py", "x.txt"]);
}

#[test]
fn a_process_survives_its_profiler() {
    let place = Place::new();
    let target = place.target(BUSY);
    let mut spyhole = place
        .attach(&target, ["-r", "1000", "-o", "x.txt"])
        .spawn()
        .unwrap();
    wait_until_sampling(&spyhole);
    spyhole.kill().unwrap();
    spyhole.wait().unwrap();
    let ticks = |target: &Target| {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", target.pid())).unwrap();
        let fields: Vec<_> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        fields[11].parse::<u64>().unwrap()
    };
    let before = ticks(&target);
    wait_until("the target works on", || ticks(&target) > before + 5);
    assert!(runs(target.id()));
    assert_eq!(place.names(), ["target.py"]);
}

#[test]
fn what_waits_is_left_out_and_why_there_is_no_file_is_said() {
    let place = Place::new();
    let target = place.target(WAITS).asleep();
    // py-spy takes a thread that it has just let go for one that runs.
    if engine() == "cpython" {
        let output = place
            .attach(&target, ["-d", "0.5", "-o", "x.svg"])
            .output()
            .unwrap();
        assert_code(&output, 3);
        assert!(stderr(&output).contains("--idle"), "{}", stderr(&output));
        assert_eq!(place.names(), ["target.py"]);
    }

    let arguments = [
        "-p",
        &target.pid().to_string(),
        "-d",
        "0.5",
        "--idle",
        "-f",
        "raw",
        "-o",
        "-",
    ];
    let output = place.record(arguments).output().unwrap();
    assert_code(&output, 0);
    assert!(
        counts(&stdout(&output), "target.py:5").1 > 5,
        "{}",
        stdout(&output)
    );

    let output = place
        .attach(&target, ["-d", "0.5", "--gil", "-o", "x.svg"])
        .output()
        .unwrap();
    assert_code(&output, 3);
    assert!(stderr(&output).contains("GIL"), "{}", stderr(&output));
    assert_eq!(place.names(), ["target.py"]);
}

#[test]
fn the_holder_of_the_gil_is_counted() {
    let place = Place::new();
    let target = place.target(BUSY);
    let output = place
        .attach(&target, ["-d", "1", "--gil", "-f", "raw", "-o", "-"])
        .output()
        .unwrap();
    assert_code(&output, 0);
    // On a busy machine most ticks are missed.
    let (all, in_main) = counts(&stdout(&output), "main");
    assert!(in_main > 5 && in_main == all, "{}", stdout(&output));
}

#[test]
fn a_process_that_is_not_there_is_an_error() {
    let place = Place::new();
    let mut target = place.target(WAITS);
    target.end();
    let output = place.attach(&target, ["-o", "x.svg"]).output().unwrap();
    assert_code(&output, 1);
    let expected = format!("there is no process {}", target.pid());
    assert!(stderr(&output).contains(&expected), "{}", stderr(&output));
    assert_eq!(place.names(), ["target.py"]);
}

#[test]
fn a_process_that_is_no_python_is_an_error() {
    let place = Place::new();
    let sleep = Target::no_python();
    let output = place
        .record(["-p", &sleep.id().to_string(), "-o", "x.svg"])
        .output()
        .unwrap();
    assert_code(&output, 1);
    if engine() == "cpython" {
        let told = stderr(&output);
        assert!(told.contains("is not a Python process"), "{told}");
    }
    assert!(place.names().is_empty());
}

#[test]
fn lines_functions_and_threads_show_as_asked() {
    let place = Place::new();
    let target = place.target(BUSY);
    let raw = |extra: &[&str]| {
        let pid = target.pid().to_string();
        let mut arguments = vec!["-p", &pid, "-d", "0.5", "-f", "raw", "-o", "-"];
        arguments.extend(extra);
        let output = place.record(arguments).output().unwrap();
        assert_code(&output, 0);
        stdout(&output)
    };
    let text = raw(&["--nolineno"]);
    assert!(
        counts(&text, "main (target.py);work (target.py)").1 > 0,
        "{text}"
    );
    if engine() == "cpython" {
        // py-spy gives one line a frame, and it is asked for the one that runs.
        let text = raw(&["-F"]);
        assert!(
            counts(&text, "main (target.py:8);work (target.py:2)").1 > 0,
            "{text}"
        );
    }
    let text = raw(&["-t"]);
    let thread = format!("thread ({})", target.pid());
    assert!(text.lines().all(|line| line.starts_with(&thread)), "{text}");
    let text = raw(&["--full-filenames"]);
    let path = place.path("target.py").display().to_string();
    assert!(counts(&text, &path).1 > 0, "{text}");
}

/// Calls a lot: few of its stacks hold still for a reader.
const CALLS: &str = "
def leaf(): pass

def middle():
    for _ in range(10): leaf()

def main():
    print('ready', flush=True)
    while True:
        middle()

main()
";

#[test]
fn reading_without_halting_pauses_nobody_and_sets_apart_what_is_unproven() {
    let place = Place::new();
    let target = place.target(CALLS);
    // On the CPU where we wake up it would stand still.
    if !keep_apart(target.pid().0) {
        return crate::common::skipped("reading without halting", "only one CPU");
    }
    // It is only while it has its CPU that its stack moves.
    let mut said = Vec::new();
    let are_set_apart = ["1", "5", "25"].into_iter().any(|seconds| {
        let options = ["-r", "1000", "--nonblocking", "-f", "raw", "-o", "-"];
        let mut command = place.attach(&target, options);
        let output = command.args(["-d", seconds]).output().unwrap();
        assert_code(&output, 0);
        let told = stderr(&output);
        assert!(told.contains("not halting the target"), "{told}");
        let (all, unproven) = counts(&stdout(&output), "<unproven>");
        let of_all = match unproven {
            0 => "every sample proven".to_owned(),
            _ => format!("{unproven} of {all} samples unproven"),
        };
        assert!(told.contains(&of_all), "{told}");
        said.push(told);
        unproven > 0
    });
    assert!(are_set_apart, "{said:#?}");
}

#[test]
fn pausing_in_each_look_says_so() {
    let place = Place::new();
    let target = place.target(CALLS);
    let output = place
        .attach(
            &target,
            ["-d", "1", "-r", "500", "--blocking", "-f", "raw", "-o", "-"],
        )
        .output()
        .unwrap();
    assert_code(&output, 0);
    let told = stderr(&output);
    let path = "How: pausing the thread that runs; ";
    let pauses = told.split_once(path).expect("how it looked").1;
    let pauses: u64 = pauses.split(' ').next().unwrap().parse().unwrap();
    let (all, unproven) = counts(&stdout(&output), "<unproven>");
    assert!(pauses >= all && unproven == 0, "{told}");
}

#[test]
fn processes_that_are_below_already_and_come_later_are_recorded() {
    let place = Place::new();
    place.program(
        "child.py",
        "def child_work():\n    while True: pass\nchild_work()\n",
    );
    let code = "
import signal, subprocess, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
first = subprocess.Popen([sys.executable, 'child.py'], cwd=sys.path[0])
print('ready', flush=True)
signal.sigwait([signal.SIGUSR1])
# One that does not look like Python first, and one that never does.
second = subprocess.Popen(
    ['sh', '-c', 'sleep .2; exec \"%s\" child.py' % sys.executable], cwd=sys.path[0])
other = subprocess.Popen(['sleep', 'SECONDS'])
other.wait()
first.kill(); second.kill()
first.wait(); second.wait()
";
    // On a busy machine it takes a while until both are seen.
    let mut seen = Vec::new();
    let both_are_there = ["2", "8", "30"].into_iter().any(|seconds| {
        let target = place.target(&code.replace("SECONDS", seconds));
        let spyhole = place
            .attach(&target, ["-s", "-r", "200", "-f", "raw", "-o", "-"])
            .spawn()
            .unwrap();
        wait_until_sampling(&spyhole);
        signal(target.id(), "USR1");
        let output = spyhole.wait_with_output().unwrap();
        assert_code(&output, 0);
        let text = stdout(&output);
        let root = format!("process {}:\"", target.pid());
        let children: BTreeSet<_> = text
            .lines()
            .filter(|line| line.contains("child_work (child.py"))
            .map(|line| {
                assert!(line.starts_with(&root), "{line}");
                line.split(';').nth(1).unwrap()
            })
            .collect();
        assert!(children.len() <= 2, "{text}");
        let both = children.len() == 2;
        seen.push(text);
        both
    });
    assert!(both_are_there, "{seen:#?}");
}

/// Ready to run, and seldom let on a CPU: others have it.
const STARVED: &str = "\
import os
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
parent = os.getpid()
if os.fork() == 0:
    while os.getppid() == parent:
        pass
    os._exit(0)
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
print('ready', flush=True)
while True:
    pass
";

#[test]
fn what_waits_for_a_cpu_is_not_counted_as_at_work_there() {
    let place = Place::new();
    let target = place.target(STARVED);
    let counted = |mode: &str| {
        let options = ["-d", "2", "--mode", mode, "-f", "raw", "-o", "-"];
        let output = place.attach(&target, options).output().unwrap();
        // It may not have come to run at all.
        assert!(matches!(output.status.code(), Some(0 | 3)), "{output:?}");
        counts(&stdout(&output), "target.py:").0
    };
    let (works, waits) = (counted("cpu"), counted("wall"));
    assert!(works * 3 < waits, "{works} of {waits}");
}

#[test]
fn a_thread_that_sleeps_with_the_gil_is_seen_where_the_gil_counts() {
    let place = Place::new();
    let target = place
        .target("import ctypes\nprint('ready', flush=True)\nctypes.PyDLL(None).sleep(600)\n")
        .asleep();
    let output = place
        .attach(&target, ["-d", "0.5", "--gil", "-f", "raw", "-o", "-"])
        .output()
        .unwrap();
    assert_code(&output, 0);
    // Also at the looks at which nothing has changed.
    let (all, asleep) = counts(&stdout(&output), "target.py:3");
    assert!(all >= 5 && asleep == all, "{}", stdout(&output));
}

#[test]
fn a_request_that_waits_counts_and_what_waits_for_work_does_not() {
    let place = Place::new();
    let program = crate::common::look::script("requests.py");
    let target = Target::start(Command::new(python()).arg(program)).expect("a running program");
    let record = |more: &[&str]| {
        let options = ["-d", "0.5", "-r", "200", "-F", "-f", "raw", "-o", "-"];
        let output = place.attach(&target, options).args(more).output().unwrap();
        assert_code(&output, 0);
        stdout(&output)
    };
    let of = |collapsed: &str| {
        [
            "works (",
            "waits_for_its_database",
            "waits_for_work",
            "sleeper",
            "<module>",
        ]
        .map(|function| counts(collapsed, function).1)
    };
    let [works, database, rest @ ..] = of(&record(&[]));
    assert!(works > 0 && database > 0, "{works} {database}");
    // Both are there at each look, but where the one that works has no CPU.
    assert!(database >= works, "{works} {database}");
    assert_eq!(rest, [0; 3]);
    assert_eq!(of(&record(&["--mode", "work"]))[2..], [0; 3]);
    let [works, rest @ ..] = of(&record(&["--mode", "cpu"]));
    assert!(works > 0);
    assert_eq!(rest, [0; 4]);
    assert!(of(&record(&["-i"])).iter().all(|count| *count > 0));
    // As --gil takes no account of who waits.
    assert_eq!(of(&record(&["--gil"]))[1..], [0; 4]);
}

/// Where nobody runs at all, a look costs next to nothing, and who waits within a request shows.
#[test]
fn a_request_that_waits_in_a_process_that_sleeps_counts() {
    let place = Place::new();
    let program = crate::common::look::script("requests.py");
    let code = std::fs::read_to_string(program).unwrap();
    let idle = code.replace("(request, (works,)), ", "");
    assert_ne!(idle, code);
    let target = place.target(&idle).asleep();
    let output = place
        .attach(&target, ["-d", "0.5", "-r", "200", "-f", "raw", "-o", "-"])
        .output()
        .unwrap();
    assert_code(&output, 0);
    let (all, database) = counts(&stdout(&output), "waits_for_its_database");
    // At each look that was made.
    let told = stderr(&output);
    let looks = told.split_once("Looked ").expect("how often").1;
    let looks: f64 = looks.split(' ').next().unwrap().parse().unwrap();
    assert!(all > 0 && all as f64 >= looks * 0.5 * 0.8, "{all}: {told}");
    assert_eq!(all, database);
}
