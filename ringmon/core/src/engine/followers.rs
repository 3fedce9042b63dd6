//! Routers that want to hear of changes of the table as soon as this server makes or sees them.

use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::common::Common;
use crate::notice::NoticeBody;
use crate::row::Address;
use crate::{ServerId, Time};

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

    /// Whoever is at this address and port is told for so long; not at all any more, if that is no time.
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
}

impl Common {
    /// The row of this server has changed, or is gone.
    pub fn tell_followers(&mut self, subject: ServerId) {
        let now = self.now;
        let told: Vec<(Address, u16)> = self.followers.0.iter().filter(|f| f.until > now).map(|f| f.at).collect();
        for (address, port) in told {
            self.send(address, port, NoticeBody::Changed { subject });
        }
    }
}
