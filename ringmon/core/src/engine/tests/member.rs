//! A member: hints, suspicions, health, the end.

use super::kit::{Bench, address, ms, ring};
use crate::engine::{Input, Stopped, TableDone};
use crate::evidence::LocalFault;
use crate::op::TableOp;
use crate::row::Health;
use crate::{EventKind, Incarnation, Notice, NoticeBody, Outcome, Purpose, ServerId, Side, WatchReading};

pub(super) fn notice(body: NoticeBody) -> Input {
    Input::Notice(Notice { from: ServerId(1), incarnation: Incarnation(1), body }, (address(1), 7464))
}

fn views(bench: &Bench) -> usize {
    bench.asked.iter().filter(|(_, op)| matches!(op, TableOp::View { .. })).count()
}

/// The numbers of both buddies: first, second.
pub(super) fn buddies(bench: &Bench) -> (u8, u8) {
    let kept = bench.kept.as_ref().expect("kept");
    let number = |b: &Option<crate::buddy::Buddy>| b.as_ref().and_then(|b| b.name[1..].parse().ok()).expect("a buddy");
    (number(&kept.first), number(&kept.second))
}

/// Lets another `span` ms pass, in which this watch is silent and all others answer.
pub(super) fn silence_of(bench: &mut Bench, number: u8, span: u64) {
    let since = *bench.silent.get_or_insert(bench.now);
    for _ in 0..span / 20 {
        bench.pass(ms(20));
        let silence = bench.now.since(since);
        for watch in bench.watches.clone() {
            if watch.address == address(number) {
                bench.read(watch.id, silence, u32::try_from(silence.as_millis() / 20).unwrap());
            } else {
                bench.read(watch.id, ms(0), 0);
            }
        }
    }
}

#[test]
fn a_member_watches_both_buddies_and_tells_them() {
    let mut bench = Bench::new(9, ring(4));
    bench.feed(Input::Start { kept: None });
    bench.settle();
    bench.prove();
    bench.settle();
    let (first, second) = buddies(&bench);
    for buddy in [first, second] {
        assert_eq!(bench.watch_of(buddy).map(|w| w.purpose), Some(Purpose::Buddy));
        let told = |(to, n): &(_, Notice)| *to == address(buddy) && matches!(n.body, NoticeBody::Spliced { .. });
        assert!(bench.sent.iter().any(told), "s{buddy}");
        assert!(bench.events.iter().any(|e| e.kind() == EventKind::Alive && e.subject == format!("s{buddy}")));
    }
    let told = bench.events.iter().find(|e| e.kind() == EventKind::Buddies).expect("buddies");
    assert_eq!(told.body.detail(), serde_json::json!({ "first": format!("s{first}"), "second": format!("s{second}") }));
}

#[test]
fn a_buddy_that_restarts_is_told_alive_once_it_says_which_life_it_lives() {
    let mut bench = Bench::member(4);
    let (first, _) = buddies(&bench);
    let watch = bench.watch_of(first).expect("a buddy is watched").id;
    bench.events.clear();
    for life in [0, 0, 2, 2] {
        bench.now = bench.now + ms(20);
        let reading = WatchReading {
            replies: 1,
            last_reply: Some(bench.now),
            last_pulse: Some(bench.now),
            incarnation: Incarnation(life),
            ..WatchReading::default()
        };
        bench.feed(Input::Watch(watch, reading));
    }
    let told: Vec<_> = bench.events.iter().filter(|e| e.kind() == EventKind::Alive).map(|e| e.body.detail()).collect();
    assert_eq!(told, [serde_json::json!({ "incarnation": 2 })]);
}

#[test]
fn the_row_is_read_on_a_notice_and_now_and_then() {
    let mut bench = Bench::member(4);
    bench.pass(ms(26_000));
    assert_eq!(views(&bench), 0);
    bench.pass(ms(8_000));
    assert_eq!(views(&bench), 1);
    bench.settle();
    bench.feed(notice(NoticeBody::Spliced { subject: ServerId(1) }));
    assert_eq!(views(&bench), 1);
}

/// It left, its words about that were lost, and its agent starts again: seed 32326 of the simulator.
#[test]
fn a_buddy_that_answers_and_has_no_row_makes_it_read_its_own() {
    let mut bench = Bench::member(4);
    let (first, _) = buddies(&bench);
    let watch = bench.watch_of(first).expect("a buddy is watched").id;
    bench.pass(ms(1000));
    bench.read(watch, ms(0), 0);
    assert_eq!(views(&bench), 0);
    bench.edit(watch, ms(0), 0, |reading| reading.incarnation = Incarnation(0));
    assert_eq!(views(&bench), 1);
}

#[test]
fn strangers_cannot_make_it_read_often_and_one_that_stays_makes_it_read_ever_more_seldom() {
    let mut bench = Bench::member(4);
    let mut read = Vec::new();
    for _ in 0..1000 {
        bench.feed(Input::Stranger(address(77)));
        read.extend((views(&bench) > 0).then_some(bench.now));
        bench.settle();
        bench.pass(ms(10));
    }
    let pauses: Vec<u128> = read.windows(2).map(|pair| pair[1].since(pair[0]).as_millis() / 100).collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 16, 16, 16, 16], "tenths of a second");
    let buddy = buddies(&bench).0;
    bench.pass(ms(200));
    bench.settle();
    bench.feed(Input::Stranger(address(buddy)));
    assert_eq!(views(&bench), 0, "a buddy is no stranger");
}

#[test]
fn at_most_four_joiners_are_helped_and_each_for_a_second() {
    let mut bench = Bench::member(4);
    for number in 20..30 {
        bench.feed(notice(NoticeBody::ProbeMe { address: address(number) }));
        bench.feed(notice(NoticeBody::ProbeMe { address: address(number) }));
    }
    let helped = |bench: &Bench| bench.watches.iter().filter(|w| w.purpose == Purpose::Join).count();
    assert_eq!(helped(&bench), 4);
    bench.pass(ms(990));
    assert_eq!(helped(&bench), 4);
    bench.pass(ms(20));
    assert_eq!(helped(&bench), 0);
    bench.feed(notice(NoticeBody::ProbeMe { address: address(9) }));
    assert_eq!(helped(&bench), 0, "not itself");
}

#[test]
fn a_suspicion_is_told_voted_on_at_once_and_looked_past() {
    let mut bench = Bench::member(6);
    let (first, _) = buddies(&bench);
    silence_of(&mut bench, first, 160);
    assert_eq!(bench.told(EventKind::Suspect), 1);
    let asked: Vec<_> = bench.asked.iter().map(|(_, op)| op).collect();
    assert!(asked.iter().any(|op| matches!(op, TableOp::Ahead { side: Side::First, count: 17, .. })), "{asked:?}");
    let vote = asked.iter().find_map(|op| match op {
        TableOp::Accuse(a) => Some(a),
        _ => None,
    });
    let vote = vote.expect("a vote before the far end is known");
    assert_eq!((vote.findings.len(), vote.far_end), (1, None));
    bench.settle();
    assert_eq!(bench.told(EventKind::Vote), 1);
    assert!(bench.watches.iter().any(|w| w.purpose == Purpose::Ahead));
    let witness = |(_, n): &(_, Notice)| matches!(n.body, NoticeBody::Voted { .. });
    assert_eq!(bench.sent.iter().filter(|s| witness(s)).count(), 2, "the accused and the third server are told");
}

#[test]
fn one_accusation_is_under_way_at_a_time() {
    let mut bench = Bench::member(6);
    let (first, _) = buddies(&bench);
    silence_of(&mut bench, first, 2000);
    let accusations = bench.asked.iter().filter(|(_, op)| matches!(op, TableOp::Accuse(_))).count();
    assert_eq!(accusations, 1, "the first one was not answered yet");
}

#[test]
fn a_vote_is_taken_back_when_the_suspect_answers() {
    let mut bench = Bench::member(6);
    let (first, _) = buddies(&bench);
    silence_of(&mut bench, first, 160);
    bench.settle();
    let watch = bench.watch_of(first).expect("watched").id;
    bench.read(watch, ms(0), 0);
    assert!(matches!(bench.asked.front(), Some((_, TableOp::Withdraw { .. }))), "{:?}", bench.asked);
    bench.settle();
    assert_eq!(bench.told(EventKind::VoteWithdrawn), 1);
    assert!(bench.table.rows.values().all(|r| r.vote_first.is_none() && r.vote_second.is_none()));
    assert!(!bench.watches.iter().any(|w| w.purpose == Purpose::Ahead), "nobody is looked past any more");
}

#[test]
fn a_vote_that_may_have_been_written_is_taken_back_too() {
    let mut bench = Bench::member(6);
    let (first, _) = buddies(&bench);
    silence_of(&mut bench, first, 160);
    while !bench.asked.is_empty() {
        bench.fail("connection lost", true);
    }
    let watch = bench.watch_of(first).expect("watched").id;
    bench.read(watch, ms(0), 0);
    bench.pass(ms(600));
    assert!(bench.asked.iter().any(|(_, op)| matches!(op, TableOp::Withdraw { .. })), "{:?}", bench.asked);
}

/// R2: a server that hears no other server says nothing about any of them.
#[test]
fn who_hears_nobody_does_not_vote() {
    let mut bench = Bench::member(6);
    for step in 1..=20 {
        bench.pass(ms(20));
        for watch in bench.watches.clone() {
            bench.read(watch.id, ms(20 * step), u32::try_from(step).unwrap());
        }
        bench.settle();
    }
    assert!(bench.told(EventKind::Suspect) >= 2);
    assert_eq!(bench.told(EventKind::Vote), 0);
}

/// R2: the server's own link failed between the two buddies' replies. One of them "was heard since the other fell
/// silent", which proves nothing here.
#[test]
fn a_reply_that_came_less_than_two_intervals_later_proves_no_ears() {
    let mut bench = Bench::member(6);
    let (first, second) = buddies(&bench);
    let died = bench.now;
    for step in 1..=15 {
        bench.pass(ms(20));
        for (number, lead) in [(first, 0), (second, 15)] {
            let watch = bench.watch_of(number).expect("watched").id;
            bench.read(watch, bench.now.since(died + ms(lead)), step);
        }
        assert!(!bench.asked.iter().any(|(_, op)| matches!(op, TableOp::Accuse(_))), "after {step} misses");
    }
    assert_eq!(bench.told(EventKind::Suspect), 2);
}

#[test]
fn who_hears_only_somebody_that_joins_does_not_accuse_the_whole_ring() {
    let mut bench = Bench::member(1);
    bench.feed(notice(NoticeBody::ProbeMe { address: address(20) }));
    silence_of(&mut bench, 1, 400);
    assert!(bench.asked.iter().any(|(_, op)| matches!(op, TableOp::Alone { alone: Some(_), .. })), "{:?}", bench.asked);
    assert!(!bench.asked.iter().any(|(_, op)| matches!(op, TableOp::Accuse(_))));
}

#[test]
fn an_older_answer_that_comes_later_changes_nothing() {
    let mut bench = Bench::member(4);
    let look = |bench: &mut Bench, asked: TableOp| bench.table.run(&asked, bench.now, &mut || true).expect("read");
    bench.feed(notice(NoticeBody::Spliced { subject: ServerId(1) }));
    let (late, view) = bench.asked.pop_front().expect("a view");
    let (_, old) = look(&mut bench, view.clone());
    // In the meantime the first buddy leaves, and another operation sees it.
    let (first, _) = buddies(&bench);
    let id = bench.table.named(&format!("s{first}")).expect("there").id;
    bench.table.run_plain(&TableOp::Leave { id, incarnation: None, by: "test".into() }).expect("left");
    bench.feed(Input::Service(Health::Passing));
    let (soon, _) = bench.asked.pop_front().expect("a health to write");
    let (_, new) = look(&mut bench, view);
    let done = |ticket, snapshot| Input::Table(TableDone { ticket, result: Ok(Outcome::Read), snapshot, took: ms(1) });
    bench.feed(done(soon, new));
    assert_ne!(buddies(&bench).0, first);
    bench.feed(done(late, old));
    assert_ne!(buddies(&bench).0, first);
}

#[test]
fn a_silence_with_an_own_fault_in_it_is_counted_and_not_voted_on() {
    let mut bench = Bench::member(6);
    let (first, _) = buddies(&bench);
    silence_of(&mut bench, first, 80);
    let fault = Input::Fault { fault: LocalFault::SenderLate, from: bench.now - ms(60), until: bench.now };
    bench.feed(fault);
    let watch = bench.watch_of(first).expect("watched").id;
    bench.pass(ms(20));
    bench.read(watch, ms(100), 20);
    assert_eq!(bench.told(EventKind::Suspect), 0);
    assert_eq!(bench.told(EventKind::Void), 1);
    assert_eq!(bench.engine.snapshot(bench.now).voids.get(&LocalFault::SenderLate), Some(&1));
}

#[test]
fn a_loop_that_stood_still_says_so_itself() {
    let mut bench = Bench::member(6);
    let (first, _) = buddies(&bench);
    bench.now = bench.now + ms(900);
    let watch = bench.watch_of(first).expect("watched").id;
    bench.read(watch, ms(900), 40);
    assert_eq!(bench.told(EventKind::Suspect), 0);
    assert_eq!(bench.engine.snapshot(bench.now).voids.get(&LocalFault::LoopLate), Some(&1));
    assert_eq!(views(&bench), 1, "much may have happened meanwhile");
}

#[test]
fn a_row_that_is_gone_is_told_and_joined_again_after_a_pause_that_grows() {
    let mut bench = Bench::member(3);
    let mut pauses = Vec::new();
    for _ in 0..4 {
        let id = bench.table.named("s9").expect("there").id;
        let leave = TableOp::Leave { id, incarnation: None, by: "test".into() };
        bench.table.run_plain(&leave).expect("gone");
        if let Some(event) = bench.table.events.last_mut() {
            event.body = crate::EventBody::Down(crate::event::Removed::default());
        }
        bench.feed(notice(NoticeBody::Removed { subject: id }));
        bench.settle();
        assert_eq!(bench.phase(), "removed");
        let from = bench.now;
        while bench.asked.is_empty() {
            bench.pass(ms(5));
        }
        pauses.push(bench.now.since(from));
        bench.settle();
        bench.prove();
        bench.settle();
        assert_eq!(bench.phase(), "member");
    }
    assert_eq!(
        (bench.told(EventKind::Removed), bench.told(EventKind::Rejoined), bench.told(EventKind::Joined)),
        (4, 4, 1)
    );
    assert!(pauses[0] <= ms(1000) && pauses[3] >= ms(2000), "{pauses:?}");
}

#[test]
fn a_row_in_another_life_is_another_agents() {
    let mut bench = Bench::member(3);
    let id = bench.table.named("s9").expect("there").id;
    let row = bench.table.rows.get_mut(&id).expect("there");
    row.incarnation = Incarnation(row.incarnation.0 + 1);
    row.version += 1;
    bench.feed(notice(NoticeBody::Spliced { subject: id }));
    bench.settle();
    assert!(matches!(&bench.stopped, Some(Stopped::Refused(why)) if why.contains("s9")), "{:?}", bench.stopped);
}

#[test]
fn an_answer_from_before_a_splice_does_not_bring_the_removed_one_back() {
    let mut bench = Bench::member(6);
    let (first, _) = buddies(&bench);
    // What a read of the table before the removal says, and the engine is told after it.
    let known = TableOp::View { me: bench.kept.as_ref().unwrap().id, known: Vec::new() };
    let (outcome, old) = bench.table.run(&known, bench.now, &mut || true).expect("read");
    bench.table.pool.rules.quorum = crate::row::Quorum::Single;
    while bench.told(EventKind::Down) == 0 {
        silence_of(&mut bench, first, 200);
        bench.settle();
    }
    let kept = bench.kept.clone();
    bench.feed(notice(NoticeBody::Spliced { subject: ServerId(1) }));
    let (ticket, _) = bench.asked.pop_front().expect("a view");
    bench.feed(Input::Table(TableDone { ticket, result: Ok(outcome), snapshot: old, took: ms(1) }));
    assert_eq!(bench.kept, kept);
    assert_eq!(bench.watch_of(first), None);
}

#[test]
fn a_held_removal_is_counted_and_told_when_the_reason_changes() {
    let mut bench = Bench::member(6);
    let (first, _) = buddies(&bench);
    silence_of(&mut bench, first, 160);
    for held in [crate::edit::Held::Frozen, crate::edit::Held::Frozen, crate::edit::Held::Answered] {
        bench.asked.retain(|(_, op)| matches!(op, TableOp::Accuse(_)));
        bench.answer(Outcome::Held(held));
        silence_of(&mut bench, first, 700);
    }
    let held = bench.engine.snapshot(bench.now).held;
    assert_eq!(held.get(&crate::edit::Held::Frozen), Some(&2));
    assert_eq!(bench.told(EventKind::Held), 2);
}

/// A vote is renewed twice a second. That must not hide for how long a removal is held, and why.
#[test]
fn a_removal_that_is_held_counts_also_while_its_vote_is_renewed() {
    let mut bench = Bench::member(6);
    let (first, _) = buddies(&bench);
    silence_of(&mut bench, first, 160);
    let voted = |held| Outcome::Voted { subjects: vec![ServerId(i64::from(first))], held: Some(held) };
    for held in [crate::edit::Held::NoSecondVote, crate::edit::Held::Frozen, crate::edit::Held::Frozen] {
        bench.asked.retain(|(_, op)| matches!(op, TableOp::Accuse(_)));
        bench.answer(voted(held));
        silence_of(&mut bench, first, 700);
    }
    let held = bench.engine.snapshot(bench.now).held;
    assert_eq!(held.get(&crate::edit::Held::NoSecondVote), None, "the first vote comes before any removal");
    assert_eq!(held.get(&crate::edit::Held::Frozen), Some(&2));
    assert_eq!(bench.told(EventKind::Held), 1);
}
