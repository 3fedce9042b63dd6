//! Random plans on a database and on the core's virtual table: afterwards the rows are the same, column by column.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::kit::{TestDb, address, new_row};
use crate::store::error::Fault;
use crate::store::write::Written;
use crate::store::{Events, Store};
use ringmon_core::card::{Card, Clients};
use ringmon_core::edit::{
    AloneSet, AnswerSet, EventDraft, Guard, NewRow, Outcome, Plan, PoolWrite, RowSet, RowWrite, Same, VoteSet,
};
use ringmon_core::event::{Joined, Left, Removed};
use ringmon_core::row::{Health, ServerRow, Vote};
use ringmon_core::virtual_table::{Commit, VirtualTable};
use ringmon_core::{BootToken, DbTime, EventBody, Incarnation, ServerId, TableSnapshot, VoteKind};

super::on_engines!(random_plans_do_what_the_model_does);

const PLANS: u32 = 150;

/// A stamp of the model stands for a span on the database's clock: from the reading before the operation to the one
/// after it.
#[derive(Default)]
pub struct Stamps(BTreeMap<DbTime, DbTime>);

impl Stamps {
    pub fn add(&mut self, from: DbTime, to: DbTime) {
        let end = self.0.entry(from).or_insert(to);
        *end = to.max(*end);
    }

    /// The model's stamp, if the database's comes from the same operation; otherwise the database's.
    fn same(&self, model: DbTime, database: DbTime) -> DbTime {
        let fits = self.0.get(&model).is_some_and(|end| (model..=*end).contains(&database));
        if fits { model } else { database }
    }

    fn vote(&self, model: Option<&Vote>, database: &mut Option<Vote>) {
        if let (Some(model), Some(vote)) = (model, database) {
            vote.since = self.same(model.since, vote.since);
            vote.at = self.same(model.at, vote.at);
        }
    }

    /// The database's row, with the model's stamps where they fit.
    pub fn row(&self, model: &ServerRow, mut row: ServerRow) -> ServerRow {
        self.vote(model.vote_first.as_ref(), &mut row.vote_first);
        self.vote(model.vote_second.as_ref(), &mut row.vote_second);
        let alone = |model: Option<DbTime>, database: Option<DbTime>| match (model, database) {
            (Some(model), Some(database)) => Some(self.same(model, database)),
            _ => database,
        };
        let answers = (model.answering.and_then(|a| a.answer), row.answering.as_mut().and_then(|a| a.answer.as_mut()));
        if let (Some(model), Some(answer)) = answers {
            answer.at = self.same(model.at, answer.at);
        }
        row.alone_since = alone(model.alone_since, row.alone_since);
        row.alone_at = alone(model.alone_at, row.alone_at);
        row
    }

    /// Fails unless the database contains what the model contains.
    pub async fn assert_same(&self, store: &Store, model: &VirtualTable, what: &str) {
        let mut rows = BTreeMap::new();
        for row in store.servers().await.unwrap() {
            let row = model.rows.get(&row.id).map(|m| self.row(m, row.clone())).unwrap_or(row);
            rows.insert(row.id, row);
        }
        assert_eq!(rows, model.rows, "rows after {what}");
        let pool = store.pool().await.unwrap();
        assert_eq!((&pool.frozen, pool.version), (&model.pool.frozen, model.pool.version), "pool after {what}");
        assert_eq!(pool.rules, model.pool.rules);
        let events = store.history(Events::Newest(u32::MAX)).await;
        assert_eq!(events.len(), model.events.len(), "events after {what}");
        for (event, expected) in events.into_iter().zip(&model.events) {
            let at = self.same(expected.at, event.at);
            assert_eq!(
                ringmon_core::edit::StoredEvent { id: expected.id, at, ..event },
                *expected,
                "events after {what}"
            );
        }
    }
}

/// From `RINGMON_SEED`, or random. It is printed, so that it can be used again.
pub fn seeded() -> StdRng {
    let seed =
        std::env::var("RINGMON_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random::<u64>);
    eprintln!("RINGMON_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

impl Store {
    pub(super) async fn db_now(&self) -> DbTime {
        let mut seen = TableSnapshot::default();
        let read = async { self.read_clock(&self.session().await?, super::kit::mono(), &mut seen).await };
        read.await.unwrap_or_else(|e| panic!("{e:?}"));
        seen.db_now
    }
}

/// What is wrong with a plan, if anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Good,
    Stale,
    Late,
    Overtaken,
}

async fn random_plans_do_what_the_model_does(db: TestDb) {
    let (store, mut rng) = (db.store().await, seeded());
    let mut model = VirtualTable::new(store.db_now().await);
    let (step, offset) = db.ids().await;
    model.number_ids(step, offset);
    let mut stamps = Stamps::default();
    let mut counts = BTreeMap::new();
    for number in 0..PLANS {
        let fate =
            *[Fate::Good, Fate::Good, Fate::Good, Fate::Stale, Fate::Late, Fate::Overtaken].choose(&mut rng).unwrap();
        let now = store.db_now().await;
        model.set_now(now);
        let plan = random_plan(&mut rng, &model, number, fate);
        let expected = model.commit(&plan, &mut || fate != Fate::Overtaken);
        let written = store.write(store.session().await.unwrap(), &plan, &|| fate != Fate::Overtaken).await;
        stamps.add(now, store.db_now().await);
        let what = format!("plan {number}, {fate:?}: {plan:?}");
        match (&expected, &written) {
            (Commit::Done(_), Ok(Written::Committed { .. }))
            | (Commit::Overtaken, Ok(Written::Overtaken))
            | (Commit::Conflict | Commit::Late, Err(Fault::Conflict(_))) => {}
            (Commit::Conflict, Ok(Written::Stale)) if plan.is_answer() => {}
            _ => panic!("{expected:?} but {written:?} of {what}"),
        }
        *counts.entry(format!("{expected:?}").split('(').next().unwrap().to_owned()).or_insert(0) += 1;
        stamps.assert_same(&store, &model, &what).await;
    }
    eprintln!("{counts:?}, {} rows, {} events", model.rows.len(), model.events.len());
    assert_eq!(counts.len(), 4, "every fate was met");
}

fn random_plan(rng: &mut StdRng, model: &VirtualTable, number: u32, fate: Fate) -> Plan {
    let mut writes = Vec::new();
    // An id that was given to a row that was rolled back is lost in some engines and not in others.
    if (fate == Fate::Good || fate == Fate::Late) && (model.rows.len() < 8 || rng.random_bool(0.2)) {
        writes.push(random_row(rng, model, number));
    }
    let touched: Vec<&ServerRow> = model.rows.values().filter(|_| rng.random_bool(0.3)).collect();
    for (place, row) in touched.into_iter().enumerate() {
        let guard = Guard::from(row);
        writes.push(match rng.random_range(0..10) {
            0 | 1 if model.rows.len() > 4 => RowWrite::Delete(guard),
            2..=4 => RowWrite::Answer { id: row.id, life: row.incarnation, set: random_answer(rng, model) },
            _ => RowWrite::Update { guard, set: random_set(rng, model, number * 100 + place as u32) },
        });
    }
    if fate == Fate::Stale {
        spoil(rng, &mut writes);
    }
    let frozen = [None, Some(None), Some(Some("why".to_owned()))].choose(rng).unwrap().clone();
    let pool_version = model.pool.version;
    let now = model.now();
    Plan {
        deadline: if fate == Fate::Late { now - Duration::from_secs(1) } else { now + Duration::from_secs(3600) },
        // Never an empty plan, nor a stale one in which nothing is stale.
        pool: (writes.is_empty() || rng.random_bool(0.2))
            .then(|| PoolWrite { version: if fate == Fate::Stale { pool_version + 1 } else { pool_version }, frozen }),
        events: (0..rng.random_range(0..3)).map(|_| random_event(rng, model, &writes)).collect(),
        writes,
        recheck: fate == Fate::Overtaken,
        outcome: Outcome::Written,
    }
}

/// Makes one of the writes stale.
fn spoil(rng: &mut StdRng, writes: &mut [RowWrite]) {
    let Some(guard) = writes.iter_mut().rev().find_map(|write| match write {
        RowWrite::Insert { .. } => None,
        RowWrite::Answer { id, life, .. } => {
            if rng.random() {
                id.0 += 100_000;
            } else {
                life.0 += 1;
            }
            Some(None)
        }
        RowWrite::Update { guard, .. } | RowWrite::Delete(guard) => Some(Some(guard)),
    }) else {
        return;
    };
    let Some(guard) = guard else { return };
    match rng.random_range(0..5) {
        0 => guard.id.0 += 100_000,
        1 => guard.first_buddy.0 += 1,
        2 => guard.second_buddy.0 -= 1,
        3 => guard.incarnation.0 -= 1,
        _ => guard.same = Same::All(-1),
    }
}

fn random_id(rng: &mut StdRng, model: &VirtualTable) -> ServerId {
    let ids: Vec<ServerId> = model.rows.keys().copied().collect();
    ids.choose(rng).copied().unwrap_or(ServerId(77))
}

fn random_row(rng: &mut StdRng, model: &VirtualTable, number: u32) -> RowWrite {
    let name = format!("s{number} ñ'\"%_");
    let v6 = rng.random_bool(0.3);
    let card = Card {
        address: if v6 { format!("2001:db8::{number:x}").parse().unwrap() } else { address(number) },
        notice_port: rng.random(),
        clients: Clients {
            address: rng.random_bool(0.5).then(|| "fd00::1".parse().unwrap()),
            port: rng.random_bool(0.5).then(|| rng.random()),
            weight: rng.random(),
        },
        ..new_row(&name).card
    };
    RowWrite::Insert {
        new: NewRow {
            card,
            incarnation: Incarnation(rng.random()),
            pick: rng.random(),
            health: random_health(rng),
            wait: random_wait(rng),
            draining: rng.random(),
        },
        first_buddy: if rng.random_bool(0.3) { ServerId::NEW } else { random_id(rng, model) },
        second_buddy: if rng.random_bool(0.3) { ServerId::NEW } else { random_id(rng, model) },
    }
}

fn random_health(rng: &mut StdRng) -> Health {
    *[Health::Unknown, Health::Passing, Health::Failing].choose(rng).unwrap()
}

/// Of whole milliseconds, as the table has them.
fn random_wait(rng: &mut StdRng) -> Duration {
    Duration::from_millis(rng.random_range(0..3000))
}

fn random_answer(rng: &mut StdRng, model: &VirtualTable) -> AnswerSet {
    AnswerSet { wait: random_wait(rng), hears: rng.random_bool(0.6).then(|| random_id(rng, model)) }
}

fn random_set(rng: &mut StdRng, model: &VirtualTable, number: u32) -> RowSet {
    let votes: [VoteSet; 2] = std::array::from_fn(|_| match rng.random_range(0..5) {
        0 => VoteSet::Clear,
        1 => VoteSet::Renew,
        2 | 3 => VoteSet::Cast {
            voter: random_id(rng, model),
            incarnation: Incarnation(rng.random()),
            kind: *[VoteKind::Host, VoteKind::Agent].choose(rng).unwrap(),
        },
        _ => VoteSet::Keep,
    });
    RowSet {
        first_buddy: rng.random_bool(0.5).then(|| random_id(rng, model)),
        second_buddy: rng.random_bool(0.5).then(|| random_id(rng, model)),
        incarnation: rng.random_bool(0.2).then(|| Incarnation(rng.random())),
        card: rng.random_bool(0.2).then(|| Card {
            name: "its name does not change".into(),
            address: address(1_000_000 + number),
            notice_port: rng.random(),
            clients: Clients { address: None, port: Some(rng.random()), weight: rng.random() },
            boot: BootToken(format!("boot {number}")),
        }),
        vote_first: votes[0],
        vote_second: votes[1],
        alone: match rng.random_range(0..5) {
            0 => AloneSet::Keep,
            1 => AloneSet::Clear,
            2 => AloneSet::Mark(VoteKind::Host),
            3 => AloneSet::Mark(VoteKind::Agent),
            _ => AloneSet::Renew,
        },
        draining: rng.random_bool(0.2).then(|| rng.random()),
        health: rng.random_bool(0.2).then(|| random_health(rng)),
        wait: rng.random_bool(0.2).then(|| random_wait(rng)),
    }
}

fn random_event(rng: &mut StdRng, model: &VirtualTable, writes: &[RowWrite]) -> EventDraft {
    let inserts = writes.iter().any(|write| matches!(write, RowWrite::Insert { .. }));
    EventDraft {
        subject: match rng.random_range(0..3) {
            0 => None,
            1 if inserts => Some(ServerId::NEW),
            _ => Some(random_id(rng, model)),
        },
        subject_name: "ünïcode 🦀".into(),
        by: "o'brien".into(),
        body: match rng.random_range(0..4) {
            0 => EventBody::Left(Left { by: Some("a\"b\\c".into()), ..Left::default() }),
            1 => EventBody::Joined(Joined {
                address: None,
                attempts: None,
                incarnation: Incarnation(rng.random()),
                kept_place: rng.random(),
            }),
            2 => EventBody::AgentLost(Removed::default()),
            _ => EventBody::Down(Removed { voters: vec!["ü🦀".into()], ..Removed::default() }),
        },
    }
}
