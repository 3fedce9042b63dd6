use core::hash::Hasher;
use std::vec::Vec;

use proptest::prelude::*;
use siphasher::sip::SipHasher24;

use super::*;
use crate::wire::PAYLOAD_LEN;

/// The table in `docs/wire.md`, with another SipHash.
fn by_the_book(secret: &[u8; 16], prober: &Address, responder: &Address, payload: &Payload, reply: bool) -> [u8; 8] {
    in_version_2(secret, (prober, responder), payload, [&[], &[]], reply)
}

/// The same, with the prober's and the responder's part of a testimony.
fn in_version_2(
    secret: &[u8; 16],
    (prober, responder): (&Address, &Address),
    payload: &Payload,
    [question, answer]: [&[u8]; 2],
    reply: bool,
) -> [u8; 8] {
    let bytes = payload.as_bytes();
    let mut input = Vec::new();
    for part in [&prober[..8], &responder[..8], &prober[8..], &responder[8..], &bytes[..24], question] {
        input.extend_from_slice(part);
    }
    if reply {
        input.extend_from_slice(&bytes[24..56]);
        input.extend_from_slice(answer);
    }
    input.extend_from_slice(&bytes[56..63]);
    let mut oracle = SipHasher24::new_with_key(secret);
    oracle.write(&input);
    oracle.finish().to_be_bytes()
}

proptest! {
    #[test]
    fn a_tag_is_what_the_document_says(
        secret: [u8; 16], prober: Address, responder: Address,
        bytes in proptest::collection::vec(any::<u8>(), PAYLOAD_LEN),
    ) {
        let payload = Payload::from_bytes(bytes.as_slice().try_into().expect("that many"));
        let tagger = TagKey::new(&secret).any(&prober, &responder, payload);
        prop_assert_eq!(tagger.probe(payload), by_the_book(&secret, &prober, &responder, payload, false));
        prop_assert_eq!(tagger.reply(payload), by_the_book(&secret, &prober, &responder, payload, true));
    }

    #[test]
    fn a_tag_of_version_2_covers_the_testimony(
        secret: [u8; 16], prober: Address, responder: Address,
        bytes in proptest::collection::vec(any::<u8>(), PAYLOAD_LEN),
        said in proptest::collection::vec(any::<u8>(), crate::testimony::TESTIMONY_LEN),
    ) {
        let payload = Payload::from_bytes(bytes.as_slice().try_into().expect("that many"));
        let testimony = Testimony::from_bytes(said.as_slice().try_into().expect("that many"));
        let tagger = TagKey::new(&secret).any(&prober, &responder, payload).asking(testimony);
        let book = |reply| in_version_2(&secret, (&prober, &responder), payload, [&said[..32], &said[32..]], reply);
        prop_assert_eq!((tagger.probe(payload), tagger.testified(payload, testimony)), (book(false), book(true)));
    }

    #[test]
    fn ipv4_is_ipv6_with_a_head_start(
        secret: [u8; 16], prober: [u8; 4], responder: [u8; 4],
        bytes in proptest::collection::vec(any::<u8>(), PAYLOAD_LEN),
    ) {
        let payload = Payload::from_bytes(bytes.as_slice().try_into().expect("that many"));
        let key = TagKey::new(&secret);
        let (short, long) = (key.v4(prober, responder, payload), key.any(&mapped(prober), &mapped(responder), payload));
        prop_assert_eq!((short.probe(payload), short.reply(payload)), (long.probe(payload), long.reply(payload)));
    }

    #[test]
    fn addresses_survive_as_words(address: Address) {
        prop_assert_eq!(from_words(words(&address)), address);
    }
}

#[test]
fn a_key_is_never_printed() {
    assert_eq!(std::format!("{:?}", TagKey::new(&[7; 16])), "TagKey(<hidden>)");
}
