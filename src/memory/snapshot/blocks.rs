//! Blocks of memory: which are worth fetching again, and the ranges to fetch them by.

use crate::model::Addr;
use crate::sys::linux::vm::MAX_RANGES;

/// Memory is fetched in aligned blocks of this many bytes: small, since much of what is read lies
/// scattered, and a divisor of the page size, so that no block crosses the end of a mapping.
pub const BLOCK: u64 = 128;
pub const BLOCK_LEN: usize = BLOCK as usize;

/// A block that was not used for more than this many ticks is no longer fetched in advance. The number
/// is small, since a program does not come back to most of what it left, and fetching the rest again
/// takes only one call more.
pub const FORGET_AFTER: u32 = 3;

/// If two blocks of one page have no more blocks between them than this, those between are fetched, too:
/// one more range costs the kernel a look-up of the page, which takes longer than copying a kilobyte.
const MAX_GAP: u64 = 8;
pub const BLOCKS_A_PAGE: u64 = 4096 / BLOCK;

/// Stands for the tick in which a block was last used if it was never used, but only fetched along with
/// others.
pub const NEVER: u32 = u32::MAX;

/// A number that no block has: the block would lie beyond the address space.
const NO_BLOCK: u64 = u64::MAX;

#[derive(Clone, Copy, Debug)]
pub struct Held {
    pub block: u64,
    /// The tick in which it was last used.
    pub used: u32,
}

impl Held {
    pub const NOTHING: Held = Held {
        block: NO_BLOCK,
        used: NEVER,
    };

    pub fn is_predicted(&self, tick: u32) -> bool {
        self.used != NEVER && tick.wrapping_sub(self.used) <= FORGET_AFTER
    }
}

/// Adds the blocks that lie in a short gap between two blocks of one page.
pub fn fill_gaps(blocks: &mut Vec<Held>) {
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
pub fn coalesce(blocks: &[Held], ranges: &mut Vec<(Addr, usize)>) {
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
