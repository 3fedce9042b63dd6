//! Databases and servers to try things on.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ringmon_tests::engine::{Engine, Node, PASSWORD, USER};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use crate::store::error::Fault;
use crate::store::{DatabaseUrl, Events, Store};
use ringmon_core::card::{Card, Clients};
use ringmon_core::edit::{AnswerSet, Lookup, NewRow, Outcome, Plan, Step, StoredEvent, TableSnapshot};
use ringmon_core::op::{Place, TableOp};
use ringmon_core::ring;
use ringmon_core::row::{Address, Health, Quorum, ServerRow};
use ringmon_core::{BootToken, Incarnation, ServerId, Time};

pub const POOL: &str = "lab";

/// Longer than any server here needs for anything.
const LONG: Duration = Duration::from_secs(60);

/// An empty database, deleted at the end.
pub struct TestDb {
    /// Over the first node.
    pub url: DatabaseUrl,
    /// Over each of the other nodes.
    others: Vec<DatabaseUrl>,
    turn: AtomicUsize,
    _dir: Option<tempfile::TempDir>,
}

impl TestDb {
    pub fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::sqlite(dir.path().join("state/ringmon.db"));
        Self { url, others: Vec::new(), turn: AtomicUsize::default(), _dir: Some(dir) }
    }

    pub async fn mariadb() -> Self {
        Self::shared(Engine::MariaDb).await
    }

    pub async fn mysql() -> Self {
        Self::shared(Engine::MySql).await
    }

    pub async fn galera() -> Self {
        Self::shared(Engine::Galera).await
    }

    async fn shared(engine: Engine) -> Self {
        // The first caller waits for the server to start.
        let nodes = tokio::task::spawn_blocking(move || engine.shared()).await.unwrap();
        Self::on(nodes.unwrap_or_else(|error| panic!("{error:#}"))).await
    }

    /// A new database on these nodes.
    pub async fn on(nodes: &[Node]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let database = crate::store::connect::Database::new(url_of(&nodes[0], "mysql"));
        let sql = format!("CREATE DATABASE IF NOT EXISTS {name}");
        let begun = Instant::now();
        // The first connection on a busy machine may take longer than an agent would wait.
        while let Err(error) = database.connections().execute_unprepared(&sql).await {
            let busy = matches!(error, sea_orm::DbErr::ConnectionAcquire(_));
            assert!(busy && begun.elapsed() < LONG, "{error}");
        }
        let mut urls: Vec<DatabaseUrl> = nodes.iter().map(|node| url_of(node, &name)).collect();
        for url in &urls {
            // The other nodes follow a moment later.
            let there = crate::store::connect::Database::new(url.clone());
            while let Err(error) = there.probe(Duration::from_secs(10)).await {
                let to_come = matches!(error, crate::store::Error::UnknownDatabase { .. });
                assert!(to_come && begun.elapsed() < LONG, "{error}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        let url = urls.remove(0);
        Self { url, others: urls, turn: AtomicUsize::default(), _dir: None }
    }

    /// With the schema and the pool, over the first node.
    pub async fn store(&self) -> Store {
        Store::init(&self.url, POOL, Quorum::Both).await.unwrap();
        self.beside().await
    }

    /// Another agent's store, over the next node.
    pub async fn open(&self) -> Store {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % (self.others.len() + 1);
        opened(self.others.get(turn).unwrap_or(&self.url)).await
    }

    /// One for each node.
    pub fn urls(&self) -> Vec<DatabaseUrl> {
        std::iter::once(&self.url).chain(&self.others).cloned().collect()
    }

    /// Another agent's store over the same node as [`TestDb::store`], where its locks are visible.
    pub async fn beside(&self) -> Store {
        opened(&self.url).await
    }

    /// The port of the first node.
    pub fn port(&self) -> u16 {
        let text = self.url.to_string();
        let (server, _) = text.rsplit_once('/').unwrap();
        server.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap()
    }

    /// The step and the offset with which the first node numbers rows.
    pub async fn ids(&self) -> (i64, i64) {
        if self.url.file().is_some() {
            return (1, 0);
        }
        let database = crate::store::connect::Database::new(self.url.clone());
        let sql = "SELECT @@auto_increment_increment, @@auto_increment_offset";
        let statement = Statement::from_string(DbBackend::MySql, sql);
        let row = database.connections().query_one_raw(statement).await.unwrap().unwrap();
        // One engine has it unsigned, the other signed.
        let number = |at| row.try_get_by_index(at).or_else(|_| row.try_get_by_index::<u64>(at).map(u64::cast_signed));
        (number(0).unwrap(), number(1).unwrap())
    }

    /// Another database on the same server.
    pub fn other(&self, database: &str) -> DatabaseUrl {
        url_at(self.port(), database)
    }

    /// The same database over this port of 127.0.0.1, without TLS: for a proxy that reads the statements.
    pub fn by(&self, port: u16) -> DatabaseUrl {
        let text = self.url.to_string();
        let (_, database) = text.rsplit_once('/').unwrap();
        url_at(port, &format!("{database}?ssl-mode=disabled"))
    }
}

/// Sixty stores that open at once on a busy machine wait for each other longer than an agent does at its start.
async fn opened(url: &DatabaseUrl) -> Store {
    for _ in 0..20 {
        match Store::open(url, POOL).await {
            Ok(store) => return store,
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }
    panic!("{url} cannot be opened");
}

fn url_of(node: &Node, database: &str) -> DatabaseUrl {
    url_at(node.port, database)
}

fn url_at(port: u16, database: &str) -> DatabaseUrl {
    let url: DatabaseUrl = format!("mysql://{USER}@127.0.0.1:{port}/{database}").parse().unwrap();
    url.with_password(PASSWORD)
}

impl Store {
    /// Runs SQL, as an operator would.
    pub(super) async fn sql(&self, sql: &str) -> u64 {
        let db: DatabaseConnection = self.inner.database.connections();
        db.execute_unprepared(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}")).rows_affected()
    }

    pub(super) async fn run_plain(&self, op: &TableOp) -> Outcome {
        self.run_seen(op).await.0
    }

    pub(super) async fn run_seen(&self, op: &TableOp) -> (Outcome, TableSnapshot) {
        for _ in 0..5 {
            match self.run(op, mono, || true).await {
                (Ok(outcome), seen) => return (outcome, seen),
                // On a busy machine: asked again, the operation gives the same answer.
                (Err(error), _) => assert!(error.is_transient(), "{op:?}: {error}"),
            }
        }
        panic!("{op:?} is never answered");
    }

    /// For plans made by hand: `make` gets the rows of `lookups`.
    pub(super) async fn apply(
        &self,
        lookups: Vec<Lookup>,
        make: impl Fn(&TableSnapshot) -> Plan + Send + Sync,
        check: impl Fn() -> bool + Send + Sync,
    ) -> Result<Outcome, crate::store::Error> {
        self.run_steps(steps(&lookups, make), mono, check).await.0
    }

    /// The server writes its answer into this row.
    pub(super) async fn answer(&self, row: &ServerRow, wait: Duration, hears: Option<ServerId>) -> Outcome {
        let set = AnswerSet { wait, hears };
        self.run_plain(&TableOp::Answer { me: row.id, incarnation: row.incarnation, set }).await
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
            Err(Fault::Conflict(_) | Fault::Locked(_)) => None,
            Err(Fault::Failed(error)) => panic!("{error}"),
        }
    }

    /// The events, as operations read them.
    pub(super) async fn history(&self, which: Events) -> Vec<StoredEvent> {
        self.events(which).await.unwrap().into_iter().map(|past| past.stored).collect()
    }

    /// Makes a ring of these servers, in this order.
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

    /// The names along the ring, starting with the lowest id. Fails if it is not one whole ring.
    pub(super) async fn whole(&self) -> Vec<String> {
        let rows = self.servers().await.unwrap();
        let damage: Vec<String> = ring::check(rows.iter()).iter().map(ToString::to_string).collect();
        assert!(damage.is_empty(), "{}", damage.join("\n"));
        let by_id = rows.iter().map(|row| (row.id, row.clone())).collect();
        let Some(start) = rows.first() else { return Vec::new() };
        let order = ring::order(&by_id, start.id);
        assert_eq!(order.len(), rows.len(), "one ring");
        order.iter().map(|id| by_id[id].card.name.clone()).collect()
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
    // It has run for a while, so that silences of an hour are possible.
    Time::from_ns(1_000_000_000_000_000) + begin.elapsed()
}

pub fn named<'r>(rows: &'r [ServerRow], name: &str) -> &'r ServerRow {
    rows.iter().find(|row| row.card.name == name).unwrap_or_else(|| panic!("{name} is not in the table"))
}

pub fn address(number: u32) -> Address {
    Address::V4((0x0a00_0000 | (number & 0x00ff_ffff)).into())
}

/// A server whose address and pick come from its name.
pub fn new_row(name: &str) -> NewRow {
    let number = name.bytes().fold(7_u32, |n, b| n.wrapping_mul(1_000_003).wrapping_add(u32::from(b)));
    NewRow {
        card: Card {
            name: name.into(),
            address: address(number),
            notice_port: 7464,
            clients: Clients { address: None, port: None, weight: 1 },
            boot: BootToken(format!("boot of {name}")),
        },
        incarnation: Incarnation(0),
        pick: i64::from(number) * 3,
        health: Health::Unknown,
        wait: Duration::from_millis(60),
        draining: false,
    }
}

pub fn join(rows: &[ServerRow], name: &str, after: Option<&str>) -> TableOp {
    let place = after.map(|after| {
        let at = named(rows, after);
        let next = rows.iter().find(|row| row.id == at.first_buddy).expect("a whole ring");
        Place::between(at, next)
    });
    TableOp::Join { new: new_row(name), place }
}
