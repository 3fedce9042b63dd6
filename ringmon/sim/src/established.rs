//! A pool that has existed for long: no server has to join it.

use std::time::Duration;

use super::settings::Settings;
use super::world::World;
use super::{Fault, Host};
use ringmon_core::card::{Card, Clients};
use ringmon_core::row::{Health, ServerRow};
use ringmon_core::{Incarnation, ServerId, Time};

impl World {
    /// Every server has its row, on one ring in an order drawn at random. Its agent is started again within `ramp`,
    /// takes over its place, and reads it. Also returns the servers' indexes in the ring's order.
    #[must_use]
    pub fn established(settings: Settings, ramp: Duration) -> (Self, Vec<usize>) {
        let mut world = Self::new(settings);
        let order = world.shuffled();
        let count = order.len();
        for (place, &index) in order.iter().enumerate() {
            let (first, second) = (order[(place + 1) % count], order[(place + count - 1) % count]);
            let pick = world.rng.pick();
            let row = row(&world.hosts[index], id(index), [id(first), id(second)], pick);
            world.table.place(row);
        }
        let mut starts: Vec<(Time, usize)> =
            (0..count).map(|host| (world.now + world.rng.between(Duration::ZERO, ramp), host)).collect();
        starts.sort_unstable();
        for (at, host) in starts {
            world.run_for(at.since(world.now));
            world.befall(host, Fault::Start);
        }
        (world, order)
    }

    /// All indexes in an order drawn at random (Fisher and Yates).
    pub(super) fn shuffled(&mut self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.hosts.len()).collect();
        for last in (1..order.len()).rev() {
            let other = self.rng.below(last as u64 + 1);
            order.swap(last, usize::try_from(other).unwrap_or(last));
        }
        order
    }
}

fn id(index: usize) -> ServerId {
    ServerId(i64::try_from(index).unwrap_or(i64::MAX).saturating_add(1))
}

fn row(host: &Host, id: ServerId, [first_buddy, second_buddy]: [ServerId; 2], pick: i64) -> ServerRow {
    ServerRow {
        id,
        card: Card {
            name: host.name.clone(),
            address: host.address,
            notice_port: 7464,
            clients: Clients { address: None, port: None, weight: 1 },
            boot: host.boot.clone(),
        },
        first_buddy,
        second_buddy,
        incarnation: Incarnation(1),
        pick,
        draining: false,
        health: Health::Unknown,
        vote_first: None,
        vote_second: None,
        alone_since: None,
        alone_at: None,
        alone_kind: None,
        answering: None,
        version: 1,
    }
}
