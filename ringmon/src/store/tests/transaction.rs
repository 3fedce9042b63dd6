//! A plan is written as a whole or not at all: deadlines, the caller's check, rows that changed in between.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseTransaction, TransactionTrait};

use super::kit::{TestDb, new_row};
use crate::store::{Error, Events, Store};
use ringmon_core::card::Card;
use ringmon_core::edit::{
    EventDraft, Guard, Lookup, NewRow, Outcome, Plan, PoolWrite, RowSet, RowWrite, Same, TableSnapshot, VoteSet,
};
use ringmon_core::row::{Health, ServerRow};
use ringmon_core::{EventBody, ServerId, VoteKind};

super::on_engines!(
    a_deadline_that_has_passed_writes_nothing,
    a_deadline_that_passes_during_a_lock_wait_writes_nothing,
    a_check_that_fails_before_the_last_statement_writes_nothing,
    a_check_that_fails_before_commit_writes_nothing,
    a_check_that_fails_before_the_only_write_writes_nothing,
    a_plan_without_recheck_asks_nobody,
    a_row_that_changed_in_between_is_a_conflict,
    an_accusation_compares_votes_and_what_the_accused_says,
    a_pool_that_changed_in_between_is_a_conflict,
    a_name_address_or_pick_that_is_taken_is_a_conflict,
    a_conflict_starts_again_from_an_empty_snapshot,
    the_clock_is_read_before_the_rows,
    many_events_are_written_at_once,
    dropping_an_operation_rolls_it_back,
);

/// Everything that a plan could have changed.
async fn state(store: &Store) -> (Vec<ServerRow>, i64, usize) {
    let events = store.history(Events::Newest(10_000)).await.len();
    (store.servers().await.unwrap(), store.pool().await.unwrap().version, events)
}

fn event(subject: Option<ServerId>) -> EventDraft {
    EventDraft { subject, subject_name: "subject".into(), by: "test".into(), body: EventBody::Thawed { why: None } }
}

/// Writes to every table: an insert, updates, a delete, the pool, an event.
fn everything(seen: &TableSnapshot) -> Plan {
    let mut rows = seen.rows.values();
    let (a, b) = (rows.next().unwrap(), rows.next().unwrap());
    let set = RowSet { health: Some(Health::Failing), ..RowSet::default() };
    Plan {
        deadline: seen.db_now + Duration::from_secs(5),
        writes: vec![
            RowWrite::Delete(Guard::from(b)),
            RowWrite::Update { guard: Guard::from(a), set },
            RowWrite::Insert { new: new_row("new"), first_buddy: ServerId::NEW, second_buddy: ServerId::NEW },
        ],
        pool: Some(PoolWrite { version: seen.pool.as_ref().unwrap().version, frozen: Some(Some("why".into())) }),
        events: vec![event(Some(ServerId::NEW)), event(None)],
        recheck: true,
        outcome: Outcome::Written,
    }
}

async fn two(db: &TestDb) -> (Store, Vec<Lookup>) {
    let store = db.store().await;
    store.ring_of(&["a", "b"]).await;
    let lookups = store.servers().await.unwrap().iter().map(|row| Lookup::Id(row.id)).collect();
    (store, lookups)
}

async fn a_deadline_that_has_passed_writes_nothing(db: TestDb) {
    let (store, lookups) = two(&db).await;
    let before = state(&store).await;
    // Each kind of statement must do it alone, so the others are left out in turn.
    for part in 0..5 {
        let late = |seen: &TableSnapshot| {
            let mut plan = everything(seen);
            plan.deadline = seen.db_now - Duration::from_secs(1);
            plan.writes = plan.writes.get(part..=part).map(<[_]>::to_vec).unwrap_or_default();
            plan.pool = plan.pool.filter(|_| part == 3);
            plan.events.retain(|_| part == 4);
            plan
        };
        assert_eq!(store.attempt_plan(&lookups, late).await, None, "part {part}");
        assert_eq!(state(&store).await, before, "part {part}");
    }
}

/// R7's reason: the clock at the start of the statement is not the one that counts.
async fn a_deadline_that_passes_during_a_lock_wait_writes_nothing(db: TestDb) {
    let (store, lookups) = two(&db).await;
    let id = store.row("a").await.id;
    let lock = locked(&db.beside().await, id).await;
    let attempts = AtomicU32::new(0);
    let hasty = |seen: &TableSnapshot| {
        let attempt = attempts.fetch_add(1, Ordering::SeqCst);
        let mut card = seen.rows[&id].card.clone();
        card.clients.weight = attempt as u16;
        let set = RowSet { card: Some(card), ..RowSet::default() };
        let write = RowWrite::Update { guard: Guard::from(&seen.rows[&id]), set };
        let deadline = seen.db_now + Duration::from_millis(300);
        Plan { deadline, writes: vec![write], pool: None, events: Vec::new(), ..everything(seen) }
    };
    let holder = async {
        while attempts.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(700)).await;
        lock.rollback().await.unwrap();
    };
    let (ended, ()) = tokio::join!(store.apply(lookups, hasty, || true), holder);
    assert_eq!(ended.unwrap(), Outcome::Written);
    // The attempt that waited was too late. One that read the clock again was not.
    assert_ne!(store.row("a").await.card.clients.weight, 0, "written by the attempt whose deadline had passed");
}

async fn a_check_that_fails_before_the_last_statement_writes_nothing(db: TestDb) {
    let (store, lookups) = two(&db).await;
    let before = state(&store).await;
    let ended = store.apply(lookups, everything, || false).await;
    assert_eq!(ended.unwrap(), Outcome::Overtaken);
    assert_eq!(state(&store).await, before);
}

async fn a_check_that_fails_before_commit_writes_nothing(db: TestDb) {
    let (store, lookups) = two(&db).await;
    let before = state(&store).await;
    let asked = AtomicU32::new(0);
    let ended = store.apply(lookups, everything, || asked.fetch_add(1, Ordering::SeqCst) == 0).await;
    assert_eq!(ended.unwrap(), Outcome::Overtaken);
    assert_eq!(asked.load(Ordering::SeqCst), 2, "before the last statement and before COMMIT");
    assert_eq!(state(&store).await, before);
}

async fn a_check_that_fails_before_the_only_write_writes_nothing(db: TestDb) {
    let (store, lookups) = two(&db).await;
    let before = state(&store).await;
    let one = |seen: &TableSnapshot| {
        let writes = everything(seen).writes.drain(1..2).collect();
        Plan { writes, pool: None, events: Vec::new(), ..everything(seen) }
    };
    let asked = AtomicU32::new(0);
    let ended = store.apply(lookups.clone(), one, || asked.fetch_add(1, Ordering::SeqCst) > 0).await;
    assert_eq!(ended.unwrap(), Outcome::Overtaken);
    assert_eq!(state(&store).await, before);
    assert_eq!(store.apply(lookups, one, || asked.fetch_add(1, Ordering::SeqCst) > 0).await.unwrap(), Outcome::Written);
    assert_eq!(asked.load(Ordering::SeqCst), 2, "once each: it is its own COMMIT");
    assert_ne!(state(&store).await, before);
}

async fn a_plan_without_recheck_asks_nobody(db: TestDb) {
    let (store, lookups) = two(&db).await;
    let plan = |seen: &TableSnapshot| Plan { recheck: false, ..everything(seen) };
    let ended = store.apply(lookups, plan, || panic!("nobody was to be asked")).await;
    assert_eq!(ended.unwrap(), Outcome::Written);
    assert_eq!(store.pool().await.unwrap().frozen.as_deref(), Some("why"));
}

/// Each column of a guard must be compared. So one of them is wrong, in turn, on an update and on a delete.
async fn a_row_that_changed_in_between_is_a_conflict(db: TestDb) {
    let (store, lookups) = two(&db).await;
    let before = state(&store).await;
    for delete in [false, true] {
        for column in 0..5 {
            let stale = |seen: &TableSnapshot| {
                let row = seen.rows.values().next_back().unwrap();
                let mut guard = Guard::from(row);
                match column {
                    0 => guard.id = ServerId(guard.id.0 + 1000),
                    1 => guard.first_buddy.0 += 1,
                    2 => guard.second_buddy.0 += 1,
                    3 => guard.incarnation.0 += 1,
                    _ => guard.same = Same::All(row.version + 1),
                }
                let cast = VoteSet::Cast { voter: row.id, incarnation: row.incarnation, kind: VoteKind::Host };
                let set = RowSet { vote_first: cast, ..RowSet::default() };
                let write = if delete { RowWrite::Delete(guard) } else { RowWrite::Update { guard, set } };
                Plan { writes: vec![write], pool: None, events: Vec::new(), ..everything(seen) }
            };
            assert_eq!(store.attempt_plan(&lookups, stale).await, None, "column {column}");
            assert_eq!(state(&store).await, before, "column {column}");
        }
    }
}

/// What changed between the read and the write, and whether it is a conflict: for a witness, and for an accused.
async fn an_accusation_compares_votes_and_what_the_accused_says(db: TestDb) {
    const VOTE: &str = "vote_first_voter = 1, vote_first_incarnation = 1, vote_first_since = 1000, \
                        vote_first_at = 1000, vote_first_kind = 'host'";
    const WORD: &str = "alone_since = 1000, alone_at = 1000, answer_life = 5, answer_wait_ms = 60, \
                        answer_at = 1000, answer_hears = 1";
    const NOTHING: &str = "vote_second_voter = NULL, vote_second_incarnation = NULL, vote_second_since = NULL, \
                           vote_second_at = NULL, vote_second_kind = NULL";
    let (store, lookups) = two(&db).await;
    let changes = [
        ("version = version + 1", [false, false]),
        ("draining = TRUE", [false, false]),
        ("vote_first_at = 2000", [false, false]),
        ("alone_at = 2000", [false, true]),
        ("alone_since = NULL, alone_at = NULL", [false, true]),
        ("answer_life = 6", [false, true]),
        ("answer_wait_ms = 61", [false, true]),
        ("answer_at = 2000", [false, true]),
        ("answer_hears = 2", [false, true]),
        ("answer_at = NULL, answer_hears = NULL", [false, true]),
        ("vote_first_since = 2000", [true, true]),
        ("vote_first_voter = 2", [true, true]),
        (&VOTE.replace("first", "second"), [true, true]),
        (&NOTHING.replace("second", "first"), [true, true]),
    ];
    for (change, conflicts) in changes {
        for (word, conflict) in [false, true].into_iter().zip(conflicts) {
            for changed in [false, true] {
                store.sql(&format!("UPDATE server SET {VOTE}, {WORD}, {NOTHING} WHERE name = 'b'")).await;
                let guard = Guard::accusation(&store.row("b").await, word);
                if changed {
                    store.sql(&format!("UPDATE server SET {change} WHERE name = 'b'")).await;
                }
                let set = RowSet { health: Some(Health::Failing), ..RowSet::default() };
                let plan = |seen: &TableSnapshot| {
                    let writes = vec![RowWrite::Update { guard, set: set.clone() }];
                    Plan { writes, pool: None, events: Vec::new(), ..everything(seen) }
                };
                let written = store.attempt_plan(&lookups, plan).await.is_some();
                assert_eq!(written, !(changed && conflict), "{change}, {word}, {changed}");
            }
        }
    }
}

async fn a_pool_that_changed_in_between_is_a_conflict(db: TestDb) {
    let (store, lookups) = two(&db).await;
    let before = state(&store).await;
    let stale = |seen: &TableSnapshot| {
        let mut plan = everything(seen);
        plan.pool = plan.pool.map(|write| PoolWrite { version: write.version - 1, ..write });
        plan
    };
    let ended = store.apply(lookups, stale, || true).await;
    let only_overtaken = ended.as_ref().is_err_and(|error| error.only_overtaken() && !error.only_writing_failed());
    assert!(only_overtaken && matches!(ended, Err(Error::Contended { .. })), "{ended:?}");
    assert_eq!(state(&store).await, before);
}

async fn a_name_address_or_pick_that_is_taken_is_a_conflict(db: TestDb) {
    let (store, lookups) = two(&db).await;
    let before = state(&store).await;
    let taken = new_row("a");
    for new in [
        NewRow { card: Card { name: taken.card.name, ..new_row("new").card }, ..new_row("new") },
        NewRow { card: Card { address: taken.card.address, ..new_row("new").card }, ..new_row("new") },
        NewRow { pick: taken.pick, ..new_row("new") },
    ] {
        let twice = |seen: &TableSnapshot| {
            let mut plan = everything(seen);
            let (first_buddy, second_buddy) = (ServerId::NEW, ServerId::NEW);
            plan.writes[2] = RowWrite::Insert { new: new.clone(), first_buddy, second_buddy };
            plan
        };
        assert_eq!(store.attempt_plan(&lookups, twice).await, None, "{new:?}");
        assert_eq!(state(&store).await, before);
    }
}

/// Another writer writes between this operation's read and its write, once.
async fn a_conflict_starts_again_from_an_empty_snapshot(db: TestDb) {
    let (store, lookups) = two(&db).await;
    let id = store.row("a").await.id.0;
    let (meddler, attempts) = (db.open().await, AtomicU32::new(0));
    let clocks = std::sync::Mutex::new(Vec::new());
    let make = |seen: &TableSnapshot| {
        clocks.lock().unwrap().push(seen.db_now);
        if attempts.fetch_add(1, Ordering::SeqCst) == 0 {
            let meddle = format!("UPDATE server SET weight = 7, version = version + 1 WHERE id = {id}");
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(meddler.sql(&meddle)));
        } else {
            assert_eq!(seen.rows[&ServerId(id)].card.clients.weight, 7, "read again");
        }
        everything(seen)
    };
    assert_eq!(store.apply(lookups, make, || true).await.unwrap(), Outcome::Written);
    assert_eq!(attempts.load(Ordering::SeqCst), 2);
    let clocks = clocks.into_inner().unwrap();
    assert!(clocks[0] < clocks[1], "the clock is read again");
    let row = store.row("a").await;
    assert_eq!(
        (row.card.clients.weight, row.health, row.version),
        (7, Health::Failing, 4),
        "joined, linked, meddled with, written"
    );
}

async fn the_clock_is_read_before_the_rows(db: TestDb) {
    let (store, lookups) = two(&db).await;
    let wall = || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        i64::try_from(now.as_micros()).unwrap()
    };
    let (begin, mono) = (wall(), super::kit::mono());
    let seen = std::sync::Mutex::new(TableSnapshot::default());
    let make = |now: &TableSnapshot| {
        *seen.lock().unwrap() = now.clone();
        Plan { recheck: false, ..everything(now) }
    };
    store.apply(lookups, make, || true).await.unwrap();
    let (end, seen) = (wall(), seen.into_inner().unwrap());
    // SQLite's clock counts milliseconds.
    let db_now = seen.db_now.as_us();
    assert!((begin - 1000..=end).contains(&db_now), "{begin} <= {db_now} <= {end}");
    assert!(mono <= seen.read_at && seen.read_at <= super::kit::mono());
    let stamped = store.history(Events::Newest(1)).await[0].at.as_us();
    assert!((db_now..=end).contains(&stamped), "{db_now} <= {stamped} <= {end}");
}

async fn many_events_are_written_at_once(db: TestDb) {
    let (store, lookups) = two(&db).await;
    let many = |seen: &TableSnapshot| {
        let mut events: Vec<EventDraft> = (0..120).map(|n| event(Some(ServerId(n)))).collect();
        events[60].body = EventBody::Thawed { why: Some("x".repeat(70_000)) };
        Plan { writes: Vec::new(), pool: None, events, ..everything(seen) }
    };
    store.apply(lookups, many, || true).await.unwrap();
    let events = store.history(Events::Newest(120)).await;
    assert_eq!(events.iter().map(|e| e.subject.unwrap().0).collect::<Vec<_>>(), (0..120).collect::<Vec<_>>());
    let EventBody::Thawed { why: Some(why) } = &events[60].body else { panic!("{:?}", events[60]) };
    assert!(why.starts_with("xxx") && why.len() < 1000, "a detail that does not fit keeps nothing from being written");
}

async fn dropping_an_operation_rolls_it_back(db: TestDb) {
    let (store, lookups) = two(&db).await;
    let before = state(&store).await;
    let lock = locked(&db.beside().await, before.0[1].id).await;
    let planned = std::sync::Arc::new(tokio::sync::Notify::new());
    let task = {
        let (store, lookups, planned) = (store.clone(), lookups.clone(), planned.clone());
        let make = move |seen: &TableSnapshot| {
            planned.notify_one();
            everything(seen)
        };
        tokio::spawn(async move { store.apply(lookups, make, || true).await })
    };
    // From here on it cannot get past the locked row.
    planned.notified().await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    lock.rollback().await.unwrap();
    assert_eq!(state(&store).await, before);
    // No lock is left.
    assert_eq!(store.apply(lookups, everything, || true).await.unwrap(), Outcome::Written);
}

/// A writer that has written this row and does not commit.
pub async fn locked(store: &Store, id: ServerId) -> DatabaseTransaction {
    let lock = store.inner.database.connections().begin().await.unwrap();
    lock.execute_unprepared(&format!("UPDATE server SET weight = weight WHERE id = {}", id.0)).await.unwrap();
    lock
}
