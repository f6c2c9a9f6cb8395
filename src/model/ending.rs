//! How a program ended.

/// How a program ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    Code(i32),
    Signal(i32),
    /// Its exit status was collected by someone else.
    Unknown,
}

impl Ending {
    /// The exit code that a shell would report.
    #[must_use]
    pub fn exit_code(self) -> Option<u8> {
        match self {
            Ending::Code(code) => u8::try_from(code & 0xff).ok(),
            Ending::Signal(signal) => u8::try_from(128 + signal).ok(),
            Ending::Unknown => None,
        }
    }
}
