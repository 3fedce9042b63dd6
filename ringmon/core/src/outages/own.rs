//! The outages for which this server was removed although it lived. Its buddies of that time know of the removal alone,
//! and the next ones of nothing, so it tells them itself (R6).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{HALF_LIFE, MOST};
use crate::row::Address;
use crate::{Incarnation, Time};

/// How many are told: the last ones.
const TOLD_MOST: usize = 8;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Survived {
    /// For how long no server heard this one.
    silence: Duration,
    /// When this server found out.
    at: Time,
    /// Who was told, in which life: an agent that starts again has forgotten. Whoever is told twice counts it twice.
    told: BTreeSet<(Address, Incarnation)>,
}

/// What this server tells its buddies about its own outages.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Own(Vec<Survived>);

impl Own {
    /// This server was removed, lives, and was not heard for this long. If that is more than any wait bridges, it
    /// teaches nobody a length; but it was no death.
    pub fn survived(&mut self, silence: Duration, now: Time) {
        if self.0.len() >= TOLD_MOST {
            self.0.remove(0);
        }
        self.0.push(Survived { silence, at: now, told: BTreeSet::new() });
    }

    /// What this buddy is to be told, now and only once. What is older than a day is told to nobody.
    pub fn tell(&mut self, buddy: (Address, Incarnation), now: Time) -> Vec<Duration> {
        self.0.retain(|outage| now.since(outage.at) < HALF_LIFE);
        let new = self.0.iter_mut().filter_map(|outage| {
            let first = outage.told.len() < MOST && outage.told.insert(buddy);
            first.then_some(outage.silence)
        });
        new.collect()
    }
}

#[cfg(test)]
mod tests {
    use core::net::{IpAddr, Ipv4Addr};

    use super::*;

    const A: (Address, Incarnation) = (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), Incarnation(1));
    const B: (Address, Incarnation) = (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), Incarnation(1));

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn each_buddy_is_told_each_outage_once() {
        let mut own = Own::default();
        assert_eq!(own.tell(A, Time::ZERO), []);
        own.survived(ms(300), Time::ZERO);
        assert_eq!(own.tell(A, Time::ZERO), [ms(300)]);
        own.survived(ms(400), Time::ZERO);
        assert_eq!(own.tell(A, Time::ZERO), [ms(400)]);
        assert_eq!(own.tell(B, Time::ZERO), [ms(300), ms(400)]);
        assert_eq!(own.tell(A, Time::ZERO), []);
        assert_eq!(own.tell((A.0, Incarnation(2)), Time::ZERO), [ms(300), ms(400)], "it has forgotten");
    }

    #[test]
    fn what_is_old_is_not_told() {
        let mut own = Own::default();
        own.survived(ms(30_000), Time::ZERO);
        own.survived(ms(300), Time::ZERO);
        assert_eq!(own.tell(A, Time::ZERO + HALF_LIFE / 2), [ms(30_000), ms(300)]);
        assert_eq!(own.tell(B, Time::ZERO + HALF_LIFE), []);
    }

    #[test]
    fn the_last_ones_are_told() {
        let mut own = Own::default();
        (1..=20).for_each(|n| own.survived(ms(n), Time::ZERO));
        assert_eq!(own.tell(A, Time::ZERO), (13..=20).map(ms).collect::<Vec<_>>());
    }
}
