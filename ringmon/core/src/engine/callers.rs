//! Which servers sent probes that this server answered. A probe proves that its sender is alive and that the path to
//! this server works. It does not prove that the sender's agent works: its loop may hang.

use alloc::collections::BTreeMap;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ServerId, Time};

/// When a server is known to have lived of which a probe came at this time. `proves`: its probes show that it gets
/// answers. Where they do not, because its program is older, nothing tells them from probes that somebody sends again.
pub(super) const fn lived(proves: bool, at: Time, proved: Option<Time>) -> Option<Time> {
    if proves { proved } else { Some(at) }
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Callers(BTreeMap<ServerId, Call>);

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Call {
    /// When its last probe came, whoever sent that.
    at: Time,
    /// When it is known to have lived.
    lived: Option<Time>,
}

impl Callers {
    /// A server lives that lived this short a time ago, and its probes arrive if one did; or as many intervals ago as
    /// [`Self::PROBES`] says, if it probes that slowly.
    const RECENT: Duration = Duration::from_secs(1);
    const PROBES: u32 = 3;
    /// What is older is of no use to anybody.
    const KEPT: Duration = Duration::from_secs(10);

    /// A probe of this server's was answered here.
    pub fn answered(&mut self, server: ServerId, at: Time, lived: Option<Time>) {
        self.0.retain(|_, call| at.since(call.at) < Self::KEPT);
        self.0.insert(server, Call { at, lived });
    }

    /// Whether its probes show that it lives, if servers are probed this often.
    pub fn lives(&self, server: ServerId, now: Time, interval: Duration) -> bool {
        let lived = self.0.get(&server).and_then(|call| call.lived);
        lived.is_some_and(|at| now.since(at) < Self::recent(interval))
    }

    /// Whether probes of it arrive, and did after this moment. Somebody may send old ones again: for a diagnosis only.
    pub fn reached_since(&self, server: ServerId, since: Time, now: Time, interval: Duration) -> bool {
        self.0.get(&server).is_some_and(|call| call.at > since && now.since(call.at) < Self::recent(interval))
    }

    fn recent(interval: Duration) -> Duration {
        Self::RECENT.max(interval * Self::PROBES)
    }
}
