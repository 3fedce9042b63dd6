//! The ingress hook says of each frame what XDP says.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use ringmon_common::{Frame, Testimony};

use super::forged::asks;
use super::kit::{FIRST, Kit, PEER, XDP_DROP, XDP_PASS, XDP_TX, our_probe, plain_echo, probe, reply};

const ROUNDS: usize = 20_000;

/// The answer of a program of traffic control that means the same (`TCX_NEXT`, `TC_ACT_SHOT`, `TC_ACT_REDIRECT`).
fn meant(xdp: u32) -> i32 {
    match xdp {
        XDP_PASS => -1,
        XDP_DROP => 2,
        XDP_TX => 7,
        other => panic!("XDP said {other}"),
    }
}

/// A socket buffer of a trial run belongs to the loopback: only its hardware address makes it a frame for this host.
fn arriving(mut frame: Frame) -> Vec<u8> {
    frame.head.destination = [0; 6];
    frame.as_bytes().to_vec()
}

fn kits() -> [Kit; 2] {
    std::array::from_fn(|_| {
        let mut kit = Kit::watching(Duration::from_secs(1000));
        kit.identity(1, 5, 1);
        (0..4).for_each(|more| kit.send(FIRST + more));
        kit
    })
}

#[test]
fn both_hooks_agree_on_damaged_frames() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let [mut xdp, mut tc] = kits();
    let short = [probe(1), reply(FIRST), plain_echo(FIRST + 1), our_probe(FIRST + 2)].map(arriving);
    let long = [asks(3, PEER, 0), asks(4, PEER, 99)].map(|mut frame| {
        frame[..6].fill(0);
        frame
    });
    let frames = [short.as_slice(), long.as_slice()].concat();
    let behind = size_of::<Testimony>();
    for round in 0..ROUNDS {
        let mut frame = frames[rng.random_range(0..frames.len())].clone();
        // Some are whole, some end early, some go on, and most have a few wrong bytes.
        match rng.random_range(0..8) {
            0 => frame.truncate(rng.random_range(34..frame.len())),
            1 => frame.resize(frame.len() + rng.random_range(1..=behind + 1), 0),
            _ => {}
        }
        for _ in 0..rng.random_range(0..3) {
            // Not in the hardware addresses: a frame for another host never comes to XDP's equal.
            let at = rng.random_range(12..frame.len());
            frame[at] ^= 1 << rng.random_range(0..8);
        }
        let (by_xdp, by_tc) = (xdp.receive(&frame), tc.receive_buffered(&frame));
        assert_eq!(by_tc.action as i32, meant(by_xdp.action), "round {round}, {frame:02x?}");
        assert_eq!(xdp.counted(), tc.counted(), "round {round}, {frame:02x?}");
    }
    assert!(xdp.counted().len() > 8, "{:?}", xdp.counted());
}

#[test]
fn a_frame_for_another_host_is_not_ours() {
    let [_, mut tc] = kits();
    let before = tc.counted();
    assert_eq!(tc.receive_buffered(probe(1).as_bytes()).action as i32, -1, "for the hardware address of {PEER:?}");
    assert_eq!(tc.counted(), before);
    assert_eq!(tc.receive_buffered(&arriving(probe(1))).action as i32, 7);
}
