//! The command line, where the kernel put it: at the end of the stack with which the program began. What a
//! program writes over it (`setproctitle`) counts, as it does for `/proc/PID/cmdline`.

use super::Core;
use crate::model::little_endian::u64_at;
use crate::model::{Addr, TargetStr};

/// How far around the address that the kernel gives is searched, in bytes. Arguments and environment
/// together lie beyond it.
const SPAN: u64 = 1 << 20;
/// The most that is read of arguments, in bytes.
const MAX_ARGUMENTS: u64 = 256 << 10;

/// Reads the words from the argument vector, which lies before the environment's and that before the
/// auxiliary one.
pub(super) fn read(core: &Core, stack: Option<Addr>, auxiliary: &[u8]) -> Option<Vec<TargetStr>> {
    let near = stack?;
    let mapping = core.maps().iter().find(|mapping| mapping.contains(near))?;
    // Vectors are aligned to words.
    let start = mapping.start.0.max(near.0.saturating_sub(SPAN));
    let start = start.checked_next_multiple_of(8)?;
    let mut bytes = vec![0; usize::try_from(near.0.checked_sub(start)?).ok()?];
    core.read(Addr(start), &mut bytes).ok()?;
    let begins = auxiliary.get(..16)?;
    let vector = memchr::memmem::rfind_iter(&bytes, begins).find(|at| {
        let end = at.saturating_add(auxiliary.len());
        at % 8 == 0 && bytes.get(*at..end) == Some(auxiliary)
    })?;
    let words: Vec<u64> = (0..vector / 8)
        .filter_map(|index| u64_at(&bytes, index * 8))
        .collect();
    // Backwards: a null, the environment, a null, the arguments, their number.
    let (_, words) = words.split_last().filter(|(null, _)| **null == 0)?;
    let null = words.iter().rposition(|word| *word == 0)?;
    let environment = words.get(null + 1..)?;
    let words = words.get(..null)?;
    let count = (1..=words.len()).find(|count| {
        let before = words.len().checked_sub(count + 1);
        before.and_then(|before| words.get(before)) == Some(&(*count as u64))
    })?;
    let arguments = words.get(words.len() - count..)?;
    let first = *arguments.first()?;
    let end = match environment.first() {
        Some(end) => *end,
        None => arguments.last()?.saturating_add(1),
    };
    let len = end.checked_sub(first)?.min(MAX_ARGUMENTS);
    let mut text = vec![0; usize::try_from(len).ok()?];
    core.read(Addr(first), &mut text).ok()?;
    Some(self::words(&text, 0)).filter(|words| !words.is_empty())
}

/// The words between separators.
pub(super) fn words(text: &[u8], separator: u8) -> Vec<TargetStr> {
    text.split(|byte| *byte == separator)
        .filter(|word| !word.is_empty())
        .map(TargetStr::from_bytes)
        .collect()
}
