//! What an agent shows about itself.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::Serialize;

use super::asks::Asks;
use super::facts::Facts;
use super::watching::Watch;
use crate::blindness::Blindness;
use crate::buddy::BuddyList;
use crate::edit::Held;
use crate::evidence::{LocalFault, WatchId, WatchReading};
use crate::row::{Address, Health, Mode};
use crate::ways::Lost;
use crate::{Incarnation, Purpose, ServerId, Time, Word as _};

/// What an agent shows about itself. Status, metrics and the dashboard read this and never the engine.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Snapshot {
    /// When the snapshot was taken, on the monotonic clock.
    pub at: Time,
    /// Name of this server.
    pub server: String,
    /// `starting`, `joining`, `member`, `removed`, `leaving`, `stopped`.
    pub phase: &'static str,
    /// Id of this server's row; `None` before it has one.
    pub id: Option<ServerId>,
    /// Why this server cannot enter the ring yet, if that takes long.
    pub waiting: Option<String>,
    /// Incarnation of this server.
    pub incarnation: Incarnation,
    /// Buddies of this server, as last read.
    pub buddies: Option<BuddyList>,
    /// Health of this server's service.
    pub health: Health,
    /// Since when the row says that this server drains, if the agent itself wrote that.
    pub drained: Option<Time>,
    /// Whether the row, as last read, says that no new clients should be sent here.
    pub draining: bool,
    /// All watches, buddies and others.
    pub watches: Vec<WatchView>,
    /// Servers that this server does not hear but an asked witness does (R12).
    pub broken_links: Vec<BrokenLink>,
    /// Since when the database does not answer (monotonic clock), and why.
    pub database_away: Option<(Time, String)>,
    /// How long this agent's looks at the table take: the second longest of the last 16.
    pub database_p99: Duration,
    /// How long this server needs to answer a vote (R3), up to [`WAIT_MOST`](crate::law::WAIT_MOST). At that length it
    /// may need longer than anybody waits.
    pub answer_wait: Duration,
    /// Since when this server's row says that it hears nobody.
    pub alone: Option<Time>,
    /// Since when this server sees nobody, and why.
    pub blind: Option<(Time, Blindness)>,
    /// Why the pool is frozen, if it is.
    pub frozen: Option<String>,
    /// Whether the brake holds back a removal that this server would make (R11).
    pub braked: bool,
    /// `act` or `observe`: the stricter of the pool's mode and the agent's.
    pub mode: Mode,
    /// How often the table went back in time.
    pub went_back: u64,
    /// Joins after a removal.
    pub rejoins: u64,
    /// How often this server was late in the last seconds, from 0 to 8. The server asks for that many times more
    /// evidence.
    pub lateness: u32,
    /// Suspicions that did not count, by reason.
    pub voids: BTreeMap<LocalFault, u64>,
    /// Removals that were due and not made, by rule.
    pub held: BTreeMap<Held, u64>,
    /// Votes written.
    pub votes: u64,
    /// Removals made by this agent.
    pub removals: u64,
}

/// One watch, for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WatchView {
    /// Slot and generation of the watch.
    pub id: WatchId,
    /// Id of the watched server's row.
    pub server: ServerId,
    /// Name of the watched server.
    pub name: String,
    /// Address that is probed.
    pub address: Address,
    /// Why the server is watched.
    pub purpose: Purpose,
    /// `waiting` (never heard), `alive`, `restarting`, `agent_silent`, `suspect`, `unknown` (this server is
    /// blind, or cannot probe that one).
    pub state: &'static str,
    /// Why this server does not see that one, while it is blind.
    pub blind: Option<Blindness>,
    /// What the datapath last reported.
    pub reading: WatchReading,
    /// The share of probes (0 to 1) that this watch is assumed to lose without any fault of the server.
    pub loss: f64,
    /// How many misses in a row make a suspicion now.
    pub needed: u32,
    /// How long a silence must last now before a removal (R6).
    pub silence_asked: Duration,
    /// Whether the server is probed faster now.
    pub burst: bool,
    /// Probes and replies that were lost, by direction.
    pub lost: Lost,
}

/// A broken link: this server does not hear a server that others hear (R12).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BrokenLink {
    /// Name of the server that is not heard.
    pub server: String,
    /// The direction in which frames get lost: `out` (to that server) if its probes still arrive here, otherwise `back`
    /// (from it), and perhaps both.
    pub way: &'static str,
}

impl Snapshot {
    /// What is shown in each phase. A phase may add more.
    pub(super) fn of(facts: &Facts, asks: &Asks, phase: &'static str, at: Time) -> Self {
        let (tables, tally) = (asks.tables(), asks.tally());
        Self {
            at,
            server: facts.identity.card.name.clone(),
            phase,
            health: facts.health,
            watches: facts.watches.iter().map(|watch| WatchView::of(facts, watch, at)).collect(),
            lateness: facts.lateness.score(at),
            database_away: tables.away().cloned(),
            database_p99: tables.pace(),
            answer_wait: facts.wait(asks),
            blind: facts.blind.since(),
            frozen: facts.pool.as_ref().and_then(|p| p.frozen.clone()),
            mode: facts.mode(),
            went_back: tally.went_back,
            rejoins: tally.rejoins,
            voids: tally.voids.clone(),
            held: tally.held.clone(),
            votes: tally.votes,
            removals: tally.removals,
            ..Self::default()
        }
    }
}

impl WatchView {
    /// The state of a server that this one cannot see.
    pub const UNKNOWN: &str = "unknown";

    fn of(facts: &Facts, watch: &Watch, at: Time) -> Self {
        let whole = facts.blind.since().map(|(_, why)| why);
        let unseen = watch.sight.blind().or(whole);
        // Where others ask to look, this server may have no way to, and is none the worse for it.
        let on_ring = matches!(watch.purpose, Purpose::Buddy | Purpose::Ahead);
        Self {
            id: watch.id,
            server: watch.target.id,
            name: watch.target.name.clone(),
            address: watch.target.address,
            purpose: watch.purpose,
            state: if unseen.is_some() { Self::UNKNOWN } else { watch.detector.state().word() },
            blind: unseen.filter(|_| on_ring),
            reading: watch.reading.clone(),
            loss: watch.detector.loss().share(),
            needed: watch.detector.needed(facts.lateness.factor(at)),
            silence_asked: facts.silence_asked(watch.target.address),
            burst: watch.burst,
            lost: watch.ways.lost(),
        }
    }
}
