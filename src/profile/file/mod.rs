//! The profile file: pprof's format, gzipped, for `go tool pprof`, Pyroscope, Parca, speedscope and
//! others (<https://github.com/google/pprof/blob/main/proto/profile.proto>), and a whole recording for
//! us.
//!
//! All that readers of pprof show is made visible ([`visible`](crate::model::visible)), since `go tool
//! pprof` prints names to the terminal as they are. If that changes a name, the original is stored beside
//! it, in a field of ours, which we read. Of command lines, only the words of `model::Program` are kept,
//! since the others may hold secrets. Each sample has all three values. Process and thread are labels,
//! followed by the sample's own labels, as texts.
//!
//! Files are written and read as streams: references point backwards (except to the parent of a process),
//! so little more memory is needed than for the profile.

mod convert;
mod read;
mod schema;
mod write;

#[cfg(test)]
pub(super) mod tests;

pub use read::{ReadError, read};
pub use write::write;

/// The version of the format. A reader accepts all versions up to its own. A new field needs no new
/// version if readers that do not know it may skip it.
const FORMAT: u64 = 1;

/// The largest size of a file, unzipped. The timeline is cut to fit.
const LARGEST: u64 = 1 << 30;

/// The most runs of the timeline. Reading this many takes 3 GB of temporary disk space.
const MOST_RUNS: u64 = 100_000_000;
