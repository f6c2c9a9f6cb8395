//! Threads that stay unproven tick after tick, and how much effort they still get. Further tries do not
//! help if a fork left the thread state behind, or if its memory is damaged.

use rustc_hash::FxHashMap;

use super::reading::{Look, Patience};
use crate::cpython::threads::ThreadState;
use crate::model::{Addr, Proof};

/// A thread that was unproven after all tries in this many consecutive ticks gets fewer tries. One that
/// was merely caught while it started or ended is proven sooner.
const TICKS_IN_VAIN: u32 = 3;

/// The most ticks between two that try fully to prove a thread, as a power of two.
const LONGEST_PAUSE: u32 = 8;

/// The threads of one process that recently could not be proven.
#[derive(Debug, Default)]
pub struct Doubts {
    tick: u64,
    /// By the address of the thread state and the thread's Python id, since another thread may get its
    /// state at the same address.
    doubted: FxHashMap<(Addr, u64), Doubt>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Doubt {
    /// Consecutive ticks that tried fully and failed.
    in_vain: u32,
    /// The next tick that tries fully.
    until: u64,
    /// The last tick at which it was unproven.
    seen: u64,
}

impl Doubts {
    /// Begins a tick that reads threads.
    pub fn begin_tick(&mut self) {
        self.tick += 1;
    }

    /// How much effort this tick may spend to prove a thread's stack. `slept` tells whether the thread
    /// slept since the last tick, as far as the kernel knows. A thread state without a known kernel
    /// thread counts as sleeping.
    pub fn patience_with(&self, state: &ThreadState, slept: impl FnOnce() -> bool) -> Patience {
        match self.doubted.get(&key(state)) {
            Some(doubt) if self.tick < doubt.until => match slept() {
                true => Patience::None,
                false => Patience::OneTry,
            },
            _ => Patience::Full,
        }
    }

    /// Notes the results at the end of a tick; `is_all` tells whether the look was at all threads.
    pub fn note(&mut self, look: &Look, is_all: bool) {
        if look.is_full() {
            // A thread may be unproven only because the look was full.
            return;
        }
        for thread in &look.threads {
            match thread.proof {
                Proof::Proven if self.doubted.is_empty() => {}
                Proof::Proven => {
                    self.doubted.remove(&key(&thread.state));
                }
                Proof::Unproven => self.was_unproven(&thread.state, thread.patience),
            }
        }
        if is_all {
            self.doubted.retain(|_, doubt| doubt.seen == self.tick);
        }
    }

    fn was_unproven(&mut self, state: &ThreadState, patience: Patience) {
        let doubt = self.doubted.entry(key(state)).or_default();
        doubt.seen = self.tick;
        if patience != Patience::Full {
            return;
        }
        doubt.in_vain = doubt.in_vain.saturating_add(1);
        if let Some(more) = doubt.in_vain.checked_sub(TICKS_IN_VAIN) {
            let pause = 1 << (more + 1).min(LONGEST_PAUSE);
            doubt.until = self.tick.saturating_add(pause);
        }
    }
}

fn key(state: &ThreadState) -> (Addr, u64) {
    (state.address, state.thread_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(address: u64) -> ThreadState {
        ThreadState {
            address: Addr(address),
            interpreter: Addr(0x100),
            leaf: Addr(0x10),
            thread_id: 7,
            native_thread_id: None,
            datastack_chunk: None,
            eval_loop: None,
            base_frame: None,
        }
    }

    /// The effort in each of `count` ticks that all fail, one letter per tick.
    fn ticks(doubts: &mut Doubts, slept: bool, count: u32) -> String {
        let one = |_| {
            doubts.begin_tick();
            let patience = doubts.patience_with(&state(1), || slept);
            doubts.was_unproven(&state(1), patience);
            match patience {
                Patience::Full => 'F',
                Patience::OneTry => '1',
                Patience::None => '.',
            }
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn what_is_never_proven_is_tried_ever_more_seldom() {
        let mut doubts = Doubts::default();
        let mut tried = ticks(&mut doubts, true, 33);
        assert_eq!(tried, "FFF.F...F.......F...............F");
        // At the 65th, the 129th, and from the 257th on at every 256th.
        tried = ticks(&mut doubts, true, 10_000);
        assert_eq!(tried.matches('F').count(), 2 + 39);
    }

    #[test]
    fn one_that_ran_is_still_read_at_each_tick() {
        assert_eq!(ticks(&mut Doubts::default(), false, 9), "FFF1F111F");
    }

    #[test]
    fn another_thread_is_none_of_those_in_doubt() {
        let mut doubts = Doubts::default();
        ticks(&mut doubts, true, 4);
        let other = ThreadState {
            thread_id: 8,
            ..state(1)
        };
        for other in [other, state(2)] {
            assert_eq!(doubts.patience_with(&other, || true), Patience::Full);
        }
    }
}
