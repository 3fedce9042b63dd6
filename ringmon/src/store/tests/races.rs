//! Joins and removals at the same places at the same moment; and two bugs, planted on the wire, that this must find.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use tokio::sync::Barrier;

use super::kit::{POOL, TestDb, mono, new_row};
use super::moments::{against, removal};
use super::plans::seeded;
use super::wire::Wire;
use crate::store::{DatabaseUrl, RuleChanges, Store};
use ringmon_core::edit::Outcome;
use ringmon_core::op::{Place, TableOp};
use ringmon_core::row::{ServerRow, Side};
use ringmon_core::{ServerId, ring};

super::on_engines!(joins_into_runs_that_are_being_removed_leave_one_ring);

/// How often all of them start again. A planted bug gets more chances.
const ROUNDS: u32 = 3;
const CHANCES: u32 = 40;
/// Runs of two dead servers, each between two living ones.
const RUNS: usize = 6;

async fn joins_into_runs_that_are_being_removed_leave_one_ring(db: TestDb) {
    let mut race = Race::new(&db, &db.url).await;
    for round in 0..ROUNDS {
        race.run().await.unwrap_or_else(|wrong| panic!("round {round}: {wrong}"));
    }
}

/// A pool, and the servers that will do something at the same moment.
struct Race {
    store: Store,
    writers: Vec<Store>,
    rng: StdRng,
}

impl Race {
    /// The writers connect over `way`.
    async fn new(db: &TestDb, way: &DatabaseUrl) -> Self {
        let store = db.store().await;
        store.set_rules(&RuleChanges { brake_permille: Some(1000), ..RuleChanges::default() }).await.unwrap();
        let mut writers = Vec::new();
        for _ in 0..RUNS * 4 {
            writers.push(Store::open(way, POOL).await.unwrap());
        }
        Self { store, writers, rng: seeded() }
    }

    /// Every run is reported from both of its ends, while two servers want to join between its two dead ones. Returns
    /// what is wrong afterwards.
    async fn run(&mut self) -> Result<(), String> {
        let Self { store, writers, rng } = self;
        store.sql("DELETE FROM server").await;
        store.sql("DELETE FROM event").await;
        let names: Vec<String> = (0..RUNS * 3).map(|n| format!("s{n:02}")).collect();
        store.ring_of(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let rows = store.servers().await.unwrap();
        let mut ops = Vec::new();
        for run in names.chunks(3).map(|three| [three[1].as_str(), three[2].as_str()]) {
            // Both ends have voted: the first one to act removes the run.
            removal(store, &rows, &run).await;
            ops.extend(Side::BOTH.map(|side| TableOp::Accuse(against(&rows, side, &run))));
        }
        // Votes changed the rows. A joining server uses a place that it has just read.
        let rows = store.servers().await.unwrap();
        let row = |name: &str| rows.iter().find(|row| row.card.name == name).unwrap();
        for run in names.chunks(3) {
            let place = Some(Place::between(row(&run[1]), row(&run[2])));
            ops.extend(["x", "y"].map(|new| TableOp::Join { new: new_row(&format!("{new} of {}", run[0])), place }));
        }
        let mut members: BTreeSet<ServerId> = rows.iter().map(|row| row.id).collect();
        let (mut tasks, together) = (tokio::task::JoinSet::new(), Arc::new(Barrier::new(ops.len())));
        // About as long as operations take, however long that is here.
        let longest = *[10_000, 30_000, 100_000].choose(rng).unwrap();
        for (op, writer) in ops.into_iter().zip(writers) {
            let pause = Duration::from_micros(rng.random_range(0..longest));
            let (writer, together) = (writer.clone(), Arc::clone(&together));
            tasks.spawn(async move {
                writer.pool().await.unwrap(); // its connection is open
                together.wait().await;
                // Not in the order in which they were started: each acts at some moment of the others' operations.
                tokio::time::sleep(pause).await;
                for _ in 0..10 {
                    match writer.run(&op, mono, || true).await.0 {
                        // A vote was renewed, or a place was taken: nothing is left to do.
                        Ok(outcome) => return Ok(outcome),
                        Err(error) if error.is_transient() => {}
                        Err(error) => return Err(error.to_string()),
                    }
                }
                Err(format!("{op:?} starved"))
            });
        }
        let mut ends = Vec::new();
        while let Some(done) = tasks.join_next().await {
            ends.push(done.map_err(|panic| panic.to_string())?);
        }
        // The table first: it explains what a broken ring does to the writers.
        let rows = store.servers().await.map_err(|error| error.to_string())?;
        whole(&rows)?;
        for end in ends {
            match end? {
                Outcome::Joined { id, .. } => assert!(members.insert(id), "an id was given twice"),
                Outcome::Removed { removed, .. } => members.retain(|id| removed.iter().all(|gone| gone.server != *id)),
                _ => {}
            }
        }
        let left: BTreeSet<ServerId> = rows.iter().map(|row| row.id).collect();
        if left == members { Ok(()) } else { Err(format!("{left:?} are left of {members:?}")) }
    }
}

fn whole(rows: &[ServerRow]) -> Result<(), String> {
    let damage: Vec<String> = ring::check(rows.iter()).iter().map(ToString::to_string).collect();
    if damage.is_empty() { Ok(()) } else { Err(damage.join("; ")) }
}

mod planted {
    use super::super::on_servers;
    use super::*;

    on_servers!(a_splice_without_its_condition_is_found, a_run_splice_that_misses_an_inner_join_is_found,);

    /// Links are written even if they changed since they were read.
    async fn a_splice_without_its_condition_is_found(db: TestDb) {
        found(&db, |sql| unconditional(sql, "UPDATE `server`")).await;
    }

    /// The servers of a run are deleted even if one joined between them since they were read.
    async fn a_run_splice_that_misses_an_inner_join_is_found(db: TestDb) {
        found(&db, |sql| unconditional(sql, "DELETE FROM `server`")).await;
    }

    /// What an accusation compares besides.
    const SAID: [&str; 10] = [
        "vote_first_voter",
        "vote_first_since",
        "vote_second_voter",
        "vote_second_since",
        "alone_since",
        "alone_at",
        "answer_life",
        "answer_wait_ms",
        "answer_at",
        "answer_hears",
    ];

    /// If it is one of these statements: the statement, with conditions that are always true.
    fn unconditional(sql: &str, verb: &str) -> Option<String> {
        let (head, condition) = sql.strip_prefix(verb)?.split_once(" WHERE ")?;
        let mut condition = condition.to_owned();
        for column in ["first_buddy", "second_buddy", "incarnation", "version"].iter().chain(&SAID) {
            let bounds = [format!("`{column}` = ?"), format!("`{column}` IS NULL")];
            let quoted = format!("`{column}`");
            assert!(bounds.iter().any(|bound| condition.contains(bound)) || !condition.contains(&quoted), "{sql}");
            for bound in bounds {
                condition = condition.replace(&bound, &format!("({bound} OR TRUE)"));
            }
        }
        Some(format!("{verb}{head} WHERE {condition}"))
    }

    /// With this bug on the wire, the suite's checks fail.
    async fn found(db: &TestDb, bug: fn(&str) -> Option<String>) {
        let wire = Wire::changing(db.port(), bug).await;
        let mut race = Race::new(db, &wire.way_to(db)).await;
        for round in 0..CHANCES {
            if let Err(wrong) = race.run().await {
                println!("round {round}: {wrong}");
                return;
            }
        }
        panic!("nobody noticed in {CHANCES} rounds");
    }
}
