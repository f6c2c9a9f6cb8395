//! Recordings in the middle of which things go wrong, at random: what the file holds and what is told as
//! not seen make up the time that passed, and nothing hangs.
//!
//! `SPYHOLE_FAULTS` is how many recordings are made; 6 unless it is set.

mod common;
mod harness;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{Target, skipped, watchdog};
use fastrand::Rng;
use harness::nobody::{as_nobody, place_for_nobody};
use harness::{Place, signal};
use spyhole::profile::{Profile, file};

/// How long each recording is to last, in seconds.
const LENGTH: f64 = 4.0;

/// Seconds by which the last look before a death may come early, and its notice late, on a machine with much
/// to do.
const SLACK: f64 = 0.2;

/// What may go wrong.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fault {
    TargetStops(Duration),
    TargetHides,
    MainThreadLeaves,
    TargetExecs,
    TargetIsKilled,
    TargetGetsNoMoreMemory,
    SpyholeStops(Duration),
    ProcIsHidden(Duration),
}

/// One recording, and all that will go wrong in it.
#[derive(Debug)]
struct Plan {
    /// Recorded by an ordinary user, from whom a program can hide.
    by_nobody: bool,
    /// When each comes, in seconds after the recording began, in order.
    faults: Vec<(f64, Fault)>,
}

impl Plan {
    fn new(seed: u64) -> Plan {
        let mut random = Rng::with_seed(seed);
        let by_nobody = random.bool();
        let mut faults: Vec<(f64, Fault)> = (0..random.u32(1..=3))
            .map(|_| {
                let at = 0.2 + 3.0 * random.f64();
                let lasts = Duration::from_millis(random.u64(50..1500));
                let fault = match random.u32(0..7) {
                    0 => Fault::TargetStops(lasts),
                    1 => Fault::MainThreadLeaves,
                    2 => Fault::TargetExecs,
                    3 => Fault::TargetIsKilled,
                    4 => Fault::TargetGetsNoMoreMemory,
                    5 => Fault::SpyholeStops(lasts),
                    _ if by_nobody => Fault::TargetHides,
                    _ => Fault::ProcIsHidden(lasts),
                };
                (at, fault)
            })
            .collect();
        faults.sort_by(|(one, _), (next, _)| one.total_cmp(next));
        Plan { by_nobody, faults }
    }
}

/// What came of it.
struct Outcome {
    code: Option<i32>,
    said: String,
    /// How long the recording must have lasted, from the moment at which it was announced: to its end as
    /// asked for, to the target's death, or until spyhole went on after that end.
    passed: f64,
    profile: Option<Profile>,
}

fn carry_out(plan: &Plan, place: &Place, binary: &Path, python: &Path) -> Outcome {
    let _watched = watchdog::watch(format!("{plan:?}"));
    let file = place.path("x.pb.gz");
    // An earlier one's.
    let _ = std::fs::remove_file(&file);
    let command = |program: &Path| match plan.by_nobody {
        true => as_nobody(program, place),
        false => Command::new(program),
    };
    let program = place.path("faulty.py");
    std::fs::copy(common::look::script("faulty.py"), &program).expect("copies");
    let mut target = Target::start(command(python).arg(&program)).expect("starts");

    let mut recorder = match plan.by_nobody {
        true => as_nobody(binary, place),
        // Mounts of its own, which can be hidden from it.
        false => {
            let mut command = Command::new("unshare");
            command
                .args(["--mount", "--propagation", "private"])
                .arg(binary);
            command
        }
    };
    let length = LENGTH.to_string();
    let mut recorder = recorder
        .args(["record", "--idle", "-d", &length, "-o", "x.pb.gz", "-p"])
        .arg(target.pid().to_string())
        .current_dir(place.path(""))
        .stderr(Stdio::piped())
        .spawn()
        .expect("spyhole starts");
    let mut lines = BufReader::new(recorder.stderr.take().expect("its words"));
    let mut said = String::new();
    lines.read_line(&mut said).expect("a line");
    let begun = Instant::now();
    let mut died = None;
    let mut end = LENGTH;
    for &(at, fault) in &plan.faults {
        sleep(Duration::from_secs_f64(at).saturating_sub(begun.elapsed()));
        inflict(fault, &mut target, &recorder, place);
        let now = begun.elapsed().as_secs_f64();
        match fault {
            Fault::TargetIsKilled => died = died.or(Some(now)),
            Fault::SpyholeStops(_) if died.is_none() => end = end.max(now),
            _ => {}
        }
    }
    lines.read_to_string(&mut said).expect("UTF-8");
    let code = recorder.wait().expect("ends").code();
    let passed = died.unwrap_or(end);
    let read = |path: PathBuf| file::read(std::fs::File::open(path).ok()?).ok();
    Outcome {
        code,
        said,
        passed,
        profile: read(file),
    }
}

/// Lets one thing go wrong, and mends what is mended after a time.
fn inflict(fault: Fault, target: &mut Target, recorder: &Child, place: &Place) {
    match fault {
        Fault::TargetStops(time) => {
            signal(target.id(), "STOP");
            sleep(time);
            signal(target.id(), "CONT");
        }
        Fault::TargetHides => signal(target.id(), "HUP"),
        Fault::MainThreadLeaves => signal(target.id(), "USR1"),
        Fault::TargetExecs => signal(target.id(), "USR2"),
        Fault::TargetGetsNoMoreMemory => signal(target.id(), "WINCH"),
        Fault::TargetIsKilled => target.kill(),
        Fault::SpyholeStops(time) => {
            if harness::runs(recorder.id()) {
                signal(recorder.id(), "STOP");
                sleep(time);
                signal(recorder.id(), "CONT");
            }
        }
        Fault::ProcIsHidden(time) => {
            let at = format!("/proc/{}", target.id());
            let within = |command: &[&str]| {
                let mut enter = Command::new("nsenter");
                enter
                    .arg(format!("--mount=/proc/{}/ns/mnt", recorder.id()))
                    .args(command)
                    .stderr(Stdio::null());
                // It fails where one of the two has ended.
                enter.status().is_ok_and(|status| status.success())
            };
            let empty = place.path("empty");
            let _ = std::fs::create_dir(&empty);
            let empty = empty.to_str().expect("text");
            if within(&["mount", "--bind", empty, &at]) {
                sleep(time);
                within(&["umount", &at]);
            }
        }
    }
}

#[test]
fn what_is_seen_and_what_is_told_as_not_seen_make_up_the_time() {
    let Some((place, binary, python)) = place_for_nobody() else {
        return;
    };
    let own_mounts = Command::new("unshare").args(["--mount", "true"]).status();
    if !own_mounts.is_ok_and(|status| status.success()) {
        return skipped("faults", "no mounts of one's own");
    }
    let number = std::env::var("SPYHOLE_FAULTS").ok();
    let number = number.map_or(6, |number| number.parse().expect("a number"));
    let mut wrong = Vec::new();
    for seed in 0..number {
        let plan = Plan::new(seed);
        let outcome = carry_out(&plan, &place, &binary, python);
        let judged = judge(&outcome);
        let told = format!("{plan:?}\n{judged:?}\n{}", outcome.said);
        println!("{told}");
        if judged.is_err() {
            wrong.push(told);
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

/// What was held against what passed, or what is wrong.
fn judge(outcome: &Outcome) -> Result<String, String> {
    let profile = match (outcome.code, &outcome.profile) {
        (Some(0), Some(profile)) => profile,
        (code, profile) => return Err(format!("{code:?}, {} file", profile.iter().count())),
    };
    let (ticks, duration) = (&profile.recording.ticks, profile.recording.duration);
    let seen = profile.total().wall.as_secs_f64();
    let not_seen = (ticks.gap_time.0 + ticks.lost_time.0) as f64 / 1e9;
    let (duration, open) = (duration.as_secs_f64(), ticks.open_time.as_secs_f64());
    // An interpreter that begins anew has no stack for some looks.
    let without_stack = open * ticks.idle as f64 / ticks.expected.max(1) as f64;
    let passed = outcome.passed;
    let figures = format!(
        "passed {passed:.3}, lasted {duration:.3}, open {open:.3}, seen {seen:.3}, not {not_seen:.3}, \
         without a stack {without_stack:.3}"
    );
    let off = (seen + not_seen + without_stack - duration).abs();
    let late = (duration - passed).abs();
    match off <= 0.02 * duration + SLACK && late <= 0.02 * passed + SLACK {
        true => Ok(figures),
        false => Err(figures),
    }
}
