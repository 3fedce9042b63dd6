//! What nobody can say without the key, or twice.

use ringmon_common::layout::prober_set;
use ringmon_common::wire::VERSION;
use ringmon_common::{Frame, TagKey, Testimony, frame, tag};

use super::super::clock;
use super::kit::{FIRST, Kit, NONCE, PEER, SECRET, Station, US, WATCH, XDP_TX, our_probe, probe};
use ringmon_core::Time;

/// A probe of version 2 from `from`, which got this `received` in its last reply.
pub fn asks(seq: u64, from: Station, returned: u64) -> Vec<u8> {
    let question = Testimony::ask(0, [0; 16], returned);
    let mut payload = probe(seq).payload;
    payload.version = VERSION;
    payload.tag = TagKey::new(&SECRET).v4(from.1, US.1, &payload).asking(&question).probe(&payload);
    let frame = Frame::new(from, US, frame::ECHO_REQUEST, payload).long(&question);
    [frame.as_bytes().as_slice(), question.as_bytes()].concat()
}

/// When [`PEER`] last proved that it lives.
fn proved(kit: &Kit) -> Option<Time> {
    let set = prober_set([0, tag::mapped_word(PEER.1)]);
    let ways = 0..ringmon_common::layout::PROBER_WAYS as u32;
    let places = ways.filter_map(|way| kit.shared.prober(set * ringmon_common::layout::PROBER_WAYS as u32 + way));
    let its = places.filter(|prober| prober.address[1] == tag::mapped_word(PEER.1)).map(|prober| prober.proved_ns);
    its.max().filter(|ns| *ns != 0).map(Time::from_ns)
}

/// Lets the programs answer this probe. Returns the `received` of the reply.
fn received(kit: &mut Kit, probe: &[u8]) -> u64 {
    let outcome = kit.receive(probe);
    assert_eq!(outcome.action, XDP_TX);
    let frame = Frame::from_bytes(outcome.packet[..frame::FRAME_LEN].try_into().unwrap());
    u64::from_be_bytes(frame.payload.received_ns)
}

#[test]
fn a_prober_proves_its_life_by_what_it_was_answered() {
    let mut kit = Kit::new();
    let first = received(&mut kit, &asks(5, PEER, 0));
    assert_eq!(proved(&kit), None, "it has no answer yet");
    let before = clock::now();
    received(&mut kit, &asks(6, PEER, first));
    let at = proved(&kit).expect("it has one");
    assert!(at <= before && at.as_ns() == first.wrapping_sub(NONCE));
}

/// Whoever can read the path can send what was sent before. It is answered, and believed no more than it was.
#[test]
fn a_probe_that_is_sent_again_proves_nothing_new() {
    let mut kit = Kit::new();
    let first = received(&mut kit, &asks(5, PEER, 0));
    let (old, new) = (asks(6, PEER, first), |returned| asks(7, PEER, returned));
    let second = received(&mut kit, &old);
    received(&mut kit, &new(second));
    let last = proved(&kit);
    for _ in 0..3 {
        received(&mut kit, &old);
        received(&mut kit, &new(second));
        assert_eq!(proved(&kit), last);
    }
}

/// A restart of the receiver makes a new number, and so takes back all that it said before.
#[test]
fn nothing_of_an_earlier_start_proves_anything() {
    let mut kit = Kit::new();
    let spoken = clock::now().as_ns().wrapping_add(NONCE ^ 0x1234_5678_9abc_def0);
    received(&mut kit, &asks(5, PEER, spoken));
    let late = proved(&kit).is_some_and(|at| clock::now().since(at).as_secs() < 3600);
    assert!(!late, "not of now");
    received(&mut kit, &asks(6, PEER, clock::now().as_ns().wrapping_add(NONCE) + 1_000_000_000));
    assert!(proved(&kit).is_none_or(|at| at <= clock::now()), "nor of the future");
}

/// Any local user may be allowed to send echo requests from this address.
#[test]
fn what_leaves_without_the_key_is_no_probe_of_the_agents() {
    let mut kit = Kit::watching(std::time::Duration::from_secs(60));
    kit.send(FIRST);
    assert_eq!(kit.reading().sent, 1);
    for seq in [FIRST + 1, FIRST + 100_000, (1 << 62) - 1, u64::MAX] {
        let mut forged = our_probe(seq);
        forged.payload.tag = [0; 8];
        forged.seal();
        kit.leave(&forged);
    }
    assert_eq!((kit.reading().sent, kit.counted().get("stamp_forged")), (1, Some(&4)));
    // With the key, but to somebody else.
    let mut astray = our_probe(FIRST + 1);
    astray.head.to = [10, 0, 0, 77];
    astray.payload = super::kit::tagged(astray.payload, US, (PEER.0, [10, 0, 0, 77]));
    astray.seal();
    kit.leave(&astray);
    assert_eq!((kit.reading().sent, kit.counted().get("stamp_unknown")), (1, Some(&1)));
    assert_eq!(kit.shared.watches.load(u32::from(WATCH.slot)).expect("the watch").last_sent, FIRST);
    kit.send(FIRST + 1);
    assert_eq!(kit.reading().sent, 2);
}

/// Somebody who reads the path can send it again from here: in the life in which it left, or in a later one.
#[test]
fn a_probe_that_leaves_a_second_time_is_no_probe() {
    let mut kit = Kit::watching(std::time::Duration::from_secs(60));
    (0..200).for_each(|seq| kit.send(FIRST + seq));
    for seq in [FIRST + 199, FIRST + 198, FIRST + 100, FIRST, FIRST + 200, FIRST + 100_000, FIRST - 1] {
        kit.leave(&our_probe(seq));
    }
    let watch = kit.shared.watches.load(u32::from(WATCH.slot)).expect("the watch");
    assert_eq!((watch.sent, watch.last_sent), (200, FIRST + 199));
    assert_eq!(kit.counted().get("stamp_forged"), Some(&7));
    // Its reply, sent again, finds no probe that waits.
    kit.receive(super::kit::reply(FIRST + 150).as_bytes());
    kit.leave(&our_probe(FIRST + 150));
    kit.receive(super::kit::reply(FIRST + 150).as_bytes());
    assert_eq!(kit.reading().replies, 1);
}
