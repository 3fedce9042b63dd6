//! Two network namespaces joined by a veth pair. They are deleted when dropped, also when a test fails.

use std::fs::File;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sched::{CloneFlags, setns};

/// The name of each end, in its namespace.
pub const INTERFACE: &str = "v0";
pub const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 77, 0, 1), Ipv4Addr::new(10, 77, 0, 2)];

pub struct Namespace {
    name: String,
}

impl Namespace {
    fn new(name: String) -> Self {
        ip(&["netns", "add", &name]);
        let namespace = Self { name };
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace
    }

    /// Runs `ip` in the namespace.
    pub fn ip(&self, arguments: &[&str]) {
        ip(&[&["-n", &self.name], arguments].concat());
    }

    /// Runs this in the namespace, on a thread of its own.
    pub fn run<T: Send>(&self, run: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            let file = File::open(format!("/run/netns/{}", self.name)).expect("open the namespace");
            setns(file, CloneFlags::CLONE_NEWNET).expect("enter the namespace (as root)");
            run()
        };
        std::thread::scope(|scope| scope.spawn(inside).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// A counter of the kernel's own ICMP there, such as `InEchos`.
    pub fn icmp(&self, counter: &str) -> u64 {
        let text = self.run(|| std::fs::read_to_string("/proc/thread-self/net/snmp").expect("read snmp"));
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("Icmp: "));
        let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
        let mut pairs = names.split(' ').zip(values.split(' '));
        pairs.find(|(name, _)| *name == counter).and_then(|(_, value)| value.parse().ok()).expect("such a counter")
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // If something was wrong with it, that was printed when it was made.
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

pub fn pair() -> [Namespace; 2] {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let base = format!("rm-dp{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let pair = ["a", "b"].map(|side| Namespace::new(format!("{base}{side}")));
    join(&pair);
    pair
}

/// Makes the veth pair between them, up and with its addresses.
pub fn join(pair: &[Namespace; 2]) {
    let [a, b] = pair;
    a.ip(&["link", "add", INTERFACE, "type", "veth", "peer", "name", INTERFACE, "netns", &b.name]);
    for (namespace, address) in pair.iter().zip(ADDRESSES) {
        namespace.ip(&["address", "add", &format!("{address}/24"), "dev", INTERFACE]);
        namespace.ip(&["link", "set", INTERFACE, "up"]);
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("run ip (iproute2)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {}: {said}(these tests need root)", arguments.join(" "));
}
