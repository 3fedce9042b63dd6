//! Version 2 of the wire format: questions about other servers, and what a kernel knows of them.

use std::mem::offset_of;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use etherparse::Icmpv4Slice;
use ringmon_common::frame::{ECHO_REPLY, ECHO_REQUEST, FRAME_LEN};
use ringmon_common::layout::{self, EventKind, Identity, PULSE_OLD_US, Watch};
use ringmon_common::testimony::{HAS_DATABASE, NEVER, TESTIMONY_LEN, WATCHES_IT};
use ringmon_common::wire::{Direction, Payload, VERSION};
use ringmon_common::{Frame, TagKey, Testimony, tag};

use super::super::clock;
use super::kit::{FIRST, Kit, PEER, SECRET, Station, US, WATCH, XDP_DROP, XDP_PASS, XDP_TX, probe, reply, reply_with};
use crate::datapath::Readings;
use ringmon_core::evidence::Testimony as Said;
use ringmon_core::{Incarnation, ServerId, Time};

const LONG: Duration = Duration::from_secs(600);
const ASKED: u64 = 0x0102_0304_0506_0708;
const MS: u64 = 1_000_000;

fn bytes(frame: &Frame, testimony: &Testimony) -> Vec<u8> {
    [frame.long(testimony).as_bytes().as_slice(), testimony.as_bytes()].concat()
}

/// A probe of version 2 from one station to the other.
fn question(frame: &Frame, testimony: &Testimony, (from, to): (Station, Station)) -> Vec<u8> {
    let mut payload = frame.payload;
    payload.version = VERSION;
    payload.tag = TagKey::new(&SECRET).v4(from.1, to.1, &payload).asking(testimony).probe(&payload);
    bytes(&Frame::new(from, to, ECHO_REQUEST, payload), testimony)
}

/// What [`PEER`] says to our question.
fn answer(seq: u64, testimony: &Testimony) -> Vec<u8> {
    let mut payload = reply(seq).payload;
    payload.version = VERSION;
    payload.tag = TagKey::new(&SECRET).v4(US.1, PEER.1, &payload).asking(testimony).testified(&payload, testimony);
    bytes(&Frame::new(PEER, US, ECHO_REPLY, payload), testimony)
}

/// What this server's kernel says when it is asked about [`ASKED`]. The whole reply is checked.
fn testimony(kit: &mut Kit) -> Testimony {
    let asked = Testimony::ask(ASKED, [0; 16], 0);
    let outcome = kit.receive(&question(&probe(5), &asked, (PEER, US)));
    assert_eq!((outcome.action, outcome.packet.len()), (XDP_TX, FRAME_LEN + TESTIMONY_LEN));
    let (frame, said) = outcome.packet.split_at(FRAME_LEN);
    let frame = Frame::from_bytes(frame.try_into().unwrap());
    let said = *Testimony::from_bytes(said.try_into().unwrap());
    let payload = &frame.payload;
    assert_eq!((payload.version, payload.direction), (VERSION, Direction::Reply as u8));
    let tagger = TagKey::new(&SECRET).v4(PEER.1, US.1, payload).asking(&said);
    assert_eq!(payload.tag, tagger.testified(payload, &said));
    let icmp = Icmpv4Slice::from_slice(&outcome.packet[34..]).unwrap();
    assert_eq!(icmp.checksum(), icmp.icmp_type().calc_checksum(icmp.payload()));
    assert_eq!((said.asked, said.returned, said.responder_room), (asked.asked, [0; 8], [0; 16]));
    said
}

/// The words of the watch as the kernel's programs write them.
fn set(kit: &Kit, words: &[(usize, u64)]) {
    for (offset, value) in words {
        kit.shared.watches.word(u32::from(WATCH.slot), *offset).unwrap().store(*value, Relaxed);
    }
}

fn watching_it() -> Kit {
    let kit = Kit::watching(LONG);
    kit.shared.server(WATCH.slot, ServerId(ASKED as i64));
    kit
}

/// In microseconds, as of a moment between these two.
fn is_age(age: [u8; 4], since: u64, (before, after): (u64, u64)) {
    let age = u64::from(u32::from_be_bytes(age));
    assert!(((before - since) / 1000..=(after - since) / 1000).contains(&age), "{age}");
}

#[test]
fn a_kernel_says_how_long_it_has_not_heard_the_asked_server() {
    let mut kit = watching_it();
    let before = clock::now().as_ns();
    let (reply, plain, pulse) = (before - 300 * MS, before - 200 * MS, before - 900 * MS);
    set(
        &kit,
        &[
            (offset_of!(Watch, began_ns), before - 5000 * MS),
            (offset_of!(Watch, last_reply_ns), reply),
            (offset_of!(Watch, last_plain_ns), plain),
            (offset_of!(Watch, last_pulse_ns), pulse),
            (offset_of!(Watch, consecutive), 17),
        ],
    );
    let said = testimony(&mut kit);
    let span = (before, clock::now().as_ns());
    assert_eq!((said.known, u32::from_be_bytes(said.misses)), (WATCHES_IT, 17));
    is_age(said.proof_age_us, plain, span);
    is_age(said.pulse_age_us, pulse, span);
    is_age(said.heard_age_us, reply, span);
}

/// Its own standing still and a young watch make no silence.
#[test]
fn a_silence_counts_from_where_it_could_have_been_heard() {
    let mut kit = watching_it();
    let before = clock::now().as_ns();
    let (began, clean) = (before - 90 * MS, before - 50 * MS);
    set(&kit, &[(offset_of!(Watch, began_ns), began)]);
    let span = || (before, clock::now().as_ns());
    let said = testimony(&mut kit);
    is_age(said.proof_age_us, began, span());
    is_age(said.pulse_age_us, began, span());
    kit.shared.identity.word(0, offset_of!(Identity, clean_ns)).unwrap().store(clean, Relaxed);
    let said = testimony(&mut kit);
    is_age(said.proof_age_us, clean, span());
    is_age(said.pulse_age_us, clean, span());
    // It may end only in the future.
    kit.shared.identity.word(0, offset_of!(Identity, clean_ns)).unwrap().store(before + 600_000 * MS, Relaxed);
    assert_eq!(testimony(&mut kit).proof_age_us, [0; 4]);
}

#[test]
fn of_a_server_that_it_does_not_watch_a_kernel_says_nothing() {
    let mut kit = Kit::watching(LONG);
    kit.shared.server(WATCH.slot, ServerId(7));
    let said = testimony(&mut kit);
    assert_eq!((said.known, said.proof_age_us, said.pulse_age_us, said.misses), (0, [0; 4], [0; 4], [0; 4]));
    kit.shared.identity.word(0, offset_of!(Identity, known)).unwrap().store(HAS_DATABASE.into(), Relaxed);
    assert_eq!(testimony(&mut kit).known, HAS_DATABASE);
    kit.shared.server(WATCH.slot, ServerId(ASKED as i64));
    assert_eq!(testimony(&mut kit).known, HAS_DATABASE | WATCHES_IT);
    kit.shared.end(WATCH.slot);
    assert_eq!(testimony(&mut kit).known, HAS_DATABASE, "a watch that has ended knows nothing");
}

/// R12 counts what was heard. A fault of the witness's own, or a young watch, is no proof of another's life.
#[test]
fn a_kernel_says_when_and_in_which_life_it_heard_the_asked_server() {
    let mut kit = watching_it();
    let before = clock::now().as_ns();
    kit.shared.identity.word(0, offset_of!(Identity, clean_ns)).unwrap().store(before, Relaxed);
    let said = testimony(&mut kit);
    assert_eq!((said.alive_age_us, said.life), (NEVER.to_be_bytes(), [0; 8]));
    set(&kit, &[(offset_of!(Watch, last_alive_ns), before - 80 * MS), (offset_of!(Watch, incarnation), 0x0506)]);
    let said = testimony(&mut kit);
    is_age(said.alive_age_us, before - 80 * MS, (before, clock::now().as_ns()));
    assert_eq!(said.life, [0, 0, 0, 0, 0, 0, 5, 6]);
    assert_eq!(u32::from_be_bytes(said.proof_age_us) / 1000, 0, "a silence counts from the fault");
}

#[test]
fn only_a_reply_with_a_fresh_pulse_shows_that_the_agent_lives() {
    let mut kit = Kit::watching(LONG);
    let alive = |kit: &Kit| {
        let word = |offset| kit.shared.watches.word(u32::from(WATCH.slot), offset).unwrap().load(Relaxed);
        (word(offset_of!(Watch, last_alive_ns)), word(offset_of!(Watch, last_reply_ns)))
    };
    let pulse = |age: u32| move |payload: &mut Payload| payload.pulse_age_us = age.to_be_bytes();
    kit.send(FIRST);
    assert_eq!(kit.receive(reply_with(FIRST, pulse(PULSE_OLD_US)).as_bytes()).action, XDP_DROP);
    assert_eq!(alive(&kit).0, 0, "an old pulse");
    kit.send(FIRST + 1);
    assert_eq!(kit.receive(reply_with(FIRST + 1, pulse(PULSE_OLD_US - 1)).as_bytes()).action, XDP_DROP);
    let (lived, replied) = alive(&kit);
    assert!(lived != 0 && lived == replied);
}

#[test]
fn a_question_with_an_address_wakes_the_agent_once_and_says_whom_to_watch() {
    let mut kit = Kit::new();
    let (one, other) = (tag::mapped([10, 0, 0, 9]), tag::mapped([10, 0, 0, 10]));
    let mut ask = |seq, asked, at| {
        assert_eq!(kit.receive(&question(&probe(seq), &Testimony::ask(asked, at, 0), (PEER, US))).action, XDP_TX);
        let probers = (0..layout::PROBERS).filter_map(|at| kit.shared.prober(at));
        let probers: Vec<_> = probers.map(|p| (p.answered, p.asked, tag::from_words(p.asked_at))).collect();
        (kit.events(), probers)
    };
    let woken = || vec![EventKind::Asked as u32];
    assert_eq!(ask(1, ASKED, [0; 16]), (vec![], vec![(1, 0, [0; 16])]), "a question about a buddy");
    assert_eq!(ask(2, ASKED, one), (woken(), vec![(2, ASKED, one)]));
    assert_eq!(ask(3, ASKED, one), (vec![], vec![(3, ASKED, one)]), "it goes on");
    assert_eq!(ask(4, 7, other), (woken(), vec![(4, 7, other)]));
    assert_eq!(ask(5, 7, [0; 16]), (vec![], vec![(5, 0, [0; 16])]), "it has ended");
    assert_eq!(ask(6, 7, other), (woken(), vec![(6, 7, other)]));
}

#[test]
fn what_a_kernel_says_is_read_with_its_times_on_this_clock() {
    let mut kit = Kit::watching(LONG);
    kit.send(FIRST);
    assert_eq!(kit.reading().testimony, None);
    let us = |us: u32| us.to_be_bytes();
    let said = Testimony {
        known: WATCHES_IT,
        heard_age_us: us(1000),
        proof_age_us: us(150_000),
        pulse_age_us: us(u32::MAX),
        misses: us(31),
        alive_age_us: us(2000),
        life: [0, 0, 0, 0, 0, 0, 1, 2],
        responder_room: [9; 16],
        ..Testimony::ask(ASKED, [0; 16], 0)
    };
    let before = clock::now();
    assert_eq!(kit.receive(&answer(FIRST, &said)).action, XDP_DROP);
    let after = clock::now();
    let got = kit.reading().testimony.expect("a testimony");
    assert!((before..=after).contains(&got.at), "{got:?}");
    let ago = |us: u64| Time::from_ns(got.at.as_ns().saturating_sub(us * 1000));
    assert_eq!(
        got,
        Said {
            of: ServerId(ASKED as i64),
            at: got.at,
            watches: true,
            database: false,
            blind: false,
            heard: ago(1000),
            proof: ago(150_000),
            pulse: ago(u64::from(u32::MAX)),
            misses: 31,
            alive: ago(2000),
            life: Incarnation(0x102),
        }
    );
    assert_eq!(kit.events(), [EventKind::Doubt as u32, EventKind::First as u32], "31 misses are news");
    // A reply without a question says nothing new.
    kit.send(FIRST + 1);
    assert_eq!(kit.receive(&answer(FIRST + 1, &Testimony::ask(0, [0; 16], 0))).action, XDP_DROP);
    assert_eq!(kit.reading().testimony, Some(got));
    // The same again is no news. Another life is: R12 waits for it.
    for (seq, life, told) in [(2, 0x102, 0), (3, 0x103, 1), (4, 0x103, 0), (5, 0, 0)] {
        kit.send(FIRST + seq);
        let said = Testimony { life: u64::to_be_bytes(life), ..said };
        assert_eq!(kit.receive(&answer(FIRST + seq, &said)).action, XDP_DROP);
        assert_eq!(kit.events(), vec![EventKind::Doubt as u32; told], "{life:x}");
    }
    kit.shared.begin(WATCH, PEER.1, FIRST, (LONG, LONG), clock::now());
    assert_eq!(kit.shared.read(WATCH).unwrap().testimony, None, "the next watch of the slot has heard nothing");
}

#[test]
fn a_testimony_that_was_changed_on_its_way_proves_nothing() {
    let mut kit = Kit::watching(LONG);
    kit.send(FIRST);
    let said = Testimony { known: WATCHES_IT, proof_age_us: [0, 0, 9, 9], ..Testimony::ask(ASKED, [0; 16], 0) };
    for at in FRAME_LEN..FRAME_LEN + TESTIMONY_LEN {
        let mut forged = answer(FIRST, &said);
        forged[at] ^= 1;
        let outcome = kit.receive(&forged);
        assert_eq!((outcome.action, &outcome.packet), (XDP_PASS, &forged), "byte {at}");
    }
    assert_eq!((kit.reading().replies, kit.reading().testimony), (0, None));
    // The same for questions: what is asked belongs to the tag, and the rest is zero.
    for at in FRAME_LEN..FRAME_LEN + TESTIMONY_LEN {
        let mut forged = question(&probe(5), &Testimony::ask(ASKED, [0; 16], 0), (PEER, US));
        forged[at] ^= 1;
        let outcome = kit.receive(&forged);
        assert_eq!((outcome.action, &outcome.packet), (XDP_PASS, &forged), "byte {at}");
    }
}

/// An agent that knows only the first version, or none, echoes our probe as it is.
#[test]
fn a_plain_echo_of_version_2_proves_the_host() {
    let mut kit = Kit::watching(LONG);
    kit.send(FIRST);
    let asked = Testimony::ask(ASKED, [0; 16], 0);
    let ours = question(&super::kit::our_probe(FIRST), &asked, (US, PEER));
    let (frame, _) = ours.split_at(FRAME_LEN);
    let payload = Frame::from_bytes(frame.try_into().unwrap()).payload;
    let echo = bytes(&Frame::new(PEER, US, ECHO_REPLY, payload), &asked);
    assert_eq!(kit.receive(&echo).action, XDP_DROP);
    let reading = kit.reading();
    assert!(reading.last_plain.is_some() && reading.replies == 0 && reading.testimony.is_none(), "{reading:?}");
}

#[test]
fn both_versions_are_answered_side_by_side() {
    let mut kit = Kit::new();
    assert_eq!(kit.receive(probe(1).as_bytes()).action, XDP_TX);
    testimony(&mut kit);
    assert_eq!(kit.counted(), [("answered", 2)].into());
}
