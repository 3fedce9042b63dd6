//! Who sees nobody says so, and judges nobody.

use core::time::Duration;

use super::kit::{Bench, address, ms};
use super::member::{buddies, notice};
use crate::blindness::Blindness;
use crate::engine::Input;
use crate::event::EventBody;
use crate::host::HostChange;
use crate::notice::NoticeBody;
use crate::row::Alone;
use crate::{EventKind, WatchReading};

/// Lets this much time pass, with a reading of every watch each 20 ms. Those of these servers stay as they are.
fn live(bench: &mut Bench, span: Duration, held_up: &[(u8, Option<Blindness>)]) {
    let mut kept: Vec<(u8, WatchReading)> = Vec::new();
    for (number, why) in held_up {
        let Some(id) = bench.watch_of(*number).map(|watch| watch.id) else { continue };
        let shown = bench.engine.snapshot(bench.now).watches.into_iter().find(|watch| watch.id == id);
        let reading = shown.expect("watched").reading;
        kept.push((*number, WatchReading { held_up: *why, ..reading }));
    }
    for _ in 0..span.as_millis() / 20 {
        bench.pass(ms(20));
        for watch in bench.watches.clone() {
            let stuck = kept.iter().find(|(number, _)| watch.address == address(*number));
            match stuck {
                Some((_, reading)) => bench.feed(Input::Watch(watch.id, reading.clone())),
                None => bench.read(watch.id, Duration::ZERO, 0),
            }
        }
        bench.settle();
    }
}

fn said(bench: &Bench) -> Vec<(String, EventBody)> {
    let of_sight = |kind| matches!(kind, EventKind::Blind | EventKind::SeesAgain);
    bench.events.iter().filter(|e| of_sight(e.kind())).map(|e| (e.subject.clone(), e.body.clone())).collect()
}

fn states(bench: &Bench) -> Vec<&'static str> {
    bench.engine.snapshot(bench.now).watches.iter().map(|watch| watch.state).collect()
}

#[test]
fn all_that_hold_probes_up_are_told_apart_and_told_within_a_second() {
    let causes = [None, Some(Blindness::Filtered), Some(Blindness::NoRoute), Some(Blindness::Unstamped)];
    for cause in causes {
        let mut bench = Bench::member(6);
        let (first, second) = buddies(&bench);
        live(&mut bench, ms(200), &[]);
        live(&mut bench, ms(240), &[(first, cause), (second, cause)]);
        assert_eq!(said(&bench), [], "it may be a burst");
        live(&mut bench, ms(700), &[(first, cause), (second, cause)]);
        let why = cause.unwrap_or(Blindness::Unknown);
        assert_eq!(said(&bench), [("s9".to_owned(), EventBody::Blind { all: true, why })]);
        assert_eq!(states(&bench), ["unknown", "unknown"]);
        assert!(bench.blind);

        live(&mut bench, ms(100), &[]);
        assert!(
            matches!(said(&bench).last(), Some((_, EventBody::SeesAgain { all: true, blind_ms })) if *blind_ms > 100.0)
        );
        assert_eq!(states(&bench), ["alive", "alive"]);
        assert!(!bench.blind);
    }
}

/// Nor does it know that of a server that it helps to join.
#[test]
fn whom_a_blind_server_watches_is_unknown_for_any_purpose() {
    let mut bench = Bench::member(6);
    let (first, second) = buddies(&bench);
    live(&mut bench, ms(200), &[]);
    bench.feed(notice(NoticeBody::ProbeMe { address: address(20) }));
    live(&mut bench, ms(60), &[]);
    assert_eq!(states(&bench), ["alive", "alive", "alive"]);
    let cause = Some(Blindness::NoAddress);
    live(&mut bench, ms(700), &[(first, cause), (second, cause), (20, cause)]);
    assert_eq!(states(&bench), ["unknown", "unknown", "unknown"]);
}

#[test]
fn towards_one_server_it_is_blind_by_name() {
    let mut bench = Bench::member(6);
    let (first, _) = buddies(&bench);
    live(&mut bench, ms(200), &[]);
    live(&mut bench, ms(800), &[(first, Some(Blindness::NoRoute))]);
    let name = format!("s{first}");
    assert_eq!(said(&bench), [(name.clone(), EventBody::Blind { all: false, why: Blindness::NoRoute })]);
    assert!(states(&bench).contains(&"unknown") && states(&bench).contains(&"alive"));
    assert!(bench.blind, "its answers say so: it cannot vote on that one");
    let watched = bench.watch_of(first).expect("watched");
    assert_eq!(watched.server, crate::ServerId::NEW, "its kernel does not speak of it");
    live(&mut bench, ms(100), &[]);
    assert!(matches!(said(&bench).last(), Some((of, EventBody::SeesAgain { all: false, .. })) if *of == name));
}

/// A suspicion from before says nothing any more, and the vote goes.
#[test]
fn a_vote_is_taken_back_by_a_blind_server() {
    let mut bench = Bench::member(6);
    let (first, _) = buddies(&bench);
    let suspect = bench.watch_of(first).expect("watched").id;
    let voted = |bench: &Bench| {
        let row = bench.table.named(&format!("s{first}")).expect("its row");
        crate::Side::BOTH.iter().any(|side| row.vote(*side).is_some())
    };
    for round in 0..10 {
        bench.pass(ms(20));
        for watch in bench.watches.clone() {
            let missed = watch.id == suspect;
            let silence = if missed { ms(20 * (round + 1)) } else { Duration::ZERO };
            bench.read(watch.id, silence, if missed { 3 + u32::try_from(round).expect("small") } else { 0 });
        }
        bench.settle();
    }
    assert!(voted(&bench), "it votes while it misses it");
    live(&mut bench, ms(800), &[(first, Some(Blindness::Filtered))]);
    assert!(!voted(&bench));
}

/// A loop that stood still has seen nothing, good or bad.
#[test]
fn a_loop_that_stands_still_is_not_blind() {
    let mut bench = Bench::member(6);
    live(&mut bench, ms(200), &[]);
    for _ in 0..2 {
        bench.now = bench.now + Duration::from_secs(10);
        for watch in bench.watches.clone() {
            bench.edit(watch.id, Duration::from_secs(10), 0, |_| {});
        }
    }
    assert_eq!(said(&bench), []);
}

/// Two of three die, and the third may go on alone: it is healthy then, and not blind for ever.
#[test]
fn who_is_left_alone_in_the_table_is_not_blind() {
    let mut bench = Bench::member(2);
    bench.table.pool.rules.alone = Alone::All;
    bench.table.pool.rules.brake_permille = 1000;
    bench.table.pool.version += 1;
    bench.feed(Input::Stranger(super::kit::address(77)));
    live(&mut bench, ms(1000), &[]);
    let died = bench.now;
    for _ in 0..500 {
        bench.pass(ms(20));
        let silence = bench.now.since(died);
        let misses = u32::try_from(silence.as_millis() / 20).expect("few");
        bench.watches.clone().iter().for_each(|watch| bench.read(watch.id, silence, misses));
        bench.settle();
    }
    assert_eq!(bench.table.rows.len(), 1, "it removed the others");
    let said: Vec<EventBody> = said(&bench).into_iter().map(|(_, body)| body).collect();
    assert!(matches!(said.first(), Some(EventBody::Blind { all: true, why: Blindness::ReceivePath })), "{said:?}");
    assert!(matches!(said.last(), Some(EventBody::SeesAgain { all: true, .. })), "{said:?}");
}

/// The kernel tells of it, and no probe has to be missed first.
#[test]
fn a_lost_address_or_interface_is_blindness_at_once() {
    for (gone, back, why) in [
        (HostChange::AddressGone, HostChange::AddressBack, Blindness::NoAddress),
        (HostChange::InterfaceGone, HostChange::InterfaceBack, Blindness::NoDevice),
    ] {
        let mut bench = Bench::member(6);
        live(&mut bench, ms(200), &[]);
        let interface = "eth0".to_owned();
        bench.feed(Input::Host { change: gone, interface: interface.clone() });
        bench.settle();
        assert_eq!(said(&bench), [("s9".to_owned(), EventBody::Blind { all: true, why })]);
        assert_eq!((bench.blind, states(&bench)), (true, vec!["unknown"; 2]));
        bench.feed(Input::Host { change: back, interface });
        live(&mut bench, ms(100), &[]);
        let all = said(&bench);
        let sees = matches!(all.last(), Some((_, EventBody::SeesAgain { all: true, .. })));
        assert!(sees && all.len() == 2 && !bench.blind, "{all:?}");
    }
}
