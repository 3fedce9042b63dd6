//! What a server says against others, in a form that the table can judge.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::evidence::Silence;
use crate::row::{Mode, Side};
use crate::{Incarnation, ServerId, Tuning};

/// What one server holds against the servers next to it on one side.
#[derive(Clone, Debug, PartialEq)]
pub struct Accusation {
    /// Own row.
    pub me: ServerId,
    /// Own incarnation.
    pub incarnation: Incarnation,
    /// Own name, for the event.
    pub name: String,
    /// Where the run is, seen from here: the first finding is the buddy on this side, and so on outwards.
    pub side: Side,
    /// The run, nearest first. Entries may be alive servers without a pulse that are only looked past (R9).
    pub findings: Vec<Finding>,
    /// The living server with a pulse beyond the run; `None`: not found yet (vote for the direct buddy only, R3).
    pub far_end: Option<ServerId>,
    /// R3: how old the oldest vote must be.
    pub hold: Duration,
    /// What this agent itself may do.
    pub mode: Mode,
    /// Its constants.
    pub tuning: Tuning,
}

/// What one server found of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whom.
    pub server: ServerId,
    /// Which life of it was watched.
    pub incarnation: Incarnation,
    /// Of what, and since when: checked again at the last moment (R7).
    pub silence: Silence,
    /// Misses since then.
    pub misses: u32,
    /// R6: whether the silence is long enough for a removal by this server.
    pub enough: bool,
    /// R12: an asked witness heard it a moment ago. Nobody is removed against such a word.
    pub proved: bool,
}
