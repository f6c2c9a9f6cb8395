//! Giving up capabilities that we do not need.

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

/// The capabilities that recording needs, as far as we have them: reading and holding other processes
/// (`SYS_PTRACE`, and `KILL` to end a program that runs as another user), the files behind their
/// mappings (`DAC_READ_SEARCH`, `CHECKPOINT_RESTORE`), acting as the target's or the caller's user
/// (`SETUID`, `SETGID`), writing where root may (`DAC_OVERRIDE`), punctual wake-ups (`SYS_NICE`).
const NEEDED: CapabilitySet = CapabilitySet::SYS_PTRACE
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::CHECKPOINT_RESTORE)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::SYS_NICE);

/// Drops every other capability of the calling thread and of all threads that it starts later.
/// What we read comes from a process that may be hostile, and we often run as root.
pub fn drop_unneeded() {
    let Ok(now) = capabilities(None) else {
        return;
    };
    // Giving up capabilities is always permitted; where the kernel has none, there are none to drop.
    let _ = set_capabilities(
        None,
        CapabilitySets {
            effective: now.effective.intersection(NEEDED),
            permitted: now.permitted.intersection(NEEDED),
            inheritable: CapabilitySet::empty(),
        },
    );
}
