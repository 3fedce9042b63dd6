//! A row for the tests of everything that shows a ring.

use ringmon_core::card::{Card, Clients};
use ringmon_core::{BootToken, Health, Incarnation, ServerId, ServerRow};

/// Row `s<id>`, in which nothing has happened yet.
pub fn row(id: i64, first: i64, second: i64) -> ServerRow {
    ServerRow {
        id: ServerId(id),
        card: Card {
            name: format!("s{id}"),
            address: std::net::Ipv4Addr::from(0x0a00_0000 + u32::try_from(id).unwrap()).into(),
            notice_port: 7464,
            clients: Clients { address: None, port: None, weight: 1 },
            boot: BootToken("b".into()),
        },
        first_buddy: ServerId(first),
        second_buddy: ServerId(second),
        incarnation: Incarnation(1),
        pick: id,
        draining: false,
        health: Health::Unknown,
        vote_first: None,
        vote_second: None,
        alone_since: None,
        alone_at: None,
        alone_kind: None,
        answering: None,
        version: 1,
    }
}
