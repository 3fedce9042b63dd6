//! Pages over real HTTP on loopback, read by a strict reader.

mod agent_check;
pub mod exposition;
mod http;
mod page;
mod reference;

use std::sync::Arc;
use std::time::Duration;

use super::Origin;
use super::machine::{MachineView, ProcessView};
use crate::show::{About, Board, CheckView, Count, DatapathMode, DatapathStats, Durations, ReloadView, RemovalSeen};
use ringmon_core::blindness::Blindness;
use ringmon_core::edit::Held;
use ringmon_core::engine::{BrokenLink, WatchView};
use ringmon_core::evidence::LocalFault;
use ringmon_core::row::Mode;
use ringmon_core::ways::Lost;
use ringmon_core::{Incarnation, Purpose, ServerId, Snapshot, Time, VoteKind, WatchId, WatchReading};

const SECOND: u64 = 1_000_000_000;

fn watch(slot: u16, name: &str, state: &'static str) -> WatchView {
    let reading = WatchReading {
        sent: 100,
        replies: 97,
        late: 2,
        misses: 3,
        unresolved: 1,
        unsent: 4,
        consecutive: 1,
        last_reply: Some(Time::from_ns(9 * SECOND)),
        last_rtt: Some(Duration::from_micros(5)),
        ..WatchReading::default()
    };
    WatchView {
        id: WatchId { slot, generation: 1 },
        server: ServerId(i64::from(slot) + 10),
        name: name.to_owned(),
        address: "192.0.2.1".parse().unwrap(),
        purpose: Purpose::Buddy,
        state,
        blind: (state == WatchView::UNKNOWN).then_some(Blindness::NoRoute),
        reading,
        loss: 0.04,
        needed: 7,
        silence_asked: Duration::from_millis(600),
        burst: true,
        lost: Lost { out: 1, back: 2 },
    }
}

fn origin() -> Origin {
    Origin { schema: 4, ca: None, clock: || Time::from_ns(11 * SECOND) }
}

/// This process, and a CA that ends some day.
fn machine() -> MachineView {
    MachineView { process: ProcessView::this(), ca_end: Some(1_900_000_000) }
}

pub fn removal() -> RemovalSeen {
    RemovalSeen { kind: VoteKind::Host, at: 1_800_000_000.5, address: Some([192, 0, 2, 4].into()) }
}

/// A board with a bit of everything.
fn board(watches: Vec<WatchView>) -> Arc<Board> {
    let fine = vec![(4096, 10), (5120, 20), (1 << 33, 1), (u64::MAX, 2)];
    let rtt = watches.iter().map(|watch| (watch.id, fine.clone())).collect();
    let count = |name, label, value| Count { name, label, value };
    let mut table = Durations::default();
    [1, 3, 3_000].map(Duration::from_millis).into_iter().for_each(|took| table.count(took));
    Arc::new(Board {
        engine: Snapshot {
            at: Time::from_ns(10 * SECOND),
            server: "a".to_owned(),
            phase: "member",
            id: Some(ServerId(1)),
            incarnation: Incarnation(1_700_000_000_000_000),
            watches,
            database_away: Some((Time::from_ns(8 * SECOND), "refused".to_owned())),
            answer_wait: Duration::from_millis(73),
            alone: Some(Time::from_ns(9 * SECOND)),
            frozen: Some("by hand".to_owned()),
            braked: true,
            broken_links: vec![BrokenLink { server: "e".to_owned(), way: "out" }],
            mode: Mode::Observe,
            went_back: 1,
            rejoins: 1,
            voids: [(LocalFault::LinkDown, 2)].into(),
            held: [(Held::TooYoung, 3)].into(),
            votes: 4,
            removals: 5,
            ..Snapshot::default()
        },
        datapath: DatapathStats {
            mode: Some(DatapathMode::XdpNative),
            verdicts: vec![
                count("verdicts", "answered", 7),
                count("verdicts", "wrong_tag", 8),
                count("incidents", "stamped", 9),
                count("incidents", "event_lost", 1),
            ],
            rtt,
        },
        checks: vec![
            CheckView {
                check: "tcp:127.0.0.1:80".to_owned(),
                passing: Some(true),
                took: Duration::from_millis(2),
                ..CheckView::default()
            },
            CheckView { check: "exec:/a \"b\"".to_owned(), passing: Some(false), ..CheckView::default() },
            CheckView { check: "systemd:x.service".to_owned(), ..CheckView::default() },
        ],
        counts: vec![count("notices", "sent", 9), count("events", "unwritten", 1), count("recorder", "recorded", 2)],
        about: About {
            pool: "web \"1\"".to_owned(),
            interface: "eth0".to_owned(),
            address: "192.0.2.7".to_owned(),
            pid: 7,
        },
        link_up: true,
        removals: [("d".to_owned(), removal())].into(),
        undelivered: [([192, 0, 2, 3].into(), 6)].into(),
        table,
        reload: ReloadView::default(),
    })
}
