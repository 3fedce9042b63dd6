use core::net::IpAddr;
use core::str::FromStr;
use std::collections::BTreeMap;
use std::string::String;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::Frame;
use crate::frame::{ECHO_REQUEST, turn};
use crate::tag::{Address, TagKey};
use crate::testimony::Testimony;

const DOCUMENT: &str = include_str!("../../docs/wire.md");

/// The fields of each vector in the document.
fn vectors() -> Vec<BTreeMap<&'static str, &'static str>> {
    let blocks = DOCUMENT.split("```vector\n").skip(1).map(|rest| rest.split("```").next().expect("an end"));
    let fields =
        |block: &'static str| block.lines().filter_map(|line| line.rsplit_once(' ')).map(|(a, b)| (a.trim(), b));
    blocks.map(|block| fields(block).collect()).collect()
}

struct Vector(BTreeMap<&'static str, &'static str>);

impl Vector {
    fn number<T: FromStr<Err: core::fmt::Debug>>(&self, field: &str) -> T {
        self.0[field].parse().expect("a number")
    }

    fn bytes(&self, field: &str) -> Vec<u8> {
        let text = self.0[field];
        (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("hex")).collect()
    }

    fn address(&self, field: &str) -> (IpAddr, Address) {
        let address: IpAddr = self.0[field].parse().expect("an address");
        (
            address,
            match address {
                IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
                IpAddr::V6(v6) => v6.octets(),
            },
        )
    }

    /// Probe and reply, as this crate makes them.
    fn payloads(&self) -> [Payload; 2] {
        let key = TagKey::new(self.bytes("key").as_slice().try_into().expect("16 bytes"));
        let (prober, responder) = (self.address("prober").1, self.address("responder").1);
        let purpose = Purpose::from_wire(self.number("purpose")).expect("a purpose");
        let mut probe = Payload::probe(
            purpose,
            self.number("slot"),
            self.number("generation"),
            self.number("sequence"),
            self.number("prober incarnation"),
            self.number("key id"),
        );
        probe.tag = key.any(&prober, &responder, &probe).probe(&probe);
        let mut reply = probe;
        reply.received_ns = self.number::<u64>("received").to_be_bytes();
        reply.residence_ns = self.number::<u32>("residence").to_be_bytes();
        reply.pulse_age_us = self.number::<u32>("pulse age").to_be_bytes();
        reply.responder_incarnation = self.number::<u64>("responder incarnation").to_be_bytes();
        reply.answered = self.number::<u64>("answered").to_be_bytes();
        reply.direction = Direction::Reply as u8;
        reply.health = self.number("health");
        reply.tag = key.any(&prober, &responder, &reply).reply(&reply);
        [probe, reply]
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| std::format!("{byte:02x}")).collect()
}

#[test]
fn the_documents_vectors_hold() {
    let vectors: Vec<Vector> = vectors().into_iter().map(Vector).collect();
    assert_eq!(vectors.len(), 4);
    for vector in vectors.into_iter().filter(|vector| !vector.0.contains_key("asked")) {
        let [probe, reply] = vector.payloads();
        assert_eq!(vector.0["probe"], hex(probe.as_bytes()));
        assert_eq!(vector.0["reply"], hex(reply.as_bytes()));
        assert_eq!((probe.direction(), reply.direction()), (Some(Direction::Probe), Some(Direction::Reply)));
        let (IpAddr::V4(prober), IpAddr::V4(responder)) = (vector.address("prober").0, vector.address("responder").0)
        else {
            continue;
        };
        let (from, to) = (([2, 0, 0, 0, 0, 1], prober.octets()), ([2, 0, 0, 0, 0, 2], responder.octets()));
        let mut frame = Frame::new(from, to, ECHO_REQUEST, probe);
        assert_eq!(vector.0["frame"], hex(frame.as_bytes()));
        turn(&mut frame.head, &mut frame.echo);
        frame.payload = reply;
        frame.seal();
        assert_eq!(vector.0["answer"], hex(frame.as_bytes()));
    }
}

/// The vector of version 2 has a question, and an answer to it.
#[test]
fn the_documents_vector_of_version_2_holds() {
    let vectors: Vec<Vector> = vectors().into_iter().map(Vector).collect();
    let [vector] = &vectors.iter().filter(|vector| vector.0.contains_key("asked")).collect::<Vec<_>>()[..] else {
        panic!("there is one");
    };
    let key = TagKey::new(vector.bytes("key").as_slice().try_into().expect("16 bytes"));
    let (prober, responder) = (vector.address("prober").1, vector.address("responder").1);
    let question = Testimony::ask(vector.number("asked"), vector.address("asked at").1, vector.number("returned"));
    let age = |field| vector.number::<u32>(field).to_be_bytes();
    let testimony = Testimony {
        known: vector.number("known"),
        heard_age_us: age("heard age"),
        proof_age_us: age("proof age"),
        pulse_age_us: age("pulse age of it"),
        misses: age("misses"),
        alive_age_us: age("alive age"),
        life: vector.number::<u64>("life").to_be_bytes(),
        ..question
    };
    let [mut probe, mut reply] = vector.payloads();
    for payload in [&mut probe, &mut reply] {
        payload.version = VERSION;
    }
    probe.tag = key.any(&prober, &responder, &probe).asking(&question).probe(&probe);
    reply.tag = key.any(&prober, &responder, &reply).asking(&testimony).testified(&reply, &testimony);
    assert_eq!(vector.0["probe"], hex(probe.as_bytes()) + &hex(question.as_bytes()));
    assert_eq!(vector.0["reply"], hex(reply.as_bytes()) + &hex(testimony.as_bytes()));
}

#[test]
fn the_documents_numbers_are_the_codes() {
    for text in ["version 1", "version 2", "72 bytes", "80 bytes", "total length 100 or 180", "0x524d"] {
        assert!(DOCUMENT.contains(text), "{text}");
    }
    assert_eq!((FIRST_VERSION, PAYLOAD_LEN, crate::frame::PACKET_LEN, ICMP_ID), (1, 72, 100, 0x524d));
    assert_eq!((VERSION, crate::testimony::TESTIMONY_LEN, crate::frame::LONG_PACKET_LEN), (2, 80, 180));
    assert_eq!((MAGIC, REPLY_TTL), ([0x72, 0x6d], 64));
    let purposes = [Purpose::Buddy, Purpose::Ahead, Purpose::Join, Purpose::Asked];
    assert_eq!([1, 2, 3, 4].map(Purpose::from_wire), purposes.map(Some));
    assert_eq!(purposes.map(|purpose| purpose as u8), [1, 2, 3, 4]);
    let healths = [Health::Unknown, Health::Passing, Health::Failing];
    assert_eq!([0, 1, 2, 3, 255].map(Health::from_wire), [healths[0], healths[1], healths[2], healths[0], healths[0]]);
    assert_eq!(healths.map(|health| health as u8), [0, 1, 2]);
}

proptest! {
    #[test]
    fn any_bytes_are_a_payload_and_stay_as_they_are(bytes in proptest::collection::vec(any::<u8>(), PAYLOAD_LEN)) {
        let payload = Payload::from_bytes(bytes.as_slice().try_into().expect("that many"));
        let _ = payload.direction();
        let _ = (Purpose::from_wire(payload.purpose), Health::from_wire(payload.health));
        prop_assert_eq!(payload.as_bytes().as_slice(), bytes.as_slice());
        prop_assert_eq!(payload.word::<3>(), u64::from_le_bytes(bytes[24..32].try_into().expect("eight")));
    }

    #[test]
    fn a_probe_says_what_it_was_made_of(
        purpose in 1..=4_u8, slot: u16, generation in 1..=u16::MAX, seq: u64, incarnation: u64, key_id: u8,
    ) {
        let purpose = Purpose::from_wire(purpose).expect("a purpose");
        let probe = Payload::probe(purpose, slot, generation, seq, incarnation, key_id);
        prop_assert_eq!(probe.direction(), Some(Direction::Probe));
        prop_assert_eq!(Purpose::from_wire(probe.purpose), Some(purpose));
        prop_assert_eq!((u16::from_be_bytes(probe.slot), u16::from_be_bytes(probe.generation)), (slot, generation));
prop_assert_eq!(u64::from_be_bytes(probe.seq), seq);
        prop_assert_eq!(u64::from_be_bytes(probe.prober_incarnation), incarnation);
        prop_assert_eq!(probe.key_id, key_id);
    }
}
