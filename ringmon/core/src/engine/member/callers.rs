//! Whose probes were answered here. A probe proves its sender and the way here; it says nothing for an agent whose loop
//! hangs.

use alloc::collections::BTreeMap;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ServerId, Time};

/// See the module.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Callers {
    last_probed_by: BTreeMap<ServerId, Time>,
}

impl Callers {
    /// A probe that came this recently proves that its sender lives.
    const RECENT: Duration = Duration::from_secs(1);

    /// A probe of this server's was answered here.
    pub fn answered(&mut self, server: ServerId, at: Time) {
        self.last_probed_by.insert(server, at);
    }

    pub fn forget_old(&mut self, now: Time) {
        self.last_probed_by.retain(|_, at| now.since(*at) < Self::RECENT);
    }

    pub fn reached_by(&self, server: ServerId) -> bool {
        self.last_probed_by.contains_key(&server)
    }

    /// Whether its probes arrived after this moment.
    pub fn reached_since(&self, server: ServerId, since: Time) -> bool {
        self.last_probed_by.get(&server).is_some_and(|at| *at > since)
    }
}
