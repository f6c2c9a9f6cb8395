//! How busy the processes were, update by update.

use std::collections::VecDeque;

/// As many updates as a wide terminal has columns.
const MOST: usize = 512;

/// One figure over time; 1 is all the time of one CPU or thread.
#[derive(Clone, Debug, Default)]
pub struct History {
    shares: VecDeque<f64>,
}

impl History {
    pub fn push(&mut self, share: f64) {
        if self.shares.len() == MOST {
            self.shares.pop_front();
        }
        self.shares.push_back(share);
    }

    /// The last one.
    #[must_use]
    pub fn now(&self) -> f64 {
        self.shares.back().copied().unwrap_or(0.0)
    }

    /// The last ones as a row of bars, the newest at the right; a full one is the largest of them, and at
    /// least 1.
    #[must_use]
    pub fn bars(&self, width: usize) -> String {
        const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let shown = self.shares.len().min(width);
        let last = self.shares.iter().skip(self.shares.len() - shown);
        let full = last.clone().copied().fold(1.0, f64::max);
        let bars = last.map(|share| {
            let level = (share / full * 8.0).ceil().clamp(1.0, 8.0) as usize;
            BARS.get(level - 1).copied().unwrap_or(' ')
        });
        let blank = std::iter::repeat_n(' ', width - shown);
        blank.chain(bars).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_of_the_last_ones_and_right_aligned() {
        let mut history = History::default();
        assert_eq!(history.bars(3), "   ");
        for share in [0.0, 0.5, 1.0] {
            history.push(share);
        }
        assert_eq!(history.bars(5), "  ▁▄█");
        assert_eq!(history.bars(2), "▄█");
        history.push(4.0);
        assert_eq!(history.bars(4), "▁▁▂█");
    }

    #[test]
    fn no_more_is_kept_than_a_wide_terminal_shows() {
        let mut history = History::default();
        (0..10_000).for_each(|_| history.push(1.0));
        assert_eq!(history.shares.len(), MOST);
    }
}
