//! A server that answers each request in a thread of its own: most threads are met for the first
//! time in the very tick that counts them.

mod common;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use common::interpreters::one_of_each_version;
use common::{PATIENCE, Target, lacking};
use spyhole::engine::{Engine, EngineOptions, cpython};
use spyhole::model::{Counting, GilState, Halting, Interner, Nanos, Sample, Tick};
use spyhole::target::Process;

/// One busy thread after the other, each for 10 ms, and a main thread that waits for it.
const PROGRAM: &str = "\
import sys, threading, time
def busy():
    until = time.time() + 0.01
    while time.time() < until:
        pass
sys.stdout.write('ready\\n')
sys.stdout.flush()
while True:
    thread = threading.Thread(target=busy)
    thread.start()
    thread.join()
";

#[test]
fn a_thread_that_is_met_for_the_first_time_counts_as_running() {
    let pythons = one_of_each_version();
    if pythons.is_empty() {
        return lacking("short threads", "no interpreter");
    }
    for python in pythons.iter().filter(|python| !python.free_threaded) {
        let mut command = python.command();
        let target = Target::start(command.args(["-c", PROGRAM])).expect("it starts");
        let process = Process::open(target.pid()).expect("it runs");
        let mut interner = Interner::default();
        let options = EngineOptions {
            watches: None,
            halting: Halting::WhenNeeded,
            thread_names: false,
            counting: Counting::Wall,
        };
        let mut engine = cpython::open(process, None, options, &mut interner).expect("a Python");
        let name = &python.name;
        let (mut ticks, mut holders, mut running) = (0, 0, 0);
        let mut met = HashSet::new();
        let started = Instant::now();
        // A busy machine lets few threads run between two ticks.
        while holders < 40 {
            assert!(started.elapsed() < PATIENCE, "{name}: {holders} holders");
            ticks += 1;
            // About as long as a thread lives, and in no step with it.
            std::thread::sleep(Duration::from_millis(7 + ticks % 7));
            let mut samples = Vec::new();
            let tick = Tick {
                at: started.elapsed().into(),
                stands_for: Nanos(1),
            };
            engine
                .tick(tick, &mut interner, &mut samples)
                .expect("a tick");
            // One that was met before may have waited for a CPU since, with the GIL.
            let met_now = |sample: &&Sample| met.insert(sample.thread);
            let mut new: Vec<&Sample> = samples.iter().filter(met_now).collect();
            new.retain(|sample| sample.gil == GilState::Holds);
            holders += new.len();
            running += new.iter().filter(|sample| sample.on_cpu).count();
        }
        eprintln!(
            "{name}: {holders} of {ticks} ticks met a holder of the GIL, {running} met it running"
        );
        // One that waits for a disk or for another's lock may hold the GIL and not run.
        assert!(
            running * 10 >= holders * 9,
            "{name}: {running} of {holders} running"
        );
    }
}
