//! Chains of addresses that a target may have tied into a ring.

use crate::model::Addr;

/// Notices that a chain has come back to where it was, within three times the ring's length
/// (Brent's algorithm), so that nobody follows a ring to the bound that is meant for honest chains.
#[derive(Debug, Default)]
pub(super) struct Ring {
    passed: Addr,
    steps: u32,
    mark_at: u32,
}

impl Ring {
    /// To be told every address of the chain in turn; `true` at one that was passed before.
    pub(super) fn closes_at(&mut self, address: Addr) -> bool {
        if self.steps > 0 && address == self.passed {
            return true;
        }
        if self.steps >= self.mark_at {
            self.passed = address;
            self.mark_at = self.steps.saturating_mul(2).max(1);
        }
        self.steps = self.steps.saturating_add(1);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_noticed_and_a_chain_is_not_taken_for_one() {
        let mut ring = Ring::default();
        assert!((1..10_000).all(|at| !ring.closes_at(Addr(at))));
        for (lead, len) in [(0, 1), (0, 2), (5, 3), (100, 1), (100, 64), (7, 1000)] {
            let mut ring = Ring::default();
            let step = |step: u64| {
                if step < lead {
                    step + 1
                } else {
                    10_000 + (step - lead) % len
                }
            };
            let noticed = (0..).position(|at| ring.closes_at(Addr(step(at))));
            let noticed = noticed.expect("every ring closes") as u64;
            assert!(noticed <= 3 * (lead + len) + 3, "{lead} {len}: {noticed}");
        }
    }
}
