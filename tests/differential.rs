//! The same held process through both engines: they must agree frame by frame, or the difference
//! must come from a flaw of py-spy's that has a name (`fixtures/pyspy_lines.py`; that it is py-spy
//! that is off is shown in `own_account.rs`).
//!
//! `SPYHOLE_DIFFERENTIAL_MOMENTS` is how many moments of each version are compared; the default is
//! for every day.

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::flaws::{Flaws, differences};
use common::held::{Held, Observer, Seen, cpu_time};
use common::interpreters::{cache, one_of_each_version};
use common::{Interpreter, Target, lacking};
use spyhole::engine::TickError;
use spyhole::model::Pid;
use spyhole::target::Process;

const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/django_project");

/// What the two made of one program.
#[derive(Default)]
struct Tally {
    moments: u64,
    frames: u64,
    /// Moments at which the interpreter's own links led nowhere, as our engine says or py-spy's
    /// finds; 3.11 and 3.12 only. There is nothing to compare then.
    half_linked: u64,
    explained: BTreeMap<String, u64>,
    unexplained: BTreeMap<String, u64>,
}

impl Tally {
    fn compare(&mut self, ours: &Seen, theirs: &Seen, flaws: &mut Flaws) {
        self.moments += 1;
        let mut threads: Vec<u64> = ours.keys().chain(theirs.keys()).copied().collect();
        threads.sort_unstable();
        threads.dedup();
        for thread in threads {
            let ours = ours.get(&thread).map_or(&[][..], |stack| &stack.frames);
            let theirs = theirs.get(&thread).map_or(&[][..], |stack| &stack.frames);
            self.frames += ours.len().max(theirs.len()) as u64;
            match differences(ours, theirs) {
                Err(other) => *self.unexplained.entry(other).or_default() += 1,
                Ok(found) => {
                    for difference in found {
                        let entry = match flaws.explain(&difference) {
                            Some(flaw) => self.explained.entry(flaw),
                            None => self.unexplained.entry(format!("{difference:?}")),
                        };
                        *entry.or_default() += 1;
                    }
                }
            }
        }
    }

    fn figures(&self) -> String {
        let Tally {
            moments,
            frames,
            half_linked,
            explained,
            unexplained,
        } = self;
        let count: u64 = unexplained.values().sum();
        format!(
            "{moments} moments, {half_linked} half linked, {frames} frames, {count} unexplained, \
             explained: {explained:?}"
        )
    }
}

/// Lets a program run for a while, in CPU time of its own, that is in no step with anything.
fn let_run(pid: Pid, chance: &mut u64) {
    *chance ^= *chance << 13;
    *chance ^= *chance >> 7;
    *chance ^= *chance << 17;
    let until = cpu_time(pid) + Duration::from_micros(*chance % 4000);
    while cpu_time(pid) < until && Process::open(pid).is_ok() {
        std::thread::sleep(Duration::from_micros(100));
    }
}

fn compare(
    python: &Interpreter,
    place: &str,
    database: &Path,
    moments: u64,
) -> Result<Tally, String> {
    let (major, minor) = python.version;
    let packages = cache().join(format!("django/{major}.{minor}"));
    let target = Target::start(
        Command::new(&python.path)
            .arg(format!("{PROJECT}/drive.py"))
            .arg(place)
            .env("PYTHONPATH", packages)
            .env("RECIPES_DATABASE", database),
    )?;
    let pid = target.pid();
    // py-spy looks once when it opens, and does not bear a program that runs.
    let held = Held::stop(pid).ok_or("the program ended")?;
    let mut own = Observer::own(pid)?;
    let mut pyspy = Observer::pyspy(pid)?;
    drop(held);
    let mut flaws = Flaws::of(python);
    let mut tally = Tally::default();
    let mut chance = 0x9e37_79b9_7f4a_7c15_u64;
    while tally.moments + tally.half_linked < moments {
        let_run(pid, &mut chance);
        let held = Held::stop(pid).ok_or("the program ended")?;
        let ours = own.look();
        let theirs = pyspy.look();
        if held.stands() != Some(true) {
            return Err("the program did not stand still".to_owned());
        }
        drop(held);
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) if ours.values().all(|stack| stack.proven) => {
                tally.compare(&ours, &theirs, &mut flaws);
            }
            (Ok(_), Ok(_)) => tally.half_linked += 1,
            (Err(TickError::Unreadable(why)), _) | (_, Err(TickError::Unreadable(why))) => {
                eprintln!("{}: {why}", python.name);
                tally.half_linked += 1;
            }
            (Err(error), _) | (_, Err(error)) => return Err(error.to_string()),
        }
    }
    Ok(tally)
}

fn agree_everywhere(place: &str) {
    let moments = std::env::var("SPYHOLE_DIFFERENTIAL_MOMENTS").ok();
    let moments: u64 = moments
        .and_then(|moments| moments.parse().ok())
        .unwrap_or(40);
    let known_to_both = |python: &Interpreter| {
        let django = cache().join(format!("django/{}.{}", python.version.0, python.version.1));
        !python.free_threaded && django.exists()
    };
    let mut pythons = one_of_each_version();
    pythons.retain(known_to_both);
    if pythons.is_empty() {
        return lacking(
            "the differential",
            "no interpreter with Django; .ci/django installs it",
        );
    }
    // Filled by the first program.
    let directory = tempfile::tempdir().expect("a directory");
    let database = directory.path().join("recipes.sqlite3");
    let mut wrong = String::new();
    for python in &pythons {
        let name = &python.name;
        // Half of the moments in each place.
        match compare(python, place, &database, moments.div_ceil(2)) {
            Err(error) => _ = writeln!(wrong, "{name}: {error}"),
            Ok(tally) => {
                eprintln!("{name}, {place}: {}", tally.figures());
                for (difference, count) in &tally.unexplained {
                    _ = writeln!(wrong, "{name}: {count} times {difference}");
                }
                // These two link the frame of an entry or a generator in several steps, and may be
                // held between them: a thread's `cframe` is there before what it points to is
                // (_PyEval_EvalFrameDefault in Python/ceval.c). A few nanoseconds of each call.
                let may_be = match python.version {
                    (3, 11 | 12) => 1 + moments / 50,
                    _ => 0,
                };
                if tally.half_linked > may_be {
                    _ = writeln!(wrong, "{name}: {}", tally.figures());
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn both_engines_see_the_same_of_requests_in_the_main_thread() {
    agree_everywhere("main");
}

#[test]
fn both_engines_see_the_same_of_requests_in_another_thread() {
    agree_everywhere("thread");
}
