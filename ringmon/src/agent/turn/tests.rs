use std::time::Duration;

use tokio::runtime::Handle;

use super::*;
use crate::config::DatabaseUrl;
use crate::datapath::fake::{self, Fake};
use crate::service;
use ringmon_core::card::{Card, Clients};
use ringmon_core::engine::{Engine, Identity};
use ringmon_core::event::WentBack;
use ringmon_core::row::Mode;
use ringmon_core::{BootToken, Outcome, PoolId, PoolKey, PoolRow, Profile, Rules, TableSnapshot};

const OLD: PoolKey = PoolKey { id: 1, secret: [1; 16] };
const NEW: PoolKey = PoolKey { id: 2, secret: [2; 16] };

fn identity() -> Identity {
    Identity {
        card: Card {
            name: "a".to_owned(),
            address: [127, 0, 0, 1].into(),
            notice_port: 0,
            clients: Clients { address: None, port: None, weight: 100 },
            boot: BootToken("boot".to_owned()),
        },
        mode: Mode::Act,
        tuning: Profile::Default.tuning(),
        seed: 1,
        start_drained: false,
    }
}

/// A loop with real rooms, except the datapath. The database is never asked for.
fn turn(folder: &std::path::Path) -> (Turn, fake::Handle) {
    let (datapath, seen) = Fake::new();
    let (table, ends) = Table::new(DatabaseUrl::sqlite(folder.join("none")), "web".to_owned(), Handle::current());
    let rooms = Rooms {
        datapath: Box::new(datapath),
        table,
        ends,
        notices: Notices::bind(([127, 0, 0, 1], 0).into(), vec![OLD]).unwrap(),
        events: None,
        state: StateDir::open(folder, "web", "a").unwrap(),
        board: watch::channel(Arc::default()).0,
        keys: PoolKeys::kept(vec![OLD]),
        service: Service::start(service::Options::default(), &Handle::current(), clock::now),
        about: About::default(),
    };
    let engine = Recorded::new(Engine::new(identity()), None);
    (Turn::new(engine, rooms, Duration::from_millis(50)).unwrap(), seen)
}

/// An operation that read this version of the pool's row.
fn ended(version: i64, keys: &[PoolKey]) -> TableDone {
    let name = "web".to_owned();
    let pool = PoolRow { id: PoolId(1), name, rules: Rules::default(), frozen: None, keys: keys.to_vec(), version };
    let snapshot = TableSnapshot { pool: Some(pool), ..TableSnapshot::default() };
    TableDone { ticket: 0, result: Ok(Outcome::Read), snapshot, took: Duration::ZERO }
}

/// A write reads the pool before a key is rotated, and ends after a later look.
#[tokio::test]
async fn keys_of_an_older_row_do_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let (mut turn, datapath) = turn(folder.path());
    turn.table_done(clock::now(), ended(7, &[NEW, OLD]));
    assert_eq!(datapath.keys(), [NEW, OLD]);
    turn.table_done(clock::now(), ended(6, &[OLD, NEW]));
    assert_eq!(datapath.keys(), [NEW, OLD], "the older row's");
    turn.table_done(clock::now(), ended(8, &[NEW]));
    turn.table_done(clock::now(), ended(7, &[NEW, OLD]));
    assert_eq!(datapath.keys(), [NEW]);
    let lost = EventBody::TableWentBack(WentBack { known: None, row: "web".to_owned(), seen: None });
    turn.tell(Event { mono: clock::now(), subject: "a".to_owned(), body: lost });
    turn.table_done(clock::now(), ended(6, &[OLD]));
    assert_eq!(datapath.keys(), [OLD], "the table went back in time, and the rotation with it");
}
