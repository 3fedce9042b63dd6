//! Whether frames get through to this server's kernel, and until when.
//!
//! A host that stands still must not take others for dead. It need not ask its own threads whether it stood still: if
//! an authenticated frame of *another* server was stamped after the deadline of a missed probe, the way in was open by
//! then, and frames are handled in the order in which they come. So whatever had been sent to this server before is
//! handled too.
//!
//! After a pause of a virtual machine the queue of the network card is handled in bursts, and the missing reply may lie
//! a few frames behind the other server's. So two frames are asked for.

use alloc::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::row::Address;

/// The stamps of the two newest frames of each server: replies, plain echoes aside, and probes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Path(BTreeMap<Address, [Time; 2]>);

impl Path {
    /// As many servers as can be watched. Whoever was heard longest ago is forgotten first.
    const MOST: usize = 64;

    /// A frame of this server was stamped at this time.
    pub fn frame(&mut self, from: Address, at: Time) {
        if self.0.len() >= Self::MOST && !self.0.contains_key(&from) {
            let oldest = self.0.iter().min_by_key(|(_, [newest, _])| *newest).map(|(address, _)| *address);
            oldest.and_then(|address| self.0.remove(&address));
        }
        let [newest, before] = self.0.entry(from).or_default();
        if at > *newest {
            (*newest, *before) = (at, *newest);
        } else if at < *newest {
            *before = (*before).max(at);
        }
    }

    /// Until when the way in was open, as two frames of others than this server show; the clock's zero: they do not.
    pub fn open_until(&self, but: Address) -> Time {
        let others = self.0.iter().filter(|(address, _)| **address != but).flat_map(|(_, stamps)| stamps);
        let (newest, second) =
            others.fold(
                (Time::ZERO, Time::ZERO),
                |(newest, second), at| {
                    if *at > newest { (*at, newest) } else { (newest, second.max(*at)) }
                },
            );
        debug_assert!(newest >= second);
        second
    }
}

#[cfg(test)]
mod tests {
    use core::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn host(number: u8) -> Address {
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, number))
    }

    fn at(ms: u64) -> Time {
        Time::from_ns(ms * 1_000_000)
    }

    #[test]
    fn two_frames_of_others_are_asked_for_and_the_older_one_counts() {
        let mut path = Path::default();
        assert_eq!(path.open_until(host(1)), Time::ZERO);
        path.frame(host(2), at(10));
        assert_eq!(path.open_until(host(1)), Time::ZERO, "one is not enough");
        path.frame(host(2), at(10));
        assert_eq!(path.open_until(host(1)), Time::ZERO, "nor is the same one twice");
        path.frame(host(2), at(12));
        assert_eq!(path.open_until(host(1)), at(10));
        path.frame(host(3), at(11));
        assert_eq!(path.open_until(host(1)), at(11), "of whomever");
        path.frame(host(1), at(20));
        path.frame(host(1), at(21));
        assert_eq!(path.open_until(host(1)), at(11), "but not of itself");
        assert_eq!(path.open_until(host(2)), at(20));
    }

    #[test]
    fn a_frame_that_is_read_late_counts_as_what_it_is() {
        let mut path = Path::default();
        path.frame(host(2), at(30));
        path.frame(host(2), at(25));
        path.frame(host(2), at(20));
        assert_eq!(path.open_until(host(1)), at(25));
    }

    #[test]
    fn a_bounded_number_of_servers_is_remembered_the_latest_ones() {
        let mut path = Path::default();
        (1..=200).for_each(|number| path.frame(host(number), at(u64::from(number))));
        assert_eq!(path.0.len(), Path::MOST);
        assert_eq!(path.open_until(host(0)), at(199));
    }
}
