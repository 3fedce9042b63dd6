//! Routers that want to hear of changes of the table as soon as this server makes or sees them.

use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::row::Address;

/// See the module.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Followers(Vec<Follower>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Follower {
    at: (Address, u16),
    until: Time,
}

impl Followers {
    /// More than this at a time are not told: the longest known make room.
    const MOST: usize = 16;
    /// For no longer than this without another word.
    const LONGEST: Duration = Duration::from_secs(600);

    /// The router at this address and port is told for so long; no span: it is told no more.
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

    /// Where those are that are told now.
    pub fn at(&self, now: Time) -> impl Iterator<Item = (Address, u16)> {
        self.0.iter().filter(move |follower| follower.until > now).map(|follower| follower.at)
    }
}
