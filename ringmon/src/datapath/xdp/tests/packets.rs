use ringmon_common::frame::ECHO_REQUEST;
use ringmon_common::layout::{Config, KeySlot};
use ringmon_common::wire::{Direction, Payload, Purpose};
use ringmon_common::{Frame, TagKey, tag};

use super::super::object::{self, Object, Plain};
use super::run::run;

const US: ([u8; 6], [u8; 4]) = ([2, 0, 0, 0, 0, 1], [10, 0, 0, 1]);
const PEER: ([u8; 6], [u8; 4]) = ([2, 0, 0, 0, 0, 2], [10, 0, 0, 2]);
const SECRET: [u8; 16] = *b"0123456789abcdef";
const KEY_ID: u8 = 7;
const XDP_TX: u32 = 3;

fn loaded() -> Object {
    let mut object = Object::load(0).expect("load the programs: run cargo xtask test");
    object.config.set(0, Plain(Config { address: tag::mapped(US.1) }), 0).expect("config");
    object.keys.set(u32::from(KEY_ID), Plain(KeySlot { key: TagKey::new(&SECRET), used: 1 }), 0).expect("key");
    object
}

fn probe(seq: u64) -> Frame {
    let mut payload = Payload::probe(Purpose::Buddy, 3, 9, seq, 77, KEY_ID);
    payload.tag = TagKey::new(&SECRET).v4(PEER.1, US.1, &payload).probe(&payload);
    Frame::new(PEER, US, ECHO_REQUEST, payload)
}

#[test]
fn a_probe_is_answered_in_place() {
    let mut object = loaded();
    let program = object::xdp(&mut object.ebpf).expect("xdp").fd().expect("fd");
    let out = run(program, probe(5).as_bytes(), 1);
    assert_eq!(out.action, XDP_TX);
    let reply = Frame::from_bytes(out.packet.as_slice().try_into().expect("a frame"));
    assert_eq!(reply.payload.direction(), Some(Direction::Reply));
    println!("{} ns", out.ns);
}
