//! Whose program listens on a port of this machine.
//! Takes a port; gives the user id of its listener, where the system tells. Connects to nothing.

use std::collections::BTreeSet;

/// Linux lists its sockets here.
const SOCKETS: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];
/// The state of a socket that listens.
const LISTENS: &str = "0A";

/// A user who is neither this one nor root, and has a listener on this port. None: there is none, or the system does not tell.
pub(super) fn of_another_user(port: u16) -> Option<u32> {
    let me = me()?;
    let tables = SOCKETS.iter().filter_map(|table| std::fs::read_to_string(table).ok());
    tables.flat_map(|table| owners(&table, port)).find(|owner| *owner != me && *owner != 0)
}

/// Linux tells by whose the process is.
fn me() -> Option<u32> {
    #[cfg(unix)]
    return Some(std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").ok()?));
    #[cfg(not(unix))]
    None
}

/// The owners of the listeners on this port.
fn owners(table: &str, port: u16) -> BTreeSet<u32> {
    let owner = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (_, local) = columns.get(1)?.rsplit_once(':')?;
        let listens = u16::from_str_radix(local, 16).ok()? == port && *columns.get(3)? == LISTENS;
        listens.then(|| columns.get(7)?.parse().ok()).flatten()
    };
    table.lines().skip(1).filter_map(owner).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of a real table; port 8811 is 226B.
    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:226B 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1002        0 184221 1 0000000000000000 100 0 0 10 0
   1: 0100007F:226B 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1003        0 184222 1 0000000000000000 100 0 0 10 0
   2: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1004        0 184223 1 0000000000000000 100 0 0 10 0
   3: 00000000000000000000000001000000:226B 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
";

    #[test]
    fn the_owner_is_that_of_the_listener_and_not_of_a_connection() {
        assert_eq!(owners(TABLE, 8811), [0, 1002].into());
        assert_eq!(owners(TABLE, 80), [1004].into());
        assert_eq!(owners(TABLE, 81), BTreeSet::new());
        assert_eq!(owners("", 80), BTreeSet::new());
    }

    #[test]
    fn a_listener_of_this_user_is_none_of_another() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        assert_eq!(listener.ok().and_then(|address| of_another_user(address.port())), None);
    }
}
