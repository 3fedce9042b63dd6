//! A member of the ring: reads its row, watches its buddies, and acts on what both say.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::Next;
use super::alone::AloneWork;
use super::common::Common;
use super::contract::{Buddy, BuddyList, Output, TableDone};
use super::joining::Spliced;
use super::leaving::Drain;
use super::show::Standing;
use super::suspicion::{Footing, SideWork};
use super::table::Concern;
use super::view::View;
use super::witness::Witnesses;
use crate::ahead::share;
use crate::event::{EventBody, Joined};
use crate::law;
use crate::notice::{Notice, NoticeBody};
use crate::op::TableOp;
use crate::row::Address;
use crate::{Incarnation, Purpose, Rule, ServerId, Side, Time};

/// See the module.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Member {
    pub id: ServerId,
    pub incarnation: Incarnation,
    pub view: Option<View>,
    /// What was read from the table before this moment is older than what is known.
    pub known_at: Time,
    /// When to read the own row again.
    pub read_at: Time,
    /// Former buddies of whom it is not known what became of them.
    pub vanished: BTreeSet<ServerId>,
    pub told_gone: BTreeSet<ServerId>,
    /// Whom this server itself removed.
    pub own_removals: BTreeSet<ServerId>,
    pub kept: Option<BuddyList>,
    pub sides: [SideWork; 2],
    pub alone: AloneWork,
    pub witnesses: Witnesses,
    /// Addresses that asked to be probed, and until when.
    helped: BTreeMap<Address, Time>,
    stranger_at: Time,
    suspects_since: Option<Time>,
    /// Out of the routes before out of the ring.
    #[serde(default)]
    pub drain: Drain,
}

impl Member {
    /// Servers that are helped to join at a time.
    const HELPED: usize = 4;
    /// How long each.
    const HELP: Duration = Duration::from_secs(1);

    pub fn begin(common: &mut Common, spliced: Spliced) -> Self {
        let Spliced { id, incarnation, kept_place, rejoining, attempts } = spliced;
        common.me = (id, incarnation);
        let health = common.health;
        common.say(Output::Identity { id, incarnation, health });
        let joined = Joined { address: None, attempts: Some(attempts), incarnation, kept_place };
        common.tally.rejoins += u64::from(rejoining);
        common.own_event(if rejoining { EventBody::Rejoined(joined) } else { EventBody::Joined(joined) });
        Self {
            id,
            incarnation,
            view: None,
            known_at: common.now,
            read_at: common.now,
            vanished: BTreeSet::new(),
            told_gone: BTreeSet::new(),
            own_removals: BTreeSet::new(),
            kept: None,
            sides: Side::BOTH.map(|side| SideWork::new(side, common)),
            alone: AloneWork::default(),
            witnesses: Witnesses::default(),
            helped: BTreeMap::new(),
            stranger_at: Time::ZERO,
            suspects_since: None,
            drain: Drain::No,
        }
    }

    pub fn side_mut(&mut self, side: Side) -> &mut SideWork {
        match side {
            Side::First => &mut self.sides[0],
            Side::Second => &mut self.sides[1],
        }
    }

    pub fn settle(&mut self, common: &mut Common) -> Option<Next> {
        self.read(common);
        if let Some(view) = &self.view {
            let of_two = view.of_two();
            for (work, buddy) in self.sides.iter_mut().zip(&view.buddies) {
                work.look(common, self.id, buddy.as_ref(), of_two);
            }
            self.settle_witnesses(common);
            self.watch(common);
            let footing = Footing::of(&self.sides, common);
            for work in &mut self.sides {
                work.accuse(common, (self.id, self.incarnation), footing);
            }
            self.settle_alone(common, of_two);
        }
        if common.row_health != Some(common.health) && common.ready(Concern::Health) {
            common.row_health = Some(common.health);
            let (me, incarnation, health) = (self.id, self.incarnation, common.health);
            common.begin(Concern::Health, TableOp::SetHealth { me, incarnation, health });
        }
        self.settle_drain(common);
        None
    }

    /// Read the own row again when it is time: on a hint, while suspecting, and now and then.
    fn read(&mut self, common: &mut Common) {
        let suspects = self.sides.iter().filter_map(|w| w.suspicion.as_ref()).map(|s| s.since).min();
        if suspects != self.suspects_since {
            self.suspects_since = suspects;
            if let Some(since) = suspects {
                self.read_at = self.read_at.min(common.next_check(since));
            }
        }
        self.strange_lives(common);
        if !common.due(self.read_at) || !common.ready(Concern::View) {
            return;
        }
        let regular = common.now + common.rng.around(law::REREAD, 10);
        self.read_at = suspects.map_or(regular, |since| common.next_check(since));
        let mut known = self.vanished.clone();
        known.extend(self.view.iter().flat_map(|v| v.buddies.iter().flatten()).map(|b| b.id));
        known.extend(self.sides.iter().flat_map(|w| w.run.silent.iter().map(|(id, _)| *id)));
        let op = TableOp::View { me: self.id, known: known.into_iter().collect() };
        common.begin(Concern::View, op);
    }

    /// A buddy that answers as another life than its row had: the row has changed.
    fn strange_lives(&mut self, common: &mut Common) {
        let strange = common.watches.iter().any(|w| {
            w.purpose == Purpose::Buddy
                && w.reading.incarnation > w.target.incarnation
                && w.reading.last_reply.is_some()
        });
        if strange {
            self.hint(common);
        }
    }

    /// Read soon, but not more often than strangers may make it.
    pub fn hint(&mut self, common: &Common) {
        let at = self.stranger_at.max(common.now);
        if self.read_at > at {
            self.read_at = at;
            self.stranger_at = at + law::STRANGER_EVERY;
        }
    }

    /// R10: a probe for a buddy from somebody who is none.
    pub fn stranger(&mut self, common: &Common, address: Address) {
        let buddies = self.view.iter().flat_map(|v| v.buddies.iter().flatten());
        if !buddies.map(|b| b.address).any(|known| known == address) && common.identity.tuning.keeps(Rule::R10) {
            self.hint(common);
        }
    }

    pub fn notice(&mut self, common: &mut Common, notice: &Notice, from: (Address, u16)) {
        match notice.body {
            NoticeBody::Voted { .. } => {
                for suspicion in self.sides.iter_mut().filter_map(|w| w.suspicion.as_mut()) {
                    suspicion.again = true;
                }
                self.read_at = common.now;
            }
            NoticeBody::Spliced { subject } => {
                self.read_at = common.now;
                // Whoever has just come is followed by nobody yet.
                common.tell_followers(subject);
            }
            NoticeBody::Removed { subject } => {
                self.read_at = common.now;
                self.tell_for_an_operator(common, notice, subject);
            }
            NoticeBody::Changed { subject } => {
                self.read_at = if subject == self.id { common.now } else { self.read_at };
                self.tell_for_an_operator(common, notice, subject);
            }
            NoticeBody::Follow { seconds } => {
                common.followers.follow(from, Duration::from_secs(u64::from(seconds)), common.now);
            }
            NoticeBody::ProbeMe { address } => {
                let room = self.helped.len() < Self::HELPED || self.helped.contains_key(&address);
                if room && address != common.identity.address {
                    self.helped.insert(address, common.now + Self::HELP);
                }
            }
            NoticeBody::Ask { address } => self.asked(common, address, from),
            NoticeBody::Proof { incarnation, age_ms } => {
                self.proof(common, notice.from, incarnation, Duration::from_millis(u64::from(age_ms)));
            }
            NoticeBody::Outage { silence_ms } => {
                let silence = Duration::from_millis(u64::from(silence_ms));
                common.outages.healed(from.0, silence, common.now);
            }
        }
    }

    /// An operator's command knows the servers, and no routers.
    fn tell_for_an_operator(&self, common: &mut Common, notice: &Notice, subject: ServerId) {
        if notice.from == ServerId::NEW {
            common.tell_followers(subject);
        }
    }

    pub fn service(&self, common: &mut Common) {
        let (id, incarnation, health) = (self.id, self.incarnation, common.health);
        common.say(Output::Identity { id, incarnation, health });
    }

    /// Whom to probe: buddies, those beyond silent ones, and those who asked for it.
    fn watch(&mut self, common: &mut Common) {
        let now = common.now;
        self.helped.retain(|_, until| *until > now);
        if let Some(until) = self.helped.values().min() {
            common.wake_at(*until);
        }
        let mut wanted: Vec<(Buddy, Purpose)> = Vec::new();
        let add = |wanted: &mut Vec<(Buddy, Purpose)>, target: &Buddy, purpose| {
            if !wanted.iter().any(|(known, _)| known.address == target.address) {
                wanted.push((target.clone(), purpose));
            }
        };
        for buddy in self.view.iter().flat_map(|v| v.buddies.iter().flatten()) {
            add(&mut wanted, buddy, Purpose::Buddy);
        }
        for further in share([self.sides[0].watched(), self.sides[1].watched()]) {
            add(&mut wanted, further, Purpose::Ahead);
        }
        let joining = self.helped.keys().map(|address| (*address, Purpose::Join));
        for (address, purpose) in joining.chain(self.witnesses.probed().map(|address| (address, Purpose::Asked))) {
            let name = address.to_string();
            let target = Buddy { id: ServerId::NEW, name, address, notice_port: 0, incarnation: Incarnation(0) };
            add(&mut wanted, &target, purpose);
        }
        common.watch_only(&wanted);
    }

    /// How long the database is left alone at most: less while somebody is silent.
    pub fn patience(&self) -> Duration {
        if self.suspects_since.is_some() { law::REVOTE } else { Duration::MAX }
    }

    pub fn table(&mut self, common: &mut Common, concern: Concern, done: TableDone) -> Option<Next> {
        if done.result.is_ok()
            && let Some(next) = self.adopt(common, &done.snapshot)
        {
            return Some(next);
        }
        match concern {
            Concern::View if done.result.is_err() => self.read_at = common.now,
            Concern::Ahead(side) => {
                let id = self.id;
                if done.result.is_err() {
                    self.side_mut(side).ahead_at = common.now;
                } else if !self.side_mut(side).ahead(id, &done.snapshot) {
                    self.read_at = common.now;
                }
            }
            Concern::Vote(side) => self.vote_done(common, side, done),
            Concern::Alone => self.alone_done(common, done),
            Concern::Witnesses => self.witnesses_picked(common, &done.snapshot),
            Concern::Leave if self.moved(common, &done) => return Some(Next::Removed),
            // Nobody knows what the row says: write again.
            Concern::Health if done.result.is_err() => common.row_health = None,
            Concern::Health => common.tell_followers(self.id),
            Concern::Drain => self.drained(common, &done),
            Concern::View | Concern::Find | Concern::Place | Concern::Join | Concern::Leave => {}
        }
        None
    }

    pub fn name_of(&self, common: &Common, id: ServerId) -> String {
        common.watches.of(id).map_or_else(|| id.to_string(), |w| w.target.name.clone())
    }

    pub fn standing(&self) -> Standing {
        let drained = self.drain.since();
        Standing {
            phase: "member",
            id: Some(self.id),
            incarnation: self.incarnation,
            buddies: self.kept.clone(),
            drained,
            draining: drained.is_some() || self.view.as_ref().is_some_and(|view| view.me.draining),
        }
    }
}
