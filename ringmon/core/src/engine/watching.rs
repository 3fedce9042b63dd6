//! The watches of one engine: which server each slot watches, what the watch reads, and what that means.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use ringmon_common::wire::FIRST_VERSION;
use serde::{Deserialize, Serialize};

use super::asks::Asks;
use super::contract::Output;
use super::sight::Sight;
use crate::buddy::Buddy;
use crate::detector::{Change, Detector, State};
use crate::evidence::{Asked, LocalFault, MAX_WATCHES, Purpose, WatchId, WatchReading, WatchSpec};
use crate::ways::Ways;
use crate::{Incarnation, ServerId, Time, Tuning};

/// After a plain echo, a server is probed in the first version for this long.
const ECHO_COUNTS: Duration = Duration::from_secs(10);

/// One watch.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Watch {
    pub id: WatchId,
    pub target: Buddy,
    pub purpose: Purpose,
    /// What the target is asked.
    pub asked: Asked,
    pub reading: WatchReading,
    pub detector: Detector,
    /// Whether it sees anything.
    #[serde(default)]
    pub sight: Sight,
    /// The incarnation of the target that was last reported as alive, unless it became suspect since then.
    pub told_alive: Option<Incarnation>,
    /// Whether a suspicion was reported and its end was not.
    pub told_suspect: bool,
    /// Whether it is probed faster, which starts at the first miss of a run.
    pub burst: bool,
    /// Loss in each direction.
    pub ways: Ways,
    /// A probe in the version that its row says came back as a plain echo. An agent may run there all the same: an
    /// older one that has not written its row yet. So this life is probed in the first version.
    echoed: bool,
    /// Whether the datapath knows that this watch sees nothing.
    #[serde(default)]
    told_blind: bool,
}

impl Watch {
    /// In the slowest profile too a witness gets several probes while it is asked, and an end of a place while it is
    /// being proved.
    const SOON_MOST: Duration = Duration::from_millis(20);

    /// Whether this watches that life of that server. A life that answered before its row was read also counts.
    fn is_of(&self, target: &Buddy) -> bool {
        let answered = self.reading.incarnation != Incarnation(0) && self.reading.incarnation == target.incarnation;
        self.target.id == target.id
            && self.target.address == target.address
            && (self.target.incarnation == target.incarnation || answered)
    }

    /// Whether others asked about this server, and this one knows nothing of its row.
    fn is_for_others(&self) -> bool {
        self.purpose == Purpose::Asked && self.target.incarnation == Incarnation(0)
    }

    fn spec(&self, tuning: &Tuning) -> WatchSpec {
        WatchSpec {
            id: self.id,
            server: if self.told_blind { ServerId::NEW } else { self.target.id },
            name: self.target.name.clone(),
            address: self.target.address,
            purpose: self.purpose,
            wire: if self.echoed { FIRST_VERSION } else { self.target.wire },
            asked: self.asked,
            interval: self.interval(tuning),
            deadline: tuning.deadline,
        }
    }

    /// The life to report as alive, once: a buddy at its first reply, any server after a suspicion.
    pub fn newly_alive(&mut self) -> Option<Incarnation> {
        let life = self.reading.incarnation;
        let shown = self.purpose == Purpose::Buddy || self.told_suspect;
        // An agent that has just started answers before it knows its incarnation. It is reported once it says which one
        // it is.
        let unborn = life == Incarnation(0) && self.told_alive.is_some();
        if self.detector.state() != State::Alive || !shown || unborn || self.told_alive == Some(life) {
            return None;
        }
        self.told_alive = Some(life);
        self.told_suspect = false;
        Some(life)
    }

    /// Whether its kernel answered last, and not ringmon's programs.
    fn is_echo(&self) -> bool {
        self.target.wire != FIRST_VERSION && self.reading.last_plain > self.reading.last_reply
    }

    /// Whether it has been heard in the first version for long enough to try its own again. Any agent that starts is
    /// echoed for a moment.
    fn is_echo_over(&self) -> bool {
        let (reply, plain) = (self.reading.last_reply, self.reading.last_plain);
        reply.zip(plain).is_some_and(|(reply, plain)| reply.since(plain) > ECHO_COUNTS)
    }

    /// Spaces the probes so that no more are outstanding than the window holds, even on a slow path. A witness is
    /// probed faster: its word comes with a reply, and a removal does not wait for it.
    fn interval(&self, tuning: &Tuning) -> Duration {
        let wanted = match self.purpose {
            Purpose::Asked => (tuning.interval / 4).min(Self::SOON_MOST),
            Purpose::Buddy | Purpose::Ahead | Purpose::Join if self.burst => Duration::ZERO,
            Purpose::Join => tuning.interval.min(Self::SOON_MOST),
            Purpose::Buddy | Purpose::Ahead => return tuning.interval,
        };
        wanted.max(tuning.burst).max(self.reading.patience / 48).min(tuning.interval)
    }

    /// Whether this server needs to hear it now, because another server has been missed since it last answered (R2).
    fn is_ear_for(&self, missed_at: Option<Time>) -> bool {
        self.is_ear() && missed_at.is_some_and(|at| self.reading.last_reply < Some(at))
    }

    /// Whether its replies show that this server can hear.
    fn is_ear(&self) -> bool {
        self.purpose == Purpose::Buddy && self.detector.state() == State::Alive && self.detector.missed_at().is_none()
    }
}

/// All watches.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Watches {
    /// In the order of their slots. They are few, and looked through at each input, so they lie side by side.
    slots: Vec<Watch>,
    generations: BTreeMap<u16, u16>,
}

impl Watches {
    pub fn iter(&self) -> impl Iterator<Item = &Watch> {
        self.slots.iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Watch> {
        self.slots.iter_mut()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub fn get_mut(&mut self, id: WatchId) -> Option<&mut Watch> {
        self.iter_mut().find(|w| w.id == id)
    }

    pub fn of(&self, server: ServerId) -> Option<&Watch> {
        self.iter().find(|w| w.target.id == server && !w.is_for_others())
    }

    /// The name of a server, or its id if it is not watched.
    pub fn name_of(&self, server: ServerId) -> String {
        self.of(server).map_or_else(|| server.to_string(), |watch| watch.target.name.clone())
    }

    /// State of a server; `Waiting` if it is not watched, or if this server is blind towards it.
    pub fn judge(&self, server: ServerId) -> State {
        let sees = self.of(server).filter(|watch| watch.sight.blind().is_none());
        sees.map_or(State::Waiting, |watch| watch.detector.state())
    }

    /// R2: whether a server with a pulse answered after `deaf_from`.
    pub fn heard_since(&self, deaf_from: Time) -> bool {
        self.iter().any(|w| w.detector.state() == State::Alive && w.reading.last_reply >= Some(deaf_from))
    }

    /// Probes missed servers faster, and for a moment also servers whose answers prove that this server can hear.
    /// Servers that no longer need it return to the normal rate. Who only echoes is probed in the first version.
    pub fn set_pace(&mut self, asks: &mut Asks, factor: u32, tuning: &Tuning) {
        let looked = |w: &&Watch| matches!(w.purpose, Purpose::Buddy | Purpose::Ahead);
        let missed_at = self.iter().filter(looked).filter_map(|w| w.detector.missed_at()).max();
        // Whoever this server misses while it is late itself: others must be heard after that.
        let doubted = self.iter().filter(looked).any(|w| w.detector.wants_others(&w.reading, factor));
        for watch in self.slots.iter_mut() {
            let missed = looked(&&*watch) && watch.detector.wants_burst(&watch.reading, factor);
            let before = (watch.burst, watch.echoed, watch.told_blind);
            // Then this server's kernel does not speak of that one.
            watch.told_blind = watch.sight.blind().is_some();
            watch.burst = missed || watch.is_ear_for(missed_at) || doubted && watch.is_ear();
            watch.echoed = watch.is_echo() || watch.echoed && !watch.is_echo_over();
            if (watch.burst, watch.echoed, watch.told_blind) != before {
                asks.say(Output::Watch(watch.spec(tuning)));
            }
        }
    }

    /// Asks these servers that. All others on the ring are asked about this server, so that a doubt needs no notice.
    /// All say whether the database answers them.
    pub fn ask(&mut self, asks: &mut Asks, questions: &[(ServerId, Asked)], tuning: &Tuning) {
        for watch in self.slots.iter_mut() {
            let other = match watch.purpose {
                Purpose::Buddy | Purpose::Ahead => Asked::about(asks.me().id),
                Purpose::Join | Purpose::Asked => Asked::NOTHING,
            };
            let asked = questions.iter().find(|(of, _)| *of == watch.target.id).map_or(other, |(_, it)| *it);
            if core::mem::replace(&mut watch.asked, asked) != asked {
                asks.say(Output::Watch(watch.spec(tuning)));
            }
        }
    }

    /// Watches exactly these servers. A watch goes on if it is of the same life of the same server at the same address,
    /// if necessary with a new purpose. All other watches begin without evidence.
    pub fn set(&mut self, asks: &mut Asks, wanted: &[(Buddy, Purpose)], now: Time, tuning: &Tuning) {
        let gone = |w: &mut Watch| !wanted.iter().any(|(target, _)| w.is_of(target));
        self.slots.extract_if(.., gone).for_each(|watch| asks.say(Output::Unwatch(watch.id)));
        for (target, purpose) in wanted {
            if let Some(spec) = self.want(target, *purpose, now, tuning) {
                asks.say(Output::Watch(spec));
            }
        }
    }

    /// What to tell the datapath, if anything is new.
    fn want(&mut self, target: &Buddy, purpose: Purpose, now: Time, tuning: &Tuning) -> Option<WatchSpec> {
        if let Some(watch) = self.slots.iter_mut().find(|w| w.is_of(target)) {
            let before = (watch.spec(tuning).wire, watch.purpose);
            let same = (watch.target.incarnation, watch.target.wire) == (target.incarnation, target.wire);
            watch.echoed &= same;
            (watch.target, watch.purpose) = (target.clone(), purpose);
            let spec = watch.spec(tuning);
            return (before != (spec.wire, purpose)).then_some(spec);
        }
        let (place, slot) = (0..)
            .zip(0..MAX_WATCHES)
            .find(|(place, slot)| self.slots.get(*place).is_none_or(|w| w.id.slot != *slot))?;
        let generation = self.generations.entry(slot).or_insert(0);
        *generation = generation.checked_add(1).unwrap_or(1);
        let watch = Watch {
            id: WatchId { slot, generation: *generation },
            target: target.clone(),
            purpose,
            asked: Asked::NOTHING,
            reading: WatchReading { began: now, ..WatchReading::default() },
            detector: Detector::default(),
            sight: Sight::default(),
            told_alive: None,
            told_suspect: false,
            burst: false,
            ways: Ways::default(),
            echoed: false,
            told_blind: false,
        };
        let spec = watch.spec(tuning);
        self.slots.insert(place, watch);
        Some(spec)
    }

    /// What this server observed in this span does not count. Returns how many suspicions that undid.
    pub fn fault(&mut self, fault: LocalFault, from: Time, until: Time) -> u64 {
        let undone = self.slots.iter_mut().filter_map(|w| {
            let change = w.detector.fault(fault, from, until, &w.reading);
            matches!(change, Some(Change::Void(_))).then(|| w.told_suspect = false)
        });
        undone.fold(0, |n, ()| n + 1)
    }
}
