//! Every reason that holds a removal back, with one test each. The same removal goes through once the reason is gone.

use core::time::Duration;

use super::kit::{accuse, against, answer, id, ms, pulseless, removed, ring_of, row, run, silent, whole};
use crate::edit::{Held, Outcome};
use crate::event::{Braked, Removed};
use crate::law;
use crate::op::{Accusation, TableOp};
use crate::row::{Mode, Quorum, Rules, Side};
use crate::virtual_table::VirtualTable;
use crate::{DbTime, EventBody, EventKind, Incarnation, VoteKind};

/// `a` has voted against `x`, and its vote has stood for 100 ms. The accusation of `x` by `b` makes the removal
/// complete.
fn ripe() -> (VirtualTable, Accusation) {
    let mut table = ring_of(&["a", "x", "b", "c", "d"]);
    let second = ripe_in(&mut table);
    (table, second)
}

/// The same in this table.
fn ripe_in(table: &mut VirtualTable) -> Accusation {
    let first = against(table, "a", Side::First, vec![silent(table, "x", ms(100))], Some("b"));
    assert!(matches!(accuse(table, &first), Outcome::Voted { .. }));
    table.advance(ms(100));
    against(table, "b", Side::Second, vec![silent(table, "x", ms(201))], Some("a"))
}

/// The reason that is reported. If the accuser's own vote must be written first this happens first.
fn held(table: &mut VirtualTable, a: &Accusation) -> Held {
    match accuse_again(table, a) {
        Outcome::Held(held) => held,
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_held_back_goes_through() {
    let (mut table, a) = ripe();
    assert_eq!(removed(&accuse(&mut table, &a)), ["x"]);
}

#[test]
fn no_second_vote() {
    let (mut table, a) = ripe();
    let x = id(&table, "x");
    table.rows.get_mut(&x).unwrap().vote_second = None;
    assert_eq!(held(&mut table, &a), Held::NoSecondVote);
    assert!(row(&table, "x").vote_first.is_some(), "but the own vote is there now");
}

/// Each vote must be as old as the accused's row asks, and the database must have served the remover for as long. An
/// older vote is of another cut, perhaps, of which the accused does not know.
#[test]
fn too_young() {
    let (mut table, mut a) = ripe();
    let x = id(&table, "x");
    let wait = |table: &mut VirtualTable, wait| table.rows.get_mut(&x).unwrap().answering.as_mut().unwrap().wait = wait;
    wait(&mut table, ms(161));
    assert_eq!(held(&mut table, &a), Held::TooYoung);
    table.advance(ms(100));
    wait(&mut table, ms(160));
    a.served = ms(159);
    assert_eq!(held(&mut table, &a), Held::TooYoung, "the database stood still, and x could not answer");
    a.served = ms(160);
    assert_eq!(removed(&accuse(&mut table, &a)), ["x"]);
}

/// One slow server of the run holds all of it back, but for no more than two seconds.
#[test]
fn too_young_for_the_slowest_of_the_run() {
    for (wait, late) in [(ms(700), ms(700)), (Duration::from_secs(60), ms(2000))] {
        let mut table = ring_of(&["a", "x", "y", "b", "c"]);
        let y = id(&table, "y");
        table.rows.get_mut(&y).unwrap().answering.as_mut().unwrap().wait = wait;
        let run = |table: &VirtualTable, names: [&str; 2]| names.map(|n| silent(table, n, ms(100))).to_vec();
        let first = against(&table, "a", Side::First, run(&table, ["x", "y"]), Some("b"));
        let second = against(&table, "b", Side::Second, run(&table, ["y", "x"]), Some("a"));
        for a in [&first, &second] {
            assert!(matches!(accuse(&mut table, a), Outcome::Voted { .. }));
        }
        let begun = table.now();
        for at in [ms(500), ms(1000), ms(1500), late - ms(1)].into_iter().filter(|at| *at < late) {
            let passed = table.now().since(begun).unwrap();
            table.advance(at.saturating_sub(passed));
            accuse(&mut table, &second);
        }
        assert_eq!(accuse(&mut table, &second), Outcome::Held(Held::TooYoung));
        table.advance(ms(1));
        assert_eq!(removed(&accuse(&mut table, &second)), ["y", "x"]);
    }
}

#[test]
fn other_silence() {
    let (mut table, mut a) = ripe();
    // b's silence began a millisecond after a's vote: they may be two blips.
    a.findings[0].silence.since = a.findings[0].silence.since + ms(102);
    assert_eq!(held(&mut table, &a), Held::OtherSilence);
    // Then a can act: its silence began before b's vote.
    let first = against(&table, "a", Side::First, vec![silent(&table, "x", ms(260))], Some("b"));
    assert_eq!(removed(&accuse(&mut table, &first)), ["x"]);
}

/// R5: a does not hear x since a cut. If x answers a until it dies, and a goes on, both mean the same death.
#[test]
fn an_older_vote_counts_once_the_suspect_answers_it_no_more() {
    for answers in [true, false] {
        let mut table = ring_of(&["a", "x", "b", "c", "d"]);
        let first = against(&table, "a", Side::First, vec![silent(&table, "x", ms(100))], Some("b"));
        for _ in 0..4 {
            accuse(&mut table, &first);
            table.advance(ms(500));
            if answers {
                answer(&mut table, "x", "b");
            }
        }
        table.advance(ms(700));
        accuse(&mut table, &first);
        let second = against(&table, "b", Side::Second, vec![silent(&table, "x", ms(690))], Some("a"));
        let outcome = accuse_again(&mut table, &second);
        assert_eq!(matches!(outcome, Outcome::Removed { .. }), answers, "{outcome:?}");
        assert!(answers || outcome == Outcome::Held(Held::OtherSilence), "{outcome:?}");
    }
}

#[test]
fn too_short() {
    let (mut table, mut a) = ripe();
    a.findings[0].enough = false;
    assert_eq!(held(&mut table, &a), Held::TooShort);
    a.findings[0].enough = true;
    assert_eq!(removed(&accuse(&mut table, &a)), ["x"]);
}

/// Like [`accuse`], but first lets the own vote be cast, and stand for the shortest wait.
fn accuse_again(table: &mut VirtualTable, a: &Accusation) -> Outcome {
    let outcome = accuse(table, a);
    if !matches!(outcome, Outcome::Voted { .. }) {
        return outcome;
    }
    table.advance(law::WAIT_LEAST);
    accuse(table, a)
}

#[test]
fn agent_timeout() {
    let mut table = ring_of(&["a", "x", "b", "c"]);
    let first = against(&table, "a", Side::First, vec![pulseless(&table, "x", ms(500))], Some("b"));
    accuse(&mut table, &first);
    table.advance(ms(2400));
    // The accuser's own silence: 2.9 s. The other vote is 2.4 s old, and its silence at least 0.5 s older.
    let second = against(&table, "b", Side::Second, vec![pulseless(&table, "x", ms(2900))], Some("a"));
    assert_eq!(held(&mut table, &second), Held::AgentTimeout);
    table.advance(ms(39));
    assert_eq!(held(&mut table, &second), Held::AgentTimeout);
    table.advance(ms(1));
    assert_eq!(removed(&accuse(&mut table, &second)), ["x"]);
    assert_eq!(table.events.last().unwrap().kind(), EventKind::AgentLost);
}

#[test]
fn agent_timeout_is_the_pools_and_counts_for_the_weaker_word() {
    let mut table = ring_of(&["a", "x", "b", "c"]);
    table.pool.rules.agent_timeout = Duration::from_secs(1);
    // a hears nothing at all, b hears echoes without a pulse: they agree that the agent is gone.
    let first = against(&table, "a", Side::First, vec![silent(&table, "x", ms(600))], Some("b"));
    accuse(&mut table, &first);
    table.advance(ms(939));
    let second = against(&table, "b", Side::Second, vec![pulseless(&table, "x", ms(1540))], Some("a"));
    assert_eq!(held(&mut table, &second), Held::AgentTimeout, "a `host` vote proves no silence before it");
    table.advance(ms(1));
    let outcome = accuse(&mut table, &second);
    assert_eq!(removed(&outcome), ["x"]);
    assert_eq!(table.events.last().unwrap().kind(), EventKind::AgentLost);
}

#[test]
fn frozen() {
    let (mut table, a) = ripe();
    table.pool.frozen = Some("by hand".into());
    assert_eq!(held(&mut table, &a), Held::Frozen);
    assert!(row(&table, "x").vote_first.is_some(), "votes are still written");
    table.pool.frozen = None;
    assert_eq!(removed(&accuse(&mut table, &a)), ["x"]);
}

#[test]
fn observing() {
    for (pool, own) in [(Mode::Observe, Mode::Act), (Mode::Act, Mode::Observe), (Mode::Observe, Mode::Observe)] {
        let (mut table, mut a) = ripe();
        table.pool.rules.mode = pool;
        a.mode = own;
        assert_eq!(held(&mut table, &a), Held::Observing);
        assert!(row(&table, "x").vote_first.is_some(), "votes are still written");
    }
}

/// Adds an event about a server, as if the database had written it this long ago.
fn tell(table: &mut VirtualTable, name: &str, body: EventBody, ago: Duration) {
    let (template, at) = (table.events[0].clone(), table.now() - ago);
    table.events.push(crate::edit::StoredEvent { body, at, subject: None, subject_name: name.into(), ..template });
}

/// These servers were removed this long ago, in either way.
fn remove(table: &mut VirtualTable, names: &[&str], ago: Duration) {
    for (n, name) in names.iter().enumerate() {
        let kind = if n % 2 == 0 { VoteKind::Host } else { VoteKind::Agent };
        tell(table, name, EventBody::removed(kind, Removed::default()), ago);
    }
}

const NINE: [&str; 9] = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];

#[test]
fn braked() {
    // Five members: three may always be gone; half of 5 + 3 is four.
    for (before, brakes) in [(0, false), (2, false), (3, false), (4, true), (9, true)] {
        let (mut table, a) = ripe();
        remove(&mut table, &NINE[..before], ms(1));
        let outcome = accuse(&mut table, &a);
        if !brakes {
            assert_eq!(removed(&outcome), ["x"], "after {before}");
            continue;
        }
        assert_eq!(outcome, Outcome::Braked, "after {before}");
        let event = table.events.last().unwrap();
        let limit = (5 + before as u64) / 2;
        let braked = Braked { due: vec!["x".into()], gone: before as u64, limit };
        assert_eq!((&event.body, event.subject), (&EventBody::Braked(braked), None));
        assert_eq!((whole(&table).len(), &table.pool.frozen), (5, &None), "nobody was removed, nothing is frozen");
        assert_eq!(held(&mut table, &a), Held::Brake);
        assert!(row(&table, "x").vote_first.is_some(), "votes are still written");
    }
}

#[test]
fn the_brake_counts_ten_minutes_and_can_be_off() {
    let outcome = |permille, gone: usize, ago| {
        let (mut table, a) = ripe();
        table.pool.rules.brake_permille = permille;
        remove(&mut table, &NINE[..gone], ago);
        accuse(&mut table, &a)
    };
    assert_eq!(removed(&outcome(500, 9, Duration::from_secs(601))), ["x"], "long ago");
    assert_eq!(removed(&outcome(1000, 9, ms(1))), ["x"], "off");
    assert_eq!(removed(&outcome(0, 2, ms(1))), ["x"], "never fewer than three");
    assert_eq!(outcome(0, 3, ms(1)), Outcome::Braked);
}

/// Each server counts once, and only while it is away: not one that is back under its name, nor one that an operator
/// forgot, until it is removed again.
#[test]
fn the_brake_counts_servers_that_are_gone_and_not_back() {
    let (mut table, a) = ripe();
    table.pool.rules.brake_permille = 0;
    remove(&mut table, &["1", "2", "1", "2", "1", "a", "b", "c"], ms(5));
    assert_eq!(removed(&accuse(&mut table, &a)), ["x"], "two are gone, and three are back");

    let (mut table, a) = ripe();
    table.pool.rules.brake_permille = 0;
    remove(&mut table, &["1", "2", "3"], ms(5));
    let forget = TableOp::Forget { name: "2".into(), by: "operator".into() };
    assert_eq!(accuse(&mut table, &a), Outcome::Braked);
    assert_eq!(run(&mut table, forget.clone()), Outcome::Written);
    table.advance(law::BRAKE_HOLDS + ms(1));
    let (mut again, mut renewed) = (table.clone(), ripe_in(&mut table));
    assert_eq!(removed(&accuse(&mut table, &renewed)), ["x"], "one was forgotten");

    again.advance(ms(1));
    remove(&mut again, &["2"], Duration::ZERO);
    renewed = ripe_in(&mut again);
    assert_eq!(accuse(&mut again, &renewed), Outcome::Braked, "the forgotten one was removed again");

    let there = TableOp::Forget { name: "a".into(), by: "operator".into() };
    assert!(matches!(run(&mut again, there), Outcome::NameTaken { .. }), "who is in the table is not gone");
}

/// The brake says once in a while that it holds. Whom it held back before asks for that first, and counts nothing.
#[test]
fn the_brake_lets_go_by_itself() {
    let (mut table, a) = ripe();
    table.pool.rules.brake_permille = 0;
    remove(&mut table, &["1", "2", "3"], Duration::from_secs(595));
    assert_eq!(accuse(&mut table, &a), Outcome::Braked);
    let later = |seconds| {
        let mut table = table.clone();
        table.advance(Duration::from_secs(seconds));
        let a = Accusation { braked: true, ..ripe_in(&mut table) };
        (table, a)
    };
    let (mut table, a) = later(6);
    assert_eq!(held(&mut table, &a), Held::Brake, "it spoke six seconds ago");
    let (mut table, a) = later(11);
    assert_eq!(removed(&accuse(&mut table, &a)), ["x"], "the three are gone for more than ten minutes");
}

/// The second voter's reasons, one by one: whatever else is missing, no server is removed. Every pair of reasons also
/// holds the removal back: no reason hides another.
#[test]
fn no_reason_hides_another() {
    type Spoil = (&'static str, fn(&mut VirtualTable, &mut Accusation));
    let spoils: [Spoil; 8] = [
        ("no vote", |t, _| edit(t, "x", |r| r.vote_second = None)),
        ("dead vote", |t, _| edit(t, "a", |r| r.incarnation = Incarnation(r.incarnation.0 + 1))),
        ("future", |t, _| {
            let later = t.now() + ms(1);
            edit(t, "x", |r| r.vote_second.as_mut().unwrap().at = later);
        }),
        ("young", |_, a| a.served = ms(59)),
        ("other silence", |_, a| a.findings[0].silence.since = a.findings[0].silence.since + ms(150)),
        ("short", |_, a| a.findings[0].enough = false),
        ("frozen", |t, _| t.pool.frozen = Some("x".into())),
        ("observing", |_, a| a.mode = Mode::Observe),
    ];
    for one in &spoils {
        for other in &spoils {
            let (mut table, mut a) = ripe();
            one.1(&mut table, &mut a);
            if one.0 != other.0 && !(one.0.contains("vote") || one.0 == "future") {
                other.1(&mut table, &mut a);
            }
            for _ in 0..2 {
                let outcome = accuse(&mut table, &a);
                assert!(
                    matches!(outcome, Outcome::Held(_) | Outcome::Voted { .. }),
                    "{} and {}: {outcome:?}",
                    one.0,
                    other.0
                );
            }
            assert_eq!(whole(&table).len(), 5);
        }
    }
}

fn edit(table: &mut VirtualTable, name: &str, how: impl FnOnce(&mut crate::ServerRow)) {
    let id = id(table, name);
    how(table.rows.get_mut(&id).unwrap());
}

/// With one witness, R6, R7 and R11 still hold, and H applies to the accuser's own vote.
#[test]
fn with_one_witness_the_other_rules_hold() {
    let single = Rules { quorum: Quorum::Single, ..Rules::default() };
    let mut table = ring_of(&["a", "x", "b", "c"]);
    table.pool.rules = single;
    let a = against(&table, "a", Side::First, vec![silent(&table, "x", ms(100))], Some("b"));
    accuse(&mut table, &a);
    table.advance(ms(60));
    let sound = a.clone();
    type Spoil = (Held, fn(&mut VirtualTable, &mut Accusation));
    let cases: [Spoil; 4] = [
        (Held::TooShort, |_, a| a.findings[0].enough = false),
        (Held::Frozen, |t, _| t.pool.frozen = Some("x".into())),
        (Held::Observing, |t, _| t.pool.rules.mode = Mode::Observe),
        (Held::TooYoung, |_, a| a.served = ms(59)),
    ];
    for (reason, spoil) in cases {
        let (mut table, mut a) = (table.clone(), sound.clone());
        spoil(&mut table, &mut a);
        assert_eq!(accuse(&mut table, &a), Outcome::Held(reason));
    }
    assert_eq!(removed(&accuse(&mut table, &sound)), ["x"]);
    assert_eq!(table.events.last().unwrap().body.detail()["voters"], serde_json::json!(["a"]));
}

#[test]
fn a_suspect_that_lives_another_life_makes_it_stale() {
    let (mut table, a) = ripe();
    edit(&mut table, "x", |r| r.incarnation = Incarnation(r.incarnation.0 + 1));
    assert_eq!(accuse(&mut table, &a), Outcome::Stale);
    let (mut table, a) = ripe();
    edit(&mut table, "b", |r| r.incarnation = Incarnation(r.incarnation.0 + 1));
    assert_eq!(accuse(&mut table, &a), Outcome::Stale, "and so does the voter's own");
}

#[test]
fn the_clock_of_the_database_binds() {
    let (mut table, a) = ripe();
    let plan = |table: &VirtualTable, a: &Accusation| {
        let mut seen = table.begin(super::kit::mono(table));
        loop {
            match crate::op::TableOp::Accuse(a.clone()).step(&seen) {
                crate::Step::Read(lookups) => lookups.iter().for_each(|l| table.read(&mut seen, l)),
                crate::Step::Apply(plan) => return plan,
                crate::Step::Done(outcome) => panic!("{outcome:?}"),
            }
        }
    };
    let removal = plan(&table, &a);
    assert_eq!(removal.deadline, table.now() + ms(500), "R7");
    assert!(removal.recheck, "R7");
    table.rows.values_mut().for_each(|r| (r.vote_first, r.vote_second) = (None, None));
    let vote = plan(&table, &a);
    assert_eq!(vote.deadline, table.now() + ms(500), "votes too");
    assert!(vote.recheck, "votes too");
    assert_ne!(table.now(), DbTime::default());
}
