//! Which mistake a stack shows, and where the application's code leads to it.

use rustc_hash::FxHashMap;

use super::call_site::is_application;
use crate::frameworks::{Called, FramePattern, Mistake, Rule, mistakes};
use crate::model::{FrameId, FunctionId, Interner, LabelSetId, StackId};

/// A mistake that a stack shows.
#[derive(Clone, Copy, Debug)]
pub struct Match {
    pub rule: &'static Rule,
    pub mistake: &'static Mistake,
    /// The frame of the application's code.
    pub site: FrameId,
}

/// Finds the mistakes of stacks; of each, the first that fits.
pub struct Matcher<'a> {
    interner: &'a Interner,
    mistakes: Vec<(&'static Rule, &'static Mistake)>,
    /// All patterns that a function fits, by their addresses.
    fits: FxHashMap<FunctionId, Vec<*const FramePattern>>,
    applications: FxHashMap<FunctionId, bool>,
    stacks: FxHashMap<StackId, Vec<Match>>,
}

impl<'a> Matcher<'a> {
    pub fn new(interner: &'a Interner) -> Matcher<'a> {
        Matcher {
            interner,
            mistakes: mistakes().collect(),
            fits: FxHashMap::default(),
            applications: FxHashMap::default(),
            stacks: FxHashMap::default(),
        }
    }

    /// The first mistake that the samples of a stack with these labels show.
    pub fn find(&mut self, stack: StackId, labels: LabelSetId) -> Option<Match> {
        if !self.stacks.contains_key(&stack) {
            let found = self.of_stack(stack);
            self.stacks.insert(stack, found);
        }
        let interner = self.interner;
        let has = |key: &&str| {
            let mut labels = interner.labels(labels).iter();
            labels.any(|label| interner.text(label.key).untrusted() == *key)
        };
        // A loop is not looked for in each look.
        let found = self.stacks.get(&stack)?.iter().find(|found| {
            let mut wanted = found.mistake.labels.iter();
            wanted.all(|key| *key == super::finding::LOOP || has(key))
        });
        found.copied()
    }

    /// All mistakes that fit a stack, whatever its labels.
    fn of_stack(&mut self, stack: StackId) -> Vec<Match> {
        let mut frames: Vec<FrameId> = self.interner.frames_of(stack).collect();
        frames.reverse();
        for frame in &frames {
            let function = self.interner.frame(*frame).function;
            self.learn(function);
        }
        let all = self.mistakes.iter();
        all.filter_map(|(rule, mistake)| {
            let site = self.site_of(&frames, mistake)?;
            Some(Match {
                rule,
                mistake,
                site,
            })
        })
        .collect()
    }

    /// Where the application leads to what is mistaken in a stack, root first.
    fn site_of(&self, frames: &[FrameId], mistake: &Mistake) -> Option<FrameId> {
        let is_excluded = |frame: &FrameId| {
            let mut without = mistake.without.iter();
            without.any(|pattern| self.fits(*frame, pattern))
        };
        if frames.iter().any(is_excluded) {
            return None;
        }
        // The innermost place at which the rest of the pattern follows: what is further out are calls that
        // lead there.
        let first = mistake.frames.first()?;
        let starts = (0..frames.len()).rev();
        let start = starts
            .filter(|at| {
                frames
                    .get(*at)
                    .is_some_and(|frame| self.fits(*frame, first))
            })
            .find(|at| self.follows(frames.get(at + 1..).unwrap_or_default(), mistake))?;
        let within = match &mistake.within {
            None => 0,
            Some(within) => 1 + frames.iter().rposition(|frame| self.fits(*frame, within))?,
        };
        let callers = frames.get(within..start)?;
        match mistake.called {
            Called::Anyhow => {
                let mut own = callers.iter().rev();
                own.find(|frame| self.is_application(**frame)).copied()
            }
            Called::Directly | Called::ForTruth | Called::ForLength => callers
                .last()
                .copied()
                .filter(|frame| self.is_application(*frame)),
        }
    }

    /// Whether the frames of a pattern but the first come in this order.
    fn follows(&self, frames: &[FrameId], mistake: &Mistake) -> bool {
        let mut frames = frames.iter();
        let mut rest = mistake.frames.iter().skip(1);
        rest.all(|pattern| frames.any(|frame| self.fits(*frame, pattern)))
    }

    fn learn(&mut self, id: FunctionId) {
        if self.fits.contains_key(&id) {
            return;
        }
        let function = self.interner.function(id);
        let file = self.interner.text(function.file).untrusted();
        let name = self.interner.text(function.name).untrusted();
        let patterns = self.mistakes.iter().flat_map(|(_, mistake)| {
            let patterns = mistake.frames.iter().chain(mistake.without);
            patterns.chain(&mistake.within)
        });
        let fits = patterns.filter(|pattern| pattern.fits(file, name));
        self.fits.insert(id, fits.map(std::ptr::from_ref).collect());
    }

    fn fits(&self, frame: FrameId, pattern: &FramePattern) -> bool {
        let function = self.interner.frame(frame).function;
        let patterns = self.fits.get(&function);
        patterns.is_some_and(|patterns| patterns.contains(&std::ptr::from_ref(pattern)))
    }

    fn is_application(&self, frame: FrameId) -> bool {
        let function = self.interner.frame(frame).function;
        let known = self.applications.get(&function).copied();
        known.unwrap_or_else(|| is_application(frame, self.interner))
    }
}
