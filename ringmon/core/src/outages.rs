//! How long silences last that end by themselves, and how long a silence a removal therefore requires (R6).
//!
//! Counting beats independent loss ([`loss`](super::loss)). An outage that both witnesses share can only be beaten by
//! waiting longer than outages last. If their lengths are exponential with mean m, one in e^15 (3 million) is longer
//! than 15 m.

use alloc::collections::BTreeMap;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::row::Address;
use super::{Time, law};

/// The silence required, as a multiple of the mean.
const TIMES: f64 = 15.0;
/// After this time, what was learned counts half.
const HALF_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// How many servers are remembered. The one that fell silent longest ago is forgotten first.
const MOST: usize = 256;

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Memory {
    /// The number of outages, where older ones count less.
    weight: f64,
    /// The sum of their lengths in seconds, with the same weights.
    sum: f64,
    at: Time,
}

impl Memory {
    fn aged(self, now: Time) -> Self {
        let share = libm::exp2(-(now.since(self.at).as_secs_f64() / HALF_LIFE.as_secs_f64()));
        Self { weight: self.weight * share, sum: self.sum * share, at: now }
    }
}

/// What an agent knows about past silences of the servers that it watched, by address. It outlives the watch.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outages(BTreeMap<Address, Memory>);

impl Outages {
    /// A silence that had become a suspicion ended: the server was alive all the time.
    pub fn healed(&mut self, address: Address, silence: Duration, now: Time) {
        if self.0.len() >= MOST && !self.0.contains_key(&address) {
            let oldest = self.0.iter().min_by_key(|(_, memory)| memory.at).map(|(address, _)| *address);
            oldest.and_then(|address| self.0.remove(&address));
        }
        let memory = self.0.entry(address).or_insert(Memory { weight: 0.0, sum: 0.0, at: now });
        *memory = memory.aged(now);
        memory.weight += 1.0;
        memory.sum += silence.as_secs_f64();
    }

    /// The silence that these outages require: fifteen times the mean, less as the memory fades, and at most
    /// [`law::REMOVAL_SILENCE_MOST`].
    #[must_use]
    pub fn asked(&self, address: Address, now: Time) -> Duration {
        let Some(memory) = self.0.get(&address).map(|memory| memory.aged(now)) else { return Duration::ZERO };
        // The mean, times the weight if less than one whole outage is remembered.
        let seconds = TIMES * memory.sum / memory.weight.max(1.0);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).min(law::REMOVAL_SILENCE_MOST)
    }
}

#[cfg(test)]
mod tests {
    use core::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn at(number: u32) -> Address {
        IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number))
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn nothing_is_asked_for_where_nothing_was_seen() {
        assert_eq!(Outages::default().asked(at(1), Time::ZERO), Duration::ZERO);
    }

    #[test]
    fn fifteen_times_the_mean_of_those_of_that_server_alone_up_to_the_most() {
        let mut outages = Outages::default();
        let now = Time::ZERO + ms(5000);
        outages.healed(at(1), ms(40), now);
        outages.healed(at(1), ms(80), now);
        assert_eq!(outages.asked(at(1), now).as_millis(), 900);
        assert_eq!(outages.asked(at(2), now), Duration::ZERO);
        outages.healed(at(1), ms(3000), now);
        assert_eq!(outages.asked(at(1), now), law::REMOVAL_SILENCE_MOST);
    }

    #[test]
    fn the_memory_fades_with_its_half_life() {
        let mut outages = Outages::default();
        outages.healed(at(1), ms(80), Time::ZERO);
        let after = |days: u32| outages.asked(at(1), Time::ZERO + HALF_LIFE * days).as_millis();
        assert_eq!((after(0), after(1), after(2)), (1200, 600, 300));
        let mut twice = outages.clone();
        twice.healed(at(1), ms(80), Time::ZERO + HALF_LIFE);
        assert_eq!(twice.asked(at(1), Time::ZERO + HALF_LIFE).as_millis(), 1200, "refreshed");
    }

    #[test]
    fn a_bounded_number_of_servers_is_remembered_the_latest_ones() {
        let mut outages = Outages::default();
        for number in 0..1000 {
            outages.healed(at(number), ms(50), Time::ZERO + ms(u64::from(number)));
        }
        let now = Time::ZERO + ms(1000);
        assert_eq!(outages.0.len(), MOST);
        assert!(outages.asked(at(999), now) > Duration::ZERO);
        assert_eq!(outages.asked(at(0), now), Duration::ZERO);
    }
}
