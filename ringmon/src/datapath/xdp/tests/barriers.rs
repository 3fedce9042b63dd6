//! The instructions of the programs. A missing barrier would show only on arm64, and rarely, so it is looked for here.

use std::mem::offset_of;

use aya_obj::generated::bpf_insn;
use ringmon_common::layout::{Outstanding, Prober, Watch};

use super::super::object::OBJECT;

/// Of linux/bpf.h: `BPF_STX | BPF_ATOMIC | BPF_DW`, and what an atomic instruction does.
const ATOMIC: u8 = 0x18 | 0xc0 | 0x03;
const FETCH: i32 = 0x01;
const XCHG: i32 = 0xe0 | FETCH;
const CMPXCHG: i32 = 0xf0 | FETCH;

/// The atomic instructions of the functions with this ending of their name.
fn atomics(name: &str) -> Vec<bpf_insn> {
    let object = aya_obj::Object::parse(OBJECT).expect("the object: run cargo xtask test");
    let functions = object.functions.into_values().filter(|function| function.name.ends_with(name));
    let found: Vec<bpf_insn> = functions.flat_map(|function| function.instructions).collect();
    assert!(!found.is_empty(), "there is no {name}");
    found.into_iter().filter(|instruction| instruction.code == ATOMIC).collect()
}

/// How many of them do this at this offset of a map's value.
fn count(name: &str, what: i32, offset: usize) -> usize {
    atomics(name).iter().filter(|one| one.imm == what && usize::try_from(one.off) == Ok(offset)).count()
}

/// Documentation/atomic_t.txt of Linux: an instruction that changes a word is a barrier if it returns the old value.
#[test]
fn whatever_changes_a_word_is_a_barrier() {
    for name in ["ringmon_xdp", "ringmon_egress", "fired"] {
        assert!(atomics(name).iter().all(|one| one.imm & FETCH != 0), "{name}");
    }
}

#[test]
fn a_place_in_the_window_is_written_between_two_barriers_and_looked_at_between_two() {
    let mark = offset_of!(Outstanding, mark);
    assert_eq!(count("ringmon_egress", XCHG, mark), 2);
    assert_eq!(count("fired", CMPXCHG, mark), 2);
    // For each of the states WAITING, MISSED and ANSWERED.
    assert!(count("ringmon_xdp", CMPXCHG, mark) >= 6);
}

/// To another prober, and of the same one with another question.
#[test]
fn a_place_for_a_prober_changes_between_two_barriers() {
    assert_eq!(count("ringmon_xdp", XCHG, offset_of!(Prober, last_ns)), 2 + 2);
}

#[test]
fn a_testimony_is_kept_between_two_barriers() {
    assert_eq!(count("ringmon_xdp", XCHG, offset_of!(Watch, said_at_ns)), 2);
}
