//! Versions of CPython.

/// A version of CPython, as `PY_VERSION_HEX` has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PythonVersion {
    pub major: u8,
    pub minor: u8,
    pub micro: u8,
    /// Release level and serial, the low byte of `PY_VERSION_HEX`: 0xf0 for a final release.
    pub level: u8,
    pub free_threaded: bool,
}

impl PythonVersion {
    /// From `PY_VERSION_HEX`.
    #[must_use]
    pub fn from_hex(hex: u32, free_threaded: bool) -> PythonVersion {
        let [major, minor, micro, level] = hex.to_be_bytes();
        PythonVersion {
            major,
            minor,
            micro,
            level,
            free_threaded,
        }
    }

    /// `PY_VERSION_HEX`.
    #[must_use]
    pub fn hex(self) -> u32 {
        u32::from_be_bytes([self.major, self.minor, self.micro, self.level])
    }
}

/// As in `3.13.0t` and `3.15.0rc2`.
impl std::fmt::Display for PythonVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)?;
        let serial = self.level & 0xf;
        match self.level >> 4 {
            0xa => write!(f, "a{serial}")?,
            0xb => write!(f, "b{serial}")?,
            0xc => write!(f, "rc{serial}")?,
            _ => {}
        }
        f.write_str(if self.free_threaded { "t" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_shown_as_python_writes_it() {
        assert_eq!(
            PythonVersion::from_hex(0x030f_00c2, false).to_string(),
            "3.15.0rc2"
        );
        assert_eq!(
            PythonVersion::from_hex(0x030d_00f0, true).to_string(),
            "3.13.0t"
        );
    }
}
