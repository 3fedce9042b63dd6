//! R4: cuts, broken links, isolated victims, and a database that pauses.

use std::time::Duration;

use super::kit::{accuse, against, id, mono, ms, removed, ring_of, row, silent, whole};
use crate::core::edit::{Held, Outcome};
use crate::core::op::{Accusation, TableOp};
use crate::core::row::Side;
use crate::core::sim::table::{Attempt, Progress, VirtualTable};

/// Everybody's accusations, made again and again as agents do; who is accused never answers.
struct Quarrel {
    table: VirtualTable,
    accusations: Vec<Accusation>,
}

impl Quarrel {
    /// From now on these do not hear those: voter, side, run, far end.
    fn new(names: &[&str], deaf: &[(&str, Side, &[&str], Option<&str>)]) -> Self {
        let table = ring_of(names);
        let accusation = |(me, side, run, far): &(&str, Side, &[&str], Option<&str>)| {
            against(&table, me, *side, run.iter().map(|x| silent(&table, x, ms(100))).collect(), *far)
        };
        let accusations = deaf.iter().map(accusation).collect();
        Self { table, accusations }
    }

    /// Everybody accuses, every 60 ms, for this long; the order turns, so that nobody is always first. The reasons
    /// for which nobody was removed, and the first removal.
    fn go_on(&mut self, span: Duration) -> (Vec<Held>, Option<Outcome>) {
        let until = self.table.now() + span;
        let mut held = Vec::new();
        while self.table.now() < until {
            for a in &self.accusations {
                match accuse(&mut self.table, a) {
                    Outcome::Held(reason) => held.push(reason),
                    removed @ Outcome::Removed { .. } => return (held, Some(removed)),
                    Outcome::Voted { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
            self.accusations.rotate_left(1);
            self.table.advance(ms(60));
        }
        held.sort_unstable();
        held.dedup();
        (held, None)
    }
}

const FOREVER: Duration = Duration::from_secs(120);

type Deaf<'a> = (&'a str, Side, &'a [&'a str], Option<&'a str>);

/// The ring a b c d e f, cut between c and d and between f and a.
const HALVES: [Deaf<'static>; 4] = [
    ("c", Side::First, &["d", "e", "f"], Some("a")),
    ("a", Side::Second, &["f", "e", "d"], Some("c")),
    ("d", Side::Second, &["c", "b", "a"], Some("f")),
    ("f", Side::First, &["a", "b", "c"], Some("d")),
];

#[test]
fn a_cut_into_halves_that_both_reach_the_table_removes_nobody() {
    let mut cut = Quarrel::new(&["a", "b", "c", "d", "e", "f"], &HALVES);
    let (held, removed) = cut.go_on(FOREVER);
    assert_eq!(removed, None);
    assert!(held.contains(&Held::Mutual), "{held:?}");
    assert_eq!(whole(&cut.table).len(), 6);
}

#[test]
fn nor_does_a_cut_that_leaves_two_on_one_side() {
    let deaf: [Deaf<'_>; 4] = [
        ("b", Side::First, &["c", "d", "e", "f"], Some("a")),
        ("a", Side::Second, &["f", "e", "d", "c"], Some("b")),
        ("c", Side::Second, &["b", "a"], Some("f")),
        ("f", Side::First, &["a", "b"], Some("c")),
    ];
    let mut cut = Quarrel::new(&["a", "b", "c", "d", "e", "f"], &deaf);
    assert_eq!(cut.go_on(FOREVER).1, None);
}

/// Whatever the moment at which the table stops answering, for however long, and whoever gets through first afterwards.
#[test]
fn a_pause_of_the_database_does_not_decide_a_cut() {
    for before in [0, 60, 120, 700, 2000, 4000] {
        for pause in [1000, 1600, 3100, 6000, 20_000] {
            for first in 0..4 {
                let mut cut = Quarrel::new(&["a", "b", "c", "d", "e", "f"], &HALVES);
                assert_eq!(cut.go_on(ms(before)).1, None);
                cut.table.advance(ms(pause));
                cut.accusations.rotate_left(first);
                let (_, removed) = cut.go_on(ms(5000));
                assert_eq!(removed, None, "{before} ms, then a pause of {pause} ms, {first} first");
            }
        }
    }
}

#[test]
fn one_broken_link_removes_nobody() {
    let deaf: [Deaf<'_>; 2] = [("a", Side::First, &["x"], Some("b")), ("x", Side::Second, &["a"], Some("c"))];
    let mut broken = Quarrel::new(&["a", "x", "b", "c"], &deaf);
    let (held, removed) = broken.go_on(FOREVER);
    assert_eq!((held, removed), (vec![Held::NoSecondVote], None));
}

/// A second witness that comes much later, and for two seconds only: x's vote against a is old by then, but the
/// three-sided quarrel is young.
#[test]
fn a_blip_beside_a_broken_link_removes_nobody() {
    let deaf: [Deaf<'_>; 2] = [("a", Side::First, &["x"], Some("b")), ("x", Side::Second, &["a"], Some("c"))];
    let mut broken = Quarrel::new(&["a", "x", "b", "c"], &deaf);
    assert_eq!(broken.go_on(ms(20_000)).1, None);
    let blip = against(&broken.table, "b", Side::Second, vec![silent(&broken.table, "x", ms(100))], Some("a"));
    broken.accusations.push(blip);
    let (held, removed) = broken.go_on(ms(2000));
    assert_eq!(removed, None);
    assert!(held.contains(&Held::Mutual), "{held:?}");
}

/// x hears nobody, but heard a a moment longer than b, and so goes on accusing b for ever.
#[test]
fn an_isolated_victim_protects_itself_for_three_seconds_and_no_longer() {
    let deaf: [Deaf<'_>; 3] = [
        ("x", Side::First, &["b"], None),
        ("a", Side::First, &["x"], Some("b")),
        ("b", Side::Second, &["x"], Some("a")),
    ];
    let mut isolated = Quarrel::new(&["a", "x", "b", "c"], &deaf);
    let began = isolated.table.now();
    let (held, removal) = isolated.go_on(FOREVER);
    assert!(held.contains(&Held::Mutual), "{held:?}");
    assert_eq!(removed(&removal.expect("it goes in the end")), ["x"]);
    let took = isolated.table.now().since(began).unwrap();
    assert!((ms(3000)..ms(3200)).contains(&took), "{took:?}");
    assert_eq!(whole(&isolated.table), ["a", "b", "c"]);
}

/// Both links of x are broken, and it hears c: it accuses both buddies, and nobody seconds that.
#[test]
fn a_server_with_both_links_broken_goes_after_three_seconds() {
    let deaf: [Deaf<'_>; 4] = [
        ("x", Side::First, &["b"], Some("c")),
        ("x", Side::Second, &["a"], Some("c")),
        ("a", Side::First, &["x"], Some("b")),
        ("b", Side::Second, &["x"], Some("a")),
    ];
    let mut pair = Quarrel::new(&["a", "x", "b", "c"], &deaf);
    assert_eq!(pair.go_on(ms(2900)).1, None);
    assert_eq!(removed(&pair.go_on(ms(400)).1.expect("now")), ["x"]);
}

/// x dies in the middle of a quarrel: its counter-vote is not renewed, and 1.5 s later it goes.
#[test]
fn the_dead_stop_protecting_themselves() {
    let deaf: [Deaf<'_>; 2] = [("x", Side::Second, &["a"], Some("c")), ("a", Side::First, &["x"], Some("b"))];
    let mut broken = Quarrel::new(&["a", "x", "b", "c"], &deaf);
    assert_eq!(broken.go_on(ms(10_000)).1, None);
    let x = id(&broken.table, "x");
    broken.accusations.retain(|a| a.me != x);
    let died = broken.table.now();
    let second = against(&broken.table, "b", Side::Second, vec![silent(&broken.table, "x", ms(100))], Some("a"));
    broken.accusations.push(second);
    assert_eq!(removed(&broken.go_on(ms(5000)).1.expect("it goes")), ["x"]);
    let took = broken.table.now().since(died).unwrap();
    assert!(took < ms(1700), "{took:?}");
}

/// Every member of the run counts, and every end and witness.
#[test]
fn any_member_of_the_run_protects_all_of_it() {
    for (member, accused, side) in
        [("x", "a", Side::Second), ("y", "b", Side::First), ("y", "a", Side::Second), ("x", "b", Side::First)]
    {
        let mut table = ring_of(&["a", "x", "y", "b", "c"]);
        let run = |names: [&str; 2]| names.map(|n| silent(&table, n, ms(100))).to_vec();
        let first = against(&table, "a", Side::First, run(["x", "y"]), Some("b"));
        let second = against(&table, "b", Side::Second, run(["y", "x"]), Some("a"));
        let direct = (member == "x") == (accused == "a");
        let between = if member == "x" { "y" } else { "x" };
        let run = if direct { vec![accused] } else { vec![between, accused] };
        let run = run.into_iter().map(|n| silent(&table, n, ms(100))).collect();
        let counter = against(&table, member, side, run, Some("c"));
        for op in [&first, &second, &counter] {
            assert!(matches!(accuse(&mut table, op), Outcome::Voted { .. }), "{member} against {accused}");
        }
        table.advance(ms(60));
        assert_eq!(accuse(&mut table, &second), Outcome::Held(Held::Mutual), "{member} against {accused}");
        assert_eq!(accuse(&mut table, &first), Outcome::Held(Held::Mutual), "{member} against {accused}");
    }
}

/// The counter-vote is written after the removal read the row, and before it commits; for every moment in between.
#[test]
fn a_counter_vote_that_comes_while_the_removal_is_on_its_way_stops_it() {
    let mut steps = 0;
    loop {
        let mut table = ring_of(&["a", "x", "b", "c"]);
        let first = against(&table, "a", Side::First, vec![silent(&table, "x", ms(100))], Some("b"));
        accuse(&mut table, &first);
        table.advance(ms(60));
        let removal = against(&table, "b", Side::Second, vec![silent(&table, "x", ms(161))], Some("a"));
        let counter = against(&table, "x", Side::Second, vec![silent(&table, "a", ms(100))], Some("c"));
        let now = mono(&table);
        let mut attempt = Attempt::new(TableOp::Accuse(removal), now);
        for _ in 0..steps {
            assert_eq!(attempt.advance(&mut table, &mut || true), Progress::Busy);
        }
        let last = attempt.is_writing();
        // The counter-vote is stamped later than the clock that the removal read: it protects all the same.
        table.advance(ms(5));
        assert!(matches!(accuse(&mut table, &counter), Outcome::Voted { .. }));
        let outcome = loop {
            match attempt.advance(&mut table, &mut || true) {
                Progress::Busy => {}
                Progress::Ended(outcome) => break outcome.unwrap(),
            }
        };
        assert!(!matches!(outcome, Outcome::Removed { .. }), "after {steps} statements: {outcome:?}");
        assert_eq!(row(&table, "x").name, "x");
        if last {
            break;
        }
        steps += 1;
    }
    assert!(steps >= 4, "only {steps} moments");
}

/// A reply that arrives at the last moment (R7): the caller is asked twice.
#[test]
fn a_reply_before_the_commit_stops_the_removal() {
    for yes in 0..2 {
        let mut table = ring_of(&["a", "x", "b"]);
        let first = against(&table, "a", Side::First, vec![silent(&table, "x", ms(100))], Some("b"));
        accuse(&mut table, &first);
        table.advance(ms(60));
        let second = against(&table, "b", Side::Second, vec![silent(&table, "x", ms(161))], Some("a"));
        let before = table.rows.clone();
        let mut asked = 0;
        let now = mono(&table);
        let (outcome, _) = table
            .run(&TableOp::Accuse(second), now, &mut || {
                asked += 1;
                asked <= yes
            })
            .unwrap();
        assert_eq!(outcome, Outcome::Overtaken);
        assert_eq!(table.rows, before);
    }
}
