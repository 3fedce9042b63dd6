//! Watches and loops that need no event, because nothing can go wrong in them.
//!
//! Take two servers that are each other's buddies, are up, and have heard each other. Every probe of their watches is
//! answered until something changes: a server, a link or the network, or until a frame gets lost. Such a watch is
//! **calm**. Its counts follow from when it began, and are computed when they are read. The next lost frame is drawn
//! when the calm begins. A server **sleeps** while all its watches are calm: its loop turns without being simulated.
//! Every change first ends the calm of all watches it concerns, and of the probes on their way at that moment.

use std::time::Duration;

use super::datapath::Reply;
use super::world::{Happening, World};
use ringmon_core::engine::{Answers, Input};
use ringmon_core::evidence::{Purpose, WatchId};
use ringmon_core::rng::Rng;
use ringmon_core::{Time, row::Address};

/// A calm watch. Times are on the common clock.
#[derive(Clone, Debug)]
pub(super) struct Calm {
    /// When the probe with index 0 left.
    from: Time,
    interval: Duration,
    seed: u64,
    target: usize,
    /// How many probes were counted as sent, and as answered.
    counted: (u64, u64),
    /// The index of the probe that ends the calm, and whether that probe gets lost.
    doomed: Option<(u64, bool)>,
}

impl Calm {
    fn sent_at(&self, index: u64) -> Time {
        let ns = u64::try_from(self.interval.as_nanos()).unwrap_or(u64::MAX).saturating_mul(index);
        self.from + Duration::from_nanos(ns)
    }

    /// How many probes left up to this time.
    fn sent_by(&self, at: Time) -> u64 {
        if at < self.from {
            return 0;
        }
        let many = at.since(self.from).as_nanos() / self.interval.as_nanos().max(1) + 1;
        let many = u64::try_from(many).unwrap_or(u64::MAX);
        self.doomed.map_or(many, |(index, _)| many.min(index))
    }

    fn rtt(&self, index: u64, latency: (Duration, Duration)) -> Duration {
        let mut rng = Rng::new(self.seed ^ index.wrapping_mul(0x2545_f491_4f6c_dd1d));
        rng.between(latency.0, latency.1) + rng.between(latency.0, latency.1)
    }
}

impl World {
    /// Makes a watch calm, starting with the probe that is due now, if nothing can go wrong.
    pub(super) fn begin_calm(&mut self, host: usize, id: WatchId) -> bool {
        if !self.settings.lazy {
            return false;
        }
        let Some(spec) = self.hosts[host].datapath.spec(id) else { return false };
        let (address, interval, deadline) = (spec.address, spec.interval, spec.deadline);
        let slow = self.weather.1.1 * 2 >= deadline.min(interval);
        // What a witness says about another server has to be heard.
        let quiet = spec.purpose == Purpose::Buddy && spec.asked.at.is_none() && !slow;
        let Some(target) = self.host_at(address).filter(|_| quiet) else { return false };
        let (me, other) = (&self.hosts[host], &self.hosts[target]);
        let up = |h: &super::Host| h.engine.is_some() && !h.frozen && !h.cut;
        let mutual = other.datapath.buddy_at(me.address).is_some();
        let Some(life) = other.answers.map(|answers| (answers.incarnation, answers.health)) else { return false };
        let healthy = me.datapath.is_healthy(id, life) && self.knows(host, target, spec);
        if me.cannot_probe(target) {
            return false;
        }
        if !(up(me) && up(other) && mutual && healthy && self.network.reaches(host, target)) {
            return false;
        }
        let Some(doomed) = self.first_loss(host, target) else { return false };
        let calm = Calm { from: self.now, interval, seed: self.rng.word(), target, counted: (0, 0), doomed };
        let lost_at = doomed.map(|(index, _)| calm.sent_at(index));
        self.hosts[host].datapath.set_calm(id, Some(calm));
        if let (Some(at), Some(round)) = (lost_at, self.hosts[host].datapath.round(id)) {
            self.later(host, at, Happening::Send(id, round));
        }
        true
    }

    /// The index of the first probe that gets lost, in either direction; `None` if that is the probe that is due now.
    /// Looks only [`Self::FORESIGHT`] probes ahead.
    fn first_loss(&mut self, a: usize, b: usize) -> Option<Option<(u64, bool)>> {
        let (there, back) = (self.network.loss(a, b), self.network.loss(b, a));
        if there == 0 && back == 0 {
            return Some(None);
        }
        let kept = (1000 - there.min(1000)) * (1000 - back.min(1000));
        let lost = (0..Self::FORESIGHT).find(|_| self.rng.below(1_000_000) >= kept);
        match lost {
            Some(0) => None,
            Some(index) => Some(Some((index, true))),
            None => Some(Some((Self::FORESIGHT, false))),
        }
    }

    /// Brings the counts of a calm watch up to now.
    fn catch_up_watch(&mut self, host: usize, id: WatchId) {
        let Some(mut calm) = self.hosts[host].datapath.calm(id).cloned() else { return };
        let sent = calm.sent_by(self.now);
        let answered = match sent.checked_sub(1) {
            Some(last) if calm.sent_at(last) + calm.rtt(last, self.weather.1) > self.now => last,
            Some(_) | None => sent,
        };
        let last = answered.checked_sub(1).map(|index| {
            let (left, rtt) = (calm.sent_at(index), calm.rtt(index, self.weather.1));
            let beat = self.hosts[calm.target].pulse_at(left).unwrap_or(left);
            let me = &self.hosts[host];
            (me.clock(left + rtt), me.clock(beat), rtt)
        });
        let (new, heard) = (sent.saturating_sub(calm.counted.0), answered.saturating_sub(calm.counted.1));
        calm.counted = (sent, answered);
        self.traffic.probes += new;
        let address = self.hosts[host].address;
        let answered = self.hosts[calm.target].datapath.count_answered(address, new);
        let datapath = &mut self.hosts[host].datapath;
        datapath.count(id, (new, heard, answered), last);
        datapath.set_calm(id, Some(calm));
    }

    /// Brings the counts of all calm watches of a server up to now.
    pub(super) fn catch_up(&mut self, host: usize) {
        if self.settings.lazy {
            for (id, _) in self.hosts[host].datapath.ids() {
                self.catch_up_watch(host, id);
            }
        }
    }

    /// Brings the counts of all calm watches of all servers up to now.
    pub fn count_calm(&mut self) {
        (0..self.hosts.len()).for_each(|host| self.catch_up(host));
    }

    /// Simulates each probe of this watch from now on. Returns true if the probe that is due now gets lost.
    pub(super) fn end_calm(&mut self, host: usize, id: WatchId) -> bool {
        self.catch_up_watch(host, id);
        let Some(calm) = self.hosts[host].datapath.set_calm(id, None) else { return false };
        let (sent, answered) = calm.counted;
        if answered < sent {
            self.let_fly(host, id, &calm, answered);
        }
        if calm.doomed == Some((sent, true)) && calm.sent_at(sent) <= self.now {
            return true;
        }
        let round = self.hosts[host].datapath.round(id).unwrap_or_default();
        self.later(host, calm.sent_at(sent).max(self.now), Happening::Send(id, round));
        false
    }

    /// Simulates the probe that is on its way: its reply will come.
    fn let_fly(&mut self, host: usize, id: WatchId, calm: &Calm, index: u64) {
        let left = calm.sent_at(index);
        let Some(Answers { incarnation, health, .. }) = self.hosts[calm.target].answers else { return };
        let beat = self.hosts[calm.target].pulse_at(left);
        let from = self.hosts[host].address;
        let h = &mut self.hosts[host];
        let (local, pulse) = (h.clock(left), beat.map(|b| h.clock(b)));
        let probe = h.datapath.fly(id, local);
        let Some(deadline) = h.datapath.spec(id).map(|s| s.deadline) else { return };
        let answered = self.hosts[calm.target].datapath.count_answered(from, 0);
        let reply = Reply::Tagged { pulse, incarnation, health, answered, said: None };
        self.later(host, left + deadline, Happening::Deadline(id, probe));
        self.later(host, left + calm.rtt(index, self.weather.1), Happening::Reply(id, probe, reply));
    }

    /// Ends the calm of a watch, and of the target's watch in the other direction.
    pub(super) fn stir_watch(&mut self, host: usize, id: WatchId) {
        if !self.settings.lazy {
            return;
        }
        let Some(address) = self.hosts[host].datapath.spec(id).map(|s| s.address) else { return };
        self.rouse(host);
        self.calm_over(host, id);
        let Some(other) = self.host_at(address) else { return };
        if let Some(back) = self.hosts[other].datapath.buddy_at(self.hosts[host].address) {
            self.rouse(other);
            self.calm_over(other, back);
        }
    }

    fn calm_over(&mut self, host: usize, id: WatchId) {
        if self.hosts[host].datapath.calm(id).is_some() && self.end_calm(host, id) {
            // The probe of this watch is due right now. Whether it gets lost is drawn again.
            let round = self.hosts[host].datapath.round(id).unwrap_or_default();
            self.later(host, self.now, Happening::Send(id, round));
        }
    }

    /// Ends the calm of all watches of this server, which is about to change.
    pub(super) fn stir(&mut self, host: usize) {
        if self.settings.lazy {
            self.rouse(host);
            for (id, _) in self.hosts[host].datapath.ids() {
                self.stir_watch(host, id);
            }
        }
    }

    /// Ends the calm of the watches concerned if the network was changed between two steps.
    pub(super) fn notice_weather(&mut self) {
        let (pairs, all) = self.network.take_news();
        let weather = (self.network.loss_permille, self.network.latency);
        if all || weather != self.weather {
            (0..self.hosts.len()).for_each(|host| self.stir(host));
        } else {
            for (a, b) in pairs {
                let toward: Option<Address> = self.hosts.get(b).map(|h| h.address);
                let watch = toward.and_then(|address| self.hosts[a].datapath.buddy_at(address));
                if let Some(id) = watch {
                    self.stir_watch(a, id);
                } else {
                    self.stir_back(b, a);
                }
            }
        }
        self.weather = weather;
    }

    fn stir_back(&mut self, from: usize, to: usize) {
        let address = self.hosts[to].address;
        if let Some(id) = self.hosts.get(from).and_then(|h| h.datapath.buddy_at(address)) {
            self.stir_watch(from, id);
        }
    }

    /// Notes the servers whose calm probes were answered here.
    pub(super) fn tell_probed(&mut self, host: usize) {
        if !self.settings.lazy {
            return;
        }
        let (address, now) = (self.hosts[host].address, self.now);
        for (_, target) in self.hosts[host].datapath.ids() {
            let Some(other) = self.host_at(target) else { continue };
            let theirs = &self.hosts[other].datapath;
            let Some(calm) = theirs.buddy_at(address).and_then(|id| theirs.calm(id)) else { continue };
            let Some(last) = calm.sent_by(now).checked_sub(1) else { continue };
            let at = self.hosts[host].clock(calm.sent_at(last));
            self.hosts[host].datapath.visited(target, Purpose::Buddy, at);
        }
    }

    /// Puts this server to sleep if its loop needs no turns until its engine wants something. Returns whether it did.
    pub(super) fn sleep(&mut self, host: usize) -> bool {
        let h = &mut self.hosts[host];
        let busy = !self.settings.lazy || h.frozen || !h.flights.is_empty() || !h.datapath.is_calm();
        let Some(engine) = h.engine.as_ref().filter(|_| !busy) else { return false };
        let due = engine.poll_errand().map(|at| h.world(at));
        if due.is_some_and(|due| due <= self.now + Self::TURN) {
            return false;
        }
        h.asleep = true;
        h.wake = due;
        if let Some(due) = due {
            self.later(host, due, Happening::Wake);
        }
        true
    }

    /// Ends a server's sleep, as if its loop had turned all the time.
    pub(super) fn rouse(&mut self, host: usize) {
        if !self.hosts[host].asleep {
            return;
        }
        self.catch_up(host);
        let h = &mut self.hosts[host];
        h.beat = h.pulse_at(self.now).unwrap_or(self.now);
        h.asleep = false;
        h.wake = None;
        h.pulse = Some(h.clock(h.beat));
        let (now, next) = (h.clock(self.now), h.beat + Self::TURN);
        let readings = h.datapath.readings();
        if let Some(engine) = &mut h.engine {
            engine.rest_until(now);
            for (watch, reading) in readings {
                engine.handle(now, Input::Watch(watch, reading));
            }
            engine.handle_timeout(now);
        }
        self.later(host, next, Happening::Turn);
        self.drain(host);
        debug_assert!(self.hosts[host].engine.as_ref().is_none_or(|engine| engine.poll_timeout().is_some()));
    }

    /// The number of missed probes, over all watches that exist now.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.hosts.iter().flat_map(|h| h.datapath.readings()).map(|(_, reading)| reading.misses).sum()
    }

    /// Losses are drawn at most this many probes ahead.
    const FORESIGHT: u64 = 3000;
}
