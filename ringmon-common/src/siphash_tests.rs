use core::hash::Hasher;

use proptest::prelude::*;
use siphasher::sip::SipHasher24;

use super::SipHash24;

/// Appendix A of the paper: key 00..0f, input 00..0e.
#[test]
fn the_papers_own_vector() {
    let key: [u8; 16] = core::array::from_fn(|i| i as u8);
    let input: [u8; 15] = core::array::from_fn(|i| i as u8);
    assert_eq!(SipHash24::of(&key, &input), 0xa129_ca61_49be_45e5);
}

/// The first entries of the reference implementation's `vectors_sip64`: key 00..0f, inputs empty, 00, 00 01, ...
#[test]
fn the_reference_vectors() {
    let key: [u8; 16] = core::array::from_fn(|i| i as u8);
    let input: [u8; 8] = core::array::from_fn(|i| i as u8);
    let expected = [
        0x726f_db47_dd0e_0e31_u64,
        0x74f8_39c5_93dc_67fd,
        0x0d6c_8009_d9a9_4f5a,
        0x8567_6696_d7fb_7e2d,
        0xcf27_94e0_2771_87b7,
        0x1876_5564_cd99_a68d,
        0xcbc9_466e_58fe_e3ce,
        0xab02_00f5_8b01_d137,
        0x93f5_f579_9a93_2462,
    ];
    for (length, expected) in expected.into_iter().enumerate() {
        assert_eq!(SipHash24::of(&key, &input[..length]), expected, "length {length}");
    }
}

proptest! {
    #[test]
    fn agrees_with_siphasher(key: [u8; 16], input in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut theirs = SipHasher24::new_with_key(&key);
        theirs.write(&input);
        prop_assert_eq!(SipHash24::of(&key, &input), theirs.finish());
    }
}
