//! The memory at one tick. What the last ticks read is fetched in one call at the beginning; whoever
//! reads the snapshot never deals with system calls.

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::{Fault, Memory, Moments, Source};
use crate::model::Addr;
use crate::sys::linux::vm::MAX_RANGES;

/// Memory is fetched in aligned blocks of this many bytes: small, since much of what is read lies
/// scattered, and a divisor of the page size, so that no block crosses the end of a mapping.
const BLOCK: u64 = 128;
const BLOCK_LEN: usize = BLOCK as usize;

/// A block that was not used for more than this many ticks is no longer fetched in advance. The number
/// is small, since a program does not come back to most of what it left, and fetching the rest again
/// takes only one call more.
const FORGET_AFTER: u32 = 3;

/// Bound on what one tick may keep: 16 MiB, a stack of some 100,000 frames, or 35,000 up to 3.10.
/// What goes beyond is not kept, but read from the source each time.
const MAX_BLOCKS: usize = (16 << 20) / BLOCK_LEN;

/// The longest run of blocks that is fetched ahead of a reader who moves through memory.
const MAX_AHEAD: u64 = 64;

/// How many blocks are fetched before a missed block, and how many from it on, if the reader does not
/// move through memory.
const BEFORE_A_MISS: u64 = 7;
const BEHIND_A_MISS: u64 = 2;

/// If two blocks of one page have no more blocks between them than this, those between are fetched, too:
/// one more range costs the kernel a look-up of the page, which takes longer than copying a kilobyte.
const MAX_GAP: u64 = 8;
const BLOCKS_A_PAGE: u64 = 4096 / BLOCK;

/// Stands for the tick in which a block was last used if it was never used, but only fetched along with
/// others.
const NEVER: u32 = u32::MAX;

/// A number that no block has: the block would lie beyond the address space.
const NO_BLOCK: u64 = u64::MAX;

/// Blocks of another memory as they were at one time.
///
/// [`refresh`](Moments::refresh) begins a tick: it fetches all blocks that the last ticks used. A read
/// of anything else goes to the source, and the block is predicted from then on.
#[derive(Debug)]
pub struct Snapshot<S> {
    source: S,
    tick: u32,
    /// The place in `data`, counted in blocks, of each block that was predicted or missed since, by
    /// block number.
    places: FxHashMap<u64, u32>,
    data: Vec<u8>,
    /// Which block is at each place of `data`.
    held: Vec<Held>,
    /// The place that was read last. A reader who moves through memory reads its neighbours next.
    last_place: usize,
    /// The number of the last block missed, and how far to fetch ahead at the next miss near it.
    last_miss: u64,
    ahead: u64,
    /// Whether `places`, `ranges` and `data` are still as a single complete fetch laid them out, so that
    /// the same fetch can be repeated as it is.
    repeatable: bool,
    /// A word that each refresh reads after everything else, and whether anything was fetched since.
    last: Option<Addr>,
    fetched_since: bool,
    /// Working space of `refresh`: the blocks to fetch, and when each was last used.
    wanted: Vec<Held>,
    ranges: Vec<(Addr, usize)>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    block: u64,
    /// The tick in which it was last used.
    used: u32,
}

impl Held {
    const NOTHING: Held = Held {
        block: NO_BLOCK,
        used: NEVER,
    };

    fn is_predicted(&self, tick: u32) -> bool {
        self.used != NEVER && tick.wrapping_sub(self.used) <= FORGET_AFTER
    }
}

impl<S: Source> Snapshot<S> {
    pub fn new(source: S) -> Snapshot<S> {
        Snapshot {
            source,
            tick: 0,
            places: FxHashMap::default(),
            data: Vec::new(),
            held: Vec::new(),
            last_place: 0,
            last_miss: 0,
            ahead: 1,
            repeatable: false,
            last: None,
            fetched_since: true,
            wanted: Vec::new(),
            ranges: Vec::new(),
        }
    }

    /// The underlying memory, for reads that no later tick will repeat.
    pub fn source(&mut self) -> &mut S {
        &mut self.source
    }

    #[must_use]
    pub fn source_ref(&self) -> &S {
        &self.source
    }

    /// Lets every [`refresh`](Moments::refresh) from the next one on fetch a word of four bytes after
    /// everything else.
    pub fn end_with(&mut self, word: Option<Addr>) {
        if self.last != word {
            self.last = word;
            self.repeatable = false;
            self.fetched_since = true;
        }
    }

    /// That word, as it was after all that was fetched so far.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn last_word(&mut self) -> Result<u32, Fault> {
        let at = self.last.ok_or(Fault {
            at: Addr(0),
            len: 4,
        })?;
        if self.fetched_since {
            return self.source.read_u32(at);
        }
        self.read_u32(at)
    }

    /// Fetches as many of these blocks as one call gives. They must be in order and not be held yet.
    fn append(&mut self, blocks: &[Held]) {
        self.repeatable = false;
        self.fetched_since = true;
        coalesce(blocks, &mut self.ranges);
        let start = self.data.len();
        let asked: usize = self.ranges.iter().map(|(_, len)| len).sum();
        if start + asked > MAX_BLOCKS * BLOCK_LEN {
            return;
        }
        self.data.resize(start + asked, 0);
        let into = self.data.get_mut(start..).unwrap_or_default();
        let got = self.source.read_ranges(&self.ranges, into) / BLOCK_LEN;
        self.data.truncate(start + got * BLOCK_LEN);
        for held in blocks.iter().take(got) {
            self.places.insert(held.block, self.held.len() as u32);
            self.held.push(*held);
        }
    }

    /// Whether a block is still held because it was used, but was last used too long ago.
    fn holds_unused(&self) -> bool {
        self.held
            .iter()
            .any(|held| held.used != NEVER && !held.is_predicted(self.tick))
    }

    /// Fills `wanted` with what this tick is likely to need, in order.
    fn predict(&mut self) {
        let (tick, wanted) = (self.tick, &mut self.wanted);
        wanted.clear();
        wanted.extend(self.held.iter().filter(|held| held.is_predicted(tick)));
        // All but the blocks that were missed since are in order already, so a stable sort is fast.
        wanted.sort_by_key(|held| held.block);
        // Long stacks have no gaps worth filling, and filling must not exceed the bound.
        if wanted.len() <= MAX_BLOCKS / BLOCKS_A_PAGE as usize {
            fill_gaps(wanted);
        }
        if let Some(last) = self.last.map(|word| word.0 / BLOCK) {
            wanted.retain(|held| held.block != last);
            wanted.push(Held {
                block: last,
                used: NEVER,
            });
        }
    }

    /// Fetches the blocks in `wanted`, and skips those that are not mapped.
    fn fetch_wanted(&mut self) {
        let wanted = std::mem::take(&mut self.wanted);
        self.data.resize(wanted.len() * BLOCK_LEN, 0);
        self.held.clear();
        self.held.resize(wanted.len(), Held::NOTHING);
        self.places.clear();
        let mut next = 0;
        let mut calls = 0;
        let mut whole = true;
        while let Some(rest) = wanted.get(next..).filter(|rest| !rest.is_empty()) {
            coalesce(rest, &mut self.ranges);
            let into = self.data.get_mut(next * BLOCK_LEN..).unwrap_or_default();
            let asked: usize = self.ranges.iter().map(|(_, len)| len).sum();
            let into = into.get_mut(..asked).unwrap_or_default();
            let got = self.source.read_ranges(&self.ranges, into) / BLOCK_LEN;
            let places = self.held.iter_mut().enumerate().skip(next);
            for ((place, held), wanted) in places.zip(rest.iter().take(got)) {
                *held = *wanted;
                self.places.insert(wanted.block, place as u32);
            }
            // The block at which the kernel stopped is not mapped any more: go on after it.
            whole &= got * BLOCK_LEN == asked;
            calls += 1;
            next += got + usize::from(got * BLOCK_LEN < asked);
        }
        self.wanted = wanted;
        self.repeatable = whole && calls == 1;
    }

    /// Where a block begins in `data`, in bytes. The block is fetched if it is not there yet.
    fn find(&mut self, block: u64) -> Result<usize, Fault> {
        let place = match self.beside_last(block) {
            Some(place) => place,
            None => match self.places.get(&block) {
                Some(&place) => place as usize,
                None => self.fetch_missing(block)?,
            },
        };
        self.last_place = place;
        if let Some(held) = self.held.get_mut(place) {
            held.used = self.tick;
        }
        Ok(place * BLOCK_LEN)
    }

    /// The place of a block, if it is as far in `data` from the block read last as it is in memory.
    fn beside_last(&self, block: u64) -> Option<usize> {
        let last = self.held.get(self.last_place)?;
        let distance = block.wrapping_sub(last.block).cast_signed();
        let place = self.last_place.checked_add_signed(distance as isize)?;
        let held = self.held.get(place)?;
        (held.block == block).then_some(place)
    }

    fn is_full(&self) -> bool {
        self.data.len() + BLOCK_LEN > MAX_BLOCKS * BLOCK_LEN
    }

    #[cold]
    fn fetch_missing(&mut self, block: u64) -> Result<usize, Fault> {
        let walks = block.abs_diff(self.last_miss) <= 2 * self.ahead;
        match walks {
            true => self.fetch_ahead(block),
            false => self.fetch_around(block),
        }
        self.places
            .get(&block)
            .map(|place| *place as usize)
            .ok_or(Fault {
                at: Addr(block.wrapping_mul(BLOCK)),
                len: BLOCK_LEN,
            })
    }

    /// Fetches a block and more blocks in the direction in which the reader moves through memory.
    fn fetch_ahead(&mut self, block: u64) {
        let downwards = block < self.last_miss;
        self.ahead = (self.ahead * 2).min(MAX_AHEAD);
        while self.ahead > 0 {
            let first = match downwards {
                true => block.saturating_sub(self.ahead - 1),
                false => block,
            };
            let end = first.saturating_add(self.ahead);
            if self.fetch_run(first..end) {
                self.last_miss = if downwards { first } else { end - 1 };
                return;
            }
            // Near the end of a mapping, fewer blocks can be read.
            self.ahead /= 2;
        }
        self.ahead = 1;
    }

    /// Fetches a block and those around it in its page, mostly before it: what is missed most often is
    /// the innermost frame of a stack that has grown, and the next frames lie below it. That costs less
    /// than one call for each block.
    fn fetch_around(&mut self, block: u64) {
        let page = block / BLOCKS_A_PAGE * BLOCKS_A_PAGE;
        let first = block.saturating_sub(BEFORE_A_MISS).max(page);
        let end = (block + BEHIND_A_MISS).min(page + BLOCKS_A_PAGE);
        if self.fetch_run(first..end) || self.fetch_run(block..block + 1) {
            self.last_miss = first;
            self.ahead = end - first;
        }
    }

    /// Fetches blocks in one call; `false` when there is no room, or not all of them can be read.
    fn fetch_run(&mut self, blocks: Range<u64>) -> bool {
        let start = self.data.len();
        let len = (blocks.end - blocks.start) as usize * BLOCK_LEN;
        if start + len > MAX_BLOCKS * BLOCK_LEN {
            return false;
        }
        self.repeatable = false;
        self.fetched_since = true;
        self.data.resize(start + len, 0);
        let at = Addr(blocks.start.wrapping_mul(BLOCK));
        let into = self.data.get_mut(start..).unwrap_or_default();
        if self.source.read_ranges(&[(at, len)], into) < len {
            self.data.truncate(start);
            return false;
        }
        for block in blocks {
            let place = self.held.len() as u32;
            // A block that is there already stays as it was first read.
            let is_new = *self.places.entry(block).or_insert(place) == place;
            self.held.push(match is_new {
                true => Held { block, used: NEVER },
                false => Held::NOTHING,
            });
        }
        true
    }
}

/// Adds the blocks that lie in a short gap between two blocks of one page.
fn fill_gaps(blocks: &mut Vec<Held>) {
    let wanted = blocks.len();
    for index in 1..wanted {
        let (Some(before), Some(after)) = (blocks.get(index - 1), blocks.get(index)) else {
            break;
        };
        let between = before.block + 1..after.block;
        let one_page = before.block / BLOCKS_A_PAGE == after.block / BLOCKS_A_PAGE;
        if one_page && between.end - between.start <= MAX_GAP {
            blocks.extend(between.map(|block| Held { block, used: NEVER }));
        }
    }
    if blocks.len() > wanted {
        blocks.sort_by_key(|held| held.block);
    }
}

/// Makes ranges of blocks, one of each run of neighbours, but no more than one call takes.
fn coalesce(blocks: &[Held], ranges: &mut Vec<(Addr, usize)>) {
    ranges.clear();
    let mut end = None;
    for &Held { block, .. } in blocks {
        if end == Some(block) {
            if let Some((_, len)) = ranges.last_mut() {
                *len += BLOCK_LEN;
            }
        } else if ranges.len() == MAX_RANGES {
            return;
        } else {
            ranges.push((Addr(block.wrapping_mul(BLOCK)), BLOCK_LEN));
        }
        end = Some(block.wrapping_add(1));
    }
}

impl<S: Source> Memory for Snapshot<S> {
    fn read(&mut self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        let fault = Fault {
            at,
            len: into.len(),
        };
        let mut at = at.0;
        let mut into = into;
        while !into.is_empty() {
            let within = (at % BLOCK) as usize;
            let len = into.len().min(BLOCK_LEN - within);
            let (now, later) = into.split_at_mut(len);
            match self.find(at / BLOCK) {
                Ok(start) => {
                    let block = self.data.get(start + within..).ok_or(fault)?;
                    now.copy_from_slice(block.get(..len).ok_or(fault)?);
                }
                Err(_) if self.is_full() => {
                    self.fetched_since = true;
                    self.source.read(Addr(at), now).map_err(|_| fault)?;
                }
                Err(_) => return Err(fault),
            }
            into = later;
            at = at.checked_add(len as u64).ok_or(fault)?;
        }
        Ok(())
    }

    /// Compares the bytes where they are, without copying them.
    fn holds(&mut self, at: Addr, bytes: &[u8]) -> Result<bool, Fault> {
        let len = bytes.len();
        let within = (at.0 % BLOCK) as usize;
        let (here, rest) = bytes.split_at(len.min(BLOCK_LEN - within));
        let Ok(start) = self.find(at.0 / BLOCK) else {
            return Ok(self.read_vec(at, len)? == bytes);
        };
        let block = self.data.get(start + within..).unwrap_or_default();
        if !block.starts_with(here) {
            return Ok(false);
        }
        match at.0.checked_add(here.len() as u64) {
            Some(_) if rest.is_empty() => Ok(true),
            Some(next) => self.holds(Addr(next), rest),
            None => Err(Fault { at, len }),
        }
    }
}

impl<S: Source> Moments for Snapshot<S> {
    type Now = S;

    fn now(&mut self) -> &mut S {
        self.source()
    }

    /// Forgets what the memory held and fetches anew what the last ticks used.
    fn refresh(&mut self) {
        self.tick = self.tick.wrapping_add(1);
        self.fetched_since = false;
        let review = self.tick.is_multiple_of(FORGET_AFTER) && self.holds_unused();
        if self.repeatable && !review {
            let got = self.source.read_ranges(&self.ranges, &mut self.data);
            if got == self.data.len() {
                return;
            }
        }
        self.predict();
        self.fetch_wanted();
    }

    /// Fetches in one call what is missing of ranges (address, length) that are about to be read. What
    /// that call does not give is left to the reads.
    fn prefetch(&mut self, ranges: impl Iterator<Item = (Addr, usize)>) {
        let mut missing = std::mem::take(&mut self.wanted);
        missing.clear();
        for (at, len) in ranges {
            let last = at.0.saturating_add(len.saturating_sub(1) as u64) / BLOCK;
            let blocks = (at.0 / BLOCK..=last).filter(|block| !self.places.contains_key(block));
            missing.extend(blocks.map(|block| Held { block, used: NEVER }));
        }
        // A single block can as well be fetched when it is read.
        if missing.len() > 1 {
            missing.sort_unstable_by_key(|held| held.block);
            missing.dedup_by_key(|held| held.block);
            self.append(&missing);
        }
        self.wanted = missing;
    }
}

impl<S: Source> Source for Snapshot<S> {
    fn read_ranges(&mut self, ranges: &[(Addr, usize)], into: &mut [u8]) -> usize {
        self.source.read_ranges(ranges, into)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 64 KiB at 0x10000, the end of which can be unmapped.
    struct Fake {
        bytes: Vec<u8>,
        calls: usize,
    }

    const BASE: u64 = 0x10000;

    impl Memory for Fake {
        fn read(&mut self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
            let len = into.len();
            let start = at.0.checked_sub(BASE).map(|start| start as usize);
            let bytes = start.and_then(|start| self.bytes.get(start..start + len));
            into.copy_from_slice(bytes.ok_or(Fault { at, len })?);
            Ok(())
        }
    }

    impl Source for Fake {
        fn read_ranges(&mut self, ranges: &[(Addr, usize)], into: &mut [u8]) -> usize {
            self.calls += 1;
            let mut done = 0;
            for &(at, len) in ranges {
                if self.read(at, &mut into[done..done + len]).is_err() {
                    break;
                }
                done += len;
            }
            done
        }
    }

    fn snapshot() -> Snapshot<Fake> {
        let bytes = (0..65536u32).map(|i| (i / 7) as u8).collect();
        Snapshot::new(Fake { bytes, calls: 0 })
    }

    #[test]
    fn the_next_tick_fetches_what_a_tick_read_in_one_call() {
        let mut memory = snapshot();
        memory.refresh();
        for at in [BASE + 100, BASE + 5000, BASE + 60000] {
            memory.read_u64(Addr(at)).unwrap();
        }
        let before = memory.source_ref().calls;
        memory.refresh();
        for at in [BASE + 60000, BASE + 100, BASE + 5000] {
            memory.read_u64(Addr(at)).unwrap();
        }
        assert_eq!(memory.source_ref().calls, before + 1);
    }

    #[test]
    fn prefetched_ranges_are_fetched_in_one_call() {
        let mut memory = snapshot();
        memory.refresh();
        let before = memory.source_ref().calls;
        let places = [BASE + 60_000, BASE + 100, BASE + 5000, BASE + 120];
        // The last one is not mapped.
        let all = places.into_iter().chain([BASE + 65_536]);
        memory.prefetch(all.map(|at| (Addr(at), 200)));
        assert_eq!(memory.source_ref().calls, before + 1);
        for at in places {
            let read = memory.read_vec(Addr(at), 200).unwrap();
            assert_eq!(read, snapshot().source().read_vec(Addr(at), 200).unwrap());
        }
        assert_eq!(memory.source_ref().calls, before + 1);
        assert!(memory.read_u64(Addr(BASE + 65_536)).is_err());
    }

    #[test]
    fn the_last_word_is_at_least_as_new_as_everything_that_was_read() {
        let (last, elsewhere) = (Addr(BASE + 256), Addr(BASE + 3000));
        let mut memory = snapshot();
        assert!(memory.last_word().is_err());
        memory.read_u64(elsewhere).unwrap();
        memory.end_with(Some(last));
        let change = |memory: &mut Snapshot<Fake>, to: u8| {
            memory.source().bytes[256..260].fill(to);
        };
        change(&mut memory, 1);
        memory.refresh();
        let calls = memory.source_ref().calls;
        change(&mut memory, 2);
        // It was fetched with everything else, and nothing was fetched since.
        memory.read_u64(elsewhere).unwrap();
        assert_eq!(memory.last_word(), Ok(0x0101_0101));
        assert_eq!(memory.source_ref().calls, calls);
        memory.read_u64(Addr(BASE + 60_000)).unwrap();
        assert_eq!(memory.last_word(), Ok(0x0202_0202));
        memory.prefetch([(Addr(BASE + 20_000), 8), (Addr(BASE + 30_000), 8)].into_iter());
        change(&mut memory, 3);
        assert_eq!(memory.last_word(), Ok(0x0303_0303));
        memory.refresh();
        assert_eq!(memory.last_word(), Ok(0x0303_0303));
    }

    #[test]
    fn the_last_word_is_fetched_last() {
        let mut memory = snapshot();
        for at in [100, 5000, 300, 60_000] {
            memory.read_u64(Addr(BASE + at)).unwrap();
        }
        memory.end_with(Some(Addr(BASE + 260)));
        memory.refresh();
        assert_eq!(memory.ranges.last(), Some(&(Addr(BASE + 256), BLOCK_LEN)));
        assert_eq!(memory.ranges.len(), 4);
    }

    #[test]
    fn bytes_are_compared_across_blocks() {
        let mut memory = snapshot();
        memory.refresh();
        let at = Addr(BASE + BLOCK - 10);
        let mut bytes = memory.read_vec(at, 300).unwrap();
        assert_eq!(memory.holds(at, &bytes), Ok(true));
        for changed in [0, 9, 10, 150, 299] {
            bytes[changed] ^= 1;
            assert_eq!(memory.holds(at, &bytes), Ok(false));
            bytes[changed] ^= 1;
        }
        assert_eq!(memory.holds(at, &[]), Ok(true));
        let mut last = memory.read_vec(Addr(BASE + 65530), 6).unwrap();
        last.push(0);
        assert!(memory.holds(Addr(BASE + 65530), &last).is_err());
    }

    #[test]
    fn a_read_across_blocks_gives_the_bytes_of_both() {
        let mut memory = snapshot();
        let at = Addr(BASE + BLOCK - 3);
        let expected = memory.source().read_u64(at).unwrap();
        assert_eq!(memory.read_u64(at).unwrap(), expected);
    }

    #[test]
    fn an_unmapped_block_does_not_keep_others_from_being_read() {
        let mut memory = snapshot();
        for at in [BASE, BASE + 30000, BASE + 65000] {
            memory.read_u64(Addr(at)).unwrap();
        }
        memory.source().bytes.truncate(40000);
        memory.refresh();
        assert!(memory.read_u64(Addr(BASE + 30000)).is_ok());
        assert!(memory.read_u64(Addr(BASE + 65000)).is_err());
    }

    #[test]
    fn reading_down_a_long_stack_takes_few_calls() {
        let mut memory = snapshot();
        for at in (0..8000).rev() {
            memory.read_u64(Addr(BASE + at * 8)).unwrap();
        }
        assert!(
            memory.source_ref().calls < 40,
            "{}",
            memory.source_ref().calls
        );
    }

    /// A memory in which every word holds its own number.
    struct Numbers;

    impl Memory for Numbers {
        fn read(&mut self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
            for (index, byte) in into.iter_mut().enumerate() {
                let at = at.0 + index as u64;
                *byte = (at / 8).to_le_bytes()[(at % 8) as usize];
            }
            Ok(())
        }
    }

    impl Source for Numbers {
        fn read_ranges(&mut self, ranges: &[(Addr, usize)], into: &mut [u8]) -> usize {
            let mut done = 0;
            for &(at, len) in ranges {
                self.read(at, &mut into[done..done + len]).unwrap();
                done += len;
            }
            done
        }
    }

    #[test]
    fn memory_that_does_not_fit_is_still_read() {
        let mut memory = Snapshot::new(Numbers);
        for _ in 0..2 {
            memory.refresh();
            for number in (0..MAX_BLOCKS as u64 * 3).step_by(2) {
                let at = Addr(number * BLOCK + 64);
                assert_eq!(memory.read_u64(at), Ok(at.0 / 8));
            }
            assert!(memory.data.len() <= MAX_BLOCKS * BLOCK_LEN);
        }
    }

    proptest! {
        /// That holds in whatever order and sizes it is read, and whatever changes between ticks.
        #[test]
        fn a_snapshot_gives_what_the_memory_beneath_it_holds(
            ticks in proptest::collection::vec(
                (proptest::collection::vec((0..66_500_u64, 0..300_usize), 0..60), 0..4_u8), 1..24),
        ) {
            let mut memory = snapshot();
            for (reads, change) in ticks {
                // Whole blocks are unmapped, as whole pages are in reality.
                match change {
                    0 => memory.source().bytes.truncate(40 * BLOCK_LEN),
                    1 => memory.source().bytes.resize(65536, 0xee),
                    2 => memory.source().bytes.iter_mut().for_each(|byte| *byte ^= 0x5a),
                    _ => {}
                }
                memory.refresh();
                for (at, len) in reads {
                    let at = Addr(BASE - 500 + at);
                    let (mut got, mut expected) = (vec![0; len], vec![0; len]);
                    let got_it = memory.read(at, &mut got);
                    let had_it = memory.source().read(at, &mut expected);
                    // Reading no bytes may succeed anywhere.
                    if len > 0 {
                        prop_assert_eq!(got_it.is_ok(), had_it.is_ok(), "{} bytes at {}", len, at);
                    }
                    if got_it.is_ok() && had_it.is_ok() {
                        prop_assert_eq!(got, expected);
                    }
                }
            }
        }
    }

    #[test]
    fn reads_at_the_ends_of_the_address_space_fail() {
        let mut memory = snapshot();
        assert!(memory.read_u64(Addr(u64::MAX - 3)).is_err());
        assert!(memory.read_u64(Addr(0)).is_err());
    }
}
