//! The far end's kernel in place of its vote: what it is good for, and what it is not.

use super::kit::{accuse, against, answer, id, ms, pulseless, removed, ring_of, silent, whole};
use crate::ServerId;
use crate::edit::{Held, Outcome};
use crate::evidence::{Confirmed, Ground, Testimony, WatchId, WatchReading};
use crate::op::{Accusation, Mute, TableOp};
use crate::row::{Quorum, Side};
use crate::virtual_table::VirtualTable;

const WITNESS: WatchId = WatchId { slot: 1, generation: 1 };

/// `a` accuses `x`, whose other neighbour is `b`, and the kernel of `by` confirms the silence of `of`.
fn accusation(table: &VirtualTable, by: &str, of: &str) -> Accusation {
    let a = against(table, "a", Side::First, vec![silent(table, "x", ms(150))], Some("b"));
    let since = a.findings[0].silence.since;
    let confirmed = Some(Confirmed { by: id(table, by), watch: WITNESS, of: id(table, of), since, misses: 20 });
    Accusation { confirmed, ..a }
}

#[test]
fn one_vote_and_a_kernel_remove_once_the_accused_had_its_time() {
    let mut table = ring_of(&["a", "x", "b", "c"]);
    let a = accusation(&table, "b", "x");
    assert!(matches!(accuse(&mut table, &a), Outcome::Voted { .. }), "the challenge comes first");
    table.advance(ms(59));
    assert_eq!(accuse(&mut table, &a), Outcome::Held(Held::TooYoung));
    table.advance(ms(1));
    assert_eq!(removed(&accuse(&mut table, &a)), ["x"]);
    assert_eq!(whole(&table), ["a", "b", "c"]);
    let event = table.events.last().unwrap();
    let (_, told) = event.body.removal().unwrap();
    assert_eq!((told.voters.as_slice(), told.votes.as_ref().unwrap().len()), (["a".into(), "b".into()].as_slice(), 1));
    assert_eq!(told.kernel.as_ref().unwrap().misses, Some(20));
}

/// An old vote is of an earlier cut, perhaps. The kernel's silence began with this one.
#[test]
fn a_kernels_silence_must_be_as_old_as_the_accused_needs() {
    let mut table = ring_of(&["a", "x", "b", "c"]);
    let a = accusation(&table, "b", "x");
    accuse(&mut table, &a);
    table.advance(ms(300));
    let now = super::kit::mono(&table);
    let young =
        |ago| Accusation { confirmed: a.confirmed.map(|it| Confirmed { since: now - ms(ago), ..it }), ..a.clone() };
    assert_eq!(accuse(&mut table, &young(59)), Outcome::Held(Held::TooYoung));
    assert_eq!(removed(&accuse(&mut table, &young(60))), ["x"]);
}

/// Who answers is protected: two kernels on one side of a cut agree about the other side.
#[test]
fn an_answer_protects_against_a_kernel_too() {
    let mut table = ring_of(&["a", "x", "b", "c", "d"]);
    let a = accusation(&table, "b", "x");
    accuse(&mut table, &a);
    table.advance(ms(30));
    answer(&mut table, "x", "d");
    table.advance(ms(60));
    assert_eq!(accuse(&mut table, &a), Outcome::Held(Held::Answered));
}

#[test]
fn the_word_of_another_server_or_about_another_one_counts_for_nothing() {
    for (by, of) in [("c", "x"), ("x", "x"), ("a", "x"), ("b", "c")] {
        let mut table = ring_of(&["a", "x", "b", "c"]);
        let a = accusation(&table, by, of);
        accuse(&mut table, &a);
        table.advance(ms(200));
        assert_eq!(accuse(&mut table, &a), Outcome::Held(Held::NoSecondVote), "{by} about {of}");
    }
}

/// Both buddies of `x` are mute. `a` speaks past the one on its side, as far as that one's kernel misses `x` too.
fn past(table: &VirtualTable, by: &str, of: &str) -> Accusation {
    let a = accusation(table, "v", "x");
    let confirmed = Some(Confirmed { by: id(table, by), of: id(table, of), ..a.confirmed.unwrap() });
    let far_end = Some(id(table, "v"));
    Accusation { mute: Mute { passed: vec![id(table, "m")], confirmed, blind: None, beyond: vec![] }, far_end, ..a }
}

#[test]
fn a_server_speaks_past_a_mute_buddy_whose_kernel_misses_the_suspect_too() {
    let mut table = ring_of(&["a", "m", "x", "v", "b"]);
    let a = past(&table, "m", "x");
    assert!(matches!(accuse(&mut table, &a), Outcome::Voted { .. }), "the challenge comes first");
    table.advance(ms(60));
    assert_eq!(removed(&accuse(&mut table, &a)), ["x"]);
    assert_eq!(whole(&table), ["a", "m", "v", "b"]);
    assert_eq!(TableOp::Accuse(a).grounds().len(), 3, "both kernels are asked again before the commit (R7)");
}

#[test]
fn a_mute_buddy_that_says_nothing_of_the_suspect_is_not_looked_past() {
    for (by, of) in [("v", "x"), ("m", "v"), ("a", "x")] {
        let mut table = ring_of(&["a", "m", "x", "v", "b"]);
        let a = past(&table, by, of);
        accuse(&mut table, &a);
        table.advance(ms(200));
        assert_eq!(accuse(&mut table, &a), Outcome::Held(Held::NoSecondVote), "{by} about {of}");
    }
}

/// It has seen nothing, so its kernel confirms nothing: then the two voters are the witnesses.
#[test]
fn past_a_blind_buddy_two_votes_are_needed_and_enough() {
    let mut table = ring_of(&["a", "m", "x", "v", "b"]);
    let of = |table: &VirtualTable, blind: Option<&str>| {
        let a = past(table, "m", "x");
        let blind = blind.map(|name| id(table, name));
        Accusation { mute: Mute { confirmed: None, blind, ..a.mute }, confirmed: None, ..a }
    };
    let other = against(&table, "v", Side::Second, vec![silent(&table, "x", ms(150))], Some("m"));
    let other = Accusation { mute: Mute { beyond: vec![id(&table, "m")], ..Mute::default() }, ..other };
    assert!(matches!(accuse(&mut table, &other), Outcome::Voted { .. }));
    table.advance(ms(60));
    assert_eq!(accuse(&mut table, &other), Outcome::Held(Held::NoSecondVote), "one voter is not enough");
    for blind in [None, Some("v")] {
        let a = of(&table, blind);
        let said = accuse(&mut table.clone(), &a);
        assert!(!matches!(said, Outcome::Removed { .. }), "past {blind:?}: {said:?}");
    }
    let a = of(&table, Some("m"));
    assert_eq!(removed(&accuse(&mut table, &a)), ["x"]);
}

/// Whoever stands between the voter and the run must be as the voter thinks.
#[test]
fn past_another_server_than_the_mute_one_nothing_is_said() {
    let mut table = ring_of(&["a", "c", "m", "x", "v", "b"]);
    let a = past(&table, "m", "x");
    assert_eq!(accuse(&mut table, &a), Outcome::Stale);
}

/// Two dead between two mute servers: each kernel knows only its own neighbour, so both voters beyond them are needed.
#[test]
fn beyond_mute_servers_two_voters_make_a_removal() {
    let mut table = ring_of(&["a", "m", "x", "y", "v", "w", "b"]);
    let of = |table: &VirtualTable, me: &str, side, run: [&str; 2], past: &[&str], beyond: &[&str]| {
        let ids = |names: &[&str]| names.iter().map(|name| id(table, name)).collect::<Vec<_>>();
        let findings = run.map(|name| silent(table, name, ms(150))).to_vec();
        let a = against(table, me, side, findings, Some(beyond[0]));
        let by = id(table, past.last().unwrap());
        let confirmed =
            Confirmed { by, watch: WITNESS, of: id(table, run[0]), since: a.findings[0].silence.since, misses: 20 };
        Accusation {
            mute: Mute { passed: ids(past), confirmed: Some(confirmed), blind: None, beyond: ids(beyond) },
            ..a
        }
    };
    let mut late = table.clone();
    let one = of(&table, "a", Side::First, ["x", "y"], &["m"], &["v", "w"]);
    let other = of(&table, "b", Side::Second, ["y", "x"], &["w", "v"], &["m"]);
    assert!(matches!(accuse(&mut table, &one), Outcome::Voted { .. }));
    table.advance(ms(100));
    assert_eq!(accuse(&mut table, &one), Outcome::Held(Held::NoSecondVote));
    let hidden = Accusation { mute: Mute { beyond: vec![], ..other.mute.clone() }, ..other.clone() };
    assert!(matches!(accuse(&mut table, &hidden), Outcome::Voted { .. }), "somebody there could vote, and did not");
    table.advance(ms(100));
    assert_eq!(removed(&accuse(&mut table, &other)), ["y", "x"]);
    assert_eq!(whole(&table), ["a", "m", "v", "w", "b"]);
    accuse(&mut late, &one);
    late.advance(ms(1501));
    assert!(matches!(accuse(&mut late, &other), Outcome::Voted { .. }), "a vote past mute servers has to be renewed");
}

/// Where one report is enough, it is a buddy's. `m` between the two dead was asked about neither.
#[test]
fn one_report_reaches_no_further_than_the_next_mute_server() {
    let mut table = ring_of(&["a", "x", "m", "y", "b"]);
    table.pool.rules.quorum = Quorum::Single;
    let findings = vec![silent(&table, "x", ms(150)), silent(&table, "y", ms(150))];
    let a = against(&table, "a", Side::First, findings, Some("b"));
    let a = Accusation { mute: Mute { passed: vec![id(&table, "m")], ..Mute::default() }, ..a };
    assert!(matches!(accuse(&mut table, &a), Outcome::Voted { .. }));
    table.advance(ms(200));
    assert_eq!(removed(&accuse(&mut table, &a)), ["x"]);
    assert_eq!(whole(&table), ["a", "m", "y", "b"]);
}

/// A pulse is missing in user space, and a kernel does not judge that.
#[test]
fn a_lost_agent_needs_two_votes() {
    let mut table = ring_of(&["a", "x", "b", "c"]);
    let a = Accusation { findings: vec![pulseless(&table, "x", ms(60_000))], ..accusation(&table, "b", "x") };
    accuse(&mut table, &a);
    table.advance(ms(200));
    assert_eq!(accuse(&mut table, &a), Outcome::Held(Held::NoSecondVote));
}

/// In a longer run the far end watches only the last server by itself.
#[test]
fn of_a_longer_run_nobody_is_confirmed() {
    let mut table = ring_of(&["a", "x", "y", "b", "c"]);
    let findings = vec![silent(&table, "x", ms(150)), silent(&table, "y", ms(150))];
    let a = Accusation { findings, ..accusation(&table, "b", "y") };
    accuse(&mut table, &a);
    table.advance(ms(200));
    assert_eq!(accuse(&mut table, &a), Outcome::Held(Held::NoSecondVote));
}

/// R7: what the kernel said is looked at again at the last moment.
#[test]
fn a_witness_that_has_heard_it_since_confirms_nothing() {
    let table = ring_of(&["a", "x", "b"]);
    let a = accusation(&table, "b", "x");
    let grounds = TableOp::Accuse(a.clone()).grounds();
    let [Ground::Silence(own), ground @ Ground::Confirmed(confirmed)] = grounds.as_slice() else {
        panic!("{grounds:?}")
    };
    assert_eq!((own.watch.slot, ground.watch()), (0, WITNESS));
    let at = confirmed.since + ms(200);
    let said = Testimony {
        of: confirmed.of,
        at,
        watches: true,
        database: false,
        blind: false,
        heard: at,
        proof: confirmed.since,
        pulse: confirmed.since,
        misses: 20,
        alive: crate::Time::ZERO,
        life: crate::Incarnation(0),
    };
    let holds = |said| ground.holds(Some(&WatchReading { testimony: Some(said), ..WatchReading::default() }));
    assert!(holds(said));
    assert!(holds(Testimony { proof: confirmed.since + ms(50), ..said }), "this answer took longer");
    assert!(!holds(Testimony { proof: confirmed.since + ms(51), ..said }), "it was heard");
    assert!(!holds(Testimony { watches: false, ..said }), "the witness no longer watches it");
    assert!(!holds(Testimony { of: ServerId(99), ..said }), "the answer is about another one");
    assert!(!ground.holds(None), "the witness is not watched any more");
}

/// `b` voted in an earlier blip, and its database is away since: it can neither renew nor take its vote back.
fn with_a_vote_left_over(kind: crate::VoteKind) -> Outcome {
    let mut table = ring_of(&["a", "x", "b", "c"]);
    let finding = match kind {
        crate::VoteKind::Host => silent(&table, "x", ms(150)),
        crate::VoteKind::Agent => pulseless(&table, "x", ms(600)),
    };
    let b = against(&table, "b", Side::Second, vec![finding], Some("a"));
    assert!(matches!(accuse(&mut table, &b), Outcome::Voted { .. }));
    table.advance(ms(2000));
    let began = super::kit::mono(&table) - ms(150);
    for _ in 0..4 {
        let mut a = accusation(&table, "b", "x");
        a.findings[0].silence.since = began;
        a.confirmed = a.confirmed.map(|it| Confirmed { since: began, ..it });
        let outcome = accuse(&mut table, &a);
        if matches!(outcome, Outcome::Removed { .. }) {
            return outcome;
        }
        table.advance(ms(100));
    }
    Outcome::Read
}

#[test]
fn a_vote_of_the_witness_that_is_left_over_does_not_hide_what_its_kernel_says() {
    assert_eq!(removed(&with_a_vote_left_over(crate::VoteKind::Host)), ["x"]);
    assert_eq!(removed(&with_a_vote_left_over(crate::VoteKind::Agent)), ["x"]);
}
