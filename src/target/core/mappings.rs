//! From segments and the list of mapped files to mappings, as a live process has them, and to where the
//! bytes of each are.

use rustc_hash::FxHashMap;

use super::headers::Segment;
use super::memory::{Extent, From};
use super::notes::FileRange;
use crate::model::Addr;
use crate::target::maps::{Mapping, Permissions};

/// Mappings in the order of addresses, and the paths of the files. In place of an inode, a mapping has the
/// number of its file: 1 for the first path, and so on.
pub(super) fn mappings(
    segments: &[Segment],
    files: &[FileRange],
    vdso: Option<Addr>,
) -> (Vec<Mapping>, Vec<Vec<u8>>) {
    let mut paths = Vec::new();
    let mut numbers: FxHashMap<&[u8], u64> = FxHashMap::default();
    for file in files {
        numbers.entry(&file.path).or_insert_with(|| {
            paths.push(file.path.clone());
            paths.len() as u64
        });
    }
    let of_segments = segments.iter().map(|segment| (segment.start, segment.end));
    let of_files = files.iter().map(|file| (file.start, file.end));
    let mut borders: Vec<u64> = of_segments
        .chain(of_files)
        .flat_map(|(start, end)| [start, end])
        .collect();
    borders.sort_unstable();
    borders.dedup();
    let mappings = borders.windows(2).filter_map(|pair| {
        let &[start, end] = pair else {
            return None;
        };
        let segment = segment_at(segments, start);
        let file = files.get(files.partition_point(|file| file.end <= start));
        let file = file.filter(|file| file.start <= start);
        if segment.is_none() && file.is_none() {
            return None;
        }
        Some(Mapping {
            start: Addr(start),
            end: Addr(end),
            permissions: segment.map_or(OF_OMITTED, |segment| Permissions {
                read: segment.read,
                write: segment.write,
                execute: segment.execute,
            }),
            offset: file.map_or(0, |file| file.offset.wrapping_add(start - file.start)),
            dev_major: 0,
            dev_minor: 0,
            inode: file.map_or(0, |file| {
                numbers.get(&*file.path).copied().unwrap_or_default()
            }),
            path: match file {
                Some(file) => file.path.clone(),
                None if vdso == Some(Addr(start)) => b"[vdso]".to_vec(),
                None => Vec::new(),
            },
        })
    });
    (mappings.collect(), paths)
}

/// What may be done with a mapping of a file that is left out of the core file even as a segment. Debuggers
/// leave out what was never written to, and that is mostly code.
const OF_OMITTED: Permissions = Permissions {
    read: true,
    write: false,
    execute: true,
};

/// Where the bytes of the mappings are, in the order of addresses. Bytes that lie beyond the end of the core
/// file, which is `length` long, are nowhere.
pub(super) fn extents(mappings: &[Mapping], segments: &[Segment], length: u64) -> Vec<Extent> {
    let mut extents = Vec::new();
    for mapping in mappings {
        let (start, end) = (mapping.start.0, mapping.end.0);
        let segment = segment_at(segments, start);
        let (written, within) = segment.map_or((start, 0), |segment| {
            let written = segment.start.saturating_add(segment.written);
            (written.clamp(start, end), start - segment.start)
        });
        let offset = segment.and_then(|segment| segment.offset.checked_add(within));
        if let Some(offset) = offset.filter(|offset| *offset < length) {
            let there = written.min(start.saturating_add(length - offset));
            if start < there {
                extents.push(Extent {
                    start,
                    end: there,
                    from: From::Core(offset),
                });
            }
        }
        let number = usize::try_from(mapping.inode).unwrap_or(0).checked_sub(1);
        if let Some(number) = number.filter(|_| written < end) {
            extents.push(Extent {
                start: written,
                end,
                from: From::Mapped(number, mapping.offset.wrapping_add(written - start)),
            });
        }
    }
    extents
}

fn segment_at(segments: &[Segment], at: u64) -> Option<&Segment> {
    let index = segments.partition_point(|segment| segment.end <= at);
    segments.get(index).filter(|segment| segment.start <= at)
}
