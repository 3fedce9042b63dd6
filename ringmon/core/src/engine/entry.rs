//! The row of this server on its way into the table: what it says, and how its join ended. Starting and joining share
//! this.

use alloc::format;
use alloc::string::String;

use super::asks::Asks;
use super::contract::Stopped;
use super::facts::{Facts, Serving};
use crate::buddy::BuddyList;
use crate::edit::{NewRow, Outcome};
use crate::{Incarnation, ServerId};

/// A committed join.
#[derive(Debug)]
pub(super) struct Spliced {
    pub id: ServerId,
    pub incarnation: Incarnation,
    pub kept_place: bool,
    pub rejoining: bool,
    pub attempts: u32,
    /// What was written into the row of the service; `None`: unknown.
    pub serving: Option<Serving>,
}

impl Spliced {
    pub fn of(outcome: &Outcome, rejoining: bool, attempts: u32, serving: Option<Serving>) -> Option<Self> {
        let Outcome::Joined { id, incarnation, kept_place } = *outcome else { return None };
        Some(Self { id, incarnation, kept_place, rejoining, attempts, serving })
    }
}

/// The phase that the current phase hands over to.
#[derive(Debug)]
pub(super) enum NextPhase {
    /// The row of this server is in the table: it is a member from now on.
    Member(Spliced),
    /// This server has no row: find a place for it.
    Joining {
        rejoining: bool,
    },
    /// Look for this server's row (again) at this time.
    Starting {
        at: crate::Time,
        rejoining: bool,
    },
    /// The table went back in time: look for this server's row at once, and go on from what is there. The watches go on
    /// meanwhile.
    StartOver {
        kept: Option<BuddyList>,
    },
    /// This server's row is gone, and no operator removed it. `outage`: for how long no server heard this one, if its
    /// removal says so.
    Removed {
        outage: Option<core::time::Duration>,
    },
    Stopped(Stopped),
}

/// The row that this server wants in the table.
pub(super) fn new_row(facts: &Facts, asks: &mut Asks) -> NewRow {
    let pick = asks.rng().pick();
    NewRow {
        card: facts.identity.card.clone(),
        incarnation: Incarnation(asks.me().incarnation.0.saturating_add(1)),
        pick,
        health: facts.health,
        wait: facts.wait(asks),
        draining: facts.drained,
    }
}

/// A row with another name has this server's address. The other server cannot be probed, because its address is on this
/// machine.
pub(super) fn address_taken(facts: &Facts, name: &String) -> NextPhase {
    let address = facts.identity.card.address;
    NextPhase::Stopped(Stopped::Refused(format!(
        "address {address} is that of server {name} in this pool; if {name} is gone for good, remove it with \
         `ringmon leave {name}`, otherwise give this server its own address"
    )))
}
