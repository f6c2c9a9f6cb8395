//! The proving workload: functions whose names spell the only path on which they can be called, so
//! that a stack shows by itself whether it is true. Our engine must get every stack, and none
//! wrong.
//!
//! `SPYHOLE_PROVING_TICKS` is how often each variant is looked at on each interpreter; the default
//! is for every day.

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::held::{Scheduling, scheduling_of_all};
use common::interpreters::one_of_each_version;
use common::{Interpreter, Target, lacking};
use spyhole::engine::{Engine, EngineOptions, cpython};
use spyhole::model::{Counting, Halting, Interner, Nanos, Proof, StackId, Tick, Tid};
use spyhole::target::Process;

const WORKLOAD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/proving.py");

/// What became of all the looks at one program.
#[derive(Default, Debug)]
struct Outcome {
    samples: u64,
    unproven: u64,
    lost: u64,
    stacks: BTreeMap<u32, (StackId, u64)>,
}

/// The engine has tried for so long before it gives up. Who was about to go on all that time and had no
/// CPU cannot get to where its stack is whole: such a look is made again.
const STARVED: Duration = Duration::from_millis(5);

/// Whether a thread was ready to run from one account to the other, and had a CPU for less than half of
/// that time.
fn some_waited(
    before: &BTreeMap<Tid, Scheduling>,
    after: &BTreeMap<Tid, Scheduling>,
    time: Duration,
) -> bool {
    let mut both = before
        .iter()
        .filter_map(|(tid, before)| Some((before, after.get(tid)?)));
    both.any(|(before, after)| {
        let ran = after.on_cpu.saturating_sub(before.on_cpu);
        after.state == 'R' && before.sleeps == after.sleeps && ran * 2 < time
    })
}

fn look(target: &Target, ticks: u64, interner: &mut Interner) -> Outcome {
    let options = EngineOptions {
        watches: None,
        halting: Halting::WhenNeeded,
        thread_names: false,
        counting: Counting::Wall,
    };
    let process = Process::open(target.pid()).expect("the program runs");
    let mut engine =
        cpython::open(process, None, options, interner).expect("an interpreter is found");
    let mut outcome = Outcome::default();
    let mut samples = Vec::new();
    let started = Instant::now();
    let mut chance = 0x9e37_79b9_7f4a_7c15_u64;
    let (mut looks, mut starved) = (0, 0);
    while looks < ticks {
        // Between 0 and 400 µs: in no step with the program.
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        std::thread::sleep(Duration::from_micros(chance % 400));
        let tick = Tick {
            at: started.elapsed().into(),
            stands_for: Nanos(1),
        };
        samples.clear();
        let before = scheduling_of_all(target.pid());
        let begun = Instant::now();
        let result = engine.tick(tick, interner, &mut samples).expect("a tick");
        let took = begun.elapsed();
        if result.lost + result.unproven > 0
            && took >= STARVED
            && some_waited(&before, &scheduling_of_all(target.pid()), took)
        {
            starved += 1;
            assert!(starved * 10 <= ticks, "{starved} starved looks of {looks}");
            continue;
        }
        looks += 1;
        outcome.lost += u64::from(result.lost);
        for sample in &samples {
            outcome.samples += 1;
            outcome.unproven += u64::from(sample.proof == Proof::Unproven);
            let index = sample.stack.index() as u32;
            outcome.stacks.entry(index).or_insert((sample.stack, 0)).1 += 1;
        }
    }
    outcome
}

fn collapsed(interner: &Interner, outcome: &Outcome) -> String {
    let mut text = String::new();
    for (stack, count) in outcome.stacks.values() {
        let mut frames: Vec<String> = interner
            .frames_of(*stack)
            .map(|id| {
                let frame = interner.frame(id);
                let function = interner.function(frame.function);
                let name = interner.text(function.name).untrusted();
                let file = interner.text(function.short_file).untrusted();
                format!("{name} ({file}:{})", frame.line)
            })
            .collect();
        frames.reverse();
        let _ = writeln!(text, "{} {count}", frames.join(";"));
    }
    text
}

/// The workload's own judgement: what is wrong, as JSON; `Err` when anything is.
fn judge(python: &Interpreter, stacks: &str) -> Result<String, String> {
    let mut judge = Command::new(&python.path)
        .args([WORKLOAD, "check"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the interpreter starts");
    let mut input = judge.stdin.take().expect("a pipe");
    input
        .write_all(stacks.as_bytes())
        .expect("the judge listens");
    drop(input);
    let output = judge.wait_with_output().expect("the judge ends");
    let verdict = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() {
        Ok(verdict)
    } else {
        Err(verdict)
    }
}

fn prove(python: &Interpreter, variant: &str, ticks: u64) -> Result<(), String> {
    let mut command = python.command();
    command.args([WORKLOAD, variant]);
    let target = Target::start(&mut command)?;
    let mut interner = Interner::default();
    let outcome = look(&target, ticks, &mut interner);
    let verdict = judge(python, &collapsed(&interner, &outcome))?;
    let Outcome {
        samples,
        unproven,
        lost,
        ..
    } = outcome;
    let figures = format!("{samples} samples, {unproven} unproven, {lost} lost, {verdict}");
    eprintln!("{} {variant}: {figures}", python.name);
    if unproven + lost > 0 || samples < ticks {
        return Err(figures);
    }
    Ok(())
}

fn prove_everywhere(variants: &[&str]) {
    let ticks = std::env::var("SPYHOLE_PROVING_TICKS").ok();
    let ticks = ticks.and_then(|ticks| ticks.parse().ok()).unwrap_or(500);
    let pythons = one_of_each_version();
    if pythons.is_empty() {
        return lacking("the proving workload", "no interpreter");
    }
    let mut wrong = String::new();
    for python in &pythons {
        for variant in variants {
            let needs = match *variant {
                "delegating" => (3, 3),
                "coroutine" | "asyncio" => (3, 6),
                _ => (2, 7),
            };
            if python.version < needs {
                continue;
            }
            if let Err(error) = prove(python, variant, ticks) {
                let _ = writeln!(wrong, "{} {variant}: {error}", python.name);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_stack_of_plain_functions_is_true() {
    prove_everywhere(&["plain", "deep", "recursion"]);
}

#[test]
fn every_stack_of_code_that_comes_and_goes_is_true() {
    prove_everywhere(&["made"]);
}

#[test]
fn every_stack_of_generators_is_true() {
    prove_everywhere(&["generator", "delegating"]);
}

#[test]
fn every_stack_of_coroutines_is_true() {
    prove_everywhere(&["coroutine", "asyncio"]);
}

#[test]
fn every_stack_of_threads_is_true() {
    prove_everywhere(&["threads", "all"]);
}
