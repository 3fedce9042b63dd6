//! A Galera cluster whose nodes stop, part, lag, die and lose their quorum while writers work on all of them. In the
//! end there is one whole ring of exactly the servers that joined and did not leave, and meanwhile the errors say what
//! is wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rand::Rng;
use ringmon_tests::engine::{Engine, Node, synced};
use sea_orm::sqlx::{Connection, Executor, MySqlConnection};

use super::crowd::{Writer, settle};
use super::kit::{POOL, TestDb, join, mono};
use super::plans::seeded;
use crate::store::url::Engine as Way;
use crate::store::{DatabaseUrl, Error, RuleChanges, Store};
use ringmon_core::edit::{Lookup, Outcome};
use ringmon_core::op::TableOp;
use ringmon_core::row::Quorum;

/// How long anything may take that has to happen.
const PATIENCE: Duration = Duration::from_secs(90);

mod on_galera {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "asked for by: cargo xtask test --engines galera"]
    async fn nodes_stop_part_lag_die_and_lose_their_quorum_and_the_table_stays_whole() {
        super::live().await;
    }
}

/// Which of the two it says depends on whether it knows yet that it has no quorum.
fn is_cut_off(error: &Error) -> bool {
    error.is_transient() && ["1047", "cut off"].iter().any(|why| error.to_string().contains(why))
}

/// The cluster, and a store for the pool on each of its nodes.
struct Cluster {
    nodes: Arc<Vec<Node>>,
    urls: Vec<DatabaseUrl>,
    /// How many operations each node has done.
    done: Arc<[AtomicU64; 3]>,
}

async fn live() {
    let nodes = tokio::task::spawn_blocking(|| Engine::Galera.start()).await.unwrap().unwrap();
    let db = TestDb::on(&nodes).await;
    let store = db.store().await;
    let changes = RuleChanges { quorum: Some(Quorum::Single), brake_permille: Some(1000), ..RuleChanges::default() };
    store.set_rules(&changes).await.unwrap();
    let cluster = Cluster { nodes: Arc::new(nodes), urls: db.urls(), done: Arc::default() };
    let (stop, mut rng) = (Arc::new(AtomicBool::new(false)), seeded());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..6 {
        let store = Store::open(&cluster.urls[number % 3], POOL).await.unwrap();
        let mut writer = Writer::with(store, format!("w{number}"), rng.random(), Some(PATIENCE));
        let (stop, done) = (Arc::clone(&stop), Arc::clone(&cluster.done));
        tasks.spawn(async move {
            while !stop.load(Relaxed) {
                writer.act().await;
                done[number % 3].fetch_add(1, Relaxed);
            }
            writer
        });
    }
    cluster.goes_on(&[0, 1, 2]).await;
    cluster.stopped().await;
    cluster.partitioned().await;
    let lagged = cluster.lagging().await;
    cluster.killed().await;
    cluster.without_quorum().await;
    stop.store(true, Relaxed);
    let writers = tasks.join_all().await;
    // The one server that joined outside of the crowd leaves first.
    let leave = TableOp::Leave { id: lagged, incarnation: None, by: "test".into() };
    let (left, _) = store.run(&leave, mono, || true).await;
    assert!(matches!(left, Ok(Outcome::Left | Outcome::Stale)), "{left:?}");
    for url in &cluster.urls {
        let store = Store::open(url, POOL).await.unwrap();
        settle(&store, &writers).await.unwrap_or_else(|wrong| panic!("by {url}: {wrong}"));
    }
}

impl Cluster {
    /// Waits until each of these nodes has done operations from now on.
    async fn goes_on(&self, nodes: &[usize]) {
        for node in nodes {
            let (before, begun) = (self.done[*node].load(Relaxed), Instant::now());
            while self.done[*node].load(Relaxed) < before + 3 {
                assert!(begun.elapsed() < PATIENCE, "nothing is done by node {node} any more");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Runs something that blocks, on another thread.
    async fn on(&self, node: usize, work: impl FnOnce(&Node) -> anyhow::Result<()> + Send + 'static) {
        let nodes = Arc::clone(&self.nodes);
        tokio::task::spawn_blocking(move || work(&nodes[node])).await.unwrap().unwrap();
    }

    /// Waits until all nodes write again.
    async fn healed(&self, what: &str, begun: Instant) {
        for node in 0..3 {
            self.on(node, synced).await;
        }
        self.goes_on(&[0, 1, 2]).await;
        println!("{what}: all again after {:.1} s", begun.elapsed().as_secs_f32());
    }

    /// Asks a node until its error is the expected one.
    async fn says(&self, node: usize, what: impl Fn(&Error) -> bool) -> Error {
        let begun = Instant::now();
        loop {
            // It must answer within two seconds, whatever it says.
            let asked = Instant::now();
            let said = Store::open(&self.urls[node], POOL).await.err();
            assert!(asked.elapsed() < Duration::from_secs(10), "{:?} for {said:?}", asked.elapsed());
            if let Some(error) = said.filter(&what) {
                return error;
            }
            assert!(begun.elapsed() < PATIENCE, "node {node} never says so");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn stopped(&self) {
        let begun = Instant::now();
        self.on(2, Node::freeze).await;
        self.goes_on(&[0, 1]).await;
        println!("one node stopped: the others go on after {:.1} s", begun.elapsed().as_secs_f32());
        self.on(2, Node::thaw).await;
        self.healed("one node stopped", begun).await;
    }

    async fn partitioned(&self) {
        let begun = Instant::now();
        let isolate = |on: u8| format!("SET GLOBAL wsrep_provider_options = 'gmcast.isolate={on}'");
        let sql = isolate(1);
        self.on(1, move |node| node.sql(&sql).map(drop)).await;
        let error = self.says(1, |error| matches!(error, Error::Unavailable { .. })).await;
        println!("one node cut off: it says {error}");
        assert!(is_cut_off(&error), "{error}");
        self.goes_on(&[0, 2]).await;
        let sql = isolate(0);
        self.on(1, move |node| node.sql(&sql).map(drop)).await;
        self.healed("one node cut off", begun).await;
    }

    /// A node that does not apply what others commit must not say that a server is missing. Returns that server.
    async fn lagging(&self) -> ringmon_core::ServerId {
        let begun = Instant::now();
        let (here, lags) =
            (Store::open(&self.urls[0], POOL).await.unwrap(), Store::open(&self.urls[1], POOL).await.unwrap());
        lags.pool().await.unwrap();
        let Way::Mysql(options) = self.urls[1].engine() else { panic!("a server's URL") };
        let mut holder = MySqlConnection::connect_with(options).await.unwrap();
        holder.execute("FLUSH TABLES WITH READ LOCK").await.unwrap();
        let id = loop {
            let rows = here.servers().await.unwrap();
            let after = rows.first().map(|row| row.card.name.clone());
            let (result, _) = here.run(&join(&rows, "lagged", after.as_deref()), mono, || true).await;
            match result {
                Ok(Outcome::Joined { id, .. }) => break id,
                Ok(_) => {}
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
        };
        let look = TableOp::View { me: id, known: Vec::new() };
        let (result, seen) = lags.run(&look, mono, || true).await;
        match result {
            Ok(_) => assert!(seen.row(&Lookup::Id(id)).is_some(), "it says that a server is not there which is"),
            Err(error) => {
                println!("one node lags: it says {error}");
                assert!(error.is_transient(), "{error}");
            }
        }
        holder.execute("UNLOCK TABLES").await.unwrap();
        holder.close().await.unwrap();
        self.healed("one node lagged", begun).await;
        id
    }

    async fn killed(&self) {
        let begun = Instant::now();
        self.on(2, Node::kill).await;
        self.goes_on(&[0, 1]).await;
        println!("one node killed: the others go on after {:.1} s", begun.elapsed().as_secs_f32());
        self.on(2, Node::start_again).await;
        self.healed("one node killed", begun).await;
    }

    async fn without_quorum(&self) {
        let begun = Instant::now();
        for node in [1, 2] {
            self.on(node, Node::freeze).await;
        }
        let error = self.says(0, |error| matches!(error, Error::Unavailable { .. })).await;
        println!("two nodes stopped: the third says {error} after {:.1} s", begun.elapsed().as_secs_f32());
        assert!(
            error.is_transient() && ["1047", "cut off"].iter().any(|why| error.to_string().contains(why)),
            "{error}"
        );
        for node in [1, 2] {
            self.on(node, Node::thaw).await;
        }
        self.healed("quorum lost and found", begun).await;
    }
}
