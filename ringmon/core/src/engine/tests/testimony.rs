//! The far end's kernel is asked about a suspect, in the version of the wire format that its row says.

use super::kit::{Bench, ms, ring};
use super::member::{buddies, notice};
use crate::engine::Input;
use crate::evidence::{Asked, LocalFault, Testimony};
use crate::op::{Accusation, TableOp};
use crate::{NoticeBody, Purpose, ServerId, Time};
use core::time::Duration;

/// Everybody but the first buddy answers, and it has been silent for this long. What the far end says is `said`.
fn read(bench: &mut Bench, silence: Duration, said: Option<Testimony>) {
    let (first, _) = buddies(bench);
    let suspect = bench.watch_of(first).expect("watched").id;
    for watch in bench.watches.clone() {
        let said = said.filter(|_| watch.purpose == Purpose::Ahead);
        if watch.id != suspect {
            bench.edit(watch.id, Duration::ZERO, 0, |reading| reading.testimony = said);
        }
    }
    bench.read(suspect, silence, 30);
}

/// The bench with a suspect; and the ids of the suspect and of the server beyond it.
fn suspecting() -> (Bench, ServerId, ServerId) {
    let mut bench = Bench::member(6);
    for _ in 0..4 {
        read(&mut bench, ms(60), None);
        bench.settle();
    }
    let suspect = bench.kept.as_ref().unwrap().first.as_ref().unwrap().id;
    let far = bench.watches.iter().find(|watch| watch.purpose == Purpose::Ahead).expect("a look ahead").server;
    (bench, suspect, far)
}

fn accusations(bench: &mut Bench) -> Vec<Accusation> {
    let all = bench.asked.drain(..).filter_map(|(_, op)| match op {
        TableOp::Accuse(a) => Some(a),
        _ => None,
    });
    all.collect()
}

#[test]
fn the_far_end_is_asked_about_the_suspect_and_buddies_about_this_server() {
    let (bench, suspect, far) = suspecting();
    let me = bench.kept.as_ref().unwrap().id;
    for watch in bench.watches.iter().filter(|watch| watch.purpose != Purpose::Asked && watch.asked.at.is_none()) {
        assert_eq!(watch.asked, Asked::about(if watch.server == far { suspect } else { me }), "{watch:?}");
    }
    let mut bench = bench;
    for watch in bench.watches.clone() {
        bench.read(watch.id, Duration::ZERO, 0);
    }
    bench.pass(ms(500));
    let about_me =
        bench.watches.iter().filter(|watch| watch.purpose == Purpose::Buddy).all(|watch| watch.asked.about == me);
    let others = bench.watches.iter().filter(|watch| watch.purpose != Purpose::Buddy);
    assert!(about_me && others.map(|w| w.asked).all(|asked| asked == Asked::NOTHING), "the suspect is back");
}

/// A link that is broken one way, or a cut that is healed for this server alone: nobody tells it, and it misses nobody.
#[test]
fn a_server_that_its_buddy_does_not_hear_answers_before_it_is_accused() {
    let answers = |bench: &Bench| bench.asked.iter().any(|(_, op)| matches!(op, TableOp::Answer { .. }));
    for (misses, doubted) in [(7, false), (8, true)] {
        let mut bench = Bench::member(6);
        let me = bench.kept.as_ref().unwrap().id;
        let said = Testimony {
            of: me,
            at: bench.now,
            watches: true,
            database: true,
            blind: false,
            heard: bench.now,
            proof: bench.now - ms(50),
            pulse: bench.now - ms(50),
            misses,
            alive: Time::ZERO,
            life: crate::Incarnation(0),
        };
        for watch in bench.watches.clone() {
            bench.edit(watch.id, Duration::ZERO, 0, |reading| reading.testimony = Some(said));
        }
        assert_eq!(answers(&bench), doubted, "{misses} misses");
        bench.settle();
        for watch in bench.watches.clone() {
            bench.edit(watch.id, Duration::ZERO, 0, |reading| reading.testimony = Some(said));
        }
        assert!(!answers(&bench), "not again at once");
    }
}

/// What a kernel must say for it to be a second witness: as much as a removal asks of this server itself.
#[test]
fn a_kernel_confirms_only_what_would_be_enough_for_a_removal() {
    let said = |bench: &Bench, suspect| Testimony {
        of: suspect,
        at: bench.now,
        watches: true,
        database: false,
        blind: false,
        heard: bench.now - ms(10),
        proof: bench.now - ms(150),
        pulse: bench.now - ms(150),
        misses: 16,
        alive: Time::ZERO,
        life: crate::Incarnation(0),
    };
    type Change = fn(&mut Testimony, Time);
    let weaker: [(&str, Change); 7] = [
        ("about another one", |said, _| said.of = ServerId(99)),
        ("from a server that does not watch it", |said, _| said.watches = false),
        ("too short", |said, now| said.proof = now - ms(99)),
        ("too few misses", |said, _| said.misses = 15),
        ("from a deaf one", |said, _| said.heard = said.proof),
        ("from one that went deaf lately", |said, now| said.heard = now - ms(60)),
        ("old", |said, now| {
            let old = ms(200);
            (said.at, said.heard, said.proof) = (now - old, now - old, now - old - ms(150));
        }),
    ];
    let made = |change: Option<Change>| {
        let (mut bench, suspect, _) = suspecting();
        let mut said = said(&bench, suspect);
        if let Some(change) = change {
            change(&mut said, bench.now);
        }
        bench.settle();
        read(&mut bench, ms(160), Some(said));
        let made = accusations(&mut bench);
        made.into_iter().next_back().map(|a| a.confirmed.is_some())
    };
    assert_eq!(made(None), Some(true));
    for (what, change) in weaker {
        assert_ne!(made(Some(change)), Some(true), "{what}");
    }
}

#[test]
fn a_server_is_probed_in_the_version_that_its_row_says() {
    let mut table = ring(2);
    let older = table.rows.keys().copied().next().unwrap();
    table.rows.get_mut(&older).unwrap().answering = None;
    let mut bench = Bench::new(9, table);
    bench.feed(Input::Start { kept: None });
    bench.settle();
    bench.prove();
    bench.settle();
    let wire = |bench: &Bench| bench.watches.iter().find(|watch| watch.server == older).expect("a watch").wire;
    let others = |bench: &Bench| bench.watches.iter().filter(|w| w.server != older).map(|w| w.wire).max();
    assert_eq!((wire(&bench), others(&bench)), (1, Some(2)));
    // Its next life is of today's version, and the one after that of an older one again.
    for (life, known, expected) in [(2, true, 2), (3, false, 1)] {
        let row = bench.table.rows.get_mut(&older).unwrap();
        row.incarnation = crate::Incarnation(life);
        row.version += 1;
        let answering = crate::row::Answering { life: row.incarnation, wait: ms(60), wire: 2, answer: None };
        row.answering =
            Some(if known { answering } else { crate::row::Answering { life: crate::Incarnation(2), ..answering } });
        bench.feed(notice(NoticeBody::Spliced { subject: older }));
        bench.settle();
        assert_eq!(wire(&bench), expected, "life {life}");
    }
    // The schema is raised while it lives, so its row can say it now.
    let row = bench.table.rows.get_mut(&older).unwrap();
    row.answering = Some(crate::row::Answering { life: row.incarnation, ..row.answering.unwrap() });
    row.version += 1;
    bench.feed(notice(NoticeBody::Spliced { subject: older }));
    bench.settle();
    assert_eq!(wire(&bench), 2);
}

/// An older agent that starts while the database is away cannot say so in its row. Its kernel echoes what it does not
/// know.
#[test]
fn who_only_echoes_is_probed_in_the_first_version_until_its_row_says_another_life() {
    let mut bench = Bench::member(6);
    let target = bench.watches.first().expect("a buddy").clone();
    let wire = |bench: &Bench| bench.watches.iter().find(|w| w.server == target.server).expect("a watch").wire;
    bench.settle();
    assert_eq!(wire(&bench), 2);
    let now = bench.now;
    bench.edit(target.id, ms(0), 0, |reading| reading.last_plain = Some(now + ms(1)));
    assert_eq!(wire(&bench), 1);
    bench.pass(ms(50));
    bench.read(target.id, ms(0), 0);
    assert_eq!(wire(&bench), 1, "an agent answers in that version");
    let row = bench.table.rows.get_mut(&target.server).unwrap();
    row.incarnation = crate::Incarnation(row.incarnation.0 + 1);
    row.version += 1;
    row.answering = Some(crate::row::Answering { life: row.incarnation, wait: ms(60), wire: 2, answer: None });
    bench.feed(notice(NoticeBody::Spliced { subject: target.server }));
    bench.settle();
    assert_eq!(wire(&bench), 2, "it is of today's version again");
}

/// Each agent that starts is echoed for a moment, also one that cannot write another life because it has no database.
#[test]
fn a_moment_of_plain_echoes_is_forgotten_after_a_while() {
    let mut bench = Bench::member(6);
    let target = bench.watches.first().expect("a buddy").clone();
    let wire = |bench: &Bench| bench.watches.iter().find(|w| w.server == target.server).expect("a watch").wire;
    bench.settle();
    let plain = bench.now + ms(1);
    let answers = |bench: &mut Bench, after| {
        bench.edit(target.id, ms(0), 0, |reading| {
            (reading.last_plain, reading.last_reply) = (Some(plain), Some(plain + ms(after)));
        });
    };
    bench.edit(target.id, ms(0), 0, |reading| reading.last_plain = Some(plain));
    assert_eq!(wire(&bench), 1);
    answers(&mut bench, 10_000);
    assert_eq!(wire(&bench), 1);
    answers(&mut bench, 10_001);
    assert_eq!(wire(&bench), 2);
}

/// Also before it has its place back: while the database is away it watches as it was, and others ask its kernel.
#[test]
fn a_server_that_holds_on_without_a_database_says_from_when_on_its_kernel_counts() {
    for member in [false, true] {
        let mut bench = Bench::member(6);
        if !member {
            let kept = bench.kept.clone();
            bench = Bench::new(9, ring(6));
            bench.feed(Input::Start { kept });
            bench.fail("connection refused", true);
            assert_eq!(bench.phase(), "starting");
        }
        assert_eq!(bench.clean, Time::ZERO);
        let (from, until) = (bench.now - ms(20), bench.now);
        bench.feed(Input::Fault { fault: LocalFault::Suspended, from, until });
        assert_eq!(bench.clean, until, "member: {member}");
    }
}
