//! R3 and R4: cuts, broken links, isolated victims, and a database that pauses.

use core::time::Duration;

use super::kit::{accuse, against, answer, id, mono, ms, removed, ring_of, row, run, silent, whole};
use crate::Incarnation;
use crate::edit::{Held, Outcome};
use crate::op::{Accusation, TableOp};
use crate::row::{Side, VoteKind};
use crate::virtual_table::{Attempt, Progress, VirtualTable};

/// The accusations of all accusers, made again and again as agents do, and the answers of those that hear somebody.
#[derive(Clone)]
struct Quarrel {
    table: VirtualTable,
    accusations: Vec<Accusation>,
    /// Who answers, and whom it hears.
    answers: Vec<(&'static str, &'static str)>,
}

impl Quarrel {
    /// From now on each voter does not hear its run: voter, side, run, far end.
    fn new(names: &[&str], deaf: &[Deaf<'_>], answers: &[(&'static str, &'static str)]) -> Self {
        let table = ring_of(names);
        let accusation = |(me, side, run, far): &Deaf<'_>| {
            against(&table, me, *side, run.iter().map(|x| silent(&table, x, ms(100))).collect(), *far)
        };
        let accusations = deaf.iter().map(accusation).collect();
        Self { table, accusations, answers: answers.to_vec() }
    }

    /// All accuse every 60 ms, for this long, and all that hear somebody answer every 480 ms. The order rotates, so
    /// that no accuser is always first. Returns the reasons for which no server was removed, and the first removal.
    fn go_on(&mut self, span: Duration) -> (Vec<Held>, Option<Outcome>) {
        let until = self.table.now() + span;
        let mut held = Vec::new();
        for round in 0.. {
            if self.table.now() >= until {
                break;
            }
            if round % 8 == 0 {
                self.answer();
            }
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

    fn answer(&mut self) {
        for (name, whom) in &self.answers {
            answer(&mut self.table, name, whom);
        }
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

/// Those at the edges answer. Those in the middle hear both their buddies and know of nothing.
const EDGES: [(&str, &str); 4] = [("c", "b"), ("a", "b"), ("d", "e"), ("f", "e")];

const SIX: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

#[test]
fn a_cut_into_halves_that_both_reach_the_table_removes_nobody() {
    let mut cut = Quarrel::new(&SIX, &HALVES, &EDGES);
    let (held, removed) = cut.go_on(FOREVER);
    assert_eq!(removed, None);
    assert!(held.contains(&Held::Answered), "{held:?}");
    assert_eq!(whole(&cut.table).len(), 6);
}

/// An edge of the other side cannot reach the table. The other edge answers, so it is protected like those in the
/// middle. If neither edge can, nobody on that side says that he lives.
#[test]
fn one_edge_that_answers_is_enough() {
    for edge in ["d", "f"] {
        let mut cut = Quarrel::new(&SIX, &HALVES[..2], &[(edge, "e")]);
        assert_eq!(cut.go_on(FOREVER).1, None, "{edge}");
        cut.answers.clear();
        let mut gone =
            removed(&cut.go_on(FOREVER).1.expect("nobody answers")).into_iter().map(String::from).collect::<Vec<_>>();
        gone.sort_unstable();
        assert_eq!(gone, ["d", "e", "f"]);
    }
}

#[test]
fn nor_does_a_cut_that_leaves_two_on_one_side() {
    let deaf: [Deaf<'_>; 4] = [
        ("b", Side::First, &["c", "d", "e", "f"], Some("a")),
        ("a", Side::Second, &["f", "e", "d", "c"], Some("b")),
        ("c", Side::Second, &["b", "a"], Some("f")),
        ("f", Side::First, &["a", "b"], Some("c")),
    ];
    let mut cut = Quarrel::new(&SIX, &deaf, &[("a", "b"), ("b", "a"), ("c", "d"), ("f", "e")]);
    assert_eq!(cut.go_on(FOREVER).1, None);
}

/// The answer may come as late as the accused's own row says, however fast the accusers are.
#[test]
fn an_answer_counts_until_the_wait_of_the_accused_is_over() {
    for late in [false, true] {
        let mut cut = Quarrel::new(&["a", "x", "b", "c"], &BOTH_BUDDIES, &[]);
        let x = id(&cut.table, "x");
        cut.table.rows.get_mut(&x).unwrap().answering.as_mut().unwrap().wait = ms(960);
        assert_eq!(cut.go_on(ms(if late { 961 } else { 960 })).1.is_some(), late);
        if !late {
            cut.answers = vec![("x", "c")];
            assert_eq!(cut.go_on(FOREVER).1, None);
        }
    }
}

const BOTH_BUDDIES: [Deaf<'static>; 2] =
    [("a", Side::First, &["x"], Some("b")), ("b", Side::Second, &["x"], Some("a"))];

/// What an answer must say to protect.
#[test]
fn an_answer_is_fresh_of_this_life_younger_than_the_silence_and_names_a_member() {
    let told = |change: &dyn Fn(&mut VirtualTable)| {
        let mut cut = Quarrel::new(&["a", "x", "b", "c"], &BOTH_BUDDIES, &[("x", "c")]);
        cut.table.advance(ms(1));
        cut.answer();
        cut.answers.clear();
        change(&mut cut.table);
        cut.go_on(ms(120)).0.contains(&Held::Answered)
    };
    let edit = |table: &mut VirtualTable, change: &dyn Fn(&mut crate::row::Answering)| {
        let x = id(table, "x");
        change(table.rows.get_mut(&x).unwrap().answering.as_mut().unwrap());
    };
    assert!(told(&|_| {}));
    assert!(!told(&|table| edit(table, &|x| x.life = Incarnation(x.life.0 - 1))), "another life's");
    let at = |table: &mut VirtualTable, before| {
        let at = table.now() - before;
        edit(table, &|x| x.answer.as_mut().unwrap().at = at);
    };
    assert!(!told(&|table| at(table, ms(1300))), "1.56 s are over: it was not renewed");
    assert!(!told(&|table| at(table, ms(601))), "older than the silence, and overdue: it may have died since");
    assert!(told(&|table| at(table, ms(600))));
    assert!(!told(&|table| edit(table, &|x| x.answer.as_mut().unwrap().hears = crate::ServerId(99))), "no member");
    let x = |table: &VirtualTable| id(table, "x");
    // "I hear nobody" protects too, and not for a moment longer than it is renewed.
    for (before, protects) in [(101, true), (102, false), (1250, false)] {
        let lost = told(&|table| {
            let me = x(table);
            at(table, ms(before));
            edit(table, &|x| x.answer.as_mut().unwrap().hears = me);
        });
        assert_eq!(lost, protects, "itself, {before} ms ago");
    }
}

/// Two servers that hear only each other and the table answer each other's names, and stay.
#[test]
fn two_that_hear_only_each_other_and_the_table_stay() {
    let deaf: [Deaf<'_>; 2] = [("a", Side::First, &["x", "y"], Some("b")), ("b", Side::Second, &["y", "x"], Some("a"))];
    let mut pair = Quarrel::new(&["a", "x", "y", "b"], &deaf, &[("x", "y"), ("y", "x")]);
    assert_eq!(pair.go_on(FOREVER).1, None);
    // One of the two cannot reach the table. It stands beside one that answers, and hears it.
    pair.answers.pop();
    pair.table.advance(ms(1600));
    assert_eq!(pair.go_on(FOREVER).1, None);
    pair.answers.clear();
    assert!(pair.go_on(FOREVER).1.is_some());
}

/// With a quorum of one, a single accuser is enough, and an answer holds it back all the same.
#[test]
fn a_quorum_of_one_obeys_answers() {
    let mut single = Quarrel::new(&["a", "x", "b", "c"], &BOTH_BUDDIES[..1], &[("x", "c")]);
    single.table.pool.rules.quorum = crate::row::Quorum::Single;
    assert_eq!(single.go_on(FOREVER).1, None);
    single.answers.clear();
    assert_eq!(removed(&single.go_on(ms(2000)).1.expect("it died")), ["x"]);
}

/// In a pool of two, the alone mark is the challenge.
#[test]
fn the_rule_for_two_obeys_answers() {
    let mut table = ring_of(&["a", "x"]);
    let (me, x) = (row(&table, "a").clone(), id(&table, "x"));
    let alone = |table: &mut VirtualTable| {
        run(table, TableOp::Alone { me: me.id, incarnation: me.incarnation, alone: Some(VoteKind::Host) });
    };
    table.rows.get_mut(&x).unwrap().answering.as_mut().unwrap().wait = ms(1500);
    let a = against(&table, "a", Side::First, vec![silent(&table, "x", ms(100))], None);
    let remove = |table: &mut VirtualTable| run(table, TableOp::RemoveAll(a.clone()));
    alone(&mut table);
    table.advance(ms(1000));
    alone(&mut table);
    assert_eq!(remove(&mut table), Outcome::Held(Held::TooYoung), "a second is over, but x may need longer");
    answer(&mut table, "x", "a");
    table.advance(ms(500));
    assert_eq!(remove(&mut table), Outcome::Held(Held::Answered));
    for _ in 0..6 {
        table.advance(ms(500));
        alone(&mut table);
    }
    assert_eq!(removed(&remove(&mut table)), ["x"], "its answer is 3.5 s old: 1.5 s, and its wait, are over");
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
/// and the accused get through in every order. The remover knows of the pause, so the time before it does not count.
#[test]
fn a_pause_of_the_database_does_not_decide_a_cut() {
    let cut = Quarrel::new(&SIX, &HALVES, &EDGES);
    for voted in 0..16_u8 {
        let mut before = cut.clone();
        for (n, a) in cut.accusations.iter().enumerate().filter(|(n, _)| voted & (1 << n) != 0) {
            assert!(matches!(accuse(&mut before.table, a), Outcome::Voted { .. }), "{n}");
        }
        for pause in [1600, 6000] {
            for order in orders(4) {
                let mut after = before.clone();
                after.table.advance(ms(pause));
                after.accusations = order.iter().map(|n| cut.accusations[*n].clone()).collect();
                after.accusations.iter_mut().for_each(|a| a.served = Duration::ZERO);
                let what = || format!("{voted:b} voted, a pause of {pause} ms, then {order:?}");
                for a in &after.accusations {
                    assert!(!is_removal(&accuse(&mut after.table, a)), "{}", what());
                }
                after.table.advance(ms(59));
                for a in &mut after.accusations {
                    a.served = ms(59);
                    assert!(!is_removal(&accuse(&mut after.table, a)), "{}", what());
                }
                after.answer();
                after.accusations.iter_mut().for_each(|a| a.served = Duration::MAX);
                assert_eq!(after.go_on(ms(200)).1, None, "{}", what());
            }
        }
    }
}

fn is_removal(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Removed { .. })
}

#[test]
fn one_broken_link_removes_nobody() {
    let deaf: [Deaf<'_>; 2] = [("a", Side::First, &["x"], Some("b")), ("x", Side::Second, &["a"], Some("c"))];
    let mut broken = Quarrel::new(&["a", "x", "b", "c"], &deaf, &[]);
    let (held, removed) = broken.go_on(FOREVER);
    assert_eq!((held, removed), (vec![Held::NoSecondVote], None));
}

/// x hears no other server. It says so in its row, and has three seconds to find one.
#[test]
fn who_hears_nobody_is_protected_for_three_seconds_and_no_longer() {
    let mut isolated = Quarrel::new(&["a", "x", "b", "c"], &BOTH_BUDDIES, &[]);
    let x = row(&isolated.table, "x").clone();
    let began = isolated.table.now();
    let removal = loop {
        run(&mut isolated.table, TableOp::Alone { me: x.id, incarnation: x.incarnation, alone: Some(VoteKind::Host) });
        let (held, removal) = isolated.go_on(ms(480));
        if let Some(removal) = removal {
            break removal;
        }
        assert_eq!(held, [Held::Answered]);
    };
    assert_eq!(removed(&removal), ["x"]);
    let took = isolated.table.now().since(began).unwrap();
    assert!((ms(3000)..ms(3200)).contains(&took), "{took:?}");
}

/// x dies in the middle of a quarrel, and its answer is not renewed.
#[test]
fn the_dead_stop_protecting_themselves() {
    let mut broken = Quarrel::new(&["a", "x", "b", "c"], &BOTH_BUDDIES, &[("x", "c")]);
    assert_eq!(broken.go_on(ms(9600)).1, None);
    broken.answers.clear();
    let died = broken.table.now();
    assert_eq!(removed(&broken.go_on(ms(5000)).1.expect("it goes")), ["x"]);
    let took = broken.table.now().since(died).unwrap();
    assert!(took < ms(1600), "{took:?}");
}

/// a x y z b: x answers. What is beyond x is for x to report, also to the second witness: a may look past nobody.
#[test]
fn nobody_is_removed_beyond_one_that_answers() {
    for (answers, goes) in
        [(vec![], vec!["x", "y", "z"]), (vec!["x"], vec![]), (vec!["y"], vec![]), (vec!["z"], vec![])]
    {
        let deaf: [Deaf<'_>; 2] =
            [("b", Side::Second, &["z", "y", "x"], Some("a")), ("a", Side::First, &["x", "y", "z"], Some("b"))];
        let names = ["a", "x", "y", "z", "b"];
        let hears: Vec<(&str, &str)> =
            answers.iter().map(|name| (*name, if *name == "y" { "x" } else { "y" })).collect();
        let mut rack = Quarrel::new(&names, &deaf, &hears);
        let removal = rack.go_on(ms(1900)).1;
        let mut gone = removal.as_ref().map_or(Vec::new(), removed);
        gone.sort_unstable();
        assert_eq!(gone, goes, "{answers:?} answers");
    }
}

/// a x y b: x hears c and not y, which died. Its vote and b's are the two witnesses, and a's does not count.
#[test]
fn who_answers_reports_what_is_beyond() {
    let deaf: [Deaf<'_>; 3] = [
        ("b", Side::Second, &["y", "x"], Some("a")),
        ("a", Side::First, &["x", "y"], Some("b")),
        ("x", Side::First, &["y", "b"], Some("c")),
    ];
    let mut rack = Quarrel::new(&["a", "x", "y", "b", "c"], &deaf, &[("x", "c")]);
    assert_eq!(removed(&rack.go_on(FOREVER).1.expect("y is dead")), ["y"]);
    assert_eq!(whole(&rack.table), ["a", "x", "b", "c"]);
}

/// The answer is written after the removal read the row and before it commits, at every moment in between.
#[test]
fn an_answer_that_comes_while_the_removal_is_on_its_way_stops_it() {
    let mut steps = 0;
    loop {
        let mut table = ring_of(&["a", "x", "b", "c"]);
        let first = against(&table, "a", Side::First, vec![silent(&table, "x", ms(100))], Some("b"));
        accuse(&mut table, &first);
        table.advance(ms(60));
        let removal = against(&table, "b", Side::Second, vec![silent(&table, "x", ms(161))], Some("a"));
        let mut attempt = Attempt::new(TableOp::Accuse(removal), mono(&table));
        for _ in 0..steps {
            assert_eq!(attempt.advance(&mut table, &mut || true), Progress::Busy);
        }
        let last = attempt.is_writing();
        // Its stamp is later than the clock that the removal read. It still protects.
        table.advance(ms(5));
        answer(&mut table, "x", "c");
        let outcome = loop {
            match attempt.advance(&mut table, &mut || true) {
                Progress::Busy => {}
                Progress::Ended(outcome) => break outcome.unwrap(),
            }
        };
        assert!(!matches!(outcome, Outcome::Removed { .. }), "after {steps} statements: {outcome:?}");
        if last {
            break;
        }
        steps += 1;
    }
    assert!(steps >= 4, "only {steps} moments");
}

/// An agent of an older version cannot answer: two seconds pass, and its counter-vote protects it, for three seconds or
/// as long as another server seconds it.
#[test]
fn a_counter_vote_of_an_older_agent_is_its_answer() {
    let old = |cut: &mut Quarrel| cut.table.rows.values_mut().for_each(|row| row.answering = None);
    let mut dead = Quarrel::new(&["a", "x", "b", "c"], &BOTH_BUDDIES, &[]);
    old(&mut dead);
    assert_eq!(dead.go_on(ms(1950)).1, None);
    assert_eq!(removed(&dead.go_on(ms(200)).1.expect("it went")), ["x"]);
    let mut cut = Quarrel::new(&SIX, &HALVES, &[]);
    old(&mut cut);
    assert_eq!(cut.go_on(FOREVER).1, None, "seconded from both ends");
    let deaf = [BOTH_BUDDIES[0], BOTH_BUDDIES[1], ("x", Side::First, &["b"][..], None)];
    let mut alone = Quarrel::new(&["a", "x", "b", "c"], &deaf, &[]);
    old(&mut alone);
    let began = alone.table.now();
    assert_eq!(removed(&alone.go_on(FOREVER).1.expect("it goes in the end")), ["x"]);
    let took = alone.table.now().since(began).unwrap();
    assert!((ms(3000)..ms(3200)).contains(&took), "{took:?}");
}
