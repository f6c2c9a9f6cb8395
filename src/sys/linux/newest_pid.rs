//! Which process or thread was the last to be made.

use crate::model::Pid;

/// The id given last to a process or thread of our pid namespace or one within it; the same number
/// twice means that none was made between (`loadavg_proc_show` in the kernel's fs/proc/loadavg.c).
/// `None` where it cannot be read.
#[must_use]
pub fn newest_pid() -> Option<Pid> {
    parse(&std::fs::read_to_string("/proc/loadavg").ok()?)
}

fn parse(loadavg: &str) -> Option<Pid> {
    // Where a container is shown a file of its own, the number may be missing, or always 0.
    let pid = loadavg.split_ascii_whitespace().nth(4)?.parse().ok()?;
    (pid > 0).then_some(Pid(pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_process_is_the_newest() {
        let before = newest_pid().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        assert_ne!(newest_pid().unwrap(), before);
        child.wait().unwrap();
    }

    #[test]
    fn what_tells_nothing_is_no_pid() {
        assert_eq!(parse("0.20 0.18 0.12 1/80 11206\n"), Some(Pid(11206)));
        assert_eq!(parse("0.20 0.18 0.12 1/80 0\n"), None);
        assert_eq!(parse("0.20 0.18 0.12"), None);
    }
}
