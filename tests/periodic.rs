//! The profile file while a recording goes on, and after one that was broken off.

mod common;
mod harness;
mod profiles;

use std::fs::File;
use std::process::Command;

use harness::*;
use profiles::Builder;
use spyhole::model::Nanos;
use spyhole::output::{self, Pprof, RenderOptions};
use spyhole::profile::{Profile, file};

fn read(place: &Place, name: &str) -> Profile {
    let from = File::open(place.path(name)).expect("the file is there");
    file::read(from).expect("a profile")
}

/// The samples of stacks that contain this function.
fn samples_in(profile: &Profile, name: &str) -> u64 {
    let interner = &profile.interner;
    let is_in = |stack| {
        interner.frames_of(stack).any(|frame| {
            let function = interner.function(interner.frame(frame).function);
            interner.text(function.name).untrusted() == name
        })
    };
    let entries = profile.entries().filter(|entry| is_in(entry.stack()));
    entries.map(|entry| entry.values().count).sum()
}

/// Of each thread, its nice value.
fn nice_values(pid: u32) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let stats = tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
    let nice = |stat: String| {
        let fields = stat.rsplit(')').next().unwrap_or_default().to_owned();
        fields.split_whitespace().nth(16).map(str::to_owned)
    };
    stats.filter_map(nice).collect()
}

#[test]
fn a_recorder_that_is_killed_leaves_what_it_wrote_last() {
    let place = Place::new();
    let target = place.target(BUSY);
    let mut spyhole = place
        .attach(&target, ["-o", "x.pb.gz"])
        .spawn()
        .expect("spyhole starts");
    wait_until("the file is there", || place.path("x.pb.gz").exists());
    let nice = nice_values(spyhole.id());
    assert!(nice.iter().any(|nice| nice == "19"), "{nice:?}");
    spyhole.kill().expect("it is killed");
    spyhole.wait().expect("it is collected");

    let profile = read(&place, "x.pb.gz");
    let recording = &profile.recording;
    let total = profile.total();
    // The target has the CPUs as far as other programs leave it one.
    let ticks = recording.ticks;
    assert!(total.count > 0 && total.count == ticks.sampled, "{ticks:?}");
    assert!(ticks.expected > 400 && ticks.lost == 0, "{ticks:?}");
    assert!(samples_in(&profile, "work") > total.count / 2);
    assert!(recording.duration >= Nanos(4_900_000_000), "{recording:?}");
    assert_eq!(recording.pid.0, target.id().cast_signed());
    assert!(recording.python.is_some() && ticks.looks >= ticks.sampled);
    assert!(!recording.halted.is_empty() && recording.engine == engine());
    assert!(!recording.notes.is_empty());
    assert!(profile.timeline().failure().is_none() && profile.timeline().run_count() > 0);
}

#[test]
fn what_is_written_at_the_end_is_whole() {
    let place = Place::new();
    let target = place.target(BUSY);
    let spyhole = place
        .attach(&target, ["-o", "x.pb.gz"])
        .spawn()
        .expect("spyhole starts");
    wait_until("the file is there", || place.path("x.pb.gz").exists());
    let before = read(&place, "x.pb.gz");
    signal(spyhole.id(), "INT");
    let output = spyhole.wait_with_output().expect("it ends");
    assert_code(&output, 0);

    let profile = read(&place, "x.pb.gz");
    let total = profile.total();
    let told = stderr(&output);
    assert!(
        told.contains(&format!("Samples: {} ", total.count)),
        "{told}"
    );
    assert!(total.count >= before.total().count);
    assert!(profile.recording.notes.is_empty());
    let ticks = profile.recording.ticks;
    assert_eq!(
        ticks.expected,
        ticks.sampled + ticks.idle + ticks.missed + ticks.lost
    );
    let runs = profile.timeline().threads().flat_map(|thread| {
        let runs: Vec<_> = profile.timeline().runs(thread).collect();
        runs
    });
    let samples: u64 = runs.map(|run| run.expect("readable").samples).sum();
    assert_eq!(samples, total.count);
    assert_eq!(place.names(), ["target.py", "x.pb.gz"]);
}

#[test]
fn a_recording_without_a_sample_leaves_no_file() {
    let place = Place::new();
    let target = place.target(WAITS).asleep();
    let output = place
        .attach(&target, ["-d", "5.5", "-o", "x.pb.gz"])
        .output()
        .expect("it ends");
    assert_code(&output, 3);
    assert_eq!(place.names(), ["target.py"]);
}

/// Prints what a reader that knows no more than pprof's own description finds.
const READER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/pprof_reader.py");

#[test]
fn a_reader_that_knows_only_pprof_reads_it() {
    let place = Place::new();
    let target = place.target(BUSY);
    let mut command = place.attach(&target, ["-d", "0.5", "-o", "x.pb.gz"]);
    assert_code(&command.output().expect("it ends"), 0);
    let output = Command::new(python())
        .arg(READER)
        .arg(place.path("x.pb.gz"))
        .output()
        .expect("Python");
    assert_code(&output, 0);
    let profile = read(&place, "x.pb.gz");
    let total = profile.total();
    let told = stdout(&output);
    let lines: Vec<&str> = told.lines().collect();
    let expected = [
        "samples/count wall/nanoseconds cpu/nanoseconds".to_owned(),
        format!("{} {} {}", total.count, total.wall.0, total.cpu.0),
        format!("pid {}", target.id()),
        format!("in work: {}", samples_in(&profile, "work")),
    ];
    for line in &expected {
        assert!(lines.contains(&line.as_str()), "{line} {told}");
    }
}

#[test]
fn labels_are_read_by_a_reader_that_knows_only_pprof_and_by_us() {
    let place = Place::new();
    let mut builder = Builder::new(7, &["python", "serve.py"]);
    let process = builder.process(7, None, &["python", "serve.py"]);
    let thread = builder.thread(process, 9, Some("worker"));
    let stack = builder.stack(&[("view", "/a/s.py", "s.py", 5, 6)]);
    let sets: [&[(&str, &str)]; 3] = [
        &[],
        &[("route", "/a"), ("method", "GET")],
        // As the file itself calls the name of a thread.
        &[("route", "/b"), ("thread", "mine")],
    ];
    for (tick, labels) in sets.into_iter().enumerate() {
        builder.label(labels);
        builder.sample(thread, stack, tick as u64);
    }
    let profile = builder.finish(3);
    let mut file = File::create(place.path("x.pb.gz")).expect("a file");
    let options = RenderOptions::default();
    output::write(&Pprof, &profile, &options, &mut file).expect("written");

    let mut reader = Command::new(python());
    reader.arg(READER).arg(place.path("x.pb.gz"));
    let output = reader.output().expect("Python");
    assert_code(&output, 0);
    let told = stdout(&output);
    for line in [
        "method GET",
        "route /a",
        "route /b",
        "thread mine",
        "thread worker",
        "in view: 3",
    ] {
        assert!(told.lines().any(|told| told == line), "{line} {told}");
    }
    let again = read(&place, "x.pb.gz");
    let labels = again.entries().map(|entry| {
        let interner = &again.interner;
        let labels = interner.labels(entry.labels()).iter();
        let texts = labels.map(|it| [it.key, it.value].map(|id| interner.text(id).untrusted()));
        texts.collect::<Vec<_>>()
    });
    assert_eq!(
        labels.collect::<Vec<_>>(),
        [
            vec![],
            vec![["method", "GET"], ["route", "/a"]],
            vec![["route", "/b"], ["thread", "mine"]],
        ]
    );
}
