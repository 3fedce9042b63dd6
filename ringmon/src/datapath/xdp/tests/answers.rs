//! Probes for this server, and everything that is no probe.

use etherparse::{Icmpv4Slice, Ipv4HeaderSlice};
use ringmon_common::frame::{FRAME_LEN, Head};
use ringmon_common::layout::prober_set;
use ringmon_common::wire::{Direction, PULSE_NEVER, Payload, Purpose};
use ringmon_common::{Frame, TagKey, Verdict, frame, tag};

use super::super::clock;
use super::super::object;
use super::kit::{KEY_ID, Kit, NONCE, PEER, SECRET, Station, US, XDP_PASS, XDP_TX, probe, reply, tagged};

fn answered(kit: &mut Kit, probe: &Frame) -> Frame {
    let outcome = kit.receive(probe.as_bytes());
    assert_eq!(outcome.action, XDP_TX);
    *Frame::from_bytes(outcome.packet.as_slice().try_into().expect("the length of a probe"))
}

#[test]
fn a_probe_is_answered_in_place() {
    let mut kit = Kit::new();
    let before = clock::now().as_ns();
    kit.identity(before - 30_000_000, 4711, 2);
    let mut asked = probe(5);
    asked.head.ttl = 3;
    asked.head.checksum = [0; 2];
    asked.head.checksum = frame::head_checksum(&asked.head);
    let got = answered(&mut kit, &asked);
    let after = clock::now().as_ns();

    let Payload { received_ns, residence_ns, pulse_age_us, answered, .. } = got.payload;
    let received = u64::from_be_bytes(received_ns).wrapping_sub(NONCE);
    assert!((before..after).contains(&received), "{received}");
    assert!(u64::from(u32::from_be_bytes(residence_ns)) <= after - received);
    let age = u64::from(u32::from_be_bytes(pulse_age_us));
    assert_eq!(age, (received - (before - 30_000_000)) / 1000);
    assert_eq!(u64::from_be_bytes(got.payload.responder_incarnation), 4711);
    assert_eq!(u64::from_be_bytes(answered), 1);
    assert_eq!((got.payload.direction, got.payload.health), (Direction::Reply as u8, 2));
    assert_eq!(got.payload.tag, TagKey::new(&SECRET).v4(PEER.1, US.1, &got.payload).reply(&got.payload));
    // The rest of the payload is the probe's.
    assert_eq!(got.payload.as_bytes()[..24], asked.payload.as_bytes()[..24]);
    assert_eq!(got.payload.key_id, KEY_ID);

    let Head { destination, source, from, to, ttl, tos, .. } = got.head;
    assert_eq!(((source, from), (destination, to), ttl, tos), (US, PEER, 64, asked.head.tos));
    checksums_are_right(&got);
    assert_eq!(kit.counted(), [("answered", 1)].into());
}

/// Another library computes them.
fn checksums_are_right(frame: &Frame) {
    let packet = &frame.as_bytes()[14..];
    let head = Ipv4HeaderSlice::from_slice(packet).expect("an IPv4 header").to_header();
    assert_eq!(head.header_checksum, head.calc_header_checksum());
    let icmp = Icmpv4Slice::from_slice(&packet[20..]).expect("an ICMP header");
    assert_eq!(icmp.checksum(), icmp.icmp_type().calc_checksum(icmp.payload()));
}

#[test]
fn an_agent_that_never_beat_says_never() {
    let mut kit = Kit::new();
    assert_eq!(answered(&mut kit, &probe(1)).payload.pulse_age_us, PULSE_NEVER.to_be_bytes());
}

#[test]
fn answers_are_counted_by_prober_and_purpose() {
    let mut kit = Kit::new();
    let third: Station = ([2, 0, 0, 0, 0, 3], [10, 0, 0, 3]);
    let mut payload = Payload::probe(Purpose::Ahead, 0, 1, 1, 9, KEY_ID);
    payload = tagged(payload, third, US);
    for expected in 1..=3_u64 {
        assert_eq!(answered(&mut kit, &probe(expected)).payload.answered, expected.to_be_bytes());
    }
    let ahead = Frame::new(third, US, frame::ECHO_REQUEST, payload);
    assert_eq!(answered(&mut kit, &ahead).payload.answered, 1_u64.to_be_bytes());
    let probers = (0..ringmon_common::layout::PROBERS).filter_map(|at| kit.shared.prober(at));
    let mut known: Vec<_> = probers.map(|p| (p.answered, p.purpose)).collect();
    known.sort_unstable();
    assert_eq!(known, [(1, Purpose::Ahead as u64), (3, Purpose::Buddy as u64)]);
}

#[test]
fn a_set_full_of_probers_forgets_the_one_who_was_quiet_longest() {
    let mut kit = Kit::new();
    let set = |v4| prober_set([0, tag::mapped_word(v4)]);
    let all = (0..=u16::MAX).map(|n| [10, 9, (n >> 8) as u8, n as u8]);
    let same: Vec<[u8; 4]> = all.filter(|v4| set(*v4) == set(US.1)).take(5).collect();
    let mut probes = |from: usize| {
        let station = (PEER.0, same[from]);
        let payload = tagged(Payload::probe(Purpose::Buddy, 0, 1, 1, 9, KEY_ID), station, US);
        let reply = answered(&mut kit, &Frame::new(station, US, frame::ECHO_REQUEST, payload));
        u64::from_be_bytes(reply.payload.answered)
    };
    assert_eq!([0, 1, 2, 3, 0].map(&mut probes), [1, 1, 1, 1, 2]);
    assert_eq!(probes(4), 1);
    assert_eq!([0, 2, 3, 4].map(&mut probes), [3, 2, 2, 2], "known still");
    assert_eq!(probes(1), 1, "forgotten");
}

#[test]
fn two_keys_are_accepted_and_a_third_is_not() {
    let mut kit = Kit::new();
    let other = *b"another key here";
    let with = |id: u8, secret: &[u8; 16]| {
        let mut payload = Payload::probe(Purpose::Buddy, 0, 1, 1, 9, id);
        payload.tag = TagKey::new(secret).v4(PEER.1, US.1, &payload).probe(&payload);
        Frame::new(PEER, US, frame::ECHO_REQUEST, payload)
    };
    assert_eq!(kit.receive(with(8, &other).as_bytes()).action, XDP_PASS);
    kit.accept(8, &other, true);
    assert_eq!(answered(&mut kit, &with(8, &other)).payload.key_id, 8);
    assert_eq!(answered(&mut kit, &with(KEY_ID, &SECRET)).payload.key_id, KEY_ID);
    assert_eq!(kit.receive(with(8, &SECRET).as_bytes()).action, XDP_PASS);
    kit.accept(KEY_ID, &SECRET, false);
    assert_eq!(kit.receive(with(KEY_ID, &SECRET).as_bytes()).action, XDP_PASS);
    assert_eq!(kit.counted(), [("answered", 2), ("unknown_key", 2), ("wrong_tag", 1)].into());
}

/// Feeds the frame, and expects it back unchanged.
fn passes(kit: &mut Kit, what: &str, bytes: &[u8], verdict: Verdict) {
    let mut expected = kit.counted();
    if verdict != Verdict::Other {
        *expected.entry(verdict.label()).or_default() += 1;
    }
    let outcome = kit.receive(bytes);
    assert_eq!(outcome.action, XDP_PASS, "{what}");
    assert_eq!(outcome.packet, bytes, "{what} was changed");
    assert_eq!(kit.counted(), expected, "{what}");
}

type Change = fn(&mut Frame);

/// What each field must not be. The tag is right for the changed payload each time, so it is not the tag that refuses
/// it.
const CHANGES: [(&str, Verdict, Change); 22] = [
    ("another protocol", Verdict::Other, |f| f.head.protocol = 17),
    ("IPv6", Verdict::Other, |f| f.head.ethertype = [0x86, 0xdd]),
    ("a VLAN tag", Verdict::Other, |f| f.head.ethertype = [0x81, 0x00]),
    ("IP options", Verdict::IpOptions, |f| f.head.version_ihl = 0x46),
    ("a first fragment", Verdict::Fragment, |f| f.head.fragment = [0x20, 0]),
    ("a later fragment", Verdict::Fragment, |f| f.head.fragment = [0, 9]),
    ("a foreign identifier", Verdict::ForeignId, |f| f.echo.id = [0, 1]),
    ("a redirect", Verdict::NotEcho, |f| f.echo.kind = 5),
    ("an echo with a code", Verdict::NotEcho, |f| f.echo.code = 1),
    ("another destination", Verdict::NotForUs, |f| f.head.to = [10, 0, 0, 9]),
    ("an Ethernet group", Verdict::NotUnicast, |f| f.head.destination = [1, 0, 0x5e, 0, 0, 1]),
    ("from a group", Verdict::NotUnicast, |f| f.head.from = [224, 0, 0, 5]),
    ("from nobody", Verdict::NotUnicast, |f| f.head.from = [0; 4]),
    ("from ourselves", Verdict::NotUnicast, |f| f.head.from = US.1),
    ("a longer packet", Verdict::WrongLength, |f| f.head.total_length = [0, 101]),
    ("another magic", Verdict::WrongMagic, |f| f.payload.magic = *b"RM"),
    ("a version to come", Verdict::WrongVersion, |f| f.payload.version = 2),
    ("no purpose", Verdict::Malformed, |f| f.payload.purpose = 0),
    ("a reply's field in a probe", Verdict::Malformed, |f| f.payload.residence_ns[3] = 1),
    ("reserved bits", Verdict::Malformed, |f| f.payload.reserved[4] = 1),
    ("a direction that is none", Verdict::Malformed, |f| f.payload.direction = 3),
    ("two sequence numbers", Verdict::Malformed, |f| f.echo.seq = [9, 9]),
];

#[test]
fn what_is_not_exactly_a_probe_passes_untouched() {
    let mut kit = Kit::new();
    for (what, verdict, change) in CHANGES {
        let mut changed = probe(5);
        change(&mut changed);
        let prober = (changed.head.source, changed.head.from);
        changed.payload = tagged(changed.payload, prober, (changed.head.destination, changed.head.to));
        changed.head.checksum = [0; 2];
        changed.head.checksum = frame::head_checksum(&changed.head);
        changed.seal();
        passes(&mut kit, what, changed.as_bytes(), verdict);
    }
    let request = Frame { echo: frame::Echo { kind: frame::ECHO_REQUEST, ..reply(5).echo }, ..reply(5) };
    passes(&mut kit, "a reply that asks", request.as_bytes(), Verdict::Malformed);
    let mut longer = probe(5).as_bytes().to_vec();
    longer.push(0);
    passes(&mut kit, "bytes behind the packet", &longer, Verdict::WrongLength);
}

#[test]
fn a_truncated_probe_passes_untouched() {
    let mut kit = Kit::new();
    let whole = probe(5);
    for length in 14..FRAME_LEN {
        let verdict = if length < size_of::<Head>() { Verdict::Other } else { Verdict::Truncated };
        passes(&mut kit, &format!("{length} bytes"), &whole.as_bytes()[..length], verdict);
    }
}

/// Each bit of the payload and of both addresses is covered by the tag, or is checked by itself.
#[test]
fn any_changed_bit_of_payload_or_addresses_is_not_answered() {
    let mut kit = Kit::new();
    let whole = probe(5);
    for bit in (26 * 8..34 * 8).chain(42 * 8..FRAME_LEN * 8) {
        let mut bytes = whole.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let outcome = kit.receive(&bytes);
        assert_eq!((outcome.action, outcome.packet), (XDP_PASS, bytes), "bit {bit}");
    }
    assert_eq!(kit.counted().get("answered"), None);
}

#[test]
fn nobody_is_answered_before_the_address_is_known() {
    let mut object = super::super::object::Object::load(0).expect("load the programs: run cargo xtask test");
    let program = super::super::object::xdp(&mut object.ebpf).expect("the program").fd().expect("loaded");
    let outcome = super::run::run(program, probe(1).as_bytes(), 1);
    assert_eq!((outcome.action, outcome.packet.as_slice()), (XDP_PASS, probe(1).as_bytes().as_slice()));
}

/// Every log line is a code path of its own for the verifier.
#[test]
fn the_kernel_takes_the_programs_with_and_without_logs() {
    for level in [0, 5] {
        let mut object = object::Object::load(level).expect("load the programs: run cargo xtask test");
        object::ingress(&mut object.ebpf).expect("load the one that is loaded on demand");
        for (name, program) in object.ebpf.programs() {
            let info = program.info().expect("info");
            println!("log level {level}: {name}: {:?} instructions verified", info.verified_instruction_count());
        }
    }
}

/// This checks no limit, which a busy machine could break. It prints numbers for people.
#[test]
fn what_an_answer_costs() {
    let mut kit = Kit::new();
    let mut other = probe(5);
    other.head.protocol = 17;
    let mut forged = probe(5);
    forged.payload.tag[0] ^= 1;
    let frames = [("other traffic", other), ("a wrong tag", forged), ("an answer", probe(5))];
    for (what, frame) in frames {
        println!("{what}: {} ns, of which the harness has about 80", kit.cost(frame.as_bytes()));
    }
}
