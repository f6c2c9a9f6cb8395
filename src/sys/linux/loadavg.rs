//! How many threads of the machine run, and which id was given last, as `/proc/loadavg` tells.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::{PROC_SUPER_MAGIC, fstatfs};

use crate::model::Pid;

/// `/proc/loadavg`, open. A read costs about a microsecond.
#[derive(Debug)]
pub struct Loadavg(File);

/// What it says (`loadavg_proc_show` in the kernel's fs/proc/loadavg.c).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Load {
    /// Threads of the machine that run or are ready to, including the one that asks.
    pub running: usize,
    /// The id that was given last to a process or thread of our pid namespace or one within it. If it is
    /// the same at two reads, none was created between them.
    pub newest: Pid,
}

impl Loadavg {
    /// # Errors
    /// When it cannot be opened, or is not the kernel's own file: the one that some containers see in
    /// its place (lxcfs) may be seconds old.
    pub fn open() -> io::Result<Loadavg> {
        let file = File::open("/proc/loadavg")?;
        if fstatfs(&file)?.f_type != PROC_SUPER_MAGIC {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(Loadavg(file))
    }

    /// `None` when it is in no format that we know.
    #[must_use]
    pub fn now(&self) -> Option<Load> {
        let mut bytes = [0; 128];
        let len = self.0.read_at(&mut bytes, 0).ok()?;
        parse(std::str::from_utf8(bytes.get(..len)?).ok()?)
    }
}

fn parse(loadavg: &str) -> Option<Load> {
    let mut fields = loadavg.split_ascii_whitespace().skip(3);
    let (running, _) = fields.next()?.split_once('/')?;
    Some(Load {
        running: running.parse().ok()?,
        newest: Pid(fields.next()?.parse().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_running_threads_and_shows_a_new_process() {
        let loadavg = Loadavg::open().unwrap();
        let before = loadavg.now().unwrap();
        assert!(before.running >= 1);
        let mut child = std::process::Command::new("true").spawn().unwrap();
        assert_ne!(loadavg.now().unwrap().newest, before.newest);
        child.wait().unwrap();
    }

    #[test]
    fn short_or_odd_lines_are_refused() {
        let load = parse("0.20 0.18 0.12 1/80 11206\n").unwrap();
        assert_eq!((load.running, load.newest), (1, Pid(11206)));
        assert_eq!(parse("0.20 0.18 0.12 1/80"), None);
        assert_eq!(parse("0.20 0.18 0.12 1 11206"), None);
    }
}
