//! What an agent shows of itself.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::Serialize;

use super::asks::Asks;
use super::facts::Facts;
use super::watching::Watch;
use crate::buddy::BuddyList;
use crate::edit::Held;
use crate::evidence::{LocalFault, WatchId, WatchReading};
use crate::row::{Address, Health, Mode};
use crate::ways::Lost;
use crate::{Incarnation, Purpose, ServerId, Time, Word as _};

/// What an agent shows of itself: status, metrics and the dashboard read this and never the engine.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Snapshot {
    /// When it was taken.
    pub at: Time,
    /// Own name.
    pub server: String,
    /// `starting`, `joining`, `member`, `removed`, `leaving`, `stopped`.
    pub phase: &'static str,
    /// Own row, once there is one.
    pub id: Option<ServerId>,
    /// Own incarnation.
    pub incarnation: Incarnation,
    /// Own buddies, as last read.
    pub buddies: Option<BuddyList>,
    /// What this server says of its own service.
    pub health: Health,
    /// Since when the own row says that this server drains, by the agent's own word.
    pub drained: Option<Time>,
    /// The own row says that no new clients are to be sent here, as last read.
    pub draining: bool,
    /// Every watch.
    pub watches: Vec<WatchView>,
    /// Those whom this server does not hear and an asked witness does (R12).
    pub broken_links: Vec<BrokenLink>,
    /// Since when the database is away (monotonic), and why.
    pub database_away: Option<(Time, String)>,
    /// 99th percentile of the time of this agent's own table operations.
    pub database_p99: Duration,
    /// Why the pool is frozen, if it is.
    pub frozen: Option<String>,
    /// `act` or `observe`: the stricter of the pool's and the agent's.
    pub mode: Mode,
    /// Joins after a removal.
    pub rejoins: u64,
    /// How often this server was late of late, from 0 to 8: so many times more evidence it asks for.
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
    /// Which.
    pub id: WatchId,
    /// Whom.
    pub server: ServerId,
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: Address,
    /// Why.
    pub purpose: Purpose,
    /// `waiting` (never heard), `alive`, `agent_silent`, `suspect`.
    pub state: &'static str,
    /// The evidence.
    pub reading: WatchReading,
    /// The share of its probes that the watch loses by itself, as it is counted upon.
    pub loss: f64,
    /// Misses in a row that make a suspicion now.
    pub needed: u32,
    /// Silence that a removal asks for now (R6).
    pub silence_asked: Duration,
    /// Probed faster just now.
    pub burst: bool,
    /// Probes and replies that were lost, by direction.
    pub lost: Lost,
}

/// A link that is broken: this server does not hear another one that others hear (R12).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BrokenLink {
    /// Whom.
    pub server: String,
    /// The way on which frames get lost: `out` to it, if its probes still arrive here; else `back` from it, and perhaps
    /// both.
    pub way: &'static str,
}

/// What the current phase adds to a snapshot.
#[derive(Default)]
pub(super) struct PhaseView {
    pub phase: &'static str,
    pub id: Option<ServerId>,
    pub incarnation: Incarnation,
    pub buddies: Option<BuddyList>,
    pub drained: Option<Time>,
    pub draining: bool,
    pub broken_links: Vec<BrokenLink>,
}

impl PhaseView {
    /// A phase that adds nothing but its name.
    pub fn bare(phase: &'static str) -> Self {
        Self { phase, ..Self::default() }
    }
}

impl Snapshot {
    pub(super) fn of(facts: &Facts, asks: &Asks, view: PhaseView, at: Time) -> Self {
        let (tables, tally) = (asks.tables(), asks.tally());
        Self {
            at,
            server: facts.identity.card.name.clone(),
            phase: view.phase,
            id: view.id,
            incarnation: view.incarnation,
            buddies: view.buddies,
            health: facts.health,
            drained: view.drained,
            draining: view.draining,
            watches: facts.watches.iter().map(|watch| WatchView::of(facts, watch, at)).collect(),
            lateness: facts.lateness.score(at),
            broken_links: view.broken_links,
            database_away: tables.away().cloned(),
            database_p99: tables.p99(),
            frozen: facts.pool.as_ref().and_then(|p| p.frozen.clone()),
            mode: facts.mode(),
            rejoins: tally.rejoins,
            voids: tally.voids.clone(),
            held: tally.held.clone(),
            votes: tally.votes,
            removals: tally.removals,
        }
    }
}

impl WatchView {
    fn of(facts: &Facts, watch: &Watch, at: Time) -> Self {
        Self {
            id: watch.id,
            server: watch.target.id,
            name: watch.target.name.clone(),
            address: watch.target.address,
            purpose: watch.purpose,
            state: watch.detector.state().word(),
            reading: watch.reading.clone(),
            loss: watch.detector.loss().share(),
            needed: watch.detector.needed(facts.lateness.factor(at)),
            silence_asked: facts.silence_asked(watch.target.address),
            burst: watch.burst,
            lost: watch.ways.lost(),
        }
    }
}
