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
pub(super) struct Callers {
    last_probed_by: BTreeMap<ServerId, Time>,
}

impl Callers {
    /// A probe that came this recently proves that its sender lives.
    const RECENT: Duration = Duration::from_secs(1);

    /// A probe of this server's was answered here.
    pub fn answered(&mut self, server: ServerId, at: Time) {
        self.last_probed_by.retain(|_, before| at.since(*before) < Self::RECENT);
        self.last_probed_by.insert(server, at);
    }

    /// Whether its probes arrive.
    pub fn reached_by(&self, server: ServerId, now: Time) -> bool {
        self.last_probed_by.get(&server).is_some_and(|at| now.since(*at) < Self::RECENT)
    }

    /// Whether its probes arrive, and did after this moment.
    pub fn reached_since(&self, server: ServerId, since: Time, now: Time) -> bool {
        self.reached_by(server, now) && self.last_probed_by.get(&server).is_some_and(|at| *at > since)
    }
}
