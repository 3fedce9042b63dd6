//! The operations on the server table: pure functions from what was read to what is written.
//!
//! See [`edit`](super::edit) for how they are executed. Each operation is idempotent: asked again after a COMMIT whose
//! answer was lost, it finds its own work done and says the same as it would have said then (only votes and alone marks
//! look the same whenever they were written: asked again, `Accuse` and `RemoveAll` end as what else keeps the suspect
//! in the table). No content of the table, however damaged, makes one panic: what cannot be right ends as
//! [`Outcome::Stale`](super::Outcome::Stale).
//!
//! `Stale` also comes of a harmless race: rows are read one statement at a time, and a splice may commit between two of
//! them. Whoever wants it all the same reads again and asks again.

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

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

pub use accusation::{Accusation, Finding};
pub use repair::repair;

use super::edit::{Guard, NewRow, Step, TableSnapshot};
use super::evidence::Silence;
use super::row::{Health, Side};
use super::{Incarnation, Rule, ServerId};
use crate::law;

/// An operation.
#[derive(Clone, Debug, PartialEq)]
pub enum TableOp {
    /// Read own row and both buddies' rows, and what became of those who are gone: the newest event
    /// ([`Lookup::LastEvent`](super::Lookup::LastEvent)) about `me` if the own row is not there, and, for each of
    /// `known` that the own row does not link to, its row and, where that is not there, the newest event about it.
    View {
        /// Own row.
        me: ServerId,
        /// Buddies and suspects as this server last knew them: few.
        known: Vec<ServerId>,
    },
    /// Read who has this name and who has this address.
    FindSelf {
        /// Own name.
        name: String,
        /// Own address.
        address: super::row::Address,
    },
    /// Read servers along the ring (R1).
    Ahead {
        /// Where to start; not part of the answer.
        from: ServerId,
        /// Which way.
        side: Side,
        /// How many.
        count: u16,
    },
    /// Read a random server and its first buddy: a place to join.
    PickPlace {
        /// The random number.
        pick: i64,
    },
    /// Read random servers: whom to ask about a suspect (R12).
    PickWitnesses {
        /// A random number for each.
        picks: Vec<i64>,
    },
    /// Splice in between a server and its first buddy; `None`: into an empty pool.
    Join {
        /// The new server; the operation may choose another pick.
        new: NewRow,
        /// The server chosen, and its first buddy, as read and proved. In a ring of one they are the same.
        place: Option<(Guard, Guard)>,
    },
    /// An agent that came back takes its own row again: same place, new incarnation, votes cleared.
    TakeOver {
        /// The row as it was read.
        row: Guard,
        /// What it says now. Its pick stays what it was.
        new: NewRow,
    },
    /// Leave the ring: the two buddies become each other's.
    Leave {
        /// The row.
        id: ServerId,
        /// Only this life of it; `None`: an operator's word, whichever.
        incarnation: Option<Incarnation>,
        /// Who says so, for the event.
        by: String,
    },
    /// Vote against a run, or, when everything a removal needs is there, remove it.
    Accuse(Accusation),
    /// Take own votes back.
    Withdraw {
        /// Own row.
        me: ServerId,
        /// From whose rows.
        subjects: Vec<ServerId>,
    },
    /// Mark, renew or clear the own alone mark (R2).
    Alone {
        /// Own row.
        me: ServerId,
        /// Own incarnation.
        incarnation: Incarnation,
        /// Whether this server hears nobody.
        alone: bool,
    },
    /// Remove everybody else (R2).
    RemoveAll(Accusation),
    /// Write the own service health.
    SetHealth {
        /// Own row.
        me: ServerId,
        /// Own incarnation.
        incarnation: Incarnation,
        /// What the check says.
        health: Health,
    },
    /// Send no new clients to a server, or send them again. It stays on the ring.
    SetDraining {
        /// The row.
        id: ServerId,
        /// Only this life of it; `None`: an operator's word, whichever.
        incarnation: Option<Incarnation>,
        /// Whether it is to be left alone by clients.
        draining: bool,
        /// Who says so, for the event.
        by: String,
    },
    /// Freeze (`Some(why)`) or thaw the pool.
    SetFrozen {
        /// Why.
        frozen: Option<String>,
        /// Who says so, for the event.
        by: String,
    },
}

impl TableOp {
    /// What to do next, given what was read in this attempt.
    #[must_use]
    pub fn step(&self, seen: &TableSnapshot) -> Step {
        let step = match self {
            Self::View { me, known } => look::view(*me, known, seen),
            Self::FindSelf { name, address } => look::find_self(name, *address, seen),
            Self::Ahead { from, side, count } => look::ahead(*from, *side, *count, seen),
            Self::PickPlace { pick } => look::pick_place(*pick, seen),
            Self::PickWitnesses { picks } => look::pick_witnesses(picks, seen),
            Self::Join { new, place } => place::join(new, place.as_ref(), seen),
            Self::TakeOver { row, new } => place::take_over(row, new, seen),
            Self::Leave { id, incarnation, by } => place::leave(*id, *incarnation, by, seen),
            Self::Accuse(a) => accuse::accuse(a, seen),
            Self::Withdraw { me, subjects } => marks::withdraw(*me, subjects, seen),
            Self::Alone { me, incarnation, alone } => alone::mark(*me, *incarnation, *alone, seen),
            Self::RemoveAll(a) => alone::remove_all(a, seen),
            Self::SetHealth { me, incarnation, health } => marks::set_health(*me, *incarnation, *health, seen),
            Self::SetDraining { id, incarnation, draining, by } => {
                marks::set_draining(*id, *incarnation, *draining, by, seen)
            }
            Self::SetFrozen { frozen, by } => marks::set_frozen(frozen.as_ref(), by, seen),
        };
        self.unhurried(step.unwrap_or_else(|early| early))
    }

    /// In a simulation without R7: a plan that may come at any time, and does not look once more.
    fn unhurried(&self, step: Step) -> Step {
        match (self, step) {
            (Self::Accuse(a) | Self::RemoveAll(a), Step::Apply(plan)) if !a.tuning.keeps(Rule::R7) => {
                let deadline = plan.deadline + law::BRAKE_WINDOW;
                Step::Apply(Box::new(super::edit::Plan { deadline, recheck: false, ..*plan }))
            }
            (_, step) => step,
        }
    }

    /// The silences this operation rests on; empty: none.
    #[must_use]
    pub fn silences(&self) -> Vec<Silence> {
        match self {
            Self::Accuse(a) | Self::RemoveAll(a) => a.findings.iter().map(|f| f.silence).collect(),
            Self::View { .. }
            | Self::FindSelf { .. }
            | Self::Ahead { .. }
            | Self::PickPlace { .. }
            | Self::PickWitnesses { .. }
            | Self::Join { .. }
            | Self::TakeOver { .. }
            | Self::Leave { .. }
            | Self::Withdraw { .. }
            | Self::Alone { .. }
            | Self::SetHealth { .. }
            | Self::SetDraining { .. }
            | Self::SetFrozen { .. } => Vec::new(),
        }
    }
}
