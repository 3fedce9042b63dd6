//! Routers that follow an agent are told what this server writes, and what operators and newcomers tell it.

use super::kit::{Bench, address, ms};
use super::member::{buddies, silence_of};
use crate::engine::Input;
use crate::row::{Address, Health};
use crate::{Incarnation, Notice, NoticeBody, ServerId};

/// The address of a router.
fn router(number: u8) -> Address {
    [192, 0, 2, number].into()
}

fn from(at: Address, sender: ServerId, body: NoticeBody) -> Input {
    Input::Notice(Notice { from: sender, incarnation: Incarnation(1), body }, (at, 4000))
}

fn follow(bench: &mut Bench, number: u8, seconds: u32) {
    bench.feed(from(router(number), ServerId::NEW, NoticeBody::Follow { seconds }));
}

/// The servers whose changes this router was told of. Forgets everything sent so far.
fn told(bench: &mut Bench, number: u8) -> Vec<ServerId> {
    let sent = core::mem::take(&mut bench.sent);
    let changed = |(to, notice): &(Address, Notice)| match notice.body {
        NoticeBody::Changed { subject } if *to == router(number) => Some(subject),
        _ => None,
    };
    sent.iter().filter_map(changed).collect()
}

fn id_of(bench: &Bench, number: u8) -> ServerId {
    bench.table.rows.values().find(|row| row.card.address == address(number)).expect("it has a row").id
}

#[test]
fn a_follower_hears_of_a_vote_of_its_end_and_of_health() {
    let mut bench = Bench::member(4);
    let (first, _) = buddies(&bench);
    let (own, silent) = (id_of(&bench, 9), id_of(&bench, first));
    follow(&mut bench, 1, 60);
    silence_of(&mut bench, first, 200);
    bench.settle();
    assert!(told(&mut bench, 1).contains(&silent), "a vote");
    let watch = bench.watch_of(first).expect("it is watched").id;
    bench.read(watch, ms(0), 0);
    bench.settle();
    assert!(told(&mut bench, 1).contains(&silent), "its withdrawal");
    bench.feed(Input::Service(Health::Failing));
    bench.settle();
    assert!(told(&mut bench, 1).contains(&own), "a service that fails");
    bench.feed(Input::Stop { leave: true });
    bench.settle();
    assert!(told(&mut bench, 1).contains(&own), "a clean end");
}

#[test]
fn whoever_comes_and_whatever_an_operator_does_is_passed_on() {
    let mut bench = Bench::member(4);
    follow(&mut bench, 1, 60);
    for (sender, body) in [
        (ServerId(3), NoticeBody::Spliced { subject: ServerId(77) }),
        (ServerId::NEW, NoticeBody::Removed { subject: ServerId(77) }),
        (ServerId::NEW, NoticeBody::Changed { subject: ServerId(77) }),
    ] {
        bench.feed(from(address(3), sender, body));
        assert_eq!(told(&mut bench, 1), [ServerId(77)], "{body:?}");
    }
    // Agents tell the routers themselves.
    bench.feed(from(address(3), ServerId(3), NoticeBody::Removed { subject: ServerId(77) }));
    bench.feed(from(address(3), ServerId(3), NoticeBody::Changed { subject: ServerId(77) }));
    assert_eq!(told(&mut bench, 1), []);
}

#[test]
fn nobody_is_told_for_longer_than_asked() {
    let mut bench = Bench::member(4);
    let news = || from(address(3), ServerId(3), NoticeBody::Spliced { subject: ServerId(77) });
    for (number, seconds) in [(1, 60), (2, 60), (3, u32::MAX)] {
        follow(&mut bench, number, seconds);
    }
    follow(&mut bench, 2, 0);
    bench.feed(news());
    let sent = bench.sent.clone();
    assert_eq!(told(&mut bench, 1).len(), 1);
    bench.sent = sent;
    assert_eq!(told(&mut bench, 2), [], "it wanted no more");
    bench.now = bench.now + ms(60_000);
    bench.feed(news());
    let sent = bench.sent.clone();
    assert_eq!(told(&mut bench, 1), [], "a minute is over");
    bench.sent = sent;
    assert_eq!(told(&mut bench, 3).len(), 1);
    bench.now = bench.now + ms(541_000);
    bench.feed(news());
    assert_eq!(told(&mut bench, 3), [], "nobody is told for ever");
}

#[test]
fn there_is_room_for_sixteen_and_the_oldest_makes_room() {
    let mut bench = Bench::member(4);
    for number in 1..=17 {
        follow(&mut bench, number, 60);
    }
    // A router that asks again already has its place.
    follow(&mut bench, 17, 60);
    bench.feed(from(address(3), ServerId(3), NoticeBody::Spliced { subject: ServerId(77) }));
    let sent = bench.sent.clone();
    for number in 1..=17 {
        bench.sent.clone_from(&sent);
        assert_eq!(told(&mut bench, number).len(), usize::from(number != 1), "{number}");
    }
}
