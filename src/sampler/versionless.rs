//! Pythons that do not tell their version, and how long it is worth while to ask again.
//!
//! Up to 3.10 the text that tells it is made some milliseconds after the interpreter. How long these
//! take is not the interpreter's to say: on a busy machine it may not come to run, and who holds it in
//! its start may do so for long. So what counts is the CPU time that it has had.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::model::Nanos;
use crate::sys::linux::cpu_clock::ProcessClock;
use crate::sys::linux::status::Stat;
use crate::target::Identity;

/// CPU time within which a Python that is one of ours has told its version.
const PATIENCE: Nanos = Nanos(1_000_000_000);

/// After so long another engine may try one that sleeps, even if it has not had that much CPU: a relative of
/// CPython's that has another text may do nothing but wait. One that is halted or waits for a CPU has yet to
/// tell its version.
const BEFORE_OTHERS_TRY: Duration = Duration::from_secs(1);

/// Since when each of these processes has not told its version.
#[derive(Debug, Default)]
pub(super) struct Versionless(FxHashMap<Identity, Waiting>);

#[derive(Debug)]
struct Waiting {
    since: Instant,
    clock: Option<ProcessClock>,
    /// CPU time that it had had by then.
    before: Nanos,
    others_tried: bool,
}

/// What to make of a Python without a version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Chance {
    /// Ask again.
    MayBeEarly,
    /// Ask again, unless another engine, which is to be asked this once, knows more.
    MayBeForeign,
    /// It has had the time, and does not tell.
    Over,
}

impl Versionless {
    /// Notes that a process does not tell its version.
    pub fn meets(&mut self, who: Identity) -> Chance {
        let waiting = self.0.entry(who).or_insert_with(|| {
            let clock = ProcessClock::of(who.pid);
            Waiting {
                since: Instant::now(),
                clock,
                before: clock.and_then(ProcessClock::now).unwrap_or(Nanos::ZERO),
                others_tried: false,
            }
        });
        let now = waiting.clock.and_then(ProcessClock::now);
        let used = now.unwrap_or(waiting.before).saturating_sub(waiting.before);
        let sleeps = Stat::of_process(who.pid).is_some_and(|stat| stat.sleeps());
        waiting.chance(waiting.since.elapsed(), sleeps, used)
    }

    /// It has told its version, or runs another program.
    pub fn forget(&mut self, who: Identity) {
        self.0.remove(&who);
    }

    /// Forgets all that have ended.
    pub fn retain(&mut self, is_present: impl Fn(&Identity) -> bool) {
        self.0.retain(|who, _| is_present(who));
    }
}

impl Waiting {
    fn chance(&mut self, waited: Duration, sleeps: bool, cpu: Nanos) -> Chance {
        if cpu >= PATIENCE {
            return Chance::Over;
        }
        let may_try = sleeps && waited >= BEFORE_OTHERS_TRY;
        if !may_try || std::mem::replace(&mut self.others_tried, true) {
            return Chance::MayBeEarly;
        }
        Chance::MayBeForeign
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_python_that_gets_no_cpu_is_waited_for_and_others_try_once() {
        let mut waiting = Waiting {
            since: Instant::now(),
            clock: None,
            before: Nanos::ZERO,
            others_tried: false,
        };
        let second = Duration::from_secs(1);
        let mut chance = |waited, sleeps, cpu| waiting.chance(waited, sleeps, Nanos(cpu));
        let (some, most) = (400_000_000, PATIENCE.0);
        assert_eq!(chance(second / 2, true, some), Chance::MayBeEarly);
        assert_eq!(chance(second * 3600, false, some), Chance::MayBeEarly);
        assert_eq!(chance(second, true, most - 1), Chance::MayBeForeign);
        assert_eq!(chance(second * 3600, true, most - 1), Chance::MayBeEarly);
        assert_eq!(chance(second * 3600, false, most), Chance::Over);
        assert_eq!(chance(second / 2, true, most), Chance::Over);
    }
}
