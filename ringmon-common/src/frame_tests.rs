use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::wire::{PAYLOAD_LEN, Purpose};

const US: [u8; 4] = [10, 0, 0, 1];
const PEER: [u8; 4] = [10, 0, 0, 2];

fn probe() -> Frame {
    let payload = Payload::probe(Purpose::Buddy, 1, 2, 3, 4, 5);
    Frame::new(([2, 0, 0, 0, 0, 2], PEER), ([2, 0, 0, 0, 0, 1], US), ECHO_REQUEST, payload)
}

/// The same in version 2, with a question about this server.
fn long(asked: u64) -> Vec<u8> {
    let mut frame = probe();
    frame.payload.version = VERSION;
    bytes_of(&frame, &Testimony::ask(asked, [0; 16], 0))
}

fn bytes_of(frame: &Frame, testimony: &Testimony) -> Vec<u8> {
    [frame.long(testimony).as_bytes().as_slice(), testimony.as_bytes()].concat()
}

/// RFC 1071, word for word.
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let sum: u32 = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    let folded = (0..4).fold(sum, |sum, _| (sum & 0xffff) + (sum >> 16));
    (!(folded as u16)).to_be_bytes()
}

#[test]
fn a_probe_and_its_turned_frame_are_recognised() {
    let mut frame = probe();
    assert_eq!(recognise(&frame.as_bytes().as_slice(), US).map(|found| found.direction), Ok(Direction::Probe));
    assert_eq!(recognise(&frame.as_bytes().as_slice(), PEER), Err(Verdict::NotForUs));
    turn(&mut frame.head, &mut frame.echo);
    frame.payload.direction = Direction::Reply as u8;
    frame.seal();
    assert_eq!(recognise(&frame.as_bytes().as_slice(), PEER).map(|found| found.direction), Ok(Direction::Reply));
}

#[test]
fn a_probe_of_version_2_brings_its_question() {
    let bytes = long(77);
    let found = recognise(&bytes.as_slice(), US).expect("a probe");
    assert_eq!((found.direction, found.testimony), (Direction::Probe, Some(&Testimony::ask(77, [0; 16], 0))));
    assert!(recognise_leaving(&bytes.as_slice(), PEER).is_some());
}

/// Length and version go together, and a question has no answer in it.
#[test]
fn what_mixes_the_versions_is_no_probe() {
    let mut first = long(77);
    first[14 + 28 + 2] = FIRST_VERSION;
    assert_eq!(recognise(&first.as_slice(), US), Err(Verdict::WrongVersion));
    let mut short = probe();
    short.payload.version = VERSION;
    short.seal();
    assert_eq!(recognise(&short.as_bytes().as_slice(), US), Err(Verdict::WrongVersion));
    let told = Testimony { misses: [0, 0, 0, 1], ..Testimony::ask(77, [0; 16], 0) };
    let mut answered = probe();
    answered.payload.version = VERSION;
    assert_eq!(recognise(&bytes_of(&answered, &told).as_slice(), US), Err(Verdict::Malformed));
    let cut = &long(77)[..FRAME_LEN + TESTIMONY_LEN - 1];
    assert_eq!(recognise(&cut, US), Err(Verdict::Truncated));
    let padded = [long(77), std::vec![0]].concat();
    assert_eq!(recognise(&padded.as_slice(), US), Err(Verdict::WrongLength));
}

#[test]
fn only_our_own_probes_leave() {
    let frame = probe();
    assert_eq!(recognise_leaving(&frame.as_bytes().as_slice(), PEER), Some((&frame, None)));
    assert_eq!(recognise_leaving(&frame.as_bytes().as_slice(), US), None);
    let answer = Frame { echo: Echo { kind: ECHO_REPLY, ..frame.echo }, ..frame };
    assert_eq!(recognise_leaving(&answer.as_bytes().as_slice(), PEER), None);
}

#[test]
fn addresses_of_groups_and_nobodies_are_no_servers() {
    for no in [[0, 0, 0, 0], [0, 1, 2, 3], [127, 0, 0, 1], [224, 0, 0, 5], [239, 9, 9, 9], [240, 0, 0, 1], [255; 4]] {
        assert!(!is_unicast(no), "{no:?}");
    }
    for yes in [[1, 1, 1, 1], [10, 0, 0, 1], [126, 0, 0, 1], [128, 0, 0, 1], [192, 168, 0, 1], [223, 255, 255, 1]] {
        assert!(is_unicast(yes), "{yes:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = recognise(&bytes.as_slice(), US);
        let _ = recognise_leaving(&bytes.as_slice(), US);
    }

    /// Frames that are almost right get further into it than noise does.
    #[test]
    fn no_changed_probe_makes_it_panic(
        changes in proptest::collection::vec((0..FRAME_LEN, any::<u8>()), 0..6), length in 0..FRAME_LEN + 4,
    ) {
        let mut bytes: Vec<u8> = probe().as_bytes().to_vec();
        changes.into_iter().for_each(|(at, value)| bytes[at] = value);
        bytes.resize(length, 0);
        if let Ok(found) = recognise(&bytes.as_slice(), US) {
            prop_assert_eq!((length, found.testimony), (FRAME_LEN, None));
            prop_assert_eq!(found.frame.payload.direction(), Some(found.direction));
        }
        let _ = recognise_leaving(&bytes.as_slice(), PEER);
    }

    #[test]
    fn no_changed_probe_of_version_2_makes_it_panic(
        changes in proptest::collection::vec((0..FRAME_LEN + TESTIMONY_LEN, any::<u8>()), 0..6),
        length in FRAME_LEN..FRAME_LEN + TESTIMONY_LEN + 4,
    ) {
        let mut bytes = long(77);
        changes.into_iter().for_each(|(at, value)| bytes[at] = value);
        bytes.resize(length, 0);
        if let Ok(found) = recognise(&bytes.as_slice(), US) {
            let whole = if found.testimony.is_some() { FRAME_LEN + TESTIMONY_LEN } else { FRAME_LEN };
            prop_assert_eq!(length, whole);
        }
        let _ = recognise_leaving(&bytes.as_slice(), PEER);
    }

    #[test]
    fn checksums_are_those_of_the_rfc(bytes in proptest::collection::vec(any::<u8>(), FRAME_LEN)) {
        let mut frame = *Frame::from_bytes(bytes.as_slice().try_into().expect("that many"));
        frame.head.checksum = [0; 2];
        prop_assert_eq!(head_checksum(&frame.head), checksum(&frame.as_bytes()[14..34]));
        frame.echo.checksum = [0; 2];
        prop_assert_eq!(echo_checksum(&frame.echo, &frame.payload), checksum(&frame.as_bytes()[34..]));
        frame.seal();
        prop_assert_eq!(checksum(&frame.as_bytes()[34..34 + 8 + PAYLOAD_LEN]), [0, 0]);
    }

    #[test]
    fn a_long_checksum_covers_the_testimony(
        bytes in proptest::collection::vec(any::<u8>(), FRAME_LEN),
        testimony in proptest::collection::vec(any::<u8>(), TESTIMONY_LEN),
    ) {
        let mut frame = *Frame::from_bytes(bytes.as_slice().try_into().expect("that many"));
        let testimony = Testimony::from_bytes(testimony.as_slice().try_into().expect("that many"));
        frame.seal_with(testimony);
        let message = [&frame.as_bytes()[34..], testimony.as_bytes()].concat();
        prop_assert_eq!(checksum(&message), [0, 0]);
    }
}
