//! What moves between servers: probes and notices, and between servers and the database: statements.

use std::time::Duration;

use super::datapath::Reply;
use super::host::Host;
use super::table::Progress;
use super::world::{Happening, World};
use crate::core::engine::{Input, TableDone, TableFailure};
use crate::core::row::Address;
use crate::core::{Notice, Purpose, Time, WatchId};

impl World {
    /// A probe leaves, and whatever comes of it is settled at once: nothing changes within a round trip.
    pub(super) fn probe(&mut self, host: usize, id: WatchId) {
        let h = &self.hosts[host];
        let Some(spec) = h.datapath.spec(id).cloned() else { return };
        let local = h.clock(self.now);
        let to = self.hosts.iter().position(|o| o.address == spec.address);
        let there = to.and_then(|to| self.frame(host, to));
        let back = to.filter(|_| there.is_some()).and_then(|to| self.frame(to, host));
        let resolved = there.is_some() || to.is_some_and(|to| self.hosts[host].resolved.contains_key(&to));
        let Some(probe) = self.hosts[host].datapath.send(id, local, resolved) else { return };
        self.later(host, self.now + spec.deadline, Happening::Deadline(id, probe));
        self.later(host, self.now + spec.interval, Happening::Send(id));
        let (Some(to), Some(there)) = (to, there) else { return };
        self.hosts[host].resolved.insert(to, ());
        let from = self.hosts[host].address;
        let reply = self.answer(to, from, host, spec.purpose);
        if let Some(back) = back {
            self.later(host, self.now + there + back, Happening::Reply(id, probe, reply));
        }
    }

    /// What the other end says to a probe.
    fn answer(&mut self, to: usize, from: Address, asker: usize, purpose: Purpose) -> Reply {
        let now = self.now;
        let asker = self.hosts[asker].clock(now);
        let other = &mut self.hosts[to];
        let local = other.clock(now);
        let Some((incarnation, health)) = other.answers else { return Reply::Plain };
        other.datapath.probed(from, purpose, local);
        let pulse = other.pulse.map(|beat| asker - local.since(beat));
        Reply::Tagged { pulse, incarnation, health }
    }

    fn frame(&mut self, from: usize, to: usize) -> Option<Duration> {
        if self.hosts[from].cut || self.hosts[to].cut {
            return None;
        }
        self.network.carry(from, to)
    }

    /// The notice room tries three times.
    pub(super) fn send_notice(&mut self, host: usize, to: Address, notice: &Notice) {
        let Some(to) = self.hosts.iter().position(|o| o.address == to) else { return };
        if self.notices_lost {
            return;
        }
        for again in 0..3 {
            if let Some(there) = self.frame(host, to) {
                let at = self.now + Duration::from_millis(100) * again + there;
                self.later(to, at, Happening::Notice(notice.clone()));
                return;
            }
        }
    }

    pub(super) fn next_statement(&mut self, host: usize, ticket: u64) {
        let (least, most) = self.settings.statement;
        let takes = self.rng.between(least, most);
        self.later(host, self.now + takes, Happening::Statement(ticket));
    }

    pub(super) fn statement(&mut self, host: usize, ticket: u64) {
        self.table.set_now(Self::EPOCH + self.now.since(Time::ZERO));
        let local = self.hosts[host].clock(self.now);
        let away = self.database_away || self.hosts[host].database_cut;
        let Host { flights, datapath, .. } = &mut self.hosts[host];
        let Some(flight) = flights.get_mut(&ticket) else { return };
        flight.attempt.clock(local);
        let progress = if away {
            let cause = "connection refused".to_owned();
            Progress::Ended(Err(TableFailure { cause, transient: true }))
        } else {
            let witnesses = &flight.witnesses;
            flight.attempt.advance(&mut self.table, &mut || datapath.holds(witnesses))
        };
        let Progress::Ended(result) = progress else {
            self.next_statement(host, ticket);
            return;
        };
        let Some(flight) = flights.remove(&ticket) else { return };
        let took = self.now.since(flight.began);
        self.check_table();
        let done = TableDone { ticket, result, snapshot: flight.attempt.into_snapshot(), took };
        self.feed(host, Input::Table(done));
    }
}
