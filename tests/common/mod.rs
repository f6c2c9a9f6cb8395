//! What live tests share: the interpreters of this machine and programs that run in them.

// Each test file is a crate of its own and uses another part of this.
#![allow(dead_code)]

pub mod flaws;
pub mod held;
pub mod interpreters;
pub mod look;
pub mod memory;
pub mod target;
pub mod watchdog;

#[allow(unused_imports)]
pub use interpreters::{Interpreter, interpreters};
#[allow(unused_imports)]
pub use memory::ProcMemory;
#[allow(unused_imports)]
pub use target::Target;

/// How long a test waits for what must come: what has not come by then hangs, however much else the
/// machine has to do.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(180);

/// Says that a test could not test, and why.
pub fn skipped(what: &str, why: &str) {
    eprintln!("SKIPPED {what}: {why}");
}

/// The same where something is absent that `.ci/run` installs: with `SPYHOLE_MUST_TEST`, as it has
/// it, that is an error.
#[track_caller]
pub fn lacking(what: &str, why: &str) {
    assert!(
        std::env::var_os("SPYHOLE_MUST_TEST").is_none(),
        "{what}: {why}"
    );
    skipped(what, why);
}
