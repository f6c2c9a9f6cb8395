//! Linux.

pub mod cgroup;
pub mod cpu_clock;
mod cpu_helpers;
pub mod credentials;
pub mod files;
pub mod limits;
pub mod loadavg;
pub mod machine;
pub mod mem_file;
pub mod monotonic;
pub mod output_file;
pub mod pidfd;
pub mod privilege;
pub mod processes;
pub mod ptrace;
pub mod punctual;
pub mod signals;
pub mod sockets;
pub mod spawn;
pub mod stand;
pub mod status;
pub mod tasks;
#[cfg(feature = "cli")]
pub mod terminal_input;
pub mod usage;
pub mod vm;
