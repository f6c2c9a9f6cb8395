//! The conditions under which figures were measured, and whether figures of two such sets can be
//! compared.

use crate::model::PythonVersion;
use crate::profile::Recording;
use crate::sys::linux::machine;

/// What must be the same for two recordings to be comparable.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Conditions {
    /// Such as `3.11.7` or `3.13.0t`; empty if unknown.
    pub python: String,
    /// As `--mode` takes it.
    pub mode: String,
    /// The sampling rate that was asked for, in samples per second.
    pub rate: u32,
    /// The machine it ran on. Seconds measured on one machine mean nothing on another.
    pub machine: String,
}

impl Conditions {
    /// The conditions of a recording that was made on this machine.
    #[must_use]
    pub fn here(recording: &Recording) -> Conditions {
        Conditions {
            machine: machine::processors().unwrap_or_default(),
            ..Conditions::of(recording)
        }
    }

    /// The conditions of a recording, wherever it was made.
    #[must_use]
    pub fn of(recording: &Recording) -> Conditions {
        Conditions {
            python: recording
                .python
                .as_ref()
                .map_or(String::new(), PythonVersion::to_string),
            mode: recording.counting.name().to_owned(),
            rate: recording.rate,
            machine: String::new(),
        }
    }

    /// # Errors
    /// Says what differs, if figures of the two cannot be compared.
    pub fn compare(&self, before: &Conditions) -> Result<(), String> {
        let differ = |what: &str, before: &str, now: &str| {
            Err(format!("{what} is {now}, and was {before} then"))
        };
        if self.mode != before.mode {
            return differ("which threads count (--mode)", &before.mode, &self.mode);
        }
        if self.rate != before.rate {
            let (before, now) = (before.rate.to_string(), self.rate.to_string());
            return differ("the rate (--rate)", &before, &now);
        }
        if series(&self.python) != series(&before.python) {
            return differ("Python", &before.python, &self.python);
        }
        Ok(())
    }

    /// Whether seconds can be compared, not only shares.
    #[must_use]
    pub fn same_machine(&self, before: &Conditions) -> bool {
        !self.machine.is_empty() && self.machine == before.machine
    }
}

/// `3.11` or `3.13t`: programs run about equally fast on all releases of a series.
fn series(python: &str) -> String {
    let mut parts = python.split('.');
    let (major, minor) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let threads = if python.ends_with('t') { "t" } else { "" };
    format!("{major}.{minor}{threads}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(python: &str, mode: &str, rate: u32, machine: &str) -> Conditions {
        Conditions {
            python: python.into(),
            mode: mode.into(),
            rate,
            machine: machine.into(),
        }
    }

    #[test]
    fn what_cannot_be_compared_is_refused_with_the_reason() {
        let now = conditions("3.11.7", "work", 200, "a");
        assert_eq!(now.compare(&conditions("3.11.9", "work", 200, "b")), Ok(()));
        for (before, part) in [
            (conditions("3.12.1", "work", 200, "a"), "Python is 3.11.7"),
            (conditions("3.11.7t", "work", 200, "a"), "Python"),
            (
                conditions("3.11.7", "cpu", 200, "a"),
                "--mode) is work, and was cpu",
            ),
            (conditions("3.11.7", "work", 100, "a"), "--rate) is 200"),
        ] {
            let why = now.compare(&before).expect_err("refused");
            assert!(why.contains(part), "{why}");
        }
    }

    #[test]
    fn seconds_need_the_same_machine() {
        let machine = machine::processors().expect("told by the kernel");
        assert!(machine.contains(" x "), "{machine}");
        let here = conditions("3.11.7", "work", 200, &machine);
        assert!(here.same_machine(&here.clone()));
        assert!(!here.same_machine(&conditions("3.11.7", "work", 200, "another")));
        let unknown = conditions("3.11.7", "work", 200, "");
        assert!(!unknown.same_machine(&unknown.clone()));
    }
}
