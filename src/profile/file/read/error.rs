//! Why a file is no profile.

use std::io;

use crate::profile::file::FORMAT;

/// Why a file could not be read as a profile.
#[derive(thiserror::Error, Debug)]
pub enum ReadError {
    #[error("it is no profile: neither a gzipped nor a plain pprof file")]
    NoProfile,
    #[error("it is a pprof profile that spyhole did not write")]
    Foreign,
    #[error("a later spyhole wrote it, in format {0}; this one reads up to format {FORMAT}")]
    Later(u64),
    #[error("it ends too early: the rest of it is missing")]
    Truncated,
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    #[error("it holds more than a recording does: {0}")]
    TooLarge(&'static str),
    #[error(transparent)]
    Io(#[from] io::Error),
}
