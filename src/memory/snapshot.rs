//! The memory at one tick. What the last ticks read is fetched in one call at the beginning; whoever
//! reads the snapshot never deals with system calls.

mod blocks;

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::{Fault, Memory, Moments, Source};
use crate::model::Addr;
use blocks::{BLOCK, BLOCK_LEN, BLOCKS_A_PAGE, FORGET_AFTER, Held, NEVER, coalesce, fill_gaps};

/// Bound on what one tick may keep: 16 MiB, a stack of some 100,000 frames, or 35,000 up to 3.10.
/// What goes beyond is not kept, but read from the source each time.
const MAX_BLOCKS: usize = (16 << 20) / BLOCK_LEN;

/// The longest run of blocks that is fetched ahead of a reader who moves through memory.
const MAX_AHEAD: u64 = 64;

/// How many blocks are fetched before a missed block, and how many from it on, if the reader does not
/// move through memory.
const BEFORE_A_MISS: u64 = 7;
const BEHIND_A_MISS: u64 = 2;

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
    /// Whether the blocks that are read now are predicted for the next ticks.
    predicts: bool,
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

impl<S: Source> Snapshot<S> {
    pub fn new(source: S) -> Snapshot<S> {
        Snapshot {
            source,
            tick: 0,
            places: FxHashMap::default(),
            data: Vec::new(),
            held: Vec::new(),
            predicts: true,
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
        if self.predicts
            && let Some(held) = self.held.get_mut(place)
        {
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

    fn predict_reads(&mut self, predict: bool) {
        self.predicts = predict;
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
mod tests;
