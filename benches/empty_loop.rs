//! What waking up costs by itself: a timer loop that does nothing, punctual as spyhole is, for the
//! bench to compare with.
//!
//! `empty_loop RATE SECONDS [CPU]` wakes up RATE times a second by absolute deadlines, on one CPU where
//! one is named.

use std::time::Instant;

use rustix::thread::{CpuSet, sched_setaffinity};
use spyhole::model::Nanos;
use spyhole::sampler::{Clock, SystemClock};

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|word| word != "--bench");
    let mut number = |what: &str| -> Option<f64> {
        let word = arguments.next()?;
        Some(
            word.parse()
                .unwrap_or_else(|_| panic!("{what} is a number")),
        )
    };
    let rate = number("the rate").expect("a rate, in Hz");
    let seconds = number("the duration").expect("a duration, in seconds");
    if let Some(cpu) = number("the CPU") {
        let mut only = CpuSet::new();
        only.set(cpu as usize);
        sched_setaffinity(None, &only).expect("a CPU that is allowed");
    }
    let mut clock = SystemClock::start();
    let started = Instant::now();
    let period = 1e9 / rate;
    let mut wake_ups = 0u64;
    while started.elapsed().as_secs_f64() < seconds {
        // A deadline that has passed is skipped, as a sampler skips it.
        let next = (clock.now().0 as f64 / period).floor() + 1.0;
        clock.sleep_until(Nanos((next * period) as u64));
        wake_ups += 1;
    }
    println!("{wake_ups}");
}
