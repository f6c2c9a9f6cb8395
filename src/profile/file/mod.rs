//! The profile file: pprof's format, gzipped, for `go tool pprof`, Pyroscope, Parca, speedscope and
//! others (<https://github.com/google/pprof/blob/main/proto/profile.proto>), and a whole recording
//! for us.
//!
//! What readers of pprof show is visible throughout ([`visible`](crate::model::visible)): `go tool pprof`
//! prints names to the terminal as they are. Where that changes a name, the name itself stands beside it, in a
//! field of ours, and is what we read. Of command lines only
//! the words of `model::Program` are kept, since the others may hold secrets. Each
//! sample has all three values; process and thread are labels, and after them come the sample's own
//! labels, as texts.
//!
//! Both ways are streams: whatever refers to something comes after it, so a file is written and read
//! in little more memory than the profile takes.

mod read;
mod schema;
mod write;

#[cfg(test)]
pub(super) mod tests;

pub use read::{ReadError, read};
pub use write::write;

/// The number of the format as a whole. A reader takes all up to its own: fields may be added
/// without a new number, as long as who does not know them may skip them.
const FORMAT: u64 = 1;

/// What a file holds at most, unzipped; of the timeline as much is written as fits.
const LARGEST: u64 = 1 << 30;

/// Runs of the timeline; to read so many takes 3 GB of temporary disk.
const MOST_RUNS: u64 = 100_000_000;
