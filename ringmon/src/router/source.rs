//! Where the table is read: in the database, or in its replicas while that does not answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::clock;
use crate::config::DatabaseUrl;
use crate::show::RemovalSeen;
use crate::store::{Error, MISSED_FOR, PastEvent, Store};
use ringmon_core::op::TableOp;
use ringmon_core::{PoolRow, ServerId, ServerRow, TableSnapshot};

/// A look, at all databases together, ends within this time: a router that asked four dead ones for 2 s each would come
/// late to the fifth.
const WITHIN: Duration = Duration::from_secs(10);

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The whole pool; and what became of those of these servers that are gone.
    All(Vec<ServerId>),
    /// These rows, or what became of them.
    Some(Vec<ServerId>),
}

/// Servers that were removed and are not back, by name.
pub type Missing = BTreeMap<String, RemovalSeen>;

/// How often it is read who is missing, besides when there are fewer rows than before.
const MISSING_EVERY: Duration = Duration::from_secs(10);

/// The result of a question.
#[derive(Debug)]
pub struct Answer {
    /// The question.
    pub ask: Ask,
    /// What was read, or why nothing was.
    pub look: Result<Look, String>,
    /// The database that answered, without its password.
    pub place: String,
}

/// A look at the table.
#[derive(Debug)]
pub struct Look {
    /// All rows, if all were asked for.
    pub rows: Vec<ServerRow>,
    /// The clock, the pool's row, the rows that were asked for one by one, and the ends of missing ones.
    pub seen: TableSnapshot,
}

impl Look {
    /// The pool's row.
    #[must_use]
    pub fn pool(&self) -> Option<&PoolRow> {
        self.seen.pool.as_ref()
    }
}

/// One pool in several databases with the same content.
#[derive(Debug)]
pub struct Source {
    pool: String,
    places: Vec<(DatabaseUrl, Option<Store>)>,
    /// The index of the database that answered last.
    at: usize,
    /// When it was read who is missing, and how many rows there were.
    missed: Option<(Instant, usize)>,
    missing: watch::Sender<Missing>,
    reading: Option<JoinHandle<()>>,
}

impl Source {
    /// Asks `databases` in this order. It opens nothing yet.
    #[must_use]
    pub fn new(pool: String, databases: Vec<DatabaseUrl>) -> Self {
        Self {
            pool,
            places: databases.into_iter().map(|url| (url, None)).collect(),
            at: 0,
            missed: None,
            missing: watch::Sender::default(),
            reading: None,
        }
    }

    /// The database that answered last.
    #[must_use]
    pub fn place(&self) -> String {
        self.places.get(self.at).map(|(url, _)| url.to_string()).unwrap_or_default()
    }

    /// Reads. If one database does not answer, it asks the next.
    ///
    /// # Errors
    /// The error of the first database that was asked. It never writes anything.
    pub async fn read(&mut self, ask: &Ask) -> Result<Look, Error> {
        let (begin, mut first) = (self.at, None);
        for step in 0..self.places.len() {
            let at = (begin + step) % self.places.len();
            match self.read_at(at, ask).await {
                Ok(look) => {
                    if at != begin {
                        tracing::warn!("reading from {} now", self.places[at].0);
                    }
                    self.at = at;
                    return Ok(look);
                }
                Err(error) => {
                    if self.places.len() > 1 {
                        tracing::debug!("{error}");
                    }
                    first.get_or_insert(error);
                }
            }
        }
        Err(first.unwrap_or(Error::Url { reason: "no database is named" }))
    }

    async fn read_at(&mut self, at: usize, ask: &Ask) -> Result<Look, Error> {
        let (url, slot) = &mut self.places[at];
        let store = match slot {
            Some(store) => store.clone(),
            None => slot.insert(Store::open(url, &self.pool).await?).clone(),
        };
        let look = look(&store, ask).await;
        if let (Ok(look), Ask::All(_)) = (&look, ask) {
            self.look_for_missing(store, look.rows.len());
        }
        let (_, slot) = &mut self.places[at];
        if matches!(look, Err(Error::NoSuchPool { .. })) {
            // If it is made again under its name, it has another id.
            *slot = None;
        }
        look
    }

    /// Reads who is missing, if it is time for that. The routes do not depend on it, so they do not wait for it.
    fn look_for_missing(&mut self, store: Store, rows: usize) {
        let fresh = |(at, then): &(Instant, usize)| at.elapsed() < MISSING_EVERY && rows >= *then;
        let reads = self.reading.as_ref().is_some_and(|task| !task.is_finished());
        if reads || self.missed.as_ref().is_some_and(fresh) {
            return;
        }
        self.missed = Some((Instant::now(), rows));
        let missing = self.missing.clone();
        self.reading = Some(tokio::spawn(async move {
            match store.missing(MISSED_FOR).await {
                Ok(events) => drop(missing.send_replace(events.into_iter().filter_map(removal).collect())),
                Err(error) => tracing::warn!("cannot read which servers are missing: {error}"),
            }
        }));
    }
}

fn removal(past: PastEvent) -> Option<(String, RemovalSeen)> {
    let (kind, removed) = past.stored.body.removal()?;
    #[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 are exact until the year 2255")]
    let at = past.stored.at.as_us() as f64 / 1e6;
    Some((past.stored.subject_name, RemovalSeen { kind, at, address: removed.address }))
}

async fn look(store: &Store, ask: &Ask) -> Result<Look, Error> {
    match ask {
        Ask::Some(ids) => Ok(Look { rows: Vec::new(), seen: ends(store, ids.clone()).await? }),
        Ask::All(known) => {
            // The clock first: then what is read later is at least as new as the clock.
            let clock = ends(store, Vec::new()).await?;
            let rows = store.servers().await?;
            let there: BTreeSet<ServerId> = rows.iter().map(|row| row.id).collect();
            let gone: Vec<ServerId> = known.iter().copied().filter(|id| !there.contains(id)).collect();
            let events = if gone.is_empty() { clock.events.clone() } else { ends(store, gone).await?.events };
            Ok(Look { rows, seen: TableSnapshot { events, rows: BTreeMap::new(), ..clock } })
        }
    }
}

/// These rows, and for each missing one its newest event.
async fn ends(store: &Store, ids: Vec<ServerId>) -> Result<TableSnapshot, Error> {
    let view = TableOp::View { me: ServerId::NEW, known: ids };
    let (done, seen) = store.run(&view, clock::now, || true).await;
    done.map(|_| seen)
}

/// Reads in a task of its own, one thing at a time, so that nothing else waits for a database.
///
/// The last receiver has the servers that are missing, as they were last read.
pub fn looker(mut source: Source) -> (mpsc::Sender<Ask>, mpsc::Receiver<Answer>, watch::Receiver<Missing>) {
    let missing = source.missing.subscribe();
    let (asks, mut asked) = mpsc::channel::<Ask>(1);
    let (answers, answered) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Some(ask) = asked.recv().await {
            let look = match tokio::time::timeout(WITHIN, source.read(&ask)).await {
                Ok(Ok(look)) => Ok(look),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!("no database answered within {} s", WITHIN.as_secs())),
            };
            if answers.send(Answer { ask, look, place: source.place() }).await.is_err() {
                return;
            }
        }
    });
    (asks, answered, missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmon_core::row::Quorum;

    async fn database(folder: &std::path::Path, name: &str) -> DatabaseUrl {
        let url = DatabaseUrl::sqlite(folder.join(name));
        Store::init(&url, "web", Quorum::Both).await.unwrap();
        url
    }

    #[tokio::test]
    async fn the_next_database_is_read_when_one_is_gone_and_it_stays_at_that() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (database(folder.path(), "one").await, database(folder.path(), "two").await);
        let mut source = Source::new("web".to_owned(), vec![one.clone(), two.clone()]);
        source.read(&Ask::All(Vec::new())).await.unwrap();
        assert_eq!(source.place(), one.to_string());
        let gone = DatabaseUrl::sqlite(folder.path().join("gone"));
        let mut source = Source::new("web".to_owned(), vec![gone.clone(), two.clone()]);
        for _ in 0..2 {
            let look = source.read(&Ask::Some(vec![ServerId(7)])).await.unwrap();
            assert_eq!(look.seen.events.get(&ServerId(7)), Some(&None), "nothing is known of it");
            assert_eq!(source.place(), two.to_string());
        }
        let mut nowhere = Source::new("web".to_owned(), vec![gone.clone(), gone.clone()]);
        let error = nowhere.read(&Ask::All(Vec::new())).await.unwrap_err().to_string();
        assert!(error.contains("gone"), "{error}");
    }

    #[tokio::test]
    async fn a_pool_that_is_made_again_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let one = database(folder.path(), "one").await;
        let mut source = Source::new("web".to_owned(), vec![one.clone()]);
        let before = source.read(&Ask::All(Vec::new())).await.unwrap();
        Store::open(&one, "web").await.unwrap().delete().await.unwrap();
        assert!(source.read(&Ask::All(Vec::new())).await.unwrap_err().to_string().contains("web"));
        // A pool in between, so that the id is another one.
        for pool in ["other", "web"] {
            Store::init(&one, pool, Quorum::Both).await.unwrap();
        }
        let after = source.read(&Ask::All(Vec::new())).await.unwrap();
        assert_ne!(before.pool().map(|pool| pool.id), after.pool().map(|pool| pool.id));
    }

    #[tokio::test]
    async fn a_pool_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let one = database(folder.path(), "one").await;
        let error = Source::new("wep".to_owned(), vec![one]).read(&Ask::All(Vec::new())).await.unwrap_err();
        assert!(!error.is_transient() && error.to_string().contains("wep"), "{error}");
    }
}
