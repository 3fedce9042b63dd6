//! Joins are proved. Names and addresses are checked first.

use super::kit::{Bench, address, ms, ring};
use crate::blindness::Blindness;
use crate::engine::{Input, Stopped};
use crate::host::HostChange;
use crate::op::TableOp;
use crate::{EventKind, NoticeBody, Outcome, Purpose, Time};

/// A join, up to where a place is picked and both ends are probed.
fn probing(servers: u8) -> Bench {
    let mut bench = Bench::new(9, ring(servers));
    bench.feed(Input::Start { kept: None });
    bench.settle();
    bench
}

#[test]
fn the_first_server_of_a_pool_joins_without_proof() {
    let bench = probing(0);
    assert_eq!(bench.phase(), "member");
    assert!(bench.watches.is_empty());
    assert_eq!((bench.told(EventKind::Joined), bench.told(EventKind::Buddies)), (1, 1));
    assert_eq!(bench.kept.as_ref().map(|k| (k.first.is_none(), k.second.is_none())), Some((true, true)));
    assert_eq!(bench.answers_as.map(|(incarnation, _)| incarnation), bench.kept.map(|k| k.incarnation));
}

#[test]
fn both_ends_are_probed_and_asked_to_probe() {
    let bench = probing(4);
    assert_eq!(bench.watches.len(), 2);
    assert!(bench.watches.iter().all(|w| w.purpose == Purpose::Join));
    let asked: Vec<_> = bench.sent.iter().map(|(to, notice)| (*to, notice.body)).collect();
    let ask = NoticeBody::ProbeMe { address: address(9) };
    assert_eq!(asked, bench.watches.iter().map(|w| (w.address, ask)).collect::<Vec<_>>());
}

/// Every part of the proof is needed.
#[test]
fn a_join_waits_for_each_quarter_of_its_proof() {
    for missing in 0..4 {
        let mut bench = probing(4);
        bench.now = bench.now + ms(5);
        for (place, watch) in bench.watches.clone().into_iter().enumerate() {
            if missing != 2 * place {
                bench.read(watch.id, ms(0), 0);
            }
            if missing != 2 * place + 1 {
                bench.feed(Input::Answered { address: watch.address, at: bench.now, proved: Some(bench.now) });
            }
        }
        assert!(bench.asked.is_empty(), "without quarter {missing}: {:?}", bench.asked);
        bench.prove();
        assert!(matches!(bench.asked.front(), Some((_, TableOp::Join { place: Some(_), .. }))));
    }
}

#[test]
fn what_was_heard_before_the_attempt_proves_nothing() {
    let mut bench = probing(2);
    let began = bench.now;
    for watch in bench.watches.clone() {
        bench.read(watch.id, ms(10), 0);
        bench.feed(Input::Answered { address: watch.address, at: began - ms(10), proved: Some(began - ms(10)) });
    }
    assert!(bench.asked.is_empty());
}

/// Each end's program says that its probes bring back what it was answered.
#[test]
fn probes_that_bring_nothing_new_back_are_no_half_of_a_proof() {
    for proved in [None, Some(Time::ZERO + ms(1))] {
        let mut bench = probing(2);
        bench.now = bench.now + ms(5);
        for watch in bench.watches.clone() {
            bench.read(watch.id, ms(0), 0);
            bench.feed(Input::Answered { address: watch.address, at: bench.now, proved });
        }
        assert!(bench.asked.is_empty(), "{proved:?}");
        bench.prove();
        assert!(!bench.asked.is_empty());
    }
}

#[test]
fn a_reply_without_a_pulse_proves_nothing() {
    let mut bench = probing(1);
    bench.now = bench.now + ms(5);
    let watch = bench.watches[0].clone();
    let reading = crate::WatchReading {
        replies: 1,
        last_reply: Some(bench.now),
        last_pulse: Some(bench.now - ms(600)),
        ..Default::default()
    };
    bench.feed(Input::Watch(watch.id, reading));
    bench.feed(Input::Answered { address: watch.address, at: bench.now, proved: Some(bench.now) });
    assert!(bench.asked.is_empty());
}

#[test]
fn without_proof_in_time_another_place_is_tried() {
    let mut bench = probing(4);
    bench.pass(ms(999));
    assert!(bench.asked.is_empty());
    bench.pass(ms(2));
    assert!(matches!(bench.asked.front(), Some((_, TableOp::PickPlace { .. }))));
    bench.settle();
    bench.prove();
    bench.settle();
    let joined = bench.events.iter().find(|e| e.kind() == EventKind::Joined).expect("joined");
    assert_eq!(joined.body.detail()["attempts"], 2);
}

#[test]
fn a_place_that_changed_meanwhile_is_left_for_another() {
    let mut bench = probing(3);
    bench.prove();
    let op = bench.answer(Outcome::Stale);
    assert!(matches!(op, TableOp::Join { .. }));
    bench.pass(ms(20));
    assert!(matches!(bench.asked.front(), Some((_, TableOp::PickPlace { .. }))));
}

#[test]
fn a_join_whose_answer_was_lost_is_found_in_the_table() {
    let mut bench = probing(2);
    bench.prove();
    let (_, op) = bench.asked.front().expect("a join").clone();
    bench.table.run_plain(&op).expect("committed, and nobody was told");
    bench.fail("connection lost", true);
    bench.pass(ms(200));
    bench.settle();
    assert_eq!(bench.phase(), "member");
    assert_eq!(bench.table.rows.len(), 3, "there is one row of it");
    assert_eq!((bench.told(EventKind::DatabaseAway), bench.told(EventKind::DatabaseBack)), (1, 1));
}

/// The table went back in time while this server, which had been removed, was on its way back.
#[test]
fn a_row_of_an_earlier_life_that_is_there_again_is_taken() {
    let mut bench = Bench::member(3);
    let before = bench.table.clone();
    let id = bench.table.named("s9").expect("there").id;
    bench.table.run_plain(&TableOp::Leave { id, incarnation: None, by: "test".into() }).expect("gone");
    let event = bench.table.events.last_mut().expect("left");
    event.body = crate::EventBody::Down(crate::event::Removed::default());
    bench.feed(super::member::notice(crate::NoticeBody::Removed { subject: id }));
    bench.settle();
    while bench.phase() != "joining" {
        bench.pass(ms(5));
        bench.settle();
    }
    bench.table.go_back_to(&before);
    for _ in 0..20 {
        bench.prove();
        bench.settle();
        bench.pass(ms(100));
    }
    assert_eq!((bench.phase(), bench.table.named("s9").map(|row| row.id)), ("member", Some(id)));
}

#[test]
fn a_cause_that_waiting_does_not_help_ends_a_start() {
    let mut bench = Bench::new(9, ring(2));
    bench.feed(Input::Start { kept: None });
    bench.fail("access denied for user ringmon", false);
    assert_eq!(bench.stopped, Some(Stopped::Refused("access denied for user ringmon".into())));
}

#[test]
fn an_absent_database_is_asked_with_growing_pauses() {
    let mut bench = Bench::new(9, ring(2));
    bench.feed(Input::Start { kept: None });
    let mut pauses = Vec::new();
    for _ in 0..10 {
        bench.fail("connection refused", true);
        let from = bench.now;
        while bench.asked.is_empty() {
            bench.pass(ms(1));
        }
        pauses.push(bench.now.since(from));
    }
    assert!(pauses[0] <= ms(101) && pauses[9] >= ms(2500) && pauses[9] <= ms(5001), "{pauses:?}");
    assert_eq!(bench.told(EventKind::DatabaseAway), 1, "told once");
    bench.settle();
    assert_eq!(bench.told(EventKind::DatabaseBack), 1);
}

#[test]
fn who_stops_before_it_joined_is_gone() {
    let mut bench = probing(3);
    bench.feed(Input::Stop { leave: true });
    assert_eq!(bench.stopped, Some(Stopped::Left));
}

#[test]
fn who_stops_while_its_join_is_under_way_leaves_after_it() {
    let mut bench = probing(3);
    bench.prove();
    bench.feed(Input::Stop { leave: true });
    assert_eq!(bench.stopped, None);
    bench.settle();
    assert_eq!(bench.stopped, Some(Stopped::Left));
    assert_eq!(bench.table.rows.len(), 3);
}

/// P8: one end is dead, as the other one says in the table too.
#[test]
fn one_end_is_enough_if_the_other_is_silent() {
    let mut bench = probing(4);
    bench.pass(ms(300));
    let [good, silent] = [0, 1].map(|end| bench.watches[end].clone());
    bench.edit(silent.id, ms(295), 20, |reading| {
        (reading.last_reply, reading.last_pulse, reading.misses) = (None, None, 20);
    });
    assert!(bench.asked.is_empty(), "nobody is proved");
    bench.read(good.id, ms(0), 0);
    assert!(bench.asked.is_empty(), "it is not known that this server is heard");
    bench.feed(Input::Answered { address: good.address, at: bench.now, proved: Some(bench.now) });
    let silent = bench.table.rows.values().find(|row| row.card.address == silent.address).expect("there").id;
    let Some((_, TableOp::Join { place: Some(place), .. })) = bench.asked.front() else { panic!("{:?}", bench.asked) };
    assert_eq!(place.silent, Some(silent));
    bench.settle();
    assert_eq!(bench.phase(), "joining", "nobody accuses it: the link may be broken, and not the server");
}

/// Who knows what is wrong with itself does not say that others may be gone.
#[test]
fn who_is_cut_off_itself_says_that_and_names_no_others() {
    let lost = Input::Host { change: HostChange::AddressGone, interface: "eth0".to_owned() };
    for (input, why) in [(Input::Link(false), Blindness::LinkDown), (lost, Blindness::NoAddress)] {
        let mut bench = probing(2);
        bench.feed(input);
        for _ in 0..20 {
            bench.pass(ms(1001));
            bench.settle();
        }
        assert_eq!((bench.told(EventKind::Waiting), bench.told(EventKind::Blind)), (0, 1));
        let snapshot = bench.engine.snapshot(bench.now);
        assert_eq!((snapshot.waiting, snapshot.blind.map(|(_, why)| why)), (None, Some(why)));
    }
}

/// A server that hears nobody may be deaf. It goes on trying, and tells what an operator can do.
#[test]
fn who_is_answered_by_nobody_says_so_once_and_names_the_command() {
    let mut bench = probing(2);
    for _ in 0..20 {
        bench.pass(ms(1001));
        bench.settle();
    }
    assert_eq!((bench.phase(), bench.told(EventKind::Waiting)), ("joining", 1));
    let why = bench.engine.snapshot(bench.now).waiting.expect("waits");
    assert!(why.contains("`ringmon leave s1 s2`"), "{why}");
    bench.pass(ms(1001));
    bench.settle();
    bench.prove();
    bench.settle();
    assert_eq!(bench.phase(), "member", "they were not gone after all");
}

/// P9: it reaches some servers only. The silent ones live, so nobody is told to remove them.
#[test]
fn who_is_answered_by_some_says_so_and_names_no_command() {
    let mut bench = probing(4);
    let deaf = bench.watches.iter().map(|watch| watch.address).max().expect("two ends");
    for _ in 0..40 {
        bench.pass(ms(300));
        for watch in bench.watches.clone() {
            let silent = watch.address == deaf;
            bench.edit(watch.id, ms(295), 20, |reading| {
                if silent {
                    (reading.last_reply, reading.last_pulse, reading.misses) = (None, None, 20);
                }
            });
            if !silent {
                bench.read(watch.id, ms(0), 0);
                bench.feed(Input::Answered { address: watch.address, at: bench.now, proved: Some(bench.now) });
            }
        }
        bench.settle();
        bench.pass(ms(1001));
        bench.settle();
    }
    let why = bench.engine.snapshot(bench.now).waiting.expect("waits");
    assert!(why.contains("answered this server") && !why.contains("ringmon leave"), "{why}");
}
