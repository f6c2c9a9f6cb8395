//! Tests of the loop with a fake clock and made-up processes.

use std::cell::RefCell;
use std::rc::Rc;

use super::*;
use crate::engine::{Engine, EngineReport};
use crate::model::{
    Counting, Frame, FrameKind, Function, GilState, HaltMethod, LabelSetId, Pid, Process,
    ProcessId, Proof, PythonVersion, StackId, TargetStr, ThreadKey, TickOutcome,
};
use crate::survey::RoleKind;

const MILLI: u64 = 1_000_000;
const ROOT: Identity = Identity {
    pid: Pid(100),
    started: 1,
};
const CHILD: Identity = Identity {
    pid: Pid(101),
    started: 2,
};

/// A clock that only moves when someone sleeps or works.
#[derive(Clone, Default)]
struct FakeClock(Rc<RefCell<u64>>);

impl FakeClock {
    fn work(&self, nanos: u64) {
        *self.0.borrow_mut() += nanos;
    }
}

impl Clock for FakeClock {
    fn now(&mut self) -> Nanos {
        Nanos(*self.0.borrow())
    }

    fn sleep_until(&mut self, deadline: Nanos) {
        let mut now = self.0.borrow_mut();
        assert!(deadline.0 > *now, "a wait that is over before it begins");
        *now = (*now + 50_000).max(deadline.0);
    }
}

/// What a made-up process does at its n-th tick.
type Script = Rc<dyn Fn(u64) -> Act>;

#[derive(Clone)]
enum Act {
    Run,
    Idle,
    /// Waits within a request.
    Waits,
    Torn,
    Unreadable,
    Gone,
    Exec,
    /// Reading takes this long, in nanoseconds.
    Slow(u64),
    Gil(GilState),
}

struct FakeEngine {
    clock: FakeClock,
    script: Script,
    process: ProcessId,
    pid: Pid,
    free_threaded: bool,
    ticks: u64,
}

impl Engine for FakeEngine {
    fn name(&self) -> &'static str {
        "fake"
    }
    fn python(&self) -> PythonVersion {
        PythonVersion::from_hex(0x030d_00f0, self.free_threaded)
    }
    fn process(&self) -> ProcessId {
        self.process
    }
    fn tick(
        &mut self,
        tick: Tick,
        interner: &mut Interner,
        samples: &mut Vec<Sample>,
    ) -> Result<TickOutcome, TickError> {
        let act = (self.script)(self.ticks);
        self.ticks += 1;
        let (mut on_cpu, mut at_work) = (true, false);
        let (mut proof, mut gil) = (Proof::Proven, GilState::Holds);
        match act {
            Act::Run => {}
            Act::Idle => on_cpu = false,
            Act::Waits => (on_cpu, at_work) = (false, true),
            Act::Torn => proof = Proof::Unproven,
            Act::Unreadable => return Err(TickError::Unreadable("torn".into())),
            Act::Gone => return Err(TickError::Gone),
            Act::Exec => return Err(TickError::Replaced),
            Act::Slow(nanos) => self.clock.work(nanos),
            Act::Gil(state) => gil = state,
        }
        let key = ThreadKey {
            pid: self.pid,
            python_id: 1,
            tid: None,
            started: 0,
        };
        let text = interner.intern_text(&TargetStr::new("f"));
        let function = interner.intern_function(Function {
            kind: FrameKind::Python,
            name: text,
            file: text,
            short_file: text,
            first_line: 1,
        });
        let frame = interner.intern_frame(Frame { function, line: 1 });
        samples.push(Sample {
            thread: interner.intern_thread(key, self.process),
            stack: interner.intern_stack(StackId::EMPTY, frame),
            labels: LabelSetId::EMPTY,
            at: tick.at,
            wall: tick.stands_for,
            cpu: Nanos::ZERO,
            on_cpu,
            at_work,
            gil,
            proof,
        });
        Ok(TickOutcome {
            threads: 1,
            ..TickOutcome::default()
        })
    }
    fn report(&self) -> EngineReport {
        EngineReport {
            method: Some(HaltMethod::Nothing),
            pauses: self.ticks,
            ..EngineReport::default()
        }
    }
}

#[derive(Clone)]
struct FakeProcess {
    who: Identity,
    parent: Pid,
    /// From when and until when it lives, in nanoseconds.
    alive: (u64, u64),
    /// From when on it can be opened; before that, it is refused in this way.
    python_from: (u64, RefusalKind),
    /// From when on it shows a role, and of which kind.
    role: Option<(u64, RoleKind)>,
    script: Script,
    free_threaded: bool,
    /// What keeps it from running, from when and until when.
    halted: Option<(u64, u64, Halted)>,
}

impl FakeProcess {
    fn new(who: Identity, parent: Pid, script: impl Fn(u64) -> Act + 'static) -> FakeProcess {
        FakeProcess {
            who,
            parent,
            alive: (0, u64::MAX),
            python_from: (0, RefusalKind::NotYet),
            role: None,
            script: Rc::new(script),
            free_threaded: false,
            halted: None,
        }
    }
}

struct FakeWorld {
    clock: FakeClock,
    processes: Vec<FakeProcess>,
    tries: Vec<Identity>,
}

impl FakeWorld {
    fn find(&mut self, who: Identity) -> Option<FakeProcess> {
        let now = self.clock.now().0;
        self.processes
            .iter()
            .find(|process| process.who == who && (process.alive.0..process.alive.1).contains(&now))
            .cloned()
    }
}

impl World for FakeWorld {
    fn open(
        &mut self,
        who: Identity,
        parent: Option<ProcessId>,
        interner: &mut Interner,
    ) -> Result<Box<dyn Engine>, Refusal> {
        self.tries.push(who);
        let refuse = |kind| Refusal {
            kind,
            error: OpenFailure::Made(kind),
        };
        let now = self.clock.now().0;
        let process = self.find(who).ok_or_else(|| refuse(RefusalKind::Gone))?;
        if now < process.python_from.0 {
            return Err(refuse(process.python_from.1));
        }
        if matches!(process.role, Some((from, RoleKind::Reloader)) if now >= from) {
            return Err(refuse(RefusalKind::ReplacedByChildren));
        }
        let id = interner.add_process(Process {
            pid: who.pid,
            parent,
            command: Vec::new(),
            python: None,
            generation: None,
        });
        Ok(Box::new(FakeEngine {
            clock: self.clock.clone(),
            script: process.script,
            process: id,
            pid: who.pid,
            free_threaded: process.free_threaded,
            ticks: 0,
        }))
    }
    fn role_kind(&mut self, who: Identity) -> Option<RoleKind> {
        let now = self.clock.now().0;
        let (from, kind) = self.find(who)?.role?;
        (now >= from).then_some(kind)
    }
    fn program(&mut self, who: Identity) -> Option<u64> {
        let now = self.clock.now().0;
        // What is no Python becomes one by an exec.
        self.find(who).map(|process| {
            let (from, before) = process.python_from;
            u64::from(before == RefusalKind::NotPython && now >= from)
        })
    }
    fn halted(&mut self, who: Identity) -> Option<Halted> {
        let now = self.clock.now().0;
        let (from, until, how) = self.find(who)?.halted?;
        (from..until).contains(&now).then_some(how)
    }
    fn descendants(&mut self) -> Option<Descendants> {
        let now = self.clock.now().0;
        let alive = |process: &&FakeProcess| (process.alive.0..process.alive.1).contains(&now);
        let below = self
            .processes
            .iter()
            .filter(alive)
            .filter(|process| process.who != ROOT);
        let below = below.map(|process| Descendant {
            who: process.who,
            parent: process.parent,
        });
        Some(Descendants::All(below.collect()))
    }
}

#[derive(Default)]
struct Collected {
    interner: Interner,
    samples: Vec<Sample>,
}

impl Sink for Collected {
    fn interner(&mut self) -> &mut Interner {
        &mut self.interner
    }
    fn add(&mut self, sample: &Sample) {
        self.samples.push(*sample);
    }
}

impl Collected {
    fn pids(&self) -> Vec<i32> {
        let mut pids: Vec<i32> = self
            .samples
            .iter()
            .map(|sample| self.interner.thread(sample.thread).key.pid.0)
            .collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }
}

/// Lets the recording go on, and keeps what it is told.
#[derive(Default)]
struct NeverStops {
    news: Vec<String>,
}

impl Watch for NeverStops {
    fn asked_to_stop(&mut self) -> bool {
        false
    }
    fn ticked(&mut self, _: Nanos, ticks: &Ticks) {
        let sum = ticks.sampled + ticks.idle + ticks.missed + ticks.lost;
        assert_eq!(ticks.expected, sum, "{ticks:?}");
    }
    fn news(&mut self, news: News<'_>) {
        self.news.push(format!("{news:?}"));
    }
}

fn options() -> Options {
    Options {
        period: Nanos(10 * MILLI),
        duration: Some(Nanos(10_000 * MILLI)),
        counting: Counting::Cpu,
        roots: vec![ROOT],
        attached: true,
        follow: Follow::Roots,
        seed: 1,
    }
}

struct Outcome {
    report: Result<Report, Refused>,
    collected: Collected,
    tries: Vec<Identity>,
    news: Vec<String>,
}

impl Outcome {
    fn ticks(&self) -> Ticks {
        self.report.as_ref().unwrap().ticks
    }
    fn stop(&self) -> Stop {
        self.report.as_ref().unwrap().stop
    }
    fn wall(&self) -> f64 {
        self.collected
            .samples
            .iter()
            .map(|sample| sample.wall.as_secs_f64())
            .sum()
    }
}

fn record(options: &Options, processes: Vec<FakeProcess>) -> Outcome {
    let clock = FakeClock::default();
    let mut world = FakeWorld {
        clock: clock.clone(),
        processes,
        tries: Vec::new(),
    };
    let mut collected = Collected::default();
    let mut watch = NeverStops::default();
    let report = run(
        options,
        &mut clock.clone(),
        &mut world,
        &mut collected,
        &mut watch,
    );
    Outcome {
        news: watch.news,
        report,
        collected,
        tries: world.tries,
    }
}

fn root(script: impl Fn(u64) -> Act + 'static) -> FakeProcess {
    FakeProcess::new(ROOT, Pid(1), script)
}

fn child(script: impl Fn(u64) -> Act + 'static) -> FakeProcess {
    FakeProcess::new(CHILD, ROOT.pid, script)
}

#[test]
fn the_duration_is_time_and_the_rate_is_the_one_asked_for() {
    let outcome = record(&options(), vec![root(|_| Act::Run)]);
    assert_eq!(outcome.stop(), Stop::Duration);
    let ticks = outcome.ticks();
    assert!((990..=1010).contains(&ticks.expected), "{ticks:?}");
    assert_eq!(ticks.sampled, ticks.expected);
    assert!(
        (9.97..=10.0).contains(&outcome.wall()),
        "{}",
        outcome.wall()
    );
}

#[test]
fn missed_ticks_are_not_made_up_for_and_their_time_is_not_lost() {
    let outcome = record(
        &options(),
        vec![root(|tick| match tick % 10 {
            0 => Act::Slow(95 * MILLI),
            _ => Act::Run,
        })],
    );
    let ticks = outcome.ticks();
    assert!((980..=1010).contains(&ticks.expected), "{ticks:?}");
    assert!(ticks.missed > 400, "{ticks:?}");
    assert_eq!(ticks.sampled + ticks.missed, ticks.expected);
    assert!((9.8..=10.0).contains(&outcome.wall()), "{}", outcome.wall());
    for pair in outcome.collected.samples.windows(2) {
        assert!(pair[1].at.0 - pair[0].at.0 > MILLI, "a burst");
    }
}

#[test]
fn time_during_which_the_sampler_was_stopped_is_a_gap() {
    let outcome = record(
        &options(),
        vec![root(|tick| match tick {
            200 => Act::Slow(3000 * MILLI),
            _ => Act::Run,
        })],
    );
    let ticks = outcome.ticks();
    assert!(
        (2.95..=3.05).contains(&ticks.gap_time.as_secs_f64()),
        "{ticks:?}"
    );
    assert!(
        (9.98..=10.0).contains(&ticks.open_time.as_secs_f64()),
        "{ticks:?}"
    );
    let told = outcome.wall() + ticks.gap_time.as_secs_f64();
    assert!((9.97..=10.0).contains(&told), "{told}");
    let longest = outcome
        .collected
        .samples
        .iter()
        .map(|sample| sample.wall)
        .max();
    assert!(longest.is_some_and(|it| it.0 < 100 * MILLI), "{longest:?}");
}

#[test]
fn time_during_which_the_sampler_was_stopped_at_the_end_is_a_gap_too() {
    let outcome = record(
        &options(),
        vec![root(|tick| match tick {
            700 => Act::Slow(6000 * MILLI),
            _ => Act::Run,
        })],
    );
    let ticks = outcome.ticks();
    assert!(ticks.gap_time.as_secs_f64() > 5.9, "{ticks:?}");
    assert!((590..=610).contains(&ticks.missed), "{ticks:?}");
    let told = outcome.wall() + ticks.gap_time.as_secs_f64();
    assert!(
        (told - ticks.open_time.as_secs_f64()).abs() < 0.05,
        "{told} {ticks:?}"
    );
}

#[test]
fn a_stretch_that_could_not_be_read_is_reported_with_its_time_and_reason() {
    let outcome = record(
        &options(),
        vec![root(|tick| match tick {
            0..300 => Act::Run,
            300..700 => Act::Unreadable,
            _ => Act::Run,
        })],
    );
    let [outage] = &outcome.report.as_ref().unwrap().outages[..] else {
        panic!("{:?}", outcome.report);
    };
    assert_eq!(outage.what, OutageKind::Unreadable("torn".to_owned()));
    let seconds = (outage.since.as_secs_f64(), outage.until.as_secs_f64());
    assert!(
        (2.9..3.1).contains(&seconds.0) && (6.9..7.1).contains(&seconds.1),
        "{seconds:?}"
    );
    assert_eq!(outcome.news.len(), 1, "{:?}", outcome.news);
    let ticks = outcome.ticks();
    assert!(
        (3.9..4.1).contains(&ticks.lost_time.as_secs_f64()),
        "{ticks:?}"
    );
    assert!((0.39..0.41).contains(&ticks.unseen_share()), "{ticks:?}");
}

#[test]
fn a_process_that_is_kept_from_running_is_reported() {
    let mut process = root(|tick| match tick {
        200..600 => Act::Idle,
        _ => Act::Run,
    });
    process.halted = Some((1900 * MILLI, 6000 * MILLI, Halted::Stopped));
    let outcome = record(&options(), vec![process]);
    let [outage] = &outcome.report.as_ref().unwrap().outages[..] else {
        panic!("{:?}", outcome.report);
    };
    assert_eq!(outage.what, OutageKind::Halted(Halted::Stopped));
    let seconds = (outage.since.as_secs_f64(), outage.until.as_secs_f64());
    assert!(
        (1.9..2.1).contains(&seconds.0) && (5.9..6.1).contains(&seconds.1),
        "{seconds:?}"
    );
}

#[test]
fn the_duration_ends_the_recording_even_if_there_never_is_a_python() {
    let mut process = root(|_| Act::Run);
    process.python_from = (u64::MAX, RefusalKind::NotPython);
    let options = Options {
        attached: false,
        duration: Some(Nanos(2000 * MILLI)),
        ..options()
    };
    let outcome = record(&options, vec![process]);
    assert_eq!(outcome.stop(), Stop::Duration);
    assert!(
        outcome.news[0].starts_with("NothingYet"),
        "{:?}",
        outcome.news
    );
    let asked = outcome.tries.len();
    assert!((1..50).contains(&asked), "{asked}");
}

#[test]
fn every_expected_tick_is_accounted_for() {
    let outcome = record(
        &options(),
        vec![root(|tick| match tick % 5 {
            0 => Act::Run,
            1 => Act::Idle,
            2 => Act::Torn,
            3 => Act::Unreadable,
            _ => Act::Slow(15 * MILLI),
        })],
    );
    let ticks = outcome.ticks();
    assert_eq!(
        ticks.expected,
        ticks.sampled + ticks.idle + ticks.missed + ticks.lost
    );
    assert!(
        ticks.idle > 100 && ticks.lost > 100 && ticks.unproven > 100,
        "{ticks:?}"
    );
    assert_eq!(ticks.left_out_idle, ticks.idle);
    assert_eq!(ticks.samples, outcome.collected.samples.len() as u64);
    assert_eq!(
        outcome.report.unwrap().last_unreadable.as_deref(),
        Some("torn")
    );
}

#[test]
fn idle_threads_are_counted_when_asked_for() {
    let mut options = options();
    options.counting = Counting::Wall;
    let ticks = record(&options, vec![root(|_| Act::Idle)]).ticks();
    assert_eq!(ticks.sampled, ticks.expected);
}

#[test]
fn with_gil_only_its_holder_counts() {
    let mut options = options();
    options.counting = Counting::Gil;
    let ticks = record(
        &options,
        vec![root(|tick| match tick % 2 {
            0 => Act::Gil(GilState::Holds),
            _ => Act::Gil(GilState::DoesNotHold),
        })],
    )
    .ticks();
    assert!(ticks.sampled.abs_diff(ticks.idle) <= 1, "{ticks:?}");
    assert_eq!(ticks.left_out_gil, ticks.idle);
}

#[test]
fn gil_on_a_build_without_one_is_an_error() {
    let mut options = options();
    options.counting = Counting::Gil;
    let mut process = root(|_| Act::Run);
    process.free_threaded = true;
    let error = record(&options, vec![process]).report.unwrap_err();
    assert!(error.to_string().contains("free-threaded"), "{error}");
}

#[test]
fn the_end_of_the_target_ends_the_recording() {
    let outcome = record(
        &options(),
        vec![root(|tick| match tick {
            0..50 => Act::Run,
            _ => Act::Gone,
        })],
    );
    assert_eq!(outcome.stop(), Stop::TargetEnded);
    assert_eq!(outcome.ticks().sampled, 50);
    assert_eq!(outcome.report.unwrap().engines.report.pauses, 51);
}

#[test]
fn a_program_that_execs_in_place_is_opened_again() {
    let outcome = record(
        &options(),
        vec![root(|tick| match tick {
            20 => Act::Exec,
            _ => Act::Run,
        })],
    );
    assert_eq!(outcome.stop(), Stop::Duration);
    let opened = outcome.collected.interner.processes().len();
    assert!(opened > 20, "every twentieth tick, {opened}");
}

#[test]
fn a_started_program_may_become_python_late() {
    let mut process = root(|_| Act::Run);
    process.python_from = (5000 * MILLI, RefusalKind::NotPython);
    let mut options = options();
    options.attached = false;
    let outcome = record(&options, vec![process.clone()]);
    // The duration counts from then on.
    assert!(
        (990..=1010).contains(&outcome.ticks().expected),
        "{:?}",
        outcome.ticks()
    );

    options.attached = true;
    let error = record(&options, vec![process]).report.unwrap_err();
    assert_eq!(error.error.to_string(), "NotPython");
}

#[test]
fn a_started_program_that_is_never_python_ends_the_recording_when_it_ends() {
    let mut process = root(|_| Act::Run);
    process.python_from = (u64::MAX, RefusalKind::NotPython);
    process.alive.1 = 3000 * MILLI;
    let outcome = record(
        &Options {
            attached: false,
            ..options()
        },
        vec![process],
    );
    assert_eq!(outcome.stop(), Stop::TargetEnded);
    assert_eq!(outcome.ticks().expected, 0);
}

#[test]
fn children_are_found_and_labelled_and_may_fail() {
    let mut late = child(|_| Act::Run);
    late.alive.0 = 2000 * MILLI;
    late.python_from = (2600 * MILLI, RefusalKind::NotPython);
    let grandchild = Identity {
        pid: Pid(102),
        started: 3,
    };
    let mut other = FakeProcess::new(grandchild, Pid(101), |_| Act::Run);
    other.python_from = (u64::MAX, RefusalKind::Never);
    let options = Options {
        follow: Follow::All,
        ..options()
    };
    let outcome = record(&options, vec![root(|_| Act::Run), late, other]);
    assert_eq!(outcome.collected.pids(), [100, 101]);
    let child = outcome
        .collected
        .samples
        .iter()
        .filter(|sample| outcome.collected.interner.thread(sample.thread).key.pid == Pid(101));
    assert!((700..760).contains(&child.count()), "from the exec on");
    let parents: Vec<_> = outcome
        .collected
        .interner
        .processes()
        .map(|(_, process)| process.parent)
        .collect();
    assert_eq!(parents[0], None);
    assert!(parents[1].is_some());
    let tries = outcome
        .tries
        .iter()
        .filter(|who| **who == grandchild)
        .count();
    assert_eq!(tries, 1, "a hopeless child is tried once");
}

#[test]
fn a_parent_that_was_slow_to_show_its_python_is_still_above_its_child() {
    let options = Options {
        attached: false,
        follow: Follow::All,
        ..options()
    };
    let slow = FakeProcess {
        // Tried at 150 ms and, left alone, at 310.
        python_from: (160 * MILLI, RefusalKind::NotYet),
        ..root(|_| Act::Run)
    };
    let late = FakeProcess {
        alive: (180 * MILLI, u64::MAX),
        ..child(|_| Act::Run)
    };
    let outcome = record(&options, vec![slow, late]);
    let processes: Vec<_> = outcome.collected.interner.processes().collect();
    assert_eq!(processes.len(), 2);
    assert_eq!(processes[1].1.parent, Some(processes[0].0));
}

#[test]
fn a_root_that_is_halted_in_its_start_is_waited_for() {
    let halted = FakeProcess {
        python_from: (5000 * MILLI, RefusalKind::NotYet),
        halted: Some((0, 4000 * MILLI, Halted::Stopped)),
        ..root(|tick| if tick < 100 { Act::Run } else { Act::Gone })
    };
    let options = Options {
        duration: None,
        ..options()
    };
    let outcome = record(&options, vec![halted.clone()]);
    assert_eq!(outcome.ticks().sampled, 100);
    let goes_on = FakeProcess {
        halted: None,
        ..halted
    };
    assert!(record(&options, vec![goes_on]).report.is_err());
}

#[test]
fn a_parent_that_shows_its_python_after_its_child_is_put_above_it() {
    let options = Options {
        attached: false,
        follow: Follow::All,
        ..options()
    };
    for refusal in [RefusalKind::NotYet, RefusalKind::NotPython] {
        let slow = FakeProcess {
            python_from: (400 * MILLI, refusal),
            ..root(|_| Act::Run)
        };
        let early = FakeProcess {
            // Over before its parent is there.
            alive: (0, 300 * MILLI),
            ..child(|tick| if tick < 20 { Act::Run } else { Act::Gone })
        };
        let outcome = record(&options, vec![slow, early]);
        assert_eq!(outcome.collected.pids(), [100, 101]);
        let processes: Vec<_> = outcome.collected.interner.processes().collect();
        let (child, parent) = (processes[0].1, &processes[1]);
        assert_eq!((child.pid, child.parent), (CHILD.pid, Some(parent.0)));
        assert_eq!((parent.1.pid, parent.1.parent), (ROOT.pid, None));
    }
}

#[test]
fn a_child_that_never_is_python_costs_few_tries() {
    let mut shell = child(|_| Act::Run);
    shell.python_from = (u64::MAX, RefusalKind::NotPython);
    let options = Options {
        follow: Follow::All,
        ..options()
    };
    let outcome = record(&options, vec![root(|_| Act::Run), shell]);
    let tries = outcome.tries.iter().filter(|who| **who == CHILD).count();
    assert!((2..8).contains(&tries), "{tries}");
}

#[test]
fn a_recycled_pid_is_a_new_process() {
    let ends = |tick| if tick < 100 { Act::Run } else { Act::Gone };
    let mut first = child(ends);
    first.alive.1 = 1100 * MILLI;
    let mut second = FakeProcess::new(
        Identity {
            pid: CHILD.pid,
            started: 9,
        },
        ROOT.pid,
        ends,
    );
    second.alive = (1150 * MILLI, 3000 * MILLI);
    let options = Options {
        follow: Follow::All,
        ..options()
    };
    let outcome = record(&options, vec![root(|_| Act::Run), first, second]);
    assert_eq!(outcome.collected.interner.processes().len(), 3);
}

#[test]
fn children_go_on_after_their_parent() {
    let mut parent = root(|tick| if tick < 100 { Act::Run } else { Act::Gone });
    parent.alive.1 = 1000 * MILLI;
    let options = Options {
        follow: Follow::All,
        ..options()
    };
    let outcome = record(
        &options,
        vec![
            parent,
            child(|tick| if tick < 300 { Act::Run } else { Act::Gone }),
        ],
    );
    assert_eq!(outcome.stop(), Stop::TargetEnded);
    assert_eq!(outcome.ticks().sampled, 400);
}

#[test]
fn a_started_wrapper_is_looked_through() {
    let mut wrapper = root(|_| Act::Run);
    wrapper.python_from = (u64::MAX, RefusalKind::NotPython);
    let options = Options {
        attached: false,
        follow: Follow::FirstPython,
        ..options()
    };
    let outcome = record(&options, vec![wrapper, child(|_| Act::Run)]);
    assert_eq!(outcome.collected.pids(), [101]);
    assert!((990..=1010).contains(&outcome.ticks().expected));
}

#[test]
fn a_child_that_cannot_be_read_does_not_keep_the_recording_going() {
    for kind in [
        RefusalKind::NotPython,
        RefusalKind::Never,
        RefusalKind::NotYet,
    ] {
        let mut parent = root(|tick| if tick < 100 { Act::Run } else { Act::Gone });
        parent.alive.1 = 1000 * MILLI;
        let mut daemon = child(|_| Act::Run);
        daemon.python_from = (u64::MAX, kind);
        let options = Options {
            follow: Follow::All,
            duration: None,
            ..options()
        };
        let outcome = record(&options, vec![parent, daemon]);
        assert_eq!(outcome.stop(), Stop::TargetEnded, "{kind:?}");
    }
}

#[test]
fn an_autoreloader_is_recorded_by_its_children_one_after_the_other() {
    let mut reloader = root(|_| Act::Run);
    reloader.python_from = (u64::MAX, RefusalKind::ReplacedByChildren);
    let generation = |number: u64, from: u64| {
        let who = Identity {
            pid: Pid(200 + number as i32),
            started: number,
        };
        let ends = move |tick| if tick < 100 { Act::Run } else { Act::Gone };
        let mut child = FakeProcess::new(who, ROOT.pid, ends);
        child.alive = (from * MILLI, (from + 1200) * MILLI);
        child
    };
    let grandchild = Identity {
        pid: Pid(300),
        started: 1,
    };
    let processes = vec![
        reloader,
        generation(1, 0),
        generation(2, 1500),
        generation(3, 3000),
        FakeProcess::new(grandchild, Pid(201), |_| Act::Run),
    ];
    for follow in [Follow::Children, Follow::FirstPython] {
        let options = Options {
            follow,
            attached: follow == Follow::Children,
            ..options()
        };
        let outcome = record(&options, processes.clone());
        assert_eq!(outcome.stop(), Stop::Duration);
        assert_eq!(outcome.collected.pids(), [201, 202, 203]);
        let processes = outcome.collected.interner.processes();
        let generations: Vec<_> = processes.map(|(_, it)| it.generation).collect();
        assert_eq!(generations, [Some(1), Some(2), Some(3)]);
    }
}

#[test]
fn a_master_is_recorded_with_its_workers_and_not_with_what_they_start() {
    let grandchild = Identity {
        pid: Pid(300),
        started: 1,
    };
    let processes = vec![
        root(|_| Act::Run),
        child(|_| Act::Run),
        FakeProcess::new(grandchild, CHILD.pid, |_| Act::Run),
    ];
    for (follow, expected) in [
        (Follow::Children, &[100, 101][..]),
        (Follow::All, &[100, 101, 300]),
        (Follow::Roots, &[100]),
    ] {
        let options = Options {
            follow,
            ..options()
        };
        let outcome = record(&options, processes.clone());
        assert_eq!(outcome.collected.pids(), expected, "{follow:?}");
    }
}

#[test]
fn of_several_roots_one_that_cannot_be_recorded_does_not_end_the_recording() {
    let mut refused = child(|_| Act::Run);
    refused.python_from = (u64::MAX, RefusalKind::Never);
    let options = Options {
        roots: vec![ROOT, CHILD],
        ..options()
    };
    let outcome = record(&options, vec![root(|_| Act::Run), refused]);
    assert_eq!(outcome.collected.pids(), [100]);
    let outcome = record(&options, vec![root(|_| Act::Run), child(|_| Act::Run)]);
    assert_eq!(outcome.collected.pids(), [100, 101]);
}

#[test]
fn a_thread_that_waits_within_a_request_counts_when_asked_for() {
    let script = |tick| match tick % 4 {
        0 => Act::Run,
        1 => Act::Waits,
        _ => Act::Idle,
    };
    for (counting, expected) in [(Counting::Cpu, 1), (Counting::Work, 2), (Counting::Wall, 4)] {
        let options = Options {
            counting,
            ..options()
        };
        let ticks = record(&options, vec![root(script)]).ticks();
        let share = ticks.samples as f64 / ticks.expected as f64;
        assert!(
            (share - f64::from(expected) / 4.0).abs() < 0.01,
            "{ticks:?}"
        );
    }
}

#[test]
fn the_children_of_a_started_master_or_autoreloader_are_recorded() {
    for (kind, expected) in [(RoleKind::Master, true), (RoleKind::Reloader, false)] {
        let mut shell = root(|_| Act::Run);
        shell.python_from = (u64::MAX, RefusalKind::NotPython);
        let mut parent = child(|_| Act::Run);
        parent.role = Some((500 * MILLI, kind));
        let worker = Identity {
            pid: Pid(300),
            started: 1,
        };
        let mut worker = FakeProcess::new(worker, CHILD.pid, |_| Act::Run);
        worker.alive.0 = 400 * MILLI;
        let options = Options {
            attached: false,
            follow: Follow::FirstPython,
            ..options()
        };
        let outcome = record(&options, vec![shell, parent, worker]);
        assert_eq!(outcome.collected.pids(), [101, 300], "{kind:?}");
        let of_parent = outcome.collected.samples.iter().filter(|sample| {
            let key = outcome.collected.interner.thread(sample.thread).key;
            key.pid == CHILD.pid && sample.at >= Nanos(2_000 * MILLI)
        });
        assert_eq!(of_parent.count() > 0, expected, "{kind:?}");
    }
}
