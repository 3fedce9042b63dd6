//! A server that wants to join next to this one asks to be probed, so that it can prove that it is heard.

use alloc::collections::BTreeMap;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::engine::asks::Asks;
use crate::engine::facts::Facts;
use crate::row::Address;

/// Addresses that asked to be probed, and until when each is.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Helping(BTreeMap<Address, Time>);

impl Helping {
    /// At most this many servers are helped at a time.
    const MOST: usize = 4;
    /// Each is probed for this long.
    const SPAN: Duration = Duration::from_secs(1);

    pub fn asked(&mut self, facts: &Facts, address: Address) {
        let room = self.0.len() < Self::MOST || self.0.contains_key(&address);
        if room && address != facts.identity.card.address {
            self.0.insert(address, facts.now + Self::SPAN);
        }
    }

    pub fn settle(&mut self, facts: &Facts, asks: &mut Asks) {
        self.0.retain(|_, until| *until > facts.now);
        if let Some(until) = self.0.values().min() {
            asks.wake_at(*until);
        }
    }

    /// Addresses to probe.
    pub fn probed(&self) -> impl Iterator<Item = Address> {
        self.0.keys().copied()
    }
}
