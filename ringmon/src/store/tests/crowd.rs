//! Many writers at once. Afterwards there is one ring, with exactly the servers that joined and did not leave.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::kit::{TestDb, mono, new_row};
use super::model::{accusation, steady};
use super::plans::seeded;
use crate::store::{Events, RuleChanges, Store};
use ringmon_core::edit::{Guard, Lookup, Outcome, StoredEvent, TableSnapshot};
use ringmon_core::op::{Place, TableOp};
use ringmon_core::row::{Health, Quorum, ServerRow, Side};
use ringmon_core::{EventKind, Incarnation, ServerId, VoteKind, ring};

super::on_engines!(
    a_crowd_leaves_one_ring_under_single,
    a_crowd_leaves_one_ring_under_both,
    runs_reported_from_both_ends_at_once_go_once,
    first_servers_of_a_pool_find_each_other,
);

const WRITERS: usize = 64;
const OPERATIONS: usize = 12;
/// No operation may need more attempts than this: three times as many as it makes before it gives up for the time
/// being.
const MOST_ATTEMPTS: u32 = 60;
/// How often a writer starts an operation again that gave up. Each round has as many attempts as an operation makes.
const ROUNDS: u32 = 10;
/// How many places a join tries in a ring that changes all the time.
const PLACES: u32 = 300;

/// One agent: its server, its connections, and what it did.
pub struct Writer {
    store: Store,
    rng: StdRng,
    name: String,
    /// How long it asks again, whatever happens to the database; without this, [`ROUNDS`] times.
    patience: Option<Duration>,
    me: Option<(ServerId, Incarnation)>,
    joined: BTreeSet<ServerId>,
    ended: BTreeSet<ServerId>,
    /// Servers that it may have removed without learning of it: the answer was lost, and when it asked again it was no
    /// member itself any more, so its question was stale.
    in_doubt: BTreeSet<ServerId>,
    /// The most attempts of one operation.
    attempts: u32,
    /// The most places that one join tried.
    places: u32,
}

impl Writer {
    async fn new(db: &TestDb, name: String, seed: u64) -> Self {
        Self::with(db.open().await, name, seed, None)
    }

    pub fn with(store: Store, name: String, seed: u64, patience: Option<Duration>) -> Self {
        let (joined, ended, in_doubt) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let rng = StdRng::seed_from_u64(seed);
        Self { store, rng, name, patience, me: None, joined, ended, in_doubt, attempts: 0, places: 0 }
    }

    /// Runs until it is done: others may be faster for a while, and then nothing is written.
    async fn run(&mut self, op: &TableOp) -> (Outcome, TableSnapshot) {
        // Each attempt begins with a look at the clock.
        let attempts = AtomicU32::new(0);
        let clock = || {
            attempts.fetch_add(1, Relaxed);
            mono()
        };
        let (mut round, begun) = (0, Instant::now());
        let mut lost = false;
        while self.patience.map_or(round < ROUNDS, |patience| begun.elapsed() < patience) {
            round += 1;
            let (result, seen) = self.store.run(op, clock, || true).await;
            self.attempts = self.attempts.max(attempts.load(Relaxed));
            match result {
                Ok(outcome) => {
                    if let Outcome::Joined { id, kept_place: false, .. } = &outcome {
                        self.joined.insert(*id);
                    }
                    if let Outcome::Removed { removed, .. } = &outcome {
                        self.ended.extend(removed.iter().map(|r| r.server));
                    }
                    if let (TableOp::Accuse(a) | TableOp::RemoveAll(a), true, Outcome::Stale) = (op, lost, &outcome) {
                        self.in_doubt.extend(a.findings.iter().map(|finding| finding.server));
                    }
                    return (outcome, seen);
                }
                // This includes a statement that took too long on a busy machine, even COMMIT. Asked again, the
                // operation gives the same answer.
                Err(error) if error.is_transient() => {
                    eprintln!("{}: {error}", self.name);
                    lost = true;
                    if self.patience.is_some() {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
                Err(error) => panic!("{op:?}: {error}"),
            }
        }
        panic!("{op:?} starved: {} attempts", attempts.load(Relaxed));
    }

    /// The agent's own row and up to four servers on a side.
    async fn look(&mut self, me: ServerId, side: Side) -> Option<(ServerRow, Vec<ServerRow>)> {
        let (_, seen) = self.run(&TableOp::View { me, known: Vec::new() }).await;
        let own = seen.row(&Lookup::Id(me))?.clone();
        let ahead = TableOp::Ahead { from: me, side, count: 4 };
        let (_, seen) = self.run(&ahead).await;
        let answer = seen.answers.values().next().unwrap();
        Some((own, answer.iter().map(|id| seen.rows[id].clone()).collect()))
    }

    async fn join(&mut self) {
        for attempt in 1..=PLACES {
            let pick = self.rng.random();
            let (_, seen) = self.run(&TableOp::PickPlace { pick }).await;
            let place = seen.answers.get(&Lookup::Pick(pick)).and_then(|ids| ids.first());
            let place = place.and_then(|at| {
                let at = &seen.rows[at];
                Some(Place::between(at, seen.rows.get(&at.first_buddy)?))
            });
            let op = TableOp::Join { new: new_row(&self.name), place };
            if let (Outcome::Joined { id, incarnation, .. }, _) = self.run(&op).await {
                self.me = Some((id, incarnation));
                self.places = self.places.max(attempt);
                return;
            }
            // All start with an empty pool, where there is one place for all of them. Agents wait longer than this.
            tokio::time::sleep(Duration::from_millis(self.rng.random_range(0..50))).await;
        }
        panic!("{} found no place in {PLACES} tries", self.name);
    }

    async fn accuse(&mut self, me: ServerId) {
        let side = *Side::BOTH.choose(&mut self.rng).unwrap();
        let Some((own, ahead)) = self.look(me, side).await else { return };
        let length = self.rng.random_range(1..=3);
        let Some(far) = ahead.get(length) else { return };
        let findings = ahead[..length].iter().map(|row| steady(row, VoteKind::Host)).collect();
        let mut a = accusation(&own, side, findings);
        a.far_end = Some(far.id);
        for _ in 0..2 {
            self.run(&TableOp::Accuse(a.clone())).await;
        }
    }

    pub async fn act(&mut self) {
        let Some((id, incarnation)) = self.me else { return self.join().await };
        let (_, seen) = self.run(&TableOp::View { me: id, known: Vec::new() }).await;
        let Some(own) = seen.row(&Lookup::Id(id)).cloned() else {
            self.me = None;
            return;
        };
        match self.rng.random_range(0..10) {
            0 => {
                let op = TableOp::Leave { id, incarnation: Some(incarnation), by: self.name.clone() };
                if self.run(&op).await.0 == Outcome::Left {
                    self.ended.insert(id);
                    self.me = None;
                }
            }
            1 => {
                let op = TableOp::TakeOver { row: Guard::from(&own), new: new_row(&self.name) };
                if let (Outcome::Joined { incarnation, .. }, _) = self.run(&op).await {
                    self.me = Some((id, incarnation));
                }
            }
            2 | 3 => {
                let subjects = vec![own.first_buddy, own.second_buddy];
                self.run(&TableOp::Withdraw { me: id, subjects }).await;
            }
            4 => {
                let draining = self.rng.random();
                self.run(&TableOp::SetDraining { id, incarnation: Some(incarnation), draining, by: self.name.clone() })
                    .await;
                let health = *[Health::Passing, Health::Failing].choose(&mut self.rng).unwrap();
                self.run(&TableOp::SetService { me: id, incarnation, health, weight: None }).await;
            }
            5 => {
                let alone = *[Some(VoteKind::Host), Some(VoteKind::Agent), None].choose(&mut self.rng).unwrap();
                self.run(&TableOp::Alone { me: id, incarnation, alone }).await;
            }
            _ => self.accuse(id).await,
        }
    }
}

async fn a_crowd_leaves_one_ring_under_single(db: TestDb) {
    let store = db.store().await;
    let crowd = Crowd { writers: WRITERS, operations: OPERATIONS, quorum: Quorum::Single };
    crowd.live(&db, &store, &mut seeded()).await.unwrap();
}

async fn a_crowd_leaves_one_ring_under_both(db: TestDb) {
    let store = db.store().await;
    let crowd = Crowd { writers: WRITERS, operations: OPERATIONS, quorum: Quorum::Both };
    crowd.live(&db, &store, &mut seeded()).await.unwrap();
}

struct Crowd {
    writers: usize,
    operations: usize,
    quorum: Quorum,
}

impl Crowd {
    /// What is wrong afterwards.
    async fn live(&self, db: &TestDb, store: &Store, seeds: &mut StdRng) -> Result<(), String> {
        let changes = RuleChanges { quorum: Some(self.quorum), brake_permille: Some(1000), ..RuleChanges::default() };
        store.set_rules(&changes).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..self.writers {
            let mut writer = Writer::new(db, format!("w{number}"), seeds.random()).await;
            let operations = self.operations;
            tasks.spawn(async move {
                for _ in 0..operations {
                    writer.act().await;
                }
                writer
            });
        }
        let mut writers = Vec::new();
        while let Some(done) = tasks.join_next().await {
            writers.push(done.map_err(|error| format!("a writer found the table so that it gave up: {error}"))?);
        }
        let attempts = writers.iter().map(|writer| writer.attempts).max().unwrap_or_default();
        let places = writers.iter().map(|writer| writer.places).max().unwrap_or_default();
        eprintln!("at most {attempts} attempts at an operation, {places} places for a join");
        if attempts > MOST_ATTEMPTS {
            return Err(format!("somebody had to try {attempts} times"));
        }
        settle(store, &writers).await
    }
}

/// Whether the table is one whole ring of exactly the servers that joined and did not leave, and its history says so
/// too.
pub async fn settle(store: &Store, writers: &[Writer]) -> Result<(), String> {
    let joined: BTreeSet<ServerId> = writers.iter().flat_map(|writer| &writer.joined).copied().collect();
    let mut ended: BTreeSet<ServerId> = writers.iter().flat_map(|writer| &writer.ended).copied().collect();
    if joined.len() < writers.iter().map(|writer| writer.joined.len()).sum() {
        return Err("an id was given twice".to_owned());
    }
    let rows = store.servers().await.map_err(|error| error.to_string())?;
    let damage: Vec<String> = ring::check(rows.iter()).iter().map(ToString::to_string).collect();
    if !damage.is_empty() {
        return Err(damage.join("; "));
    }
    let members: BTreeSet<ServerId> = rows.iter().map(|row| row.id).collect();
    let history = store.history(Events::Newest(u32::MAX)).await;
    // For servers in doubt, the history knows whether they were removed, and on whose word.
    for writer in writers {
        let removed = |event: &StoredEvent| matches!(event.kind(), EventKind::Down | EventKind::AgentLost);
        let its = |event: &&StoredEvent| event.by == writer.name && removed(event);
        let went: BTreeSet<ServerId> = history.iter().filter(its).filter_map(|event| event.subject).collect();
        for id in writer.in_doubt.intersection(&went).filter(|id| !members.contains(id)) {
            eprintln!("{}: the answer to the removal of {id} was lost for good", writer.name);
            ended.insert(*id);
        }
    }
    let expected: BTreeSet<ServerId> = joined.difference(&ended).copied().collect();
    if members != expected {
        let odd: BTreeSet<ServerId> = members.symmetric_difference(&expected).copied().collect();
        let of: Vec<_> = history.iter().filter(|event| event.subject.is_some_and(|id| odd.contains(&id))).collect();
        return Err(format!("{members:?} are left of {expected:?}; the history of those that are odd: {of:#?}"));
    }
    eprintln!("{} joined, {} ended, {} are left", joined.len(), ended.len(), members.len());
    assert_history(store, &joined, &ended).await;
    Ok(())
}

/// `event` has every server's coming and going, once.
async fn assert_history(store: &Store, joined: &BTreeSet<ServerId>, ended: &BTreeSet<ServerId>) {
    let events = store.history(Events::Newest(u32::MAX)).await;
    for id in joined {
        let of =
            |kinds: &[EventKind]| events.iter().filter(|e| e.subject == Some(*id) && kinds.contains(&e.kind())).count();
        let ends = of(&[EventKind::Down, EventKind::AgentLost, EventKind::Left]);
        assert_eq!(ends, usize::from(ended.contains(id)), "{id} went once");
        assert!(of(&[EventKind::Joined, EventKind::Rejoined]) >= 1, "{id} came");
    }
}

/// Overlapping runs, each accused from both of its ends at the same moment.
async fn runs_reported_from_both_ends_at_once_go_once(db: TestDb) {
    let store = db.store().await;
    store.set_rules(&RuleChanges { brake_permille: Some(1000), ..RuleChanges::default() }).await.unwrap();
    let names: Vec<String> = (0..18).map(|n| format!("s{n:02}")).collect();
    store.ring_of(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let rows = store.servers().await.unwrap();
    // 0 .. 3 3 .. 6 and so on: every third server lives.
    let mut tasks = Vec::new();
    for living in (0..rows.len()).step_by(3) {
        for side in Side::BOTH {
            let at = |distance: usize| {
                let step = if side == Side::First { distance } else { rows.len() - distance };
                &rows[(living + step) % rows.len()]
            };
            let findings = [at(1), at(2)].map(|row| steady(row, VoteKind::Host)).to_vec();
            let mut a = accusation(&rows[living], side, findings);
            a.far_end = Some(at(3).id);
            let mut writer = Writer::new(&db, a.name.clone(), 0).await;
            tasks.push(tokio::spawn(async move {
                // Until the run is gone, whoever removed it.
                for _ in 0..20 {
                    let (outcome, _) = writer.run(&TableOp::Accuse(a.clone())).await;
                    match outcome {
                        Outcome::Removed { .. } | Outcome::Stale => break,
                        // As an agent does.
                        Outcome::Overtaken => tokio::time::sleep(Duration::from_millis(10)).await,
                        _ => {}
                    }
                }
                writer
            }));
        }
    }
    let mut ended = BTreeSet::new();
    for task in tasks {
        ended.extend(task.await.unwrap().ended);
    }
    let alive: Vec<String> = names.iter().step_by(3).cloned().collect();
    assert_eq!(store.whole().await, alive);
    let joined: BTreeSet<ServerId> = rows.iter().map(|row| row.id).collect();
    assert_eq!(ended.len(), 12);
    assert_history(&store, &joined, &ended).await;
}

async fn first_servers_of_a_pool_find_each_other(db: TestDb) {
    drop(db.store().await);
    let mut tasks = Vec::new();
    for number in 0..8 {
        let mut writer = Writer::new(&db, format!("w{number}"), number).await;
        tasks.push(tokio::spawn(async move { writer.join().await }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(db.open().await.whole().await.len(), 8);
}
