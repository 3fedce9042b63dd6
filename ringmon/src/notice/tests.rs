//! The codec under any input, the outbox under a hand-cranked clock, and real sockets on loopback.

mod codec;
mod loopback;
mod outbox;

use ringmon_core::row::PoolKey;
use ringmon_core::{Incarnation, Notice, NoticeBody, ServerId};

/// Its secret is the same byte throughout.
fn key(id: u8, byte: u8) -> PoolKey {
    PoolKey { id, secret: [byte; 16] }
}

fn voted(subject: i64) -> Notice {
    Notice { from: ServerId(1), incarnation: Incarnation(10), body: NoticeBody::Voted { subject: ServerId(subject) } }
}
