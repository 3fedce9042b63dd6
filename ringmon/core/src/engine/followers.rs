//! Routers that want to hear about table changes as soon as this server makes or sees them.

use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::row::Address;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Followers(Vec<Follower>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Follower {
    at: (Address, u16),
    until: Time,
}

impl Followers {
    /// At most this many routers are told. The one that asked longest ago makes room.
    const MOST: usize = 16;
    /// A router that does not ask again is told for at most this long.
    const LONGEST: Duration = Duration::from_secs(600);

    /// Tells the router at this address and port about changes for `span`. A span of zero ends that.
    pub fn follow(&mut self, at: (Address, u16), span: Duration, now: Time) {
        self.0.retain(|follower| follower.at != at && follower.until > now);
        if span.is_zero() {
            return;
        }
        if self.0.len() >= Self::MOST {
            self.0.remove(0);
        }
        self.0.push(Follower { at, until: now + span.min(Self::LONGEST) });
    }

    /// Address and notice port of each router that is told now.
    pub fn at(&self, now: Time) -> impl Iterator<Item = (Address, u16)> {
        self.0.iter().filter(move |follower| follower.until > now).map(|follower| follower.at)
    }
}
