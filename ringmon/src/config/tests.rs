//! Layers as properties, meanings on an imagined machine, and the sentences that people get.

mod layers;
mod meaning;
mod sentences;

use std::collections::BTreeMap;

use super::{Entry, Interface, Machine, Origin, Typed};

/// It has two interfaces besides the loopback, one of them with two addresses.
pub(super) fn machine() -> Machine {
    let interface = |loopback, addresses: &[&str]| Interface {
        loopback,
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
    };
    let interfaces = BTreeMap::from([
        ("lo".to_owned(), interface(true, &["127.0.0.1", "::1"])),
        ("eth0".to_owned(), interface(false, &["192.0.2.7", "2001:db8::7"])),
        ("eth1".to_owned(), interface(false, &["198.51.100.7", "198.51.100.8"])),
        ("tap0".to_owned(), interface(false, &[])),
    ]);
    Machine { hostname: "host7".to_owned(), interfaces }
}

/// Defaults, with these values on top, from the environment.
pub(super) fn typed(pairs: &[(&str, &str)]) -> Typed {
    let mut typed = Typed::default();
    for (name, text) in pairs {
        let key = super::Key::from_name(name).unwrap();
        typed.set(key, Entry { text: (*text).to_owned(), origin: Origin::Env(key.env()) });
    }
    typed.over(Typed::defaults())
}
