//! The own row on its way into the table: what it says, and what its join came to. Starting and joining share it.

use alloc::format;
use alloc::string::String;

use super::asks::Asks;
use super::contract::Stopped;
use super::facts::Facts;
use crate::edit::{NewRow, Outcome};
use crate::row::Health;
use crate::{Incarnation, ServerId};

/// A join that is committed.
#[derive(Debug)]
pub(super) struct Spliced {
    pub id: ServerId,
    pub incarnation: Incarnation,
    pub kept_place: bool,
    pub rejoining: bool,
    pub attempts: u32,
    /// What the row says of the own service; `None`: unknown.
    pub health: Option<Health>,
}

impl Spliced {
    pub fn of(outcome: &Outcome, rejoining: bool, attempts: u32, health: Option<Health>) -> Option<Self> {
        let Outcome::Joined { id, incarnation, kept_place } = outcome else { return None };
        let (id, incarnation, kept_place) = (*id, *incarnation, *kept_place);
        (id != ServerId::NEW).then_some(Self { id, incarnation, kept_place, rejoining, attempts, health })
    }
}

/// What a phase wants to become.
#[derive(Debug)]
pub(super) enum NextPhase {
    /// The own row is there: a member from now on.
    Member(Spliced),
    /// No such row: look for a place.
    Joining {
        rejoining: bool,
    },
    /// Look for the own row (again) at this time.
    Starting {
        at: crate::Time,
        rejoining: bool,
    },
    /// The own row is gone, and not by an operator's word. For how long nobody had heard this server, if its removal
    /// says.
    Removed {
        outage: Option<core::time::Duration>,
    },
    Stopped(Stopped),
}

/// The own row as it should be.
pub(super) fn new_row(facts: &Facts, asks: &mut Asks) -> NewRow {
    let pick = asks.rng().pick();
    NewRow {
        card: facts.identity.card.clone(),
        incarnation: Incarnation(asks.me().incarnation.0.saturating_add(1)),
        pick,
        health: facts.health,
    }
}

/// A row of another name has this server's address; it cannot be asked, because its address is here.
pub(super) fn address_taken(facts: &Facts, name: &String) -> NextPhase {
    let address = facts.identity.card.address;
    NextPhase::Stopped(Stopped::Refused(format!(
        "address {address} is that of server {name} in this pool; if {name} is gone for good, remove it with \
         `ringmon leave {name}`, otherwise give this server its own address"
    )))
}
