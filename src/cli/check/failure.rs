//! An error that ends a check without a verdict, and its exit code.

use crate::check::EvidenceError;
use crate::cli::exit;

/// An error and the exit code for it.
#[derive(Debug)]
pub struct Failure {
    pub code: u8,
    pub error: anyhow::Error,
}

/// Gives errors an exit code.
pub trait WithCode<T> {
    /// # Errors
    /// The error, with this exit code.
    fn code(self, code: u8) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> WithCode<T> for Result<T, E> {
    fn code(self, code: u8) -> Result<T, Failure> {
        self.map_err(|error| Failure {
            code,
            error: error.into(),
        })
    }
}

impl From<EvidenceError> for Failure {
    fn from(error: EvidenceError) -> Failure {
        let code = match error {
            EvidenceError::Differ(_) => exit::NOT_COMPARABLE,
            EvidenceError::Baseline(crate::check::BaselineError::OtherMachine { .. }) => {
                exit::NOT_COMPARABLE
            }
            EvidenceError::Baseline(_) => exit::BAD_BASELINE,
            EvidenceError::Unseen(_) => exit::NOTHING_SEEN,
        };
        Failure {
            code,
            error: error.into(),
        }
    }
}
