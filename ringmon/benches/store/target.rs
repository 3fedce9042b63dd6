//! The servers of one engine, with a database for each size, and what the servers say of their work.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use ringmon::store::{RuleChanges, Store};
use ringmon_core::row::Quorum;
use ringmon_tests::engine::{Engine, Node};
use ringmon_tests::folder::Folder;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use crate::place::Place;
use crate::{distance, fill};

const POOL: &str = "bench";

/// Servers that run until this is dropped, or the process ends.
pub struct Target {
    pub engine: Engine,
    /// As they report it.
    pub version: String,
    nodes: Vec<Node>,
    /// The port of each server.
    ports: Vec<u16>,
    folder: Folder,
}

pub struct Database {
    /// One for each node.
    pub places: Vec<Place>,
    /// A connection to each node.
    pub sql: Vec<DatabaseConnection>,
    /// The pool, over the first node.
    pub store: Store,
    pub pool: i64,
    name: String,
}

impl Target {
    /// Starts them, with this much memory for pages each, and this far away.
    pub async fn start(engine: Engine, buffer_pool_mib: u32, round_trip: Duration) -> anyhow::Result<Self> {
        let more = format!("--innodb-buffer-pool-size={buffer_pool_mib}M");
        let (version, nodes) = (engine.version()?, engine.start_with(&[more])?);
        let mut ports = Vec::with_capacity(nodes.len());
        for node in &nodes {
            ports.push(if round_trip.is_zero() { node.port } else { distance::away(node.port, round_trip).await? });
        }
        Ok(Self { engine, version, nodes, ports, folder: Folder::new()? })
    }

    fn places(&self, name: &str) -> Vec<Place> {
        if self.nodes.is_empty() {
            return vec![Place::Sqlite(self.folder.path().join(format!("{name}.db")))];
        }
        let replicated = self.nodes.len() > 1;
        let place = |port: &u16| Place::Server { port: *port, database: name.to_owned(), replicated };
        self.ports.iter().map(place).collect()
    }

    /// A new database with a whole ring of this many servers.
    pub async fn database(&self, servers: u32) -> anyhow::Result<Database> {
        let name = format!("s{servers}");
        if !self.nodes.is_empty() {
            let server = self.places("mysql")[0].connect().await?;
            server.execute_unprepared(&format!("CREATE DATABASE {name}")).await?;
        }
        let places = self.places(&name);
        Store::init(&places[0].url()?, POOL, Quorum::Both).await?;
        let store = Store::open(&places[0].url()?, POOL).await?;
        store.set_rules(&RuleChanges { brake_permille: Some(1000), ..RuleChanges::default() }).await?;
        let pool = store.pool().await?.id.0;
        let mut sql = Vec::with_capacity(places.len());
        for place in &places {
            sql.push(followed(place).await?);
        }
        fill::fill(&sql[0], self.engine, pool, servers).await?;
        Ok(Database { places, sql, store, pool, name })
    }

    /// So that a million rows do not stay while the next size is measured.
    pub async fn drop_database(&self, database: &Database) -> anyhow::Result<()> {
        database.store.disconnect();
        if !self.nodes.is_empty() {
            let server = self.places("mysql")[0].connect().await?;
            server.execute_unprepared(&format!("DROP DATABASE {}", database.name)).await?;
        }
        Ok(())
    }

    /// Milliseconds that the servers have been on a processor since they started. For SQLite it is this process.
    pub fn cpu_ms(&self) -> anyhow::Result<f64> {
        let own = self.nodes.is_empty().then(|| i32::try_from(std::process::id()).ok()).flatten();
        let pids = self.nodes.iter().filter_map(Node::pid).chain(own);
        pids.map(ringmon_tests::bench::usage::cpu_ms).sum()
    }
}

/// A connection to a node that may follow the first one a moment later.
async fn followed(place: &Place) -> anyhow::Result<DatabaseConnection> {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        match place.connect().await {
            Ok(connection) => return Ok(connection),
            Err(error) if Instant::now() > end => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

impl Database {
    /// One agent's store. Each agent uses the next node.
    pub fn open(&self, number: u32) -> anyhow::Result<impl Future<Output = anyhow::Result<Store>> + Send + use<>> {
        let url = self.place(number).url()?;
        Ok(async move { Store::open(&url, POOL).await.context("cannot open the pool") })
    }

    /// The node of the writer with this number.
    pub fn place(&self, number: u32) -> &Place {
        &self.places[number as usize % self.places.len()]
    }

    /// Rows that the servers have written since they started, whatever the cause. SQLite: a number that changes with
    /// every commit. (MySQL's `Handler_write` counts the rows of this answer too. MariaDB's does not, and MariaDB has
    /// no `Innodb_rows_inserted`.)
    pub async fn written(&self) -> anyhow::Result<u64> {
        let mut sum = 0;
        for node in &self.sql {
            let backend = node.get_database_backend();
            let sql = if backend == DbBackend::Sqlite {
                "PRAGMA data_version"
            } else {
                "SHOW GLOBAL STATUS WHERE Variable_name IN \
                 ('Innodb_rows_inserted', 'Innodb_rows_updated', 'Innodb_rows_deleted') OR Variable_name IN \
                 ('Handler_write', 'Handler_update', 'Handler_delete') AND VERSION() LIKE '%MariaDB%'"
            };
            for row in node.query_all_raw(Statement::from_string(backend, sql)).await? {
                sum += if backend == DbBackend::Sqlite {
                    row.try_get_by_index::<i64>(0)?.unsigned_abs()
                } else {
                    let text: String = row.try_get_by_index(1)?;
                    let Ok(count) = text.parse::<u64>() else { bail!("a status that is no number: {text}") };
                    count
                };
            }
        }
        Ok(sum)
    }
}
