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

/// RFC 1071, word for word.
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let sum: u32 = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    let folded = (0..4).fold(sum, |sum, _| (sum & 0xffff) + (sum >> 16));
    (!(folded as u16)).to_be_bytes()
}

#[test]
fn a_probe_and_its_turned_frame_are_recognised() {
    let mut frame = probe();
    assert_eq!(recognise(&frame.as_bytes().as_slice(), US).map(|(_, direction)| direction), Ok(Direction::Probe));
    assert_eq!(recognise(&frame.as_bytes().as_slice(), PEER), Err(Verdict::NotForUs));
    turn(&mut frame.head, &mut frame.echo);
    frame.payload.direction = Direction::Reply as u8;
    frame.seal();
    assert_eq!(recognise(&frame.as_bytes().as_slice(), PEER).map(|(_, direction)| direction), Ok(Direction::Reply));
}

#[test]
fn only_our_own_probes_leave() {
    let frame = probe();
    assert_eq!(recognise_leaving(&frame.as_bytes().as_slice(), PEER), Some(&frame));
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
        if let Ok((frame, direction)) = recognise(&bytes.as_slice(), US) {
            prop_assert_eq!(length, FRAME_LEN);
            prop_assert_eq!(frame.payload.direction(), Some(direction));
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
}
