use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;

use super::super::codec::{LENGTH, Packet, Refusal, decode, encode};
use super::super::tag::{Keys, Route};
use super::{key, voted};
use ringmon_core::{Incarnation, Notice, NoticeBody, ServerId};

fn addresses() -> impl Strategy<Value = IpAddr> {
    // An IPv4-mapped IPv6 address is the IPv4 address: it comes back as such.
    prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(|b| IpAddr::from(b).to_canonical())]
}

fn routes() -> impl Strategy<Value = Route> {
    (addresses(), any::<u16>(), addresses(), any::<u16>())
        .prop_map(|(a, p, b, q)| Route::new(SocketAddr::new(a, p), SocketAddr::new(b, q)))
}

fn bodies() -> impl Strategy<Value = NoticeBody> {
    prop_oneof![
        any::<i64>().prop_map(|id| NoticeBody::Voted { subject: ServerId(id) }),
        any::<i64>().prop_map(|id| NoticeBody::Spliced { subject: ServerId(id) }),
        any::<i64>().prop_map(|id| NoticeBody::Removed { subject: ServerId(id) }),
        addresses().prop_map(|address| NoticeBody::ProbeMe { address }),
        addresses().prop_map(|address| NoticeBody::Ask { address }),
        (any::<i64>(), any::<u32>())
            .prop_map(|(life, age_ms)| NoticeBody::Proof { incarnation: Incarnation(life), age_ms }),
        any::<u32>().prop_map(|silence_ms| NoticeBody::Outage { silence_ms }),
        any::<u32>().prop_map(|seconds| NoticeBody::Follow { seconds }),
        any::<i64>().prop_map(|id| NoticeBody::Changed { subject: ServerId(id) }),
    ]
}

prop_compose! {
    fn packets()(
        key_id in 0_u8..2,
        nonce: u64,
        notice in proptest::option::of((any::<i64>(), any::<i64>(), bodies())),
    ) -> Packet {
        let notice =
            notice.map(|(from, life, body)| Notice { from: ServerId(from), incarnation: Incarnation(life), body });
        Packet { key_id, nonce, notice }
    }
}

fn keys() -> Keys {
    Keys::derive(&[key(0, 7), key(1, 8)])
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(packet in packets(), route in routes()) {
        let datagram = encode(&packet, &keys(), route).unwrap();
        prop_assert_eq!(decode(&datagram, &keys(), route), Ok(packet));
    }

    #[test]
    fn any_bytes_are_decoded_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), route in routes()) {
        prop_assert!(decode(&bytes, &keys(), route).is_err());
    }

    #[test]
    fn a_header_of_ours_with_any_rest_is_refused(rest in proptest::array::uniform32(any::<u8>()), route in routes()) {
        let mut datagram = encode(&Packet { key_id: 0, nonce: 1, notice: Some(voted(2)) }, &keys(), route).unwrap();
        datagram[LENGTH - 32..].copy_from_slice(&rest);
        prop_assert_eq!(decode(&datagram, &keys(), route), Err(Refusal::BadTag));
    }

    #[test]
    fn a_flipped_bit_is_refused(packet in packets(), route in routes(), bit in 0..LENGTH * 8) {
        let mut datagram = encode(&packet, &keys(), route).unwrap();
        datagram[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(decode(&datagram, &keys(), route).is_err());
    }

    #[test]
    fn another_route_is_refused(packet in packets(), route in routes(), other in routes()) {
        prop_assume!(route != other);
        let datagram = encode(&packet, &keys(), route).unwrap();
        prop_assert_eq!(decode(&datagram, &keys(), other), Err(Refusal::BadTag));
    }
}

#[test]
fn a_notice_sent_back_to_its_sender_is_refused() {
    let route = Route::new("192.0.2.1:7464".parse().unwrap(), "192.0.2.2:7464".parse().unwrap());
    let datagram = encode(&Packet { key_id: 0, nonce: 1, notice: Some(voted(2)) }, &keys(), route).unwrap();
    let back = Route { from: route.to, to: route.from };
    assert_eq!(decode(&datagram, &keys(), back), Err(Refusal::BadTag));
}

#[test]
fn a_key_that_is_not_accepted_is_told_apart_from_a_wrong_tag() {
    let route = Route::new("192.0.2.1:7464".parse().unwrap(), "192.0.2.2:7464".parse().unwrap());
    let packet = Packet { key_id: 1, nonce: 1, notice: Some(voted(2)) };
    let datagram = encode(&packet, &keys(), route).unwrap();
    assert_eq!(decode(&datagram, &Keys::derive(&[key(0, 7)]), route), Err(Refusal::UnknownKey));
    assert_eq!(decode(&datagram, &Keys::derive(&[key(1, 9)]), route), Err(Refusal::BadTag));
    assert_eq!(encode(&packet, &Keys::derive(&[key(0, 7)]), route), None);
}

/// A datagram with one byte changed and the tag made to fit, as only somebody with the key could send it.
fn forged_by_a_friend(packet: &Packet, at: usize, byte: u8) -> Result<Packet, Refusal> {
    let route = Route::new("192.0.2.1:7464".parse().unwrap(), "192.0.2.2:7464".parse().unwrap());
    let mut datagram = encode(packet, &keys(), route).unwrap();
    datagram[at] = byte;
    let tag = keys().tag(packet.key_id, route, &datagram[..LENGTH - 8]).unwrap();
    datagram[LENGTH - 8..].copy_from_slice(&tag.to_be_bytes());
    decode(&datagram, &keys(), route)
}

#[test]
fn what_means_nothing_is_refused_however_well_it_is_tagged() {
    let notice = Packet { key_id: 0, nonce: 1, notice: Some(voted(2)) };
    let ack = Packet { notice: None, ..notice.clone() };
    assert_eq!(forged_by_a_friend(&notice, 5, 1), Ok(notice.clone()), "nothing changed");
    assert_eq!(forged_by_a_friend(&notice, 4, 2), Err(Refusal::Foreign), "another version");
    assert_eq!(forged_by_a_friend(&notice, 7, 1), Err(Refusal::Foreign), "a flag");
    assert_eq!(forged_by_a_friend(&notice, 5, 10), Err(Refusal::Meaningless), "another kind");
    assert_eq!(forged_by_a_friend(&notice, 5, 0), Err(Refusal::Meaningless), "an acknowledgement with a sender");
    assert_eq!(forged_by_a_friend(&notice, 47, 1), Err(Refusal::Meaningless), "something behind the subject");
    assert_eq!(forged_by_a_friend(&ack, 32, 1), Err(Refusal::Meaningless), "an acknowledgement with a body");
}

/// The vectors in docs/notices.md. Another implementation computed the tags there.
#[test]
fn the_documented_datagrams() {
    let (one, other) = ("192.0.2.1:7464".parse().unwrap(), "192.0.2.2:7464".parse().unwrap());
    let secret = std::array::from_fn(|i| u8::try_from(i).unwrap());
    let keys = Keys::derive(&[ringmon_core::row::PoolKey { id: 1, secret }]);
    let notice = Packet { key_id: 1, nonce: 0x0102_0304_0506_0708, notice: Some(voted(42)) };
    let ack = Packet { notice: None, ..notice.clone() };
    let hex = |packet, from, to| -> String {
        let datagram = encode(packet, &keys, Route::new(from, to)).unwrap();
        datagram.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let expected = "726d6e74 01010100 0102030405060708 0000000000000001 000000000000000a \
                    000000000000002a0000000000000000 b4bade356ab03c2a";
    assert_eq!(hex(&notice, one, other), expected.replace(' ', ""));
    let expected = "726d6e74 01000100 0102030405060708 0000000000000000 0000000000000000 \
                    00000000000000000000000000000000 510be09edc72b34d";
    assert_eq!(hex(&ack, other, one), expected.replace(' ', ""));
}
