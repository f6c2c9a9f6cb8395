//! Why nothing was recorded.

use std::io;

use crate::sampler::Refused;

/// Why nothing was recorded.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum RecordError {
    #[error("no process was found")]
    NoProcess,
    #[error("no program was named")]
    NoProgram,
    #[error("'{program}' cannot be started")]
    NotStarted {
        program: String,
        #[source]
        source: io::Error,
    },
    /// The process cannot be read.
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("signals cannot be received")]
    Signals(#[source] io::Error),
    /// The recording keeps its timeline in a file without a name.
    #[error("no temporary file can be made for the recording; set TMPDIR")]
    NoTemporaryFile(#[source] io::Error),
    #[error("no temporary file for the output")]
    NoFileForOutput(#[source] io::Error),
}
