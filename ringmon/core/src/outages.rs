//! How long silences last that end by themselves, and how long a silence a removal therefore requires (R6).
//!
//! Counting beats independent loss ([`loss`](super::loss)). An outage that both witnesses share looks like a death
//! until it ends, so it can only be waited for. A server that dies then stays in the table for longer. So the wait is
//! the one that costs least, if the future is like what is remembered of this server:
//!
//! ```text
//! cost(t) = (D + 1) t  +  C N P(a silence that heals lasts longer than t)
//! ```
//!
//! - N outages healed, and waiting could have bridged them: none lasted longer than the longest wait W
//!   ([`law::REMOVAL_SILENCE_MOST`]). A longer one ends in a removal whatever t is, so it says nothing about t, and
//!   teaches nothing.
//! - D times the server was removed, and nobody has said since that it lived. The one is the silence at hand, which may
//!   be a death. Each death costs the wait: a server that is dead stays in the table for t.
//! - A removal of a living server costs `PRICE`, which is C.
//! - Lengths are exponential. Their rate has a gamma distribution, which begins as if `PRIOR` outages of
//!   `PRIOR_MEAN` had been seen. With A outages in sum, B their length in sum, the prior among both, the next one is
//!   longer than t with a chance of (B / (B + t))^A: a long one is likelier while few were seen.
//!
//! So another millisecond buys C N A / B (B / (B + t))^(A + 1) and costs D + 1. The first falls as t grows, so the best
//! t is where both are equal. Where that is below the floor ([`law::REMOVAL_SILENCE`]), or nothing is remembered, it is
//! the floor.
//!
//! What is remembered fades with time and with use: it counts half after `HALF_LIFE`, and half after `HALF_USES`
//! further outages or removals of this server.

mod own;

use alloc::collections::BTreeMap;
use core::time::Duration;

use serde::{Deserialize, Serialize};

pub use own::Own;

use super::row::Address;
use super::{Time, law};

/// What the removal of a living server costs, in time that a dead one is kept. It is back about a second after it is
/// heard. The other second is for its clients, who are sent away and back again.
const PRICE: Duration = Duration::from_secs(2);
/// The number of outages that count as seen before the first one. They keep one long outage from meaning much, and are
/// less and less of what is known as others follow. Fewer, and a wait after ten outages varies more than it must.
const PRIOR: f64 = 4.0;
/// The mean length of those: the floor, which is what is thought enough where nothing is known.
const PRIOR_MEAN: Duration = law::REMOVAL_SILENCE;
/// After this time, what was learned counts half.
const HALF_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// After this many further outages and removals, what was learned counts half.
const HALF_USES: f64 = 16.0;
/// How many servers are remembered. The one that fell silent longest ago is forgotten first.
const MOST: usize = 256;

/// What is known of one server. All counts are less for what is older.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Memory {
    /// The number of outages that healed.
    weight: f64,
    /// The sum of their lengths in seconds.
    sum: f64,
    /// The number of removals.
    #[serde(default)]
    removals: f64,
    at: Time,
}

impl Memory {
    const fn new(now: Time) -> Self {
        Self { weight: 0.0, sum: 0.0, removals: 0.0, at: now }
    }

    /// As it is now, and after this many further uses.
    fn aged(self, now: Time, uses: f64) -> Self {
        let halved = now.since(self.at).as_secs_f64() / HALF_LIFE.as_secs_f64() + uses / HALF_USES;
        let share = libm::exp2(-halved);
        let Self { weight, sum, removals, .. } = self;
        Self { weight: weight * share, sum: sum * share, removals: removals * share, at: now }
    }

    /// The wait that costs least, in seconds. It is below zero where even a short one costs more than it buys.
    fn cheapest(self) -> f64 {
        // Each removal is a use, for as long as it counts as a death.
        let used = libm::exp2(-self.removals / HALF_USES);
        let (weight, sum) = (self.weight * used, self.sum * used);
        let (all, length) = (PRIOR + weight, PRIOR * PRIOR_MEAN.as_secs_f64() + sum);
        let buys = PRICE.as_secs_f64() * weight * all / length;
        length * (libm::pow(buys / (self.removals + 1.0), 1.0 / (all + 1.0)) - 1.0)
    }
}

/// What an agent knows about past silences of the servers that it watched, by address. It outlives the watch.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outages(BTreeMap<Address, Memory>);

impl Outages {
    /// A silence that had become a suspicion ended: the server was alive all the time.
    pub fn healed(&mut self, address: Address, silence: Duration, now: Time) {
        if silence > law::REMOVAL_SILENCE_MOST {
            return;
        }
        if self.0.len() >= MOST && !self.0.contains_key(&address) {
            let oldest = self.0.iter().min_by_key(|(_, memory)| memory.at).map(|(address, _)| *address);
            oldest.and_then(|address| self.0.remove(&address));
        }
        let memory = self.0.entry(address).or_insert(Memory::new(now));
        *memory = memory.aged(now, 1.0);
        memory.weight += 1.0;
        memory.sum += silence.as_secs_f64();
    }

    /// A server was removed, lived, and was not heard for this long, as it says. So that removal was no death. Its
    /// length teaches as any other does.
    pub fn lived(&mut self, address: Address, silence: Duration, now: Time) {
        if let Some(memory) = self.0.get_mut(&address) {
            memory.removals = (memory.removals - 1.0).max(0.0);
        }
        self.healed(address, silence, now);
    }

    /// A server that did not answer was removed. It is taken for dead until it says otherwise ([`Self::lived`]).
    /// Where no outage is remembered, there is nothing to unlearn.
    pub fn removed(&mut self, address: Address, now: Time) {
        if let Some(memory) = self.0.get_mut(&address) {
            *memory = memory.aged(now, 0.0);
            memory.removals += 1.0;
        }
    }

    /// The wait that costs least after these outages, at most [`law::REMOVAL_SILENCE_MOST`]. Zero, or less than the
    /// floor: they ask for nothing.
    #[must_use]
    pub fn asked(&self, address: Address, now: Time) -> Duration {
        let Some(memory) = self.0.get(&address).map(|memory| memory.aged(now, 0.0)) else { return Duration::ZERO };
        let seconds = memory.cheapest().clamp(0.0, law::REMOVAL_SILENCE_MOST.as_secs_f64());
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
