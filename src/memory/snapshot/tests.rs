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
