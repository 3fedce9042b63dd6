//! The operations on the server table: pure functions from what was read to what is written.
//!
//! See [`edit`](super::edit) for how they are executed. Each operation is idempotent: if it is asked again after a
//! COMMIT whose answer was lost, it finds its own work done and returns what it would have returned then. (Only votes
//! and alone marks look the same whenever they were written, and `Forget` leaves a second event, which changes nothing.
//! Asked again, `Accuse` and `RemoveAll` end with whatever else keeps the suspect in the table.) No content of the
//! table, however damaged, makes an operation panic: content that cannot be right ends as
//! [`Outcome::Stale`].
//!
//! A harmless race also ends as `Stale`: rows are read one statement at a time, and a splice may commit between two of
//! them. A caller that still wants the operation reads again and asks again.

mod accusation;
mod accuse;
mod alone;
mod look;
mod marks;
mod place;
mod plan;
mod repair;
#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

pub use accusation::{Accusation, Finding, Mute};
pub use repair::repair;

use super::edit::{AnswerSet, Guard, NewRow, Outcome, Step, TableSnapshot};
use super::evidence::Ground;
use super::row::{Health, ServerRow, Side, VoteKind};
use super::{Incarnation, Rule, ServerId};
use crate::law;

/// A place on the ring: between a server and its first buddy, as read and proved. In a ring of one they are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The server before it.
    pub at: Guard,
    /// The first buddy of `at`.
    pub next: Guard,
    /// The end that does not answer this server; `None`: both ends hear it and are heard by it.
    pub silent: Option<ServerId>,
}

impl Place {
    /// A place whose two ends are proved.
    #[must_use]
    pub fn between(at: &ServerRow, next: &ServerRow) -> Self {
        Self { at: at.into(), next: next.into(), silent: None }
    }
}

/// An operation on the server table.
#[derive(Clone, Debug, PartialEq)]
pub enum TableOp {
    /// Read this server's row, both buddies' rows, the rows of servers that vote against it, and how missing servers
    /// left. That is the newest event ([`Lookup::LastEvent`](super::Lookup::LastEvent)) about `me` if its row is not
    /// there. For each of `known` that this server's row does not link to, it is that server's row, or the newest
    /// event about it if the row is not there.
    View {
        /// Id of this server's row.
        me: ServerId,
        /// Buddies and suspects as this server last knew them. They are few.
        known: Vec<ServerId>,
    },
    /// Read which server has this name and which has this address.
    FindSelf {
        /// Name of this server.
        name: String,
        /// Address of this server.
        address: super::row::Address,
    },
    /// Read servers along the ring (R1).
    Ahead {
        /// The server to start from. It is not part of the answer.
        from: ServerId,
        /// In which direction.
        side: Side,
        /// How many servers.
        count: u16,
    },
    /// Read a random server and its first buddy, as a place to join.
    PickPlace {
        /// The random number.
        pick: i64,
    },
    /// Read random servers that can be asked about a suspect (R12).
    PickWitnesses {
        /// One random number for each server.
        picks: Vec<i64>,
    },
    /// Splice in between a server and its first buddy; `None`: into an empty pool.
    Join {
        /// The new server. The operation may choose another pick.
        new: NewRow,
        /// Where.
        place: Option<Place>,
    },
    /// Go to another place on the ring, in the same life (R12).
    Move {
        /// Id of this server's row.
        me: ServerId,
        /// Incarnation of this server.
        incarnation: Incarnation,
        /// The new place. Unlike for a join, its silent end need not be accused: the present place has two.
        place: Place,
        /// For how long this server has heard neither buddy. For the event.
        misplaced: Duration,
    },
    /// An agent that came back takes its own row again: same place, new incarnation, votes cleared.
    TakeOver {
        /// The row as it was read.
        row: Guard,
        /// The new content of the row. Its pick stays as it was.
        new: NewRow,
    },
    /// Leave the ring: the two buddies become each other's buddies.
    Leave {
        /// Id of the row that leaves.
        id: ServerId,
        /// Only this life of it; `None`: whichever life it is, because an operator asked.
        incarnation: Option<Incarnation>,
        /// Name of the server or operator that asked, for the event.
        by: String,
    },
    /// Vote against a run, or remove it if everything that a removal needs is there.
    Accuse(Accusation),
    /// Take this server's votes back.
    Withdraw {
        /// Id of this server's row.
        me: ServerId,
        /// The servers whose rows hold the votes.
        subjects: Vec<ServerId>,
    },
    /// Write, renew or clear this server's alone mark (R2).
    Alone {
        /// Id of this server's row.
        me: ServerId,
        /// Incarnation of this server.
        incarnation: Incarnation,
        /// It hears no other server: of which kind their silence is. `None`: it hears one.
        alone: Option<VoteKind>,
    },
    /// Write into this server's own row how long it needs to answer votes, and an answer (R3, R4).
    Answer {
        /// Id of this server's row.
        me: ServerId,
        /// Incarnation of this server.
        incarnation: Incarnation,
        /// What is written.
        set: AnswerSet,
    },
    /// Remove all other servers (R2).
    RemoveAll(Accusation),
    /// Write the health of this server's service, and its share of the clients.
    SetService {
        /// Id of this server's row.
        me: ServerId,
        /// Incarnation of this server.
        incarnation: Incarnation,
        /// The result of the service checks.
        health: Health,
        /// Its share of the clients; `None`: the row's stays.
        weight: Option<u16>,
    },
    /// Send no new clients to a server, or send them again. It stays on the ring.
    SetDraining {
        /// Id of the row.
        id: ServerId,
        /// Only this life of it; `None`: whichever life it is, because an operator asked.
        incarnation: Option<Incarnation>,
        /// Whether new clients should stay away.
        draining: bool,
        /// Name of the server or operator that asked, for the event.
        by: String,
    },
    /// Freeze (`Some(why)`) or thaw the pool.
    SetFrozen {
        /// The reason for the freeze; `None` thaws.
        frozen: Option<String>,
        /// Name of the server or operator that asked, for the event.
        by: String,
    },
    /// The brake counts a removed server no longer (R11).
    Forget {
        /// Its name.
        name: String,
        /// Name of the operator that asked, for the event.
        by: String,
    },
}

/// Operations of one agent that wait for each other.
///
/// In a cut, all agents of a pool need the database at the same moment: to look at their rows, to look ahead on both
/// sides, to pick witnesses, to vote twice, and to answer. Whoever gets no connection cannot answer, and is removed
/// (R3). A MySQL takes 151 connections unless it is told otherwise, and greets them one after the other. So an agent
/// opens four at most ([`Lane::width`]), and its answers wait for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// What can write nothing.
    Reads,
    /// What writes, or may.
    Writes,
    /// Answers to votes.
    Answers,
}

impl Lane {
    /// How many operations of this lane may be under way at a time. In a cut, a server looks ahead on both sides.
    #[must_use]
    pub const fn width(self) -> u32 {
        match self {
            Self::Reads => 2,
            Self::Writes | Self::Answers => 1,
        }
    }
}

impl TableOp {
    /// With what else it shares a connection.
    #[must_use]
    pub const fn lane(&self) -> Lane {
        match self {
            Self::Answer { .. } => Lane::Answers,
            Self::View { .. }
            | Self::FindSelf { .. }
            | Self::Ahead { .. }
            | Self::PickPlace { .. }
            | Self::PickWitnesses { .. } => Lane::Reads,
            Self::Join { .. }
            | Self::Move { .. }
            | Self::TakeOver { .. }
            | Self::Leave { .. }
            | Self::Accuse(_)
            | Self::Withdraw { .. }
            | Self::Alone { .. }
            | Self::RemoveAll(_)
            | Self::SetService { .. }
            | Self::SetDraining { .. }
            | Self::SetFrozen { .. }
            | Self::Forget { .. } => Lane::Writes,
        }
    }

    /// What to do next, given what this attempt has read so far.
    #[must_use]
    pub fn step(&self, seen: &TableSnapshot) -> Step {
        let step = match self {
            Self::View { me, known } => look::view(*me, known, seen),
            Self::FindSelf { name, address } => look::find_self(name, *address, seen),
            Self::Ahead { from, side, count } => look::ahead(*from, *side, *count, seen),
            Self::PickPlace { pick } => look::pick_place(*pick, seen),
            Self::PickWitnesses { picks } => look::pick_witnesses(picks, seen),
            Self::Join { new, place } => place::join(new, place.as_ref(), seen),
            Self::Move { me, incarnation, place, misplaced } => {
                place::change(*me, *incarnation, place, *misplaced, seen)
            }
            Self::TakeOver { row, new } => place::take_over(row, new, seen),
            Self::Leave { id, incarnation, by } => place::leave(*id, *incarnation, by, seen),
            Self::Accuse(a) => accuse::accuse(a, seen),
            Self::Withdraw { me, subjects } => marks::withdraw(*me, subjects, seen),
            Self::Alone { me, incarnation, alone } => alone::mark(*me, *incarnation, *alone, seen),
            Self::Answer { me, incarnation, set } => Ok(marks::answer(*me, *incarnation, *set, seen)),
            Self::RemoveAll(a) => alone::remove_all(a, seen),
            Self::SetService { me, incarnation, health, weight } => {
                marks::set_service(*me, *incarnation, *health, *weight, seen)
            }
            Self::SetDraining { id, incarnation, draining, by } => {
                marks::set_draining(*id, *incarnation, *draining, by, seen)
            }
            Self::SetFrozen { frozen, by } => marks::set_frozen(frozen.as_ref(), by, seen),
            Self::Forget { name, by } => marks::forget(name, by, seen),
        };
        self.of_now(step.unwrap_or_else(|early| early), seen)
    }

    /// What this operation says against other servers, if it does.
    const fn accusation(&self) -> Option<&Accusation> {
        if let Self::Accuse(a) | Self::RemoveAll(a) = self { Some(a) } else { None }
    }

    /// R7: whoever met another's change removes nobody with the findings that it began with. A witness may have proved
    /// since that the suspect lives (R12), or this server may have gone deaf (R2), and no reading of a watch shows
    /// that. The agent asks again with what it knows then. (A vote may be written: the next turn takes it back.)
    ///
    /// In a simulation without R7, a plan may commit at any time and does not check again.
    fn of_now(&self, mut step: Step, seen: &TableSnapshot) -> Step {
        if let (Some(a), Step::Apply(plan)) = (self.accusation(), &mut step) {
            if !a.tuning.keeps(Rule::R7) {
                (plan.deadline, plan.recheck) = (plan.deadline + law::BRAKE_WINDOW, false);
            } else if seen.again && matches!(plan.outcome, Outcome::Removed { .. }) {
                return Step::Done(Outcome::Overtaken);
            }
        }
        step
    }

    /// What this operation rests on; empty if that is nothing but the table.
    #[must_use]
    pub fn grounds(&self) -> Vec<Ground> {
        let Some(a) = self.accusation() else { return Vec::new() };
        let silences = a.findings.iter().map(|f| Ground::Silence(f.silence));
        silences.chain([a.confirmed, a.mute.confirmed].into_iter().flatten().map(Ground::Confirmed)).collect()
    }
}
