//! Labels: what watched functions have in their variables, read with the stack and proven with it.
//!
//! Which functions are watched, and what is read of them, is data of [`frameworks`](crate::frameworks). The
//! code table tells which frames are of such functions. What a frame leads to is read once and remembered
//! with all the bytes that decided it. As long as these are the same, so is the value: a look compares them
//! and does not search again. An address alone would not do, since a server uses the frames and requests of
//! one call for the next.

mod chain;
mod logged;
mod placed;
mod values;

use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHasher};

use self::chain::{Chain, Known};
use self::logged::{Log, Logged};
pub use self::placed::{PlacedWatch, place};
pub use self::values::{LabelKey, LabelValue, LabelValues};
use super::code_table::CodeTable;
use crate::cpython::frames::{RawFrame, RawStack};
use crate::cpython::layout::Layout;
use crate::cpython::loops::LoopSearch;
use crate::frameworks::Watches;
use crate::memory::{Memory, Moments};
use crate::model::{Addr, CodeAddr, TargetStr};

/// With more frames than this remembered, all are forgotten.
const MAX_MEMOS: usize = 2048;

/// What one frame's values may take in reads and bytes. A value that takes more is left out.
const READS_A_FRAME: u32 = 400;
const BYTES_A_FRAME: usize = 64 << 10;

/// A frame whose values took more bytes than this is not remembered, but read anew in each look.
const REMEMBERED: usize = 16 << 10;

/// A loop is looked for each time until it was found so often at one place, and then once in so many times.
/// It takes as long as a look at a short stack.
const LOOPS_AT_FIRST: u32 = 16;
const LOOPS_FAILED_AT_FIRST: u32 = 24;
const LOOPS_BETWEEN: u32 = 128;

/// So much of an object is fetched before it is known what of it is needed: the head of most, and short texts.
const BEGINNING: usize = 384;

/// With more places remembered than this, all are forgotten.
const MAX_PLACES: usize = 10_000;

/// A label of one sample.
pub type RawLabel = (LabelKey, LabelValue);

/// Reads the labels of stacks.
#[derive(Debug)]
pub struct Watcher {
    watches: Arc<Watches>,
    values: LabelValues,
    memos: FxHashMap<MemoKey, Memo>,
    known: Known,
    loops: LoopSearch,
    tries: FxHashMap<CallPlace, Tries>,
    /// The labels and the memos of all threads of this look.
    labels: Vec<RawLabel>,
    used: Vec<MemoKey>,
    /// Working space.
    log: Log,
    objects: Vec<(Addr, usize)>,
}

type MemoKey = (Addr, CodeAddr, usize);

/// A hash of where a function was called from: of the functions next further out, and their instructions.
type CallPlace = u64;

/// So many functions tell one call from others: more than lie between a query and the program's own code.
const FUNCTIONS_OF_A_PLACE: usize = 24;

/// What a frame's variable led to, and the bytes that decided it.
#[derive(Debug, Default)]
struct Memo {
    log: Log,
    value: Option<LabelValue>,
}

/// How often a loop was looked for.
#[derive(Debug, Default)]
struct Tries {
    asked: u32,
    found: u32,
    tried: u32,
}

impl Tries {
    /// Whether to look now.
    fn is_due(&mut self) -> bool {
        self.asked = self.asked.saturating_add(1);
        let settled =
            self.found >= LOOPS_AT_FIRST || self.tried - self.found >= LOOPS_FAILED_AT_FIRST;
        !settled || self.asked.is_multiple_of(LOOPS_BETWEEN)
    }
}

/// Where the labels of one thread are, until the next look.
#[derive(Clone, Debug, Default)]
pub struct ThreadLabels {
    labels: Range<usize>,
    used: Range<usize>,
}

impl Watcher {
    pub fn new(watches: Arc<Watches>) -> Watcher {
        Watcher {
            watches,
            values: LabelValues::default(),
            memos: FxHashMap::default(),
            known: Known::default(),
            loops: LoopSearch::default(),
            tries: FxHashMap::default(),
            labels: Vec::new(),
            used: Vec::new(),
            log: Log::default(),
            objects: Vec::new(),
        }
    }

    /// The texts of labels.
    pub fn values(&self) -> &LabelValues {
        &self.values
    }

    /// The labels of a thread of this look.
    pub fn labels(&self, of: &ThreadLabels) -> &[RawLabel] {
        self.labels.get(of.labels.clone()).unwrap_or_default()
    }

    /// Forgets the labels of the last look.
    pub fn begin_look(&mut self) {
        self.labels.clear();
        self.used.clear();
        self.known.begin_look();
        if self.memos.len() > MAX_MEMOS {
            self.memos.clear();
        }
        if self.tries.len() > MAX_PLACES {
            self.tries.clear();
        }
    }

    /// Reads the labels of a stack. `watched` are the places of its watched frames, in order from the leaf.
    /// Loops are looked for only if the thread stands still.
    ///
    /// A frame is read only where no other has given a value for the label that it would give.
    pub fn read<M: Moments>(
        &mut self,
        memory: &mut M,
        layout: &Layout,
        stack: &RawStack,
        watched: &[usize],
        codes: &CodeTable,
        is_still: bool,
    ) -> ThreadLabels {
        let (first_label, first_used) = (self.labels.len(), self.used.len());
        self.fetch_objects(memory, layout, stack, watched, codes);
        for is_outermost in [false, true] {
            let inwards = watched.iter().rev().take_while(|_| is_outermost);
            let outwards = watched.iter().take_while(|_| !is_outermost);
            for &at in inwards.chain(outwards) {
                let Some(frame) = stack.frames.get(at) else {
                    continue;
                };
                for (index, watch) in codes.watches(frame.code).iter().enumerate() {
                    if watch.is_outermost != is_outermost || self.has(first_label, watch.label) {
                        continue;
                    }
                    let value = match watch.loop_over {
                        Some(_) if !is_still => None,
                        Some(_) => self.loop_value(memory, layout, stack, at, watch),
                        None => self.value(memory, layout, frame, (index, watch)),
                    };
                    if let Some(value) = value {
                        self.labels.push((watch.label, value));
                    }
                }
            }
        }
        ThreadLabels {
            labels: first_label..self.labels.len(),
            used: first_used..self.used.len(),
        }
    }

    /// Whether all that decided the labels of a thread is still the same.
    pub fn is_unchanged<M: Memory>(&self, memory: &mut M, of: &ThreadLabels) -> bool {
        let used = self.used.get(of.used.clone()).unwrap_or_default();
        used.iter().all(|key| {
            let memo = self.memos.get(key);
            memo.is_none_or(|memo| memo.log.holds(memory))
        })
    }

    /// Fetches the beginnings of all objects in watched variables in one call. They change from look to look.
    fn fetch_objects<M: Moments>(
        &mut self,
        memory: &mut M,
        layout: &Layout,
        stack: &RawStack,
        watched: &[usize],
        codes: &CodeTable,
    ) {
        self.objects.clear();
        let frames = watched.iter().filter_map(|at| stack.frames.get(*at));
        for frame in frames {
            let watches = codes.watches(frame.code).iter();
            let readings = watches.filter_map(|watch| watch.readings.first());
            let parts = readings.flatten().filter(|part| !part.part.lasts);
            for part in parts {
                let at = frame.address.plus(layout.frame.locals.into());
                let word = memory.read_u64(at.plus(8 * part.slot as u64)).unwrap_or(0);
                self.objects.push((layout.frame.untagged(word), BEGINNING));
            }
        }
        memory.prefetch(self.objects.iter().copied().filter(|(at, _)| !at.is_null()));
    }

    /// The value that a frame gives for a watch, which has a number among those of its function.
    ///
    /// What changes from look to look is not worth fetching ahead. So only what was compared is.
    fn value<M: Moments>(
        &mut self,
        memory: &mut M,
        layout: &Layout,
        frame: &RawFrame,
        (index, watch): (usize, &PlacedWatch),
    ) -> Option<LabelValue> {
        let key = (frame.address, frame.code, index);
        self.used.push(key);
        let memo = self.memos.entry(key).or_default();
        let is_remembered = !memo.log.is_empty() && memo.log.bytes() <= REMEMBERED;
        if is_remembered && memo.log.holds(memory) {
            return memo.value;
        }
        memo.log.clear();
        memory.predict_reads(false);
        let mut chain = Chain {
            memory: &mut Logged::new(memory, &mut memo.log, READS_A_FRAME, BYTES_A_FRAME),
            layout,
            frame,
            known: &mut self.known,
            keeps_values: self.watches.keeps_values(),
        };
        let mut readings = watch.readings.iter();
        let text = readings.find_map(|parts| chain.text(parts));
        memory.predict_reads(true);
        let text = text.map(TargetStr::new);
        memo.value = text.and_then(|text| self.values.number(&text));
        memo.value
    }

    /// How many items the loop has in which the watched object is one of the later ones.
    fn loop_value<M: Moments>(
        &mut self,
        memory: &mut M,
        layout: &Layout,
        stack: &RawStack,
        at: usize,
        watch: &PlacedWatch,
    ) -> Option<LabelValue> {
        let frames = stack.frames.get(at..)?;
        let [frame, outer @ ..] = frames else {
            return None;
        };
        let tries = self.tries.entry(call_place(frame, outer)).or_default();
        if !tries.is_due() {
            return None;
        }
        tries.tried = tries.tried.saturating_add(1);
        // No later look repeats these reads.
        let memory = memory.now();
        self.log.clear();
        let mut logged = Logged::new(memory, &mut self.log, READS_A_FRAME, BYTES_A_FRAME);
        let mut chain = Chain {
            memory: &mut logged,
            layout,
            frame,
            known: &mut self.known,
            keeps_values: false,
        };
        let object = chain.object(watch.loop_over.as_ref()?)?;
        let found = self.loops.find(memory, layout, frames, object)?;
        if found.index == 0 {
            return None;
        }
        tries.found = tries.found.saturating_add(1);
        let items = TargetStr::new(two_digits(found.items).to_string());
        self.values.number(&items)
    }

    fn has(&self, first: usize, label: LabelKey) -> bool {
        let labels = self.labels.get(first..).unwrap_or_default();
        labels.iter().any(|(key, _)| *key == label)
    }
}

fn call_place(frame: &RawFrame, outer: &[RawFrame]) -> CallPlace {
    let mut hasher = FxHasher::default();
    frame.code.hash(&mut hasher);
    let callers = outer.iter().filter(|frame| frame.is_function());
    for caller in callers.take(FUNCTIONS_OF_A_PLACE) {
        (caller.code, caller.instruction).hash(&mut hasher);
    }
    hasher.finish()
}

/// A number without all but its first two digits, so that few are told apart.
fn two_digits(number: u64) -> u64 {
    let mut unit = 1;
    while number / unit >= 100 {
        unit *= 10;
    }
    number / unit * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_two_digits() {
        for (number, kept) in [(0, 0), (7, 7), (99, 99), (143, 140), (20_231, 20_000)] {
            assert_eq!(two_digits(number), kept);
        }
        assert_eq!(two_digits(u64::MAX), 18_000_000_000_000_000_000);
    }

    #[test]
    fn a_loop_is_looked_for_often_at_first_and_seldom_later() {
        let mut tries = Tries::default();
        let looked = (0..1000).filter(|_| {
            let due = tries.is_due();
            tries.tried += u32::from(due);
            tries.found += u32::from(due);
            due
        });
        assert_eq!(looked.count() as u32, LOOPS_AT_FIRST + 1000 / LOOPS_BETWEEN);
    }
}
