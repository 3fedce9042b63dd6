//! Which servers sent probes that this server answered. A probe proves that its sender is alive and that the path to
//! this server works. It does not prove that the sender's agent works: its loop may hang.

use alloc::collections::BTreeMap;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ServerId, Time};

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Callers {
    last_probed_by: BTreeMap<ServerId, Time>,
}

impl Callers {
    /// A probe this recent proves that its sender is alive.
    const RECENT: Duration = Duration::from_secs(1);

    /// This server answered a probe from `server`.
    pub fn answered(&mut self, server: ServerId, at: Time) {
        self.last_probed_by.insert(server, at);
    }

    pub fn forget_old(&mut self, now: Time) {
        self.last_probed_by.retain(|_, at| now.since(*at) < Self::RECENT);
    }

    pub fn reached_by(&self, server: ServerId) -> bool {
        self.last_probed_by.contains_key(&server)
    }

    /// Whether a probe from it arrived after this moment.
    pub fn reached_since(&self, server: ServerId, since: Time) -> bool {
        self.last_probed_by.get(&server).is_some_and(|at| *at > since)
    }
}
