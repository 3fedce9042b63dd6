//! What moves between servers (probes and notices), and between servers and the database (statements).

use std::time::Duration;

use super::datapath::Reply;
use super::host::{Flight, Host};
use super::world::{Happening, World};
use ringmon_common::wire::{FIRST_VERSION, VERSION};
use ringmon_core::engine::{Answers, Input, TableDone, TableFailure};
use ringmon_core::evidence::{Asked, WatchSpec};
use ringmon_core::op::{Lane, TableOp};
use ringmon_core::row::Address;
use ringmon_core::virtual_table::{Attempt, Progress};
use ringmon_core::{Notice, Purpose, WatchId};

impl World {
    /// A database is quick if its statements take no longer than this.
    const QUICK: Duration = Duration::from_millis(20);

    /// Sends the probe that is due, if its watch is still in that round.
    pub(super) fn send(&mut self, host: usize, id: WatchId, round: u32) {
        if self.hosts[host].datapath.round(id) != Some(round) {
            return;
        }
        let was_calm = self.hosts[host].datapath.calm(id).is_some();
        let doomed = self.end_calm(host, id);
        // The end of a calm without a loss has planned this probe again.
        if was_calm && !doomed {
            return;
        }
        if doomed || !self.begin_calm(host, id) {
            self.probe(host, id, doomed);
        }
    }

    /// Sends a probe and settles its whole outcome at once: nothing changes within a round trip.
    fn probe(&mut self, host: usize, id: WatchId, doomed: bool) {
        let h = &self.hosts[host];
        let Some(spec) = h.datapath.spec(id).cloned() else { return };
        let round = h.datapath.round(id).unwrap_or_default();
        let local = h.clock(self.now);
        let to = self.host_at(spec.address);
        if to.is_some_and(|to| h.cannot_probe(to)) {
            self.hosts[host].datapath.hold_up(id, local);
            return self.later(host, self.now + spec.interval, Happening::Send(id, round));
        }
        // A doomed probe or its reply gets lost; which of the two is drawn here.
        let there = to.and_then(|to| self.frame(host, to)).filter(|_| !doomed || self.rng.chance(500));
        let back = to.filter(|_| there.is_some() && !doomed).and_then(|to| self.frame(to, host));
        self.traffic.probes += 1;
        let resolved = there.is_some() || to.is_some_and(|to| self.hosts[host].resolved.contains_key(&to));
        let Some(probe) = self.hosts[host].datapath.send(id, local, resolved) else { return };
        let patience = self.hosts[host].datapath.patience(id).unwrap_or(spec.deadline);
        self.later(host, self.now + patience, Happening::Deadline(id, probe));
        self.later(host, self.now + spec.interval, Happening::Send(id, round));
        let (Some(to), Some(there)) = (to, there) else { return };
        self.hosts[host].resolved.insert(to, ());
        let from = self.hosts[host].address;
        let knows = self.knows(host, to, &spec);
        let reply = if knows { self.answer(to, from, host, &spec) } else { Reply::Plain };
        let asked = spec.asked.at.filter(|_| knows && spec.wire == VERSION).map(|at| (spec.asked.about, at));
        if let (true, Some((server, at))) = (self.hosts[to].datapath.asks(from, asked), asked) {
            self.later(to, self.now + there, Happening::Asked(server, at));
        }
        if let Some(back) = back {
            self.later(host, self.now + there + back, Happening::Reply(id, probe, reply));
        }
    }

    /// What the other end replies to a probe.
    fn answer(&mut self, to: usize, from: Address, asker: usize, spec: &WatchSpec) -> Reply {
        let purpose = spec.purpose;
        let now = self.now;
        let asker = self.hosts[asker].clock(now);
        let other = &mut self.hosts[to];
        let local = other.clock(now);
        let Some(answers) = other.answers else { return Reply::Plain };
        let answered = other.datapath.probed(from, purpose, local);
        let stranger = other.asleep && purpose == Purpose::Buddy && !other.datapath.targets().any(|t| t == from);
        if stranger {
            self.rouse(to);
        }
        let other = &self.hosts[to];
        let pulse = other.pulse_at(now).map(|beat| asker - now.since(beat));
        let asks = spec.asked != Asked::NOTHING && spec.wire == VERSION;
        let said = asks.then(|| other.datapath.testify(spec.asked.about, &answers, local));
        let Answers { incarnation, health, .. } = answers;
        Reply::Tagged { pulse, incarnation, health, answered, said }
    }

    /// Whether the programs of the other end take this for a probe. If not, the kernel there echoes it.
    pub(super) fn knows(&self, from: usize, to: usize, spec: &WatchSpec) -> bool {
        self.accepts(from, to) && !(self.hosts[to].older && spec.wire != FIRST_VERSION)
    }

    fn frame(&mut self, from: usize, to: usize) -> Option<Duration> {
        if self.hosts[from].cut || self.hosts[to].cut {
            return None;
        }
        self.network.carry(from, to)
    }

    /// Sends a notice with up to three tries, as the notice room does.
    pub(super) fn send_notice(&mut self, host: usize, to: Address, notice: &Notice) {
        let Some(to) = self.host_at(to).filter(|to| self.accepts(host, *to)) else { return };
        self.traffic.notices += 1;
        let from = self.hosts[host].address;
        if self.notices_lost {
            self.rough.notices = self.now;
            return;
        }
        for again in 0..3 {
            if let Some(there) = self.frame(host, to) {
                let at = self.now + Duration::from_millis(100) * again + there;
                self.later(to, at, Happening::Notice(notice.clone(), from));
                return;
            }
        }
    }

    /// Least and most time of one statement of this server.
    pub(super) fn statement_of(&self, host: usize) -> (Duration, Duration) {
        let h = &self.hosts[host];
        h.slow.or(self.slow).or(h.distance).unwrap_or(self.settings.statement)
    }

    /// Begins a table operation, once the one before it in its lane is over.
    pub(super) fn fly(&mut self, host: usize, ticket: u64, op: TableOp) {
        let (lane, grounds, began) = (op.lane(), op.grounds(), self.now);
        let op = self.as_it_writes(host, op);
        let attempt = Attempt::new(op, self.hosts[host].clock(began));
        let flight = Flight { attempt, grounds, began, lane, connected: false, waits: None, broken: false };
        self.hosts[host].flights.insert(ticket, flight);
        self.connect(host, lane);
    }

    fn connect(&mut self, host: usize, lane: Lane) {
        let (now, flights) = (self.now, &mut self.hosts[host].flights);
        let under_way = flights.values().filter(|flight| flight.lane == lane && flight.connected);
        if under_way.count() >= lane.width() as usize {
            return;
        }
        let next = flights.iter_mut().find(|(_, flight)| flight.lane == lane && !flight.connected);
        if let Some((ticket, flight)) = next {
            (flight.connected, flight.began) = (true, now);
            let ticket = *ticket;
            self.next_statement(host, ticket);
        }
    }

    pub(super) fn next_statement(&mut self, host: usize, ticket: u64) {
        let (least, most) = self.statement_of(host);
        if most > Self::QUICK {
            self.rough.database = self.now;
        }
        let takes = self.rng.between(least, most);
        self.later(host, self.now + takes, Happening::Statement(ticket));
    }

    pub(super) fn statement(&mut self, host: usize, ticket: u64) {
        self.table.set_now(self.database_now());
        let local = self.hosts[host].clock(self.now);
        self.catch_up(host);
        let broken = self.hosts[host].flights.get(&ticket).is_some_and(|flight| flight.broken);
        let away = self.database_away || self.hosts[host].database_cut || broken;
        let held = if away { Ok(None) } else { self.waits(host, ticket) };
        if let Ok(Some(until)) = held {
            self.later(host, until, Happening::Statement(ticket));
            return;
        }
        let writing = self.hosts[host].flights.get(&ticket).is_some_and(|f| f.attempt.is_writing());
        self.mishap(writing && !away && held.is_ok());
        let Host { flights, datapath, .. } = &mut self.hosts[host];
        let Some(flight) = flights.get_mut(&ticket) else { return };
        flight.attempt.clock(local);
        self.traffic.statements += 1;
        if away {
            (self.rough.database, self.rough.away) = (self.now, self.now);
        }
        let progress = if let Err(failure) = held {
            Progress::Ended(Err(failure))
        } else if away {
            let cause = "connection refused".to_owned();
            Progress::Ended(Err(TableFailure { cause, transient: true, readable: false, overtaken: false }))
        } else {
            let grounds = &flight.grounds;
            flight.attempt.advance(&mut self.table, &mut || datapath.holds(grounds))
        };
        self.without_answers(host);
        let Progress::Ended(result) = progress else {
            self.next_statement(host, ticket);
            return;
        };
        let Some(flight) = self.hosts[host].flights.remove(&ticket) else { return };
        let took = self.now.since(flight.began);
        self.connect(host, flight.lane);
        self.check_table();
        let snapshot = self.as_it_reads(host, flight.attempt.into_snapshot());
        let done = TableDone { ticket, result, snapshot, took };
        self.take_keys(host, &done);
        self.feed(host, Input::Table(done));
    }
}
