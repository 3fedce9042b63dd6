//! Random operations on a database and on the core's virtual table: they have the same outcomes, the same reads and the
//! same rows.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::kit::{TestDb, join, mono, new_row};
use super::plans::seeded;
use crate::store::{Events, RuleChanges, Store};
use ringmon_core::edit::{AnswerSet, Guard, Held, Outcome, TableSnapshot};
use ringmon_core::evidence::{Silence, WatchId};
use ringmon_core::op::{Accusation, Finding, Mute, Place, TableOp};
use ringmon_core::row::{Alone, Health, Mode, Quorum, ServerRow, Side, Vote};
use ringmon_core::virtual_table::VirtualTable;
use ringmon_core::{BootToken, DbTime, Incarnation, Profile, Rule, ServerId, VoteKind, Without};

super::on_engines!(random_operations_do_what_the_model_does, removals_do_what_the_model_does);

const OPERATIONS: u32 = 300;

/// A database, and the model of what it should contain.
struct Pair {
    store: Store,
    model: VirtualTable,
}

impl Pair {
    async fn new(db: &TestDb, changes: &RuleChanges) -> Self {
        let store = db.store().await;
        let mut model = VirtualTable::new(DbTime::default());
        let (step, offset) = db.ids().await;
        model.number_ids(step, offset);
        model.pool = store.set_rules(changes).await.unwrap();
        Self { store, model }
    }

    /// Runs the operation on both, and fails unless they agree.
    async fn run(&mut self, op: &TableOp, holds: bool) -> Outcome {
        let (outcome, seen) = self.store.run(op, mono, || holds).await;
        let outcome = outcome.unwrap_or_else(|e| panic!("{op:?}: {e}"));
        let after = self.store.db_now().await;
        self.model.set_now(seen.db_now);
        let (expected, expected_seen) = self.model.run(op, seen.read_at, &mut || holds).unwrap();
        assert_eq!(outcome, expected, "{op:?} on {:#?}", seen.rows);
        assert_same_reads(&seen, &expected_seen);
        adopt(&self.store, &mut self.model, (seen.db_now, after), &format!("{op:?}")).await;
        outcome
    }

    fn named(&self, name: &str) -> ServerRow {
        self.model.named(name).unwrap_or_else(|| panic!("no {name}")).clone()
    }
}

async fn random_operations_do_what_the_model_does(db: TestDb) {
    let mut rng = seeded();
    let changes = RuleChanges {
        quorum: [Quorum::Single, Quorum::Both].choose(&mut rng).copied(),
        brake_permille: [500, 1000].choose(&mut rng).copied(),
        alone: [Alone::One, Alone::All].choose(&mut rng).copied(),
        ..RuleChanges::default()
    };
    eprintln!("{changes:?}");
    let mut pair = Pair::new(&db, &changes).await;
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let mut answer = None;
    for number in 0..OPERATIONS {
        let op = match answer.take().filter(|_| rng.random_bool(0.8)) {
            Some(answer) => answered(&mut rng, &pair.model, answer),
            None => random_op(&mut rng, &pair.model, number),
        };
        if let TableOp::Accuse(a) = &op
            && let Some(far) = a.far_end
        {
            answer = Some((far, a.side.opposite(), a.findings.len()));
        }
        let outcome = pair.run(&op, rng.random_bool(0.9)).await;
        *counts.entry(word(&op, &outcome)).or_insert(0) += 1;
    }
    eprintln!("{counts:#?}");
    for needed in ["Join Joined", "Leave Left", "TakeOver Joined", "Accuse Voted", "Accuse Held", "Answer Written"] {
        assert!(counts.contains_key(needed), "{needed} never happened: {counts:?}");
    }
}

/// The whole life of a run, of a pool in which the brake holds, and of two servers that do not hear each other.
async fn removals_do_what_the_model_does(db: TestDb) {
    let mut pair = Pair::new(&db, &RuleChanges::default()).await;
    for (place, name) in ["a", "b", "c", "d", "e", "f", "g"].into_iter().enumerate() {
        let rows: Vec<ServerRow> = pair.model.rows.values().cloned().collect();
        let after = rows.get(place.wrapping_sub(1)).map(|row| row.card.name.clone());
        pair.run(&join(&rows, name, after.as_deref()), true).await;
    }
    let of = |pair: &Pair, me: &str, side, run: &[&str], far: Option<&str>| {
        let findings = run.iter().map(|name| steady(&pair.named(name), VoteKind::Host)).collect();
        let mut a = accusation(&pair.named(me), side, findings);
        a.far_end = far.map(|far| pair.named(far).id);
        a
    };
    let removed = |outcome: &Outcome| -> Vec<String> {
        let Outcome::Removed { removed, .. } = outcome else { panic!("nobody was removed: {outcome:?}") };
        removed.iter().map(|r| r.name.clone()).collect()
    };
    let first = TableOp::Accuse(of(&pair, "a", Side::First, &["b", "c"], Some("d")));
    assert!(matches!(pair.run(&first, true).await, Outcome::Voted { .. }));
    let second = TableOp::Accuse(of(&pair, "d", Side::Second, &["c", "b"], Some("a")));
    assert_eq!(pair.run(&second, false).await, Outcome::Overtaken, "a reply at the last moment");
    assert_eq!(removed(&pair.run(&second, true).await), ["c", "b"]);
    assert_eq!(pair.store.whole().await, ["a", "d", "e", "f", "g"]);
    assert_eq!(removed(&pair.run(&second, true).await), ["c", "b"], "asked again after a lost answer");

    // Half of five, and at least three: the brake allows one more.
    pair.run(&TableOp::Accuse(of(&pair, "e", Side::First, &["f"], Some("g"))), true).await;
    let f = TableOp::Accuse(of(&pair, "g", Side::Second, &["f"], Some("e")));
    assert_eq!(removed(&pair.run(&f, true).await), ["f"]);
    pair.run(&TableOp::Accuse(of(&pair, "a", Side::First, &["d"], Some("e"))), true).await;
    let d = TableOp::Accuse(of(&pair, "e", Side::Second, &["d"], Some("a")));
    assert_eq!(pair.run(&d, true).await, Outcome::Braked);
    assert!(matches!(pair.run(&d, true).await, Outcome::Voted { .. }), "the own vote is written all the same");
    assert_eq!(pair.run(&d, true).await, Outcome::Held(Held::Brake), "it has just spoken");
    assert_eq!(pair.store.gone(ringmon_core::law::BRAKE_WINDOW).await.unwrap(), ["b", "c", "f"]);
    pair.run(&TableOp::Forget { name: "c".into(), by: "operator".into() }, true).await;
    assert_eq!(pair.store.gone(ringmon_core::law::BRAKE_WINDOW).await.unwrap(), ["b", "f"]);
    let missing = pair.store.missing(std::time::Duration::from_secs(600)).await.unwrap();
    let mut names: Vec<&str> = missing.iter().map(|event| event.stored.subject_name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names, ["b", "f"]);
    // Who was not held before counts at once, and need not wait until the brake's word is old.
    let anew = Accusation { braked: false, ..of(&pair, "e", Side::Second, &["d"], Some("a")) };
    assert_eq!(removed(&pair.run(&TableOp::Accuse(anew), true).await), ["d"]);

    // Or else the brake would hold the last removal.
    pair.run(&TableOp::Forget { name: "b".into(), by: "operator".into() }, true).await;
    let e = pair.named("e");
    pair.run(&TableOp::Leave { id: e.id, incarnation: Some(e.incarnation), by: "e".into() }, true).await;
    let alone = TableOp::RemoveAll(of(&pair, "a", Side::First, &["g"], None));
    assert_eq!(pair.run(&alone, true).await, Outcome::AloneMarked);
    // The mark has to stand for a second (R2).
    let last = loop {
        match pair.run(&alone, true).await {
            Outcome::Held(Held::TooYoung) => tokio::time::sleep(Duration::from_millis(50)).await,
            other => break other,
        }
    };
    assert_eq!(removed(&last), ["g"]);
    assert_eq!(pair.store.whole().await, ["a"]);
    let gone = TableOp::View { me: e.id, known: vec![pair.named("a").id] };
    assert_eq!(pair.run(&gone, true).await, Outcome::Read);
}

fn word(op: &TableOp, outcome: &Outcome) -> String {
    let first = |text: String| text.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
    format!("{} {}", first(format!("{op:?}")), first(format!("{outcome:?}")))
}

fn assert_same_reads(seen: &TableSnapshot, expected: &TableSnapshot) {
    assert_eq!(seen.db_now, expected.db_now);
    assert_eq!(seen.pool, expected.pool);
    assert_eq!(seen.rows, expected.rows);
    assert_eq!(seen.answers, expected.answers);
    assert_eq!(seen.counts, expected.counts);
    assert_eq!(seen.events, expected.events);
    assert_eq!(seen.wrote, expected.wrote);
}

/// Fails unless the database contains what the model contains. A stamp of this very operation may be any moment from
/// its first look at the clock to its end. Afterwards the model has the database's stamps, so that ages are the same
/// from then on.
async fn adopt(store: &Store, model: &mut VirtualTable, during: (DbTime, DbTime), what: &str) {
    let same = |model: DbTime, database: DbTime| {
        if model == during.0 && (during.0..=during.1).contains(&database) { database } else { model }
    };
    let rows: BTreeMap<ServerId, ServerRow> =
        store.servers().await.unwrap().into_iter().map(|row| (row.id, row)).collect();
    for (id, row) in &mut model.rows {
        let Some(stored) = rows.get(id) else { continue };
        let votes = [(&mut row.vote_first, &stored.vote_first), (&mut row.vote_second, &stored.vote_second)];
        for (vote, stored) in votes {
            if let (Some(Vote { since, at, .. }), Some(stored)) = (vote, stored) {
                (*since, *at) = (same(*since, stored.since), same(*at, stored.at));
            }
        }
        for (mark, stored) in [(&mut row.alone_since, stored.alone_since), (&mut row.alone_at, stored.alone_at)] {
            if let (Some(mark), Some(stored)) = (mark, stored) {
                *mark = same(*mark, stored);
            }
        }
        let answer = row.answering.as_mut().and_then(|answering| answering.answer.as_mut());
        if let (Some(answer), Some(stored)) = (answer, stored.answering.and_then(|answering| answering.answer)) {
            answer.at = same(answer.at, stored.at);
        }
    }
    assert_eq!(rows, model.rows, "rows after {what}");
    assert_eq!(store.pool().await.unwrap(), model.pool, "pool after {what}");

    let events = store.history(Events::Newest(u32::MAX)).await;
    assert_eq!(events.len(), model.events.len(), "events after {what}");
    assert!(events.is_sorted_by(|a, b| a.id < b.id));
    for (event, expected) in events.iter().zip(&mut model.events) {
        (expected.id, expected.at) = (event.id, same(expected.at, event.at));
        assert_eq!(event, expected, "events after {what}");
    }
}

fn random_op(rng: &mut StdRng, model: &VirtualTable, number: u32) -> TableOp {
    let rows: Vec<ServerRow> = model.rows.values().cloned().collect();
    let Some(me) = rows.choose(rng) else {
        return TableOp::Join { new: new_row(&format!("s{number}")), place: None };
    };
    if model.pool.frozen.is_some() && rng.random_bool(0.3) {
        return TableOp::SetFrozen { frozen: None, by: "operator".into() };
    }
    let any = |rng: &mut StdRng| rows.choose(rng).map_or(ServerId(999), |row| row.id);
    // A server that does not exist, or does not exist any more.
    let stranger = |rng: &mut StdRng| ServerId(rng.random_range(1..=i64::from(number) + 2));
    let life = |rng: &mut StdRng| Incarnation(me.incarnation.0 - i64::from(rng.random_bool(0.1)));
    match rng.random_range(0..32) {
        0..=3 if rows.len() < 6 => random_join(rng, &rows, me, number),
        4 => TableOp::Leave { id: stranger(rng), incarnation: None, by: "operator".into() },
        5 => TableOp::Leave { id: me.id, incarnation: Some(life(rng)), by: me.card.name.clone() },
        6..=7 => {
            let mut new = new_row(&me.card.name);
            new.card.address = me.card.address;
            new.card.boot = BootToken(format!("boot {number}"));
            new.card.clients.weight = rng.random();
            new.wait = Duration::from_millis(rng.random_range(1..2000));
            TableOp::TakeOver { row: Guard { incarnation: life(rng), ..Guard::from(me) }, new }
        }
        8..=16 => TableOp::Accuse(random_accusation(rng, model, me)),
        17 => TableOp::RemoveAll(against_all(rng, model, me)),
        18 => TableOp::Withdraw { me: me.id, subjects: vec![me.first_buddy, me.second_buddy] },
        19 => TableOp::Alone {
            me: me.id,
            incarnation: life(rng),
            alone: *[Some(VoteKind::Host), Some(VoteKind::Agent), None].choose(rng).unwrap(),
        },
        20 => {
            let health = *[Health::Unknown, Health::Passing, Health::Failing].choose(rng).unwrap();
            let weight = rng.random_bool(0.5).then(|| rng.random_range(0..3));
            TableOp::SetService { me: me.id, incarnation: life(rng), health, weight }
        }
        26 => TableOp::Forget { name: format!("s{}", rng.random_range(0..=number)), by: "operator".into() },
        21 => TableOp::SetFrozen { frozen: rng.random_bool(0.5).then(|| "why".to_owned()), by: "operator".into() },
        22 => TableOp::View { me: any(rng), known: vec![stranger(rng), stranger(rng)] },
        23 => TableOp::FindSelf { name: me.card.name.clone(), address: any_address(rng, &rows) },
        25 => TableOp::SetDraining {
            id: stranger(rng),
            incarnation: rng.random_bool(0.5).then(|| life(rng)),
            draining: rng.random(),
            by: me.card.name.clone(),
        },
        30..=31 => {
            let at = rows.choose(rng).unwrap_or(me);
            let Some(next) = model.rows.get(&at.first_buddy) else { return TableOp::PickPlace { pick: 0 } };
            let place = Place::between(at, next);
            TableOp::Move { me: me.id, incarnation: life(rng), place, misplaced: Duration::from_secs(2) }
        }
        27..=28 => {
            let set = AnswerSet {
                wait: Duration::from_millis(rng.random_range(1..2000)),
                hears: rng.random_bool(0.6).then(|| any(rng)),
            };
            TableOp::Answer { me: me.id, incarnation: life(rng), set }
        }
        24 => TableOp::PickPlace { pick: rng.random() },
        _ => TableOp::Ahead {
            from: if rng.random_bool(0.8) { me.id } else { stranger(rng) },
            side: *Side::BOTH.choose(rng).unwrap(),
            count: *[0, 1, 3, 16, 1200].choose(rng).unwrap(),
        },
    }
}

fn any_address(rng: &mut StdRng, rows: &[ServerRow]) -> ringmon_core::row::Address {
    rows.choose(rng).map_or_else(|| "fe80::1".parse().unwrap(), |row| row.card.address)
}

fn random_join(rng: &mut StdRng, rows: &[ServerRow], after: &ServerRow, number: u32) -> TableOp {
    let name = if rng.random_bool(0.1) { after.card.name.clone() } else { format!("s{number}") };
    let mut op = join(rows, &name, Some(&after.card.name));
    if let TableOp::Join { new, place } = &mut op {
        match rng.random_range(0..10) {
            0 => *place = None,
            1 => new.pick = after.pick,
            2 => new.card.address = any_address(rng, rows),
            3 => new.incarnation = Incarnation(i64::MAX / 2),
            4 => place.as_mut().unwrap().next.incarnation.0 -= 1,
            _ => {}
        }
    }
    op
}

/// An accusation by `me` against the next one, two or three servers on a side.
fn random_accusation(rng: &mut StdRng, model: &VirtualTable, me: &ServerRow) -> Accusation {
    let side = *Side::BOTH.choose(rng).unwrap();
    let length = *[1, 1, 1, 2, 3].choose(rng).unwrap();
    accusation_of(rng, model, me, side, length)
}

/// The accusation from the far end of the last one, if that end still exists.
fn answered(rng: &mut StdRng, model: &VirtualTable, (far, side, length): (ServerId, Side, usize)) -> TableOp {
    match model.rows.get(&far) {
        Some(me) => TableOp::Accuse(accusation_of(rng, model, me, side, length)),
        None => TableOp::FindSelf { name: "gone".into(), address: new_row("gone").card.address },
    }
}

fn accusation_of(rng: &mut StdRng, model: &VirtualTable, me: &ServerRow, side: Side, length: usize) -> Accusation {
    let mut run: Vec<&ServerRow> = Vec::new();
    let mut at = me.buddy(side);
    while run.len() < length && at != me.id {
        run.push(&model.rows[&at]);
        at = model.rows[&at].buddy(side);
    }
    let findings = run.iter().map(|row| random_finding(rng, row)).collect();
    randomised(rng, Accusation { far_end: Some(at), ..accusation(me, side, findings) })
}

fn against_all(rng: &mut StdRng, model: &VirtualTable, me: &ServerRow) -> Accusation {
    let others = model.rows.values().filter(|row| row.id != me.id);
    let findings = others.map(|row| random_finding(rng, row)).collect();
    let mut a = accusation(me, Side::First, findings);
    if rng.random_bool(0.5) {
        // At once, and whatever the others say.
        a.tuning.without = Without::rules(&[Rule::R2, Rule::R3]);
    }
    randomised(rng, a)
}

/// It has everything that a removal needs, and waits for no answer (R3); only votes may be missing.
pub fn accusation(me: &ServerRow, side: Side, findings: Vec<Finding>) -> Accusation {
    let mut tuning = Profile::Default.tuning();
    tuning.without = Without::rules(&[Rule::R3]);
    Accusation {
        me: me.id,
        incarnation: me.incarnation,
        name: me.card.name.clone(),
        side,
        mute: Mute::default(),
        findings,
        far_end: None,
        served: Duration::MAX,
        lag: Duration::ZERO,
        confirmed: None,
        braked: false,
        mode: Mode::Act,
        tuning,
    }
}

/// Leaves something out now and then.
fn randomised(rng: &mut StdRng, a: Accusation) -> Accusation {
    Accusation {
        far_end: a.far_end.filter(|_| rng.random_bool(0.95)),
        served: if rng.random_bool(0.95) { a.served } else { Duration::ZERO },
        tuning: if rng.random_bool(0.9) { a.tuning } else { Profile::Default.tuning() },
        mode: if rng.random_bool(0.95) { Mode::Act } else { Mode::Observe },
        ..a
    }
}

/// Silent for an hour, which is long enough.
pub fn steady(row: &ServerRow, kind: VoteKind) -> Finding {
    let since = mono() - Duration::from_secs(3600);
    let watch = WatchId { slot: 0, generation: 1 };
    let silence = Silence { watch, kind, since };
    Finding { server: row.id, incarnation: row.incarnation, misses: 20, enough: true, proved: false, silence }
}

fn random_finding(rng: &mut StdRng, row: &ServerRow) -> Finding {
    let kind = if rng.random_bool(0.8) { VoteKind::Host } else { VoteKind::Agent };
    let finding = steady(row, kind);
    let since = if rng.random_bool(0.9) { finding.silence.since } else { mono() };
    Finding { silence: Silence { since, ..finding.silence }, enough: rng.random_bool(0.95), ..finding }
}
