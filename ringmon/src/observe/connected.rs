//! Who is connected to a port of this machine.

/// Established connections to this local TCP port, in this network namespace; none where the kernel does not say (proc_net_tcp, both families).
#[must_use]
pub fn connected(port: u16) -> usize {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .map(|text| count(&text, port))
        .sum()
}

/// `sl local_address rem_address st ...`: addresses are hexadecimal, with the port behind a colon; state 01 is ESTABLISHED.
fn count(table: &str, port: u16) -> usize {
    let is_it = |line: &&str| {
        let mut words = line.split_whitespace().skip(1);
        let (local, _, state) = (words.next(), words.next(), words.next());
        let own = local.and_then(|local| local.rsplit_once(':')).and_then(|(_, hex)| u16::from_str_radix(hex, 16).ok());
        own == Some(port) && state == Some("01")
    };
    table.lines().skip(1).filter(is_it).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_counts_while_it_is_there() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(connected(port), 0, "who listens is not connected");
        let client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (server, _) = listener.accept().unwrap();
        assert_eq!(connected(port), 1);
        drop((client, server));
        assert_eq!(connected(port), 0);
    }

    #[test]
    fn nonsense_is_nobody() {
        assert_eq!(count("", 80), 0);
        assert_eq!(count("head\nx\n 0: nonsense 1 01\n 1: 0:ZZ 0:0 01", 80), 0);
    }
}
