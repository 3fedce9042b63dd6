//! Counts who is connected to a port of this machine.

use std::collections::BTreeSet;

/// Established connections to this local TCP port, in this network namespace. This process's own do not count (it may
/// check the service there). Zero where the kernel does not say (proc_net_tcp, both families).
#[must_use]
pub fn connected(port: u16) -> usize {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let text: String = tables.into_iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect();
    count(&text, port, &own_sockets())
}

/// Inodes of the sockets that this process has open.
fn own_sockets() -> BTreeSet<u64> {
    let Ok(files) = std::fs::read_dir("/proc/self/fd") else { return BTreeSet::new() };
    let inode = |file: std::fs::DirEntry| {
        let target = std::fs::read_link(file.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    files.flatten().filter_map(inode).collect()
}

/// One socket: `sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode`. Addresses
/// are hexadecimal, with the port after a colon. State 01 is ESTABLISHED.
struct Socket<'a> {
    local: (&'a str, u16),
    remote: (&'a str, u16),
    established: bool,
    inode: u64,
}

impl<'a> Socket<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut words = line.split_whitespace().skip(1);
        let (local, remote, state) = (words.next()?, words.next()?, words.next()?);
        let inode = words.nth(5)?.parse().ok()?;
        Some(Self { local: end(local)?, remote: end(remote)?, established: state == "01", inode })
    }
}

fn end(text: &str) -> Option<(&str, u16)> {
    /// How an IPv4 address begins inside an IPv6 socket.
    const MAPPED: &str = "0000000000000000FFFF0000";
    let (address, port) = text.rsplit_once(':')?;
    Some((address.strip_prefix(MAPPED).unwrap_or(address), u16::from_str_radix(port, 16).ok()?))
}

fn count(tables: &str, port: u16, own: &BTreeSet<u64>) -> usize {
    let sockets: Vec<Socket<'_>> = tables.lines().filter_map(Socket::read).collect();
    let ours: BTreeSet<_> = sockets.iter().filter(|s| own.contains(&s.inode)).map(|s| (s.remote, s.local)).collect();
    sockets.iter().filter(|s| s.established && s.local.1 == port && !ours.contains(&(s.local, s.remote))).count()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use super::*;

    /// The kernel's list. [`count`] reads it as another process would: none of it is its own.
    fn table() -> String {
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| std::fs::read_to_string(path).unwrap()).concat()
    }

    fn a_connection_counts(listener: &TcpListener) {
        let port = listener.local_addr().unwrap().port();
        // The kernel's list is not of one moment: while other tests connect, an entry may be in it twice.
        let becomes = |connected: usize| {
            let end = Instant::now() + Duration::from_secs(30);
            while count(&table(), port, &BTreeSet::new()) != connected {
                assert!(Instant::now() < end, "{connected} should be connected");
            }
        };
        assert_eq!(count(&table(), port, &BTreeSet::new()), 0, "who listens is not connected");
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (server, _) = listener.accept().unwrap();
        becomes(1);
        assert_eq!(connected(port), 0, "it is this process's own");
        drop((client, server));
        becomes(0);
    }

    #[test]
    fn a_connection_counts_while_it_is_there_and_not_if_it_is_our_own() {
        a_connection_counts(&TcpListener::bind("127.0.0.1:0").unwrap());
        a_connection_counts(&TcpListener::bind("[::]:0").unwrap());
    }

    #[test]
    fn nonsense_is_nobody() {
        for text in ["", "head\nx\n 0: nonsense 1 01\n 1: 0:ZZ 0:0 01", " 1: 0:50 0:0 01 0:0 0:0 0 0 0 x"] {
            assert_eq!(count(text, 80, &BTreeSet::new()), 0, "{text}");
        }
        assert_eq!(count(" 1: 0:50 0:0 01 0:0 0:0 0 0 0 7", 80, &BTreeSet::new()), 1);
    }
}
