//! The connection is cut at every statement of every operation: once before the server gets the statement, and once
//! after it has done it. The caller asks again, as agents do. Nothing is lost, and nothing is there twice: the table
//! and its history are as if nothing had happened.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use super::kit::{TestDb, join, mono, new_row};
use super::model::{accusation, steady};
use super::wire::{Moment, Wire};
use crate::store::{Events, Store};
use ringmon_core::edit::{AnswerSet, Guard};
use ringmon_core::op::Accusation;
use ringmon_core::op::TableOp;
use ringmon_core::row::{Health, Quorum, ServerRow, Side};
use ringmon_core::{Outcome, Profile, Rule, ServerId, VoteKind, Without};

super::on_servers!(a_cut_at_any_statement_loses_nothing_and_doubles_nothing);

/// The operations; each has a pool that is prepared for it.
const CASES: [&str; 16] = [
    "first join",
    "join",
    "take over",
    "leave",
    "leave of a removed run's end",
    "vote",
    "remove",
    "remove a run",
    "alone",
    "remove all",
    "withdraw",
    "answer",
    "health",
    "drain",
    "freeze",
    "thaw",
];

/// How long an agent may have to ask. A broken connection shows once on each of them, and a killed server needs time to
/// start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Prepares the pool, and returns the operation.
async fn prepare(case: &str, store: &Store) -> TableOp {
    if case == "first join" {
        return join(&[], "a", None);
    }
    let names: &[&str] = if case == "remove all" { &["a", "b"] } else { &["a", "b", "c", "d", "e"] };
    store.ring_of(names).await;
    let rows = store.servers().await.unwrap();
    let row = |name: &str| rows.iter().find(|row| row.card.name == name).unwrap();
    let a = row("a");
    let leave =
        |row: &ServerRow| TableOp::Leave { id: row.id, incarnation: Some(row.incarnation), by: row.card.name.clone() };
    let frozen = |why: Option<&str>| TableOp::SetFrozen { frozen: why.map(str::to_owned), by: "operator".into() };
    match case {
        "join" => join(&rows, "x", Some("a")),
        "take over" => TableOp::TakeOver { row: Guard::from(row("b")), new: new_row("b") },
        "leave" => leave(row("b")),
        "leave of a removed run's end" => {
            let removal = removal(store, &rows, &["b"]).await;
            assert!(matches!(store.run_plain(&removal).await, Outcome::Removed { .. }));
            leave(row("c"))
        }
        "vote" => TableOp::Accuse(against(&rows, Side::First, &["b"])),
        "remove" => removal(store, &rows, &["b"]).await,
        "remove a run" => removal(store, &rows, &["b", "c"]).await,
        "alone" => TableOp::Alone { me: a.id, incarnation: a.incarnation, alone: Some(VoteKind::Host) },
        "remove all" => {
            let mark = TableOp::Alone { me: a.id, incarnation: a.incarnation, alone: Some(VoteKind::Host) };
            store.run_plain(&mark).await;
            // Without R2 the mark has to stand for no time.
            let mut all = accusation(a, Side::First, vec![steady(row("b"), VoteKind::Host)]);
            all.tuning.without = Without::rules(&[Rule::R2, Rule::R3]);
            TableOp::RemoveAll(all)
        }
        "withdraw" => {
            let vote = store.run_plain(&TableOp::Accuse(against(&rows, Side::First, &["b"]))).await;
            assert!(matches!(vote, Outcome::Voted { .. }), "{vote:?}");
            TableOp::Withdraw { me: a.id, subjects: vec![row("b").id] }
        }
        "answer" => {
            let set = AnswerSet { wait: Duration::from_millis(70), hears: Some(row("b").id) };
            TableOp::Answer { me: a.id, incarnation: a.incarnation, set }
        }
        "health" => TableOp::SetService { me: a.id, incarnation: a.incarnation, health: Health::Failing, weight: None },
        "drain" => TableOp::SetDraining { id: a.id, incarnation: None, draining: true, by: "operator".into() },
        "freeze" => frozen(Some("a test")),
        "thaw" => {
            store.run_plain(&frozen(Some("a test"))).await;
            frozen(None)
        }
        other => panic!("nobody says what {other} is"),
    }
}

/// The accusation of the server at one end of a run: `a` accuses from the first side on, or the server beyond the run
/// from the second.
pub fn against(rows: &[ServerRow], side: Side, run: &[&str]) -> Accusation {
    let row = |name: &str| rows.iter().find(|row| row.card.name == name).unwrap();
    let end = |name: &str, side| rows.iter().find(|other| other.id == row(name).buddy(side)).unwrap();
    let mut run: Vec<&ServerRow> = run.iter().map(|name| row(name)).collect();
    let ends = [end(&run[0].card.name, Side::Second), end(&run[run.len() - 1].card.name, Side::First)];
    let [me, far] = match side {
        Side::First => ends,
        Side::Second => {
            run.reverse();
            [ends[1], ends[0]]
        }
    };
    let findings = run.into_iter().map(|row| steady(row, VoteKind::Host)).collect();
    Accusation { far_end: Some(far.id), ..accusation(me, side, findings) }
}

/// Both ends have voted, too recently to remove. Now `a` may remove.
pub async fn removal(store: &Store, rows: &[ServerRow], run: &[&str]) -> TableOp {
    for side in Side::BOTH {
        let (tuning, served) = (Profile::Default.tuning(), Duration::ZERO);
        let vote = Accusation { tuning, served, ..against(rows, side, run) };
        let outcome = store.run_plain(&TableOp::Accuse(vote)).await;
        assert!(matches!(outcome, Outcome::Voted { .. }), "{outcome:?}");
    }
    TableOp::Accuse(against(rows, Side::First, run))
}

/// Everything except numbers and times, which differ between any two pools.
async fn state(store: &Store) -> Vec<String> {
    let rows = store.servers().await.unwrap();
    let names: BTreeMap<ServerId, &str> = rows.iter().map(|row| (row.id, row.card.name.as_str())).collect();
    let name = |id: ServerId| names.get(&id).copied().unwrap_or("somebody who is gone");
    let mut state: Vec<String> = rows
        .iter()
        .map(|row| {
            let votes = Side::BOTH.map(|side| row.vote(side).map(|vote| (name(vote.voter), vote.kind)));
            let (first, second) = (name(row.first_buddy), name(row.second_buddy));
            let alone = row.alone_at.and(row.alone_kind);
            let answer = row.answering().map(|said| (said.wait, said.answer.map(|answer| name(answer.hears))));
            let (health, draining) = (row.health, row.draining);
            format!(
                "{}: between {second} and {first}, {health:?}, draining {draining}, votes {votes:?}, alone {alone:?}, \
                 answers {answer:?}",
                row.card.name
            )
        })
        .collect();
    state.sort();
    let events = store.history(Events::Newest(1000)).await;
    // An event about the pool has the pool's name.
    let subject = |name: &str| if name == store.pool_name() { "the pool".to_owned() } else { name.to_owned() };
    state.extend(events.iter().map(|e| format!("{:?} {} by {}", e.kind(), subject(&e.subject_name), e.by)));
    state.push(format!("frozen: {:?}", store.pool().await.unwrap().frozen));
    state
}

/// The word for an outcome, without what it is about.
fn word(outcome: &impl Debug) -> String {
    format!("{outcome:?}").split([' ', '(', '{']).next().unwrap_or_default().to_owned()
}

/// Runs the case in a pool of its own, cut at this statement. Returns the outcome, the state afterwards, how many
/// statements it took, and how often it was asked.
async fn live(db: &TestDb, wire: &Wire, pool: &str, case: &str, cut: Option<(usize, Moment)>) -> Lived {
    Store::create(&db.url, pool, Quorum::Both).await.unwrap();
    let direct = Store::open(&db.url, pool).await.unwrap();
    let op = prepare(case, &direct).await;
    wire.arm(None);
    let store = Store::open(&wire.way_to(db), pool).await.unwrap();
    // Its connection is open now, and the statements that opened it do not count.
    store.pool().await.unwrap();
    wire.arm(cut);
    let (mut tries, begun) = (0, Instant::now());
    let outcome = loop {
        tries += 1;
        match store.run(&op, mono, || true).await.0 {
            // It took so long that its own vote or mark had to be renewed first. An agent then looks again.
            Ok(Outcome::Voted { .. } | Outcome::AloneMarked) if case.starts_with("remove") => {}
            Ok(outcome) => break outcome,
            Err(error) if error.is_transient() && begun.elapsed() < PATIENCE => {
                eprintln!("{pool}, {case}, {cut:?}: {error}");
                // Only a server that is not there is asked in vain more than a few times.
                tokio::time::sleep(Duration::from_millis(10) * tries.min(20)).await;
            }
            Err(error) => panic!("{case}, {cut:?}: {error}"),
        }
    };
    let (statements, to_come) = wire.seen();
    let direct = reopened(db, pool).await;
    Lived { outcome: word(&outcome), state: state(&direct).await, statements, cut: !to_come, tries }
}

/// Connections that were opened before may lead to a server that is gone, and one that was killed after its answer may
/// be going just now.
async fn reopened(db: &TestDb, pool: &str) -> Store {
    let begun = Instant::now();
    loop {
        match Store::open(&db.url, pool).await {
            Err(error) if error.is_transient() && begun.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            opened => return opened.unwrap(),
        }
    }
}

struct Lived {
    outcome: String,
    state: Vec<String>,
    statements: Vec<String>,
    /// Whether there was such a statement.
    cut: bool,
    tries: u32,
}

async fn a_cut_at_any_statement_loses_nothing_and_doubles_nothing(db: TestDb) {
    drop(db.store().await);
    let wire = Wire::start(db.port()).await;
    let lines = at_every_statement(&db, &wire, [Moment::Before, Moment::After]).await;
    println!("| operation | outcome | statements | cuts | asked again |\n|---|---|---|---|---|\n{}", lines.join("\n"));
}

/// Every case in a pool of its own, at every statement and at each of these moments. Returns a line for each.
pub async fn at_every_statement(db: &TestDb, wire: &Wire, moments: [Moment; 2]) -> Vec<String> {
    let (mut pools, mut lines) = (0, Vec::new());
    for case in CASES {
        let mut next = || {
            pools += 1;
            format!("p{pools}")
        };
        let whole = live(db, wire, &next(), case, None).await;
        assert!(whole.tries == 1 && whole.statements.len() >= 2, "{case}: {:?}", whole.statements);
        let (mut cuts, mut asked_again, mut number, mut more) = (0, 0, 0, true);
        while more {
            number += 1;
            for moment in moments {
                // Killed after one statement is the same as killed before the next one, except for the last.
                if moment == Moment::KilledAfter && number < whole.statements.len() {
                    continue;
                }
                let lived = live(db, wire, &next(), case, Some((number, moment))).await;
                let what = format!("{case}, cut {moment:?} statement {number}");
                assert_eq!(lived.state, whole.state, "{what}");
                // A vote that stands is not cast again: then the outcome says why no server is removed. What is written
                // already is only read.
                let again = [("Voted", "Held"), ("Written", "Read")];
                let again = again.contains(&(whole.outcome.as_str(), lived.outcome.as_str()));
                assert!(again || lived.outcome == whole.outcome, "{what}: {} is not {}", lived.outcome, whole.outcome);
                asked_again += lived.tries - 1;
                cuts += u32::from(lived.cut);
                more = lived.cut;
            }
        }
        // Every statement was cut at least once. The last one was COMMIT, or the only write: before it, and after it.
        assert!(number > whole.statements.len(), "{case}: {number} is not beyond {:?}", whole.statements);
        lines.push(format!("| {case} | {} | {} | {cuts} | {asked_again} |", whole.outcome, number - 1));
    }
    lines
}
