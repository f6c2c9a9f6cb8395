//! Which sockets listen on which ports, and which are open in a process, as `/proc` tells.

use std::io;
use std::path::Path;

use rustc_hash::FxHashMap;

use crate::model::Tid;

/// State `TCP_LISTEN` (include/net/tcp_states.h), as `/proc/net/tcp` has it.
const LISTENING: &str = "0A";
/// Real processes have fewer descriptors open than this.
const MAX_DESCRIPTORS: usize = 1 << 20;

/// The TCP ports on which sockets in a thread's network namespace listen, by the inode of the socket.
#[must_use]
pub fn listening(tid: Tid) -> FxHashMap<u64, u16> {
    let mut ports = FxHashMap::default();
    for table in ["tcp", "tcp6"] {
        let text = std::fs::read_to_string(format!("/proc/{tid}/net/{table}"));
        ports.extend(text.unwrap_or_default().lines().filter_map(parse_line));
    }
    ports
}

/// The inode and port from a line of the table; `None` unless the socket listens.
fn parse_line(line: &str) -> Option<(u64, u16)> {
    let mut fields = line.split_ascii_whitespace();
    let local = fields.nth(1)?;
    if fields.nth(1)? != LISTENING {
        return None;
    }
    let port = u16::from_str_radix(local.rsplit(':').next()?, 16).ok()?;
    let inode = fields.nth(5)?.parse().ok()?;
    Some((inode, port))
}

/// The inodes of the sockets that a thread has open; as a rule, they are those of its whole process.
///
/// # Errors
/// When we may not know (`PermissionDenied`), or the thread is gone.
pub fn open_sockets(tid: Tid) -> io::Result<Vec<u64>> {
    let entries = std::fs::read_dir(format!("/proc/{tid}/fd"))?;
    let links = entries.take(MAX_DESCRIPTORS).flatten();
    Ok(links
        .filter_map(|entry| socket_inode(&std::fs::read_link(entry.path()).ok()?))
        .collect())
}

/// `socket:[INODE]`
fn socket_inode(link: &Path) -> Option<u64> {
    let text = link.to_str()?;
    text.strip_prefix("socket:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

/// The number of the network namespace of a thread.
pub fn network_of(tid: Tid) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    Some(std::fs::metadata(format!("/proc/{tid}/ns/net")).ok()?.ino())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn our_own_listener_is_found() {
        let ours = Tid(nix::unistd::gettid().as_raw());
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                assert_ne!(address, "127.0.0.1:0");
                continue;
            };
            let port = listener.local_addr().unwrap().port();
            let ports = listening(ours);
            let sockets = open_sockets(ours).unwrap();
            assert!(sockets.iter().any(|inode| ports.get(inode) == Some(&port)));
            drop(listener);
            assert!(!listening(ours).values().any(|other| *other == port));
        }
    }

    #[test]
    fn other_lines_are_passed_over() {
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
        let connected = "   1: 0100007F:1F40 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 77 1";
        let listens = "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000";
        assert_eq!(parse_line(head), None);
        assert_eq!(parse_line(connected), None);
        assert_eq!(parse_line(listens), Some((4711, 8000)));
        assert_eq!(parse_line(""), None);
    }
}
