//! How a program ended.

/// How a program ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    Code(i32),
    Signal(i32),
    /// Someone else took its status.
    Unknown,
}

impl Ending {
    /// The code that a shell would give.
    #[must_use]
    pub fn exit_code(self) -> Option<u8> {
        match self {
            Ending::Code(code) => u8::try_from(code & 0xff).ok(),
            Ending::Signal(signal) => u8::try_from(128 + signal).ok(),
            Ending::Unknown => None,
        }
    }
}
