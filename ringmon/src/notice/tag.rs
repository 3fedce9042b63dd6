//! The tag shows that a datagram comes from the pool, over this route, and unchanged.

use std::net::SocketAddr;

use ringmon_common::SipHash24;

use super::codec::{plain, sixteen};
use ringmon_core::row::PoolKey;

/// From where to where a datagram travels. It is part of the tag, so that the datagram cannot be replayed elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub from: SocketAddr,
    pub to: SocketAddr,
}

impl Route {
    /// Leaves out scope and flow of IPv6.
    #[must_use]
    pub fn new(from: SocketAddr, to: SocketAddr) -> Self {
        Self { from: plain(from), to: plain(to) }
    }

    /// As it goes into the tag: both addresses, both ports, and zeros to fill a whole word.
    fn bytes(self) -> [u8; 40] {
        let mut bytes = [0; 40];
        bytes[..16].copy_from_slice(&sixteen(self.from.ip()));
        bytes[16..32].copy_from_slice(&sixteen(self.to.ip()));
        bytes[32..34].copy_from_slice(&self.from.port().to_be_bytes());
        bytes[34..36].copy_from_slice(&self.to.port().to_be_bytes());
        bytes
    }
}

/// What a notice key is derived from a pool key with. No probe's tag is made over sixteen bytes, so the tag of a probe
/// tells nothing about that of a notice, and the other way round.
const DERIVE: [&[u8; 16]; 2] = [b"ringmon notice 0", b"ringmon notice 1"];

/// The accepted keys. The first is used for sending.
#[derive(Clone, Debug, Default)]
pub struct Keys(Vec<PoolKey>);

impl Keys {
    /// Derives the notice keys from the pool's keys.
    #[must_use]
    pub fn derive(pool: &[PoolKey]) -> Self {
        let derived = pool.iter().map(|key| {
            let mut secret = [0; 16];
            for (half, label) in secret.chunks_exact_mut(8).zip(DERIVE) {
                half.copy_from_slice(&SipHash24::of(&key.secret, label).to_be_bytes());
            }
            PoolKey { id: key.id, secret }
        });
        Self(derived.collect())
    }

    /// The key id to send with.
    #[must_use]
    pub fn current(&self) -> Option<u8> {
        self.0.first().map(|key| key.id)
    }

    /// The tag of `covered` on `route` under the key `id`; `None` if that key is not accepted.
    #[must_use]
    pub fn tag(&self, id: u8, route: Route, covered: &[u8]) -> Option<u64> {
        let key = self.0.iter().find(|key| key.id == id)?;
        Some(SipHash24::of(&key.secret, &[&route.bytes()[..], covered].concat()))
    }
}
