//! A profiler that is killed, at whatever moment, leaves its target as it was.
//!
//! `SPYHOLE_KILLS` is how often each program's profiler is killed; the default is for every day.

mod common;
mod harness;

use std::process::Command;
use std::time::Duration;

use common::held::task_states;
use harness::*;
use spyhole::model::Pid;

fn rounds() -> u32 {
    let rounds = std::env::var("SPYHOLE_KILLS").ok();
    rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(32)
}

/// When a round kills.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// While the profiler starts, finds and opens, or has just begun.
    Early,
    /// While it samples.
    Sampling,
    /// Just when it is seen to hold a thread.
    Holding,
}

fn tracers(pid: Pid) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the target lives");
    tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("status")).ok())
        .filter_map(|status| {
            let tracer = status
                .lines()
                .find_map(|line| line.strip_prefix("TracerPid:"))?;
            Some(tracer.trim().to_owned())
        })
        .filter(|tracer| tracer != "0")
        .collect()
}

/// CPU time in clock ticks, of threads that have ended too.
fn worked(pid: Pid) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the target lives");
    let fields = stat.rsplit(')').next().expect("fields");
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |index: usize| fields[index].parse::<u64>().expect("a number");
    ticks(11) + ticks(12)
}

fn kill_at_random_moments(program: &str) {
    let place = Place::new();
    let program = format!(
        "{}/fixtures/targets/{program}.py",
        env!("CARGO_MANIFEST_DIR")
    );
    let target = Target::start(Command::new(python()).arg(program)).expect("a running program");
    let pid = target.pid();
    let pauses = keep_apart(pid.0);
    let mut chance = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |bound: u64| {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        Duration::from_micros(chance % bound)
    };
    for round in 0..rounds() {
        let moment = match round % 4 {
            0 => Moment::Early,
            1 => Moment::Sampling,
            _ if !pauses => Moment::Sampling,
            _ => Moment::Holding,
        };
        let mut spyhole = place
            .record(["-p", &pid.to_string(), "-r", "1000", "-o", "x.svg"])
            .spawn()
            .expect("spyhole starts");
        match moment {
            Moment::Early => std::thread::sleep(below(60_000)),
            Moment::Sampling => {
                wait_until_sampling(&spyhole);
                std::thread::sleep(below(2_000));
            }
            // Not `wait_until`: it would look past the microseconds of a hold.
            Moment::Holding => {
                while tracers(pid).is_empty() {
                    assert!(
                        spyhole.try_wait().is_ok_and(|ended| ended.is_none()),
                        "spyhole ended"
                    );
                }
            }
        }
        spyhole.kill().expect("it is killed");
        spyhole.wait().expect("it is collected");
        assert_eq!(tracers(pid), Vec::<String>::new(), "{moment:?}");
        wait_until("no thread is stopped", || {
            let states = task_states(pid).expect("the target lives");
            !states.iter().any(|state| matches!(state, 'T' | 't'))
        });
        let before = worked(pid);
        wait_until("the target works on", || worked(pid) > before);
    }
    assert_eq!(place.names(), Vec::<String>::new());
}

#[test]
fn a_busy_target_is_never_left_stopped_or_traced() {
    kill_at_random_moments("busyloop");
}

#[test]
fn a_target_whose_threads_come_and_go_is_never_left_stopped_or_traced() {
    kill_at_random_moments("thread_reuse");
}
