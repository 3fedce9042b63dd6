//! R12 on the bench, as a voter: whom it asks whether they hear the suspect, and what it believes.

use alloc::collections::BTreeSet;
use core::time::Duration;

use ringmon_common::wire::{FIRST_VERSION, VERSION};

use super::kit::{Bench, address, identity, ms, ring};
use super::member::{buddies, notice};
use crate::engine::{Engine, Identity, Input};
use crate::evidence::{Asked, Testimony};
use crate::op::TableOp;
use crate::row::Address;
use crate::{EventKind, Incarnation, Notice, NoticeBody, Profile, Purpose, ServerId, Time};

/// A member whose first buddy falls silent, and which has cast its vote. Also returns the suspect, and whom it asked.
/// The others are of this version of the wire format.
fn suspecting(wire: u8) -> (Bench, u8, BTreeSet<Address>) {
    let mut table = ring(8);
    if wire == FIRST_VERSION {
        table.rows.values_mut().for_each(|row| row.answering = None);
    }
    let mut bench = Bench::beside(9, table);
    let (first, second) = buddies(&bench);
    let mut whom = BTreeSet::new();
    for number in [first, second] {
        let watch = bench.watch_of(number).expect("watched").id;
        bench.read(watch, Duration::ZERO, 0);
    }
    for misses in 1..30 {
        bench.pass(ms(20));
        let other = bench.watch_of(second).expect("watched").id;
        bench.read(other, Duration::ZERO, 0);
        let watch = bench.watch_of(first).expect("watched").id;
        bench.read(watch, ms(20) * misses, misses);
        bench.settle();
        whom.extend(in_probes(&bench));
    }
    assert_eq!(votes_against(&bench, first), 1);
    whom.extend(in_notices(&bench));
    (bench, first, whom)
}

fn votes_against(bench: &Bench, number: u8) -> usize {
    let row = bench.table.named(&format!("s{number}")).expect("there");
    row.vote_first.iter().chain(&row.vote_second).count()
}

fn in_notices(bench: &Bench) -> Vec<Address> {
    bench.sent.iter().filter(|(_, n)| matches!(n.body, NoticeBody::Ask { .. })).map(|(to, _)| *to).collect()
}

fn in_probes(bench: &Bench) -> Vec<Address> {
    bench.watches.iter().filter(|watch| watch.asked.at.is_some()).map(|watch| watch.address).collect()
}

fn proof_from(bench: &Bench, number: u8, incarnation: Incarnation) -> Input {
    let from = bench.table.named(&format!("s{number}")).expect("there").id;
    let body = NoticeBody::Proof { incarnation, age_ms: 2 };
    Input::Notice(Notice { from, incarnation: Incarnation(1), body }, (address(number), 7464))
}

fn withdraws_until_the_word_is_old(bench: &mut Bench, suspect: u8) {
    bench.settle();
    assert_eq!(votes_against(bench, suspect), 0);
    assert_eq!((bench.told(EventKind::BrokenLink), bench.told(EventKind::VoteWithdrawn)), (1, 1));
    bench.asked.retain(|(_, op)| !matches!(op, TableOp::PickWitnesses { .. }));
    for _ in 0..320 {
        bench.pass(ms(10));
        bench.asked.retain(|(_, op)| !matches!(op, TableOp::PickWitnesses { .. }));
        bench.settle();
    }
    assert_eq!(votes_against(bench, suspect), 1, "three seconds later the word is old");
}

#[test]
fn a_voter_asks_three_and_a_notice_of_one_makes_it_take_its_vote_back() {
    let (mut bench, suspect, whom) = suspecting(FIRST_VERSION);
    assert_eq!((whom.len(), in_probes(&bench)), (3, Vec::new()), "{whom:?}");
    let witness = (1..=8).find(|n| whom.contains(&address(*n))).expect("asked");
    let stranger = (1..=8).find(|n| !whom.contains(&address(*n)) && *n != suspect).expect("not asked");
    let life = bench.table.named(&format!("s{suspect}")).expect("there").incarnation;
    for (who, life) in [(stranger, life), (witness, Incarnation(life.0 + 1))] {
        let input = proof_from(&bench, who, life);
        bench.feed(input);
        bench.settle();
        assert_eq!(votes_against(&bench, suspect), 1, "s{who} was not asked, or heard another life");
    }
    let input = proof_from(&bench, witness, life);
    bench.feed(input);
    withdraws_until_the_word_is_old(&mut bench, suspect);
}

/// What a kernel says that heard the suspect just now.
fn heard(bench: &Bench, suspect: u8) -> Testimony {
    let row = bench.table.named(&format!("s{suspect}")).expect("there");
    let (at, life) = (bench.now, row.incarnation);
    Testimony {
        of: row.id,
        at,
        watches: true,
        database: true,
        blind: false,
        heard: at,
        proof: at,
        pulse: at,
        misses: 0,
        alive: at,
        life,
    }
}

#[test]
fn a_voter_asks_three_in_probes_and_the_word_of_one_kernel_makes_it_take_its_vote_back() {
    let (mut bench, suspect, whom) = suspecting(VERSION);
    assert_eq!((whom.len(), in_notices(&bench)), (3, Vec::new()), "{whom:?}");
    let probed = |bench: &Bench| bench.watches.iter().find(|watch| watch.asked.at.is_some()).cloned();
    let mut waited = 0;
    let witness = loop {
        if let Some(witness) = probed(&bench) {
            break witness;
        }
        waited += 1;
        assert!(waited < 200, "nobody is asked again");
        bench.pass(ms(10));
        bench.settle();
    };
    let said = heard(&bench, suspect);
    let number = (1..=8).find(|n| address(*n) == witness.address).expect("a member");
    let input = proof_from(&bench, number, said.life);
    bench.feed(input);
    let weaker: [(&str, Testimony); 5] = [
        ("it never heard it", Testimony { alive: Time::ZERO, ..said }),
        ("before the question", Testimony { alive: said.alive - Duration::from_secs(1), ..said }),
        ("another life", Testimony { life: Incarnation(said.life.0 + 1), ..said }),
        ("about another one", Testimony { of: ServerId(99), ..said }),
        ("it does not watch it", Testimony { watches: false, ..said }),
    ];
    for (what, said) in weaker {
        bench.edit(witness.id, Duration::ZERO, 0, |reading| reading.testimony = Some(said));
        bench.settle();
        assert_eq!(votes_against(&bench, suspect), 1, "{what}");
    }
    let said = heard(&bench, suspect);
    bench.edit(witness.id, Duration::ZERO, 0, |reading| reading.testimony = Some(said));
    withdraws_until_the_word_is_old(&mut bench, suspect);
}

/// Several silent servers are asked about in turns, and who is watched anyway is asked about this server as well.
#[test]
fn a_witness_is_asked_about_each_in_turns() {
    let mut bench = Bench::member(4);
    let (first, second) = buddies(&bench);
    let mut silent = BTreeSet::from([address(first)]);
    let mut asked = Vec::new();
    for misses in 1..90 {
        bench.pass(ms(20));
        let beyond = bench.watches.iter().find(|watch| watch.purpose == Purpose::Ahead).map(|watch| watch.address);
        if silent.len() == 1 {
            silent.extend(beyond);
        }
        for watch in bench.watches.clone() {
            let misses = if silent.contains(&watch.address) { misses } else { 0 };
            bench.read(watch.id, ms(20) * misses, misses);
        }
        bench.settle();
        // From the first question on, for less than it lasts.
        let buddy = bench.watch_of(second).expect("a buddy").asked;
        if buddy.at.is_some() || (1..20).contains(&asked.len()) {
            asked.push(buddy);
        }
    }
    let me = bench.kept.as_ref().expect("a member").id;
    let row = |at: &Address| bench.table.rows.values().find(|row| row.card.address == *at).expect("a row").id;
    let mut all: BTreeSet<Asked> = silent.iter().map(|at| Asked { about: row(at), at: Some(*at) }).collect();
    assert_eq!(all.len(), 2, "two are silent");
    all.insert(Asked::about(me));
    let first: BTreeSet<Asked> = asked.into_iter().take(20).collect();
    assert_eq!(first, all);
}

/// A removal of the second suspect may come after 100 ms, and that is how long a turn takes.
#[test]
fn who_is_silent_later_is_asked_about_at_once_and_who_was_heard_gives_up_its_turn() {
    let mut bench = Bench::member(8);
    let (first, _) = buddies(&bench);
    let about = |bench: &Bench, server: u8| -> BTreeSet<u16> {
        let asked = bench.watches.iter().filter(|watch| watch.asked.at == Some(address(server)));
        asked.map(|watch| watch.id.slot).collect()
    };
    let read = |bench: &mut Bench, silent: &[Address], misses: u32, said: Option<Testimony>| {
        bench.pass(ms(5));
        for watch in bench.watches.clone() {
            let misses = if silent.contains(&watch.address) { misses } else { 0 };
            bench.edit(watch.id, ms(5) * misses, misses, |reading| reading.testimony = said);
        }
    };
    let mut misses = 0;
    while about(&bench, first).is_empty() {
        misses += 1;
        read(&mut bench, &[address(first)], misses, None);
        bench.settle();
        assert!(misses < 100, "nobody is asked");
    }
    let beyond = bench.watches.iter().find(|watch| watch.purpose == Purpose::Ahead).expect("looks past it").address;
    let second = (1..=8).find(|n| address(*n) == beyond).expect("a member");
    let picks =
        |bench: &Bench| bench.asked.iter().filter(|(_, op)| matches!(op, TableOp::PickWitnesses { .. })).count();
    for more in 1..=8 {
        let said = heard(&bench, first);
        read(&mut bench, &[address(first), beyond], misses + more, Some(said));
    }
    assert_eq!((about(&bench, first).len(), picks(&bench)), (0, 0));
    assert!(!about(&bench, second).is_empty(), "while the round is on");
}

/// Removals do not wait for witnesses, so they are probed quickly: by whoever asks, and by those who are asked.
#[test]
fn those_that_are_asked_and_asked_about_are_probed_several_times_in_every_profile() {
    for profile in [Profile::Gentle, Profile::Default, Profile::Fast, Profile::Turbo] {
        let mut bench = Bench::new(9, ring(4));
        let tuning = profile.tuning();
        let (burst, interval) = (tuning.burst, tuning.interval);
        bench.engine = Engine::new(Identity { tuning, ..identity(9) });
        bench.feed(Input::Start { kept: None });
        bench.settle();
        bench.prove();
        bench.settle();
        bench.feed(Input::Asked { server: ServerId(20), address: address(20) });
        let every = bench.watch_of(20).expect("probed").interval;
        assert!(every >= burst && every <= interval && every * 5 <= ms(500), "{profile:?}: {every:?}");
    }
}

/// What others ask about says nothing of whom this server has voted against: it knows that one by its row.
#[test]
fn a_vote_is_taken_back_also_if_others_ask_about_the_accused() {
    let mut bench = Bench::member(6);
    let (first, second) = buddies(&bench);
    let mut silent = BTreeSet::from([address(first)]);
    let read = |bench: &mut Bench, silent: &BTreeSet<Address>, misses: u32| {
        bench.pass(ms(20));
        for watch in bench.watches.clone() {
            let misses = if silent.contains(&watch.address) { misses } else { 0 };
            bench.read(watch.id, ms(20) * misses, misses);
        }
        bench.settle();
    };
    for misses in 1..40 {
        let beyond = bench.watches.iter().find(|watch| watch.purpose == Purpose::Ahead).map(|watch| watch.address);
        if silent.len() == 1 {
            silent.extend(beyond);
        }
        read(&mut bench, &silent, misses);
    }
    let beyond = (1..=6).find(|n| *n != first && silent.contains(&address(*n))).expect("two are silent");
    assert_eq!([first, beyond].map(|n| votes_against(&bench, n)), [1, 1], "beside {second}");
    let server = bench.table.named(&format!("s{beyond}")).expect("there").id;
    bench.feed(Input::Asked { server, address: address(beyond) });
    for _ in 0..10 {
        // The first one is back, so nobody looks past it.
        read(&mut bench, &BTreeSet::new(), 0);
    }
    assert_eq!(bench.watch_of(beyond).map(|watch| watch.purpose), Some(Purpose::Asked), "it is watched for others");
    assert_eq!([first, beyond].map(|n| votes_against(&bench, n)), [0, 0]);
}

/// R4 comes first: a suspect that accuses this server back keeps the vote against it, because the vote says that the
/// link fails both ways.
#[test]
fn a_proof_leaves_a_counter_vote_standing_and_young() {
    let (mut bench, suspect, whom) = suspecting(FIRST_VERSION);
    let witness = (1..=8).find(|n| whom.contains(&address(*n))).expect("asked");
    let row = bench.table.named(&format!("s{suspect}")).expect("there").clone();
    let (me, now) = (bench.table.named("s9").expect("there").clone(), bench.table.now());
    let vote = crate::row::Vote {
        voter: row.id,
        voter_incarnation: row.incarnation,
        since: now,
        at: now,
        kind: crate::VoteKind::Host,
    };
    let own = bench.table.rows.get_mut(&me.id).expect("there");
    own.vote_first = Some(vote);
    own.version += 1;
    bench.feed(notice(NoticeBody::Voted { subject: ServerId(1) }));
    bench.settle();
    let input = proof_from(&bench, witness, row.incarnation);
    bench.feed(input);
    bench.settle();
    assert_eq!(votes_against(&bench, suspect), 1);
    for _ in 0..100 {
        bench.pass(ms(10));
        bench.settle();
    }
    let row = bench.table.named(&format!("s{suspect}")).expect("there");
    let vote = row.vote_first.iter().chain(&row.vote_second).next().expect("stands");
    let age = bench.table.now().since(vote.since).expect("past");
    assert!(age < ms(700), "cast anew with each renewal: {age:?}");
}

#[test]
fn a_broken_link_is_shown_with_the_way_on_which_frames_get_lost() {
    for (arrives, way) in [(false, "back"), (true, "out")] {
        let (mut bench, suspect, whom) = suspecting(FIRST_VERSION);
        let witness = (1..=8).find(|n| whom.contains(&address(*n))).expect("asked");
        if arrives {
            bench.feed(Input::Answered { address: address(suspect), at: bench.now, proved: Some(bench.now) });
        }
        let life = bench.table.named(&format!("s{suspect}")).expect("there").incarnation;
        let input = proof_from(&bench, witness, life);
        assert!(bench.engine.snapshot(bench.now).broken_links.is_empty(), "nobody has heard it yet");
        bench.feed(input);
        let links = bench.engine.snapshot(bench.now).broken_links;
        let shown: Vec<_> = links.iter().map(|link| (link.server.as_str(), link.way)).collect();
        assert_eq!(shown, [(format!("s{suspect}").as_str(), way)]);
    }
}
