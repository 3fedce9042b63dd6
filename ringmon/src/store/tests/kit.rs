//! Databases and servers to try things on.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use sea_orm::{ConnectionTrait, DatabaseConnection};

use super::mariadb::{self, PASSWORD, USER};
use crate::core::edit::{Guard, Lookup, NewRow, Outcome, Plan, Step, TableSnapshot};
use crate::core::engine::TableOp;
use crate::core::ring;
use crate::core::row::{Address, Health, Quorum, ServerRow};
use crate::core::{BootToken, Incarnation, ServerId, Time};
use crate::store::error::Fault;
use crate::store::{DatabaseUrl, Store};

/// The pool of these tests.
pub const POOL: &str = "lab";

/// An empty database, thrown away at the end.
pub struct TestDb {
    pub url: DatabaseUrl,
    _dir: Option<tempfile::TempDir>,
}

impl TestDb {
    pub fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::sqlite(dir.path().join("state/ringmon.db"));
        Self { url, _dir: Some(dir) }
    }

    pub async fn mariadb() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let server = crate::store::connect::Database::new(mariadb_url("mysql"));
        server.connections().execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        Self { url: mariadb_url(&name), _dir: None }
    }

    /// With the schema and the pool.
    pub async fn store(&self) -> Store {
        Store::init(&self.url, POOL, Quorum::Both).await.unwrap();
        self.open().await
    }

    /// Another agent's.
    pub async fn open(&self) -> Store {
        Store::open(&self.url, POOL).await.unwrap()
    }
}

/// A database of the tests' server.
pub fn mariadb_url(database: &str) -> DatabaseUrl {
    let port = mariadb::server().port;
    let url: DatabaseUrl = format!("mysql://{USER}@127.0.0.1:{port}/{database}").parse().unwrap();
    url.with_password(PASSWORD)
}

impl Store {
    /// An operator with SQL.
    pub(super) async fn sql(&self, sql: &str) -> u64 {
        let db: DatabaseConnection = self.inner.database.connections();
        db.execute_unprepared(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}")).rows_affected()
    }

    pub(super) async fn run_plain(&self, op: &TableOp) -> Outcome {
        self.run_seen(op).await.0
    }

    pub(super) async fn run_seen(&self, op: &TableOp) -> (Outcome, TableSnapshot) {
        let (result, seen) = self.run(op, mono, || true).await;
        (result.unwrap_or_else(|e| panic!("{op:?}: {e}")), seen)
    }

    /// Plans made by hand: `make` sees the rows of `lookups`.
    pub(super) async fn apply(
        &self,
        lookups: Vec<Lookup>,
        make: impl Fn(&TableSnapshot) -> Plan + Send + Sync,
        check: impl Fn() -> bool + Send + Sync,
    ) -> Result<Outcome, crate::store::Error> {
        self.run_steps(steps(&lookups, make), mono, check).await.0
    }

    /// One attempt at a plan made by hand; `None` is a conflict.
    pub(super) async fn attempt_plan(
        &self,
        lookups: &[Lookup],
        make: impl Fn(&TableSnapshot) -> Plan + Send + Sync,
    ) -> Option<Outcome> {
        let step = steps(lookups, make);
        match self.attempt(&step, &mono, &|| true, &mut TableSnapshot::default()).await {
            Ok(outcome) => Some(outcome),
            Err(Fault::Conflict(_)) => None,
            Err(Fault::Failed(error)) => panic!("{error}"),
        }
    }

    /// A ring of these servers in this order.
    pub(super) async fn ring_of(&self, names: &[&str]) {
        for (place, name) in names.iter().enumerate() {
            let rows = self.servers().await.unwrap();
            let after = place.checked_sub(1).map(|p| names[p]);
            let joined = self.run_plain(&join(&rows, name, after)).await;
            assert!(matches!(joined, Outcome::Joined { kept_place: false, .. }), "{name}: {joined:?}");
        }
    }

    pub(super) async fn row(&self, name: &str) -> ServerRow {
        named(&self.servers().await.unwrap(), name).clone()
    }

    /// The names along the ring, the lowest id first; fails if it is not one whole ring.
    pub(super) async fn whole(&self) -> Vec<String> {
        let rows = self.servers().await.unwrap();
        let damage: Vec<String> = ring::check(rows.iter()).iter().map(ToString::to_string).collect();
        assert!(damage.is_empty(), "{}", damage.join("\n"));
        let by_id = rows.iter().map(|row| (row.id, row.clone())).collect();
        let Some(start) = rows.first() else { return Vec::new() };
        let order = ring::order(&by_id, start.id);
        assert_eq!(order.len(), rows.len(), "one ring");
        order.iter().map(|id| by_id[id].name.clone()).collect()
    }
}

fn steps(
    lookups: &[Lookup],
    make: impl Fn(&TableSnapshot) -> Plan + Send + Sync,
) -> impl Fn(&TableSnapshot) -> Step + Send + Sync {
    move |seen| {
        if lookups.iter().all(|lookup| seen.asked(lookup)) {
            Step::Apply(Box::new(make(seen)))
        } else {
            Step::Read(lookups.to_vec())
        }
    }
}

/// A clock like the agents'.
pub fn mono() -> Time {
    static BEGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let begin = *BEGIN.get_or_init(Instant::now);
    // It has run for a while: silences of an hour lie behind it.
    Time::from_ns(1_000_000_000_000_000) + begin.elapsed()
}

pub fn named<'r>(rows: &'r [ServerRow], name: &str) -> &'r ServerRow {
    rows.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("{name} is not in the table"))
}

pub fn address(number: u32) -> Address {
    Address::V4((0x0a00_0000 | (number & 0x00ff_ffff)).into())
}

/// A server whose address and pick come from its name.
pub fn new_row(name: &str) -> NewRow {
    let number = name.bytes().fold(7_u32, |n, b| n.wrapping_mul(1_000_003).wrapping_add(u32::from(b)));
    NewRow {
        name: name.into(),
        address: address(number),
        notice_port: 7464,
        route_address: None,
        route_port: None,
        weight: 1,
        first_buddy: ServerId::NEW,
        second_buddy: ServerId::NEW,
        incarnation: Incarnation(0),
        boot: BootToken(format!("boot of {name}")),
        pick: i64::from(number) * 3,
        health: Health::Unknown,
    }
}

pub fn join(rows: &[ServerRow], name: &str, after: Option<&str>) -> TableOp {
    let place = after.map(|after| {
        let at = named(rows, after);
        let next = rows.iter().find(|row| row.id == at.first_buddy).expect("a whole ring");
        (Guard::from(at), Guard::from(next))
    });
    TableOp::Join { new: new_row(name), place }
}
