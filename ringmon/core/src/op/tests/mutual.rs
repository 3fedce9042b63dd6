//! R4: cuts, broken links, isolated victims, and a database that pauses.

use core::time::Duration;

use super::kit::{accuse, against, id, mono, ms, pulseless, removed, ring_of, row, silent, whole};
use crate::edit::{Held, Outcome};
use crate::op::{Accusation, TableOp};
use crate::row::{Side, Vote, VoteKind};
use crate::virtual_table::{Attempt, Progress, VirtualTable};

/// The accusations of all accusers, made again and again as agents do. The accused servers never answer.
struct Quarrel {
    table: VirtualTable,
    accusations: Vec<Accusation>,
}

impl Quarrel {
    /// From now on each voter does not hear its run: voter, side, run, far end.
    fn new(names: &[&str], deaf: &[(&str, Side, &[&str], Option<&str>)]) -> Self {
        let table = ring_of(names);
        let accusation = |(me, side, run, far): &(&str, Side, &[&str], Option<&str>)| {
            against(&table, me, *side, run.iter().map(|x| silent(&table, x, ms(100))).collect(), *far)
        };
        let accusations = deaf.iter().map(accusation).collect();
        Self { table, accusations }
    }

    /// All accuse every 60 ms, for this long. The order rotates, so that no accuser is always first. Returns the
    /// reasons for which no server was removed, and the first removal.
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

/// Every order of `0..n`.
fn orders(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(n - 1);
    shorter.iter().flat_map(|order| (0..n).map(move |at| [&order[..at], &[n - 1], &order[at..]].concat())).collect()
}

/// Every set of accusers gets its votes in before the table stops answering, for pauses of two lengths. Afterwards they
/// get through in every order, some of them late.
#[test]
fn a_pause_of_the_database_does_not_decide_a_cut() {
    let cut = Quarrel::new(&["a", "b", "c", "d", "e", "f"], &HALVES);
    for voted in 0..16_u8 {
        let mut before = cut.table.clone();
        for (n, a) in cut.accusations.iter().enumerate().filter(|(n, _)| voted & (1 << n) != 0) {
            assert!(matches!(accuse(&mut before, a), Outcome::Voted { .. }), "{n}");
        }
        for pause in [1600, 6000] {
            for order in orders(4) {
                for late in 0..4 {
                    let mut table = before.clone();
                    table.advance(ms(pause));
                    let accusations = order.iter().map(|n| cut.accusations[*n].clone()).collect();
                    let mut after = Quarrel { table, accusations };
                    let what =
                        || format!("{voted:b} voted, a pause of {pause} ms, then {order:?}, {late} of them late");
                    // The late accusers get through within H.
                    let early = after.accusations[..4 - late].to_vec();
                    early.iter().for_each(|a| assert!(!is_removal(&accuse(&mut after.table, a)), "{}", what()));
                    after.table.advance(ms(59));
                    early.iter().for_each(|a| assert!(!is_removal(&accuse(&mut after.table, a)), "{}", what()));
                    assert_eq!(after.go_on(ms(200)).1, None, "{}", what());
                }
            }
        }
    }
}

/// The pause is over for only one of them, or never began for that one.
#[test]
fn nor_does_a_pause_for_all_but_one() {
    for lucky in 0..4 {
        let mut cut = Quarrel::new(&["a", "b", "c", "d", "e", "f"], &HALVES);
        cut.go_on(ms(200));
        let everybody = cut.accusations.clone();
        let alone = vec![everybody[lucky].clone()];
        let mut back = Quarrel { table: cut.table.clone(), accusations: alone.clone() };
        back.table.advance(ms(6000));
        assert_eq!(back.go_on(ms(20_000)).1, None, "{lucky} alone is back");
        let mut never = Quarrel { table: cut.table.clone(), accusations: alone };
        assert_eq!(never.go_on(ms(6000)).1, None, "{lucky} alone goes on");
        for order in orders(4) {
            let accusations = order.iter().map(|n| everybody[*n].clone()).collect();
            let mut after = Quarrel { table: never.table.clone(), accusations };
            assert_eq!(after.go_on(ms(200)).1, None, "{lucky} alone went on, then {order:?}");
        }
    }
}

fn is_removal(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Removed { .. })
}

#[test]
fn one_broken_link_removes_nobody() {
    let deaf: [Deaf<'_>; 2] = [("a", Side::First, &["x"], Some("b")), ("x", Side::Second, &["a"], Some("c"))];
    let mut broken = Quarrel::new(&["a", "x", "b", "c"], &deaf);
    let (held, removed) = broken.go_on(FOREVER);
    assert_eq!((held, removed), (vec![Held::NoSecondVote], None));
}

/// A second witness comes much later, and for two seconds only. By then x's vote against a is old, but the quarrel of
/// the three is young.
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

/// x hears no other server. It heard a for a moment longer than b, and so goes on accusing b for ever.
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

/// Both links of x are broken, and it hears c. It accuses both buddies, and no server seconds that.
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

/// x dies in the middle of a quarrel. Its counter-vote is not renewed, and 1.5 s later x is removed.
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

/// Every member of the run counts, and so does every end and witness.
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

/// The counter-vote is written after the removal read the row and before it commits, at every moment in between.
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
        // The counter-vote's stamp is later than the clock that the removal read. It still protects.
        table.advance(ms(5));
        assert!(matches!(accuse(&mut table, &counter), Outcome::Voted { .. }));
        let outcome = loop {
            match attempt.advance(&mut table, &mut || true) {
                Progress::Busy => {}
                Progress::Ended(outcome) => break outcome.unwrap(),
            }
        };
        assert!(!matches!(outcome, Outcome::Removed { .. }), "after {steps} statements: {outcome:?}");
        assert_eq!(row(&table, "x").card.name, "x");
        if last {
            break;
        }
        steps += 1;
    }
    assert!(steps >= 4, "only {steps} moments");
}

/// a x p b c: `x` is dead. `p` has a pulse for `a` and none for `b`, so `b` votes in its place. The ends are `a` and
/// `p`, and the witnesses are `a` and `b`.
fn looking_past() -> (VirtualTable, Accusation) {
    let mut table = ring_of(&["a", "x", "p", "b", "c"]);
    let run = vec![pulseless(&table, "p", ms(900)), silent(&table, "x", ms(400))];
    let first = against(&table, "b", Side::Second, run, Some("a"));
    accuse(&mut table, &first);
    table.advance(ms(60));
    let removal = against(&table, "a", Side::First, vec![silent(&table, "x", ms(500))], Some("p"));
    (table, removal)
}

fn counter_vote(table: &VirtualTable) -> Vote {
    let x = row(table, "x");
    let now = table.now();
    Vote { voter: x.id, voter_incarnation: x.incarnation, since: now, at: now, kind: VoteKind::Host }
}

#[test]
fn both_ends_and_both_witnesses_are_looked_at() {
    for (accused, protects) in [("a", true), ("p", true), ("b", true), ("c", false)] {
        for side in Side::BOTH {
            let (mut table, removal) = looking_past();
            let vote = counter_vote(&table);
            let id = id(&table, accused);
            let row = table.rows.get_mut(&id).unwrap();
            match side {
                // That slot of p holds b's vote, on which b's right to vote rests.
                Side::First if accused == "p" => continue,
                Side::First => row.vote_first = Some(vote),
                Side::Second => row.vote_second = Some(vote),
            }
            let outcome = accuse(&mut table, &removal);
            if protects {
                assert!(!is_removal(&outcome), "{accused}, {side:?}");
                table.advance(ms(60));
                assert_eq!(accuse(&mut table, &removal), Outcome::Held(Held::Mutual), "{accused}, {side:?}");
            } else {
                assert_eq!(removed(&outcome), ["x"]);
            }
        }
    }
}

/// R4: everything that the removal rests on is written, and therefore compared. Any change in between makes it look
/// again.
#[test]
fn ends_witnesses_and_those_looked_past_are_compared() {
    for name in ["a", "x", "p", "b"] {
        let (mut table, removal) = looking_past();
        let mut attempt = Attempt::new(TableOp::Accuse(removal), mono(&table));
        while !attempt.is_writing() {
            attempt.advance(&mut table, &mut || true);
        }
        let id = id(&table, name);
        table.rows.get_mut(&id).unwrap().version += 1;
        assert_eq!(attempt.advance(&mut table, &mut || true), Progress::Busy, "{name} was changed: start again");
        assert!(!attempt.is_writing());
        assert_eq!(table.rows.len(), 5);
    }
}

/// One server in both slots of the accused server is still one server.
#[test]
fn nobody_seconds_itself() {
    for seconded in [false, true] {
        let (mut table, removal) = looking_past();
        let (b, c) = (id(&table, "b"), row(&table, "c").clone());
        let counter = counter_vote(&table);
        let mut other = counter.clone();
        if seconded {
            (other.voter, other.voter_incarnation) = (c.id, c.incarnation);
        }
        let row = table.rows.get_mut(&b).unwrap();
        (row.vote_first, row.vote_second) = (Some(other), Some(counter));
        // Everything goes on for more than three seconds.
        accuse(&mut table, &removal);
        for _ in 0..7 {
            table.advance(ms(500));
            let now = table.now();
            for row in table.rows.values_mut() {
                row.vote_first.iter_mut().chain(&mut row.vote_second).for_each(|v| v.at = now);
            }
        }
        let outcome = accuse(&mut table, &removal);
        assert_eq!(is_removal(&outcome), !seconded, "{outcome:?}");
    }
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
