//! Takes table operations to the store and brings their results back, off the event loop: the database is never on the
//! detection path.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit, mpsc};

use crate::clock;
use crate::datapath::Readings;
use crate::store::{self, DatabaseUrl, Store};
use ringmon_core::TableSnapshot;
use ringmon_core::engine::{TableDone, TableFailure};
use ringmon_core::evidence::Ground;
use ringmon_core::op::{Lane, TableOp};

/// How long an operation's answer is waited for: longer than the store's own limits.
const GIVE_UP: Duration = Duration::from_secs(10);

/// The way to the table. Clones share one store.
#[derive(Clone)]
pub struct Table {
    shared: Arc<Shared>,
    done: mpsc::UnboundedSender<TableDone>,
    worker: Handle,
}

/// As many operations of a lane as it is wide use a connection each, and the others wait for them.
struct Lanes {
    reads: Semaphore,
    writes: Semaphore,
    answers: Semaphore,
}

impl Lanes {
    fn new() -> Self {
        let of = |lane: Lane| Semaphore::new(lane.width() as usize);
        Self { reads: of(Lane::Reads), writes: of(Lane::Writes), answers: of(Lane::Answers) }
    }

    async fn enter(&self, lane: Lane) -> Option<SemaphorePermit<'_>> {
        let lane = match lane {
            Lane::Reads => &self.reads,
            Lane::Writes => &self.writes,
            Lane::Answers => &self.answers,
        };
        // They are never closed.
        lane.acquire().await.ok()
    }
}

struct Shared {
    lanes: Lanes,
    url: DatabaseUrl,
    pool: String,
    /// Opened by the first operation that finds the database there.
    store: Mutex<Option<Store>>,
}

impl Table {
    /// Operations run on `worker`; their results come out of the receiver.
    #[must_use]
    pub fn new(url: DatabaseUrl, pool: String, worker: Handle) -> (Self, mpsc::UnboundedReceiver<TableDone>) {
        let (done, ends) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared { lanes: Lanes::new(), url, pool, store: Mutex::new(None) });
        (Self { shared, done, worker }, ends)
    }

    /// The store. If it is not open yet, this opens it.
    ///
    /// # Errors
    /// As [`Store::open`]; the next call tries again.
    pub async fn store(&self) -> Result<Store, store::Error> {
        self.shared.store().await
    }

    /// Starts an operation. What it rests on is checked against `readings` at the last moment (R7).
    pub fn begin(&self, ticket: u64, op: TableOp, readings: Arc<dyn Readings>) {
        let shared = Arc::clone(&self.shared);
        let task = self.worker.spawn(async move {
            let _lane = shared.lanes.enter(op.lane()).await;
            let began = Instant::now();
            let grounds = op.grounds();
            let check = || all_hold(&grounds, readings.as_ref());
            let (result, snapshot) = match tokio::time::timeout(GIVE_UP, shared.run(&op, check)).await {
                Ok((result, snapshot)) => (result.map_err(|e| failure(&e)), snapshot),
                Err(_) => {
                    let cause = format!("no answer from the database within {} s", GIVE_UP.as_secs());
                    (
                        Err(TableFailure { cause, transient: true, readable: false, overtaken: false }),
                        TableSnapshot::default(),
                    )
                }
            };
            TableDone { ticket, result, snapshot, took: began.elapsed() }
        });
        let done = self.done.clone();
        self.worker.spawn(async move {
            // An operation that never ended would keep the engine from every other one.
            let ended = task.await.unwrap_or_else(|broke_off| {
                tracing::error!("an operation on the table broke off: {broke_off}");
                let failed = TableFailure {
                    cause: "it broke off".to_owned(),
                    transient: true,
                    readable: false,
                    overtaken: false,
                };
                TableDone { ticket, result: Err(failed), snapshot: TableSnapshot::default(), took: Duration::ZERO }
            });
            // The receiver is gone only when the agent ends. Then nobody needs the result.
            let _ = done.send(ended);
        });
    }
}

fn all_hold(grounds: &[Ground], readings: &dyn Readings) -> bool {
    grounds.iter().all(|ground| ground.holds(readings.read(ground.watch()).as_ref()))
}

fn failure(error: &store::Error) -> TableFailure {
    if error.only_overtaken() {
        tracing::warn!("{error}: it is asked for again");
    }
    TableFailure {
        cause: error.to_string(),
        transient: error.is_transient(),
        readable: error.only_writing_failed(),
        overtaken: error.only_overtaken(),
    }
}

impl Shared {
    async fn store(&self) -> Result<Store, store::Error> {
        let mut slot = self.store.lock().await;
        if let Some(store) = slot.as_ref() {
            return Ok(store.clone());
        }
        let store = Store::open(&self.url, &self.pool).await?;
        *slot = Some(store.clone());
        Ok(store)
    }

    async fn run(
        &self,
        op: &TableOp,
        check: impl Fn() -> bool + Send + Sync,
    ) -> (Result<ringmon_core::Outcome, store::Error>, TableSnapshot) {
        let store = match self.store().await {
            Ok(store) => store,
            Err(error) => return (Err(error), TableSnapshot::default()),
        };
        let ended = store.run(op, clock::now, check).await;
        if matches!(ended.0, Err(store::Error::NoSuchPool { .. })) {
            // If it is made again under its name, it has another id.
            *self.store.lock().await = None;
        }
        ended
    }
}
