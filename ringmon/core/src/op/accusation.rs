//! What a server says against others, in a form that the table can judge.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::evidence::{Confirmed, Silence};
use crate::row::{Mode, Side};
use crate::{Incarnation, ServerId, Tuning};

/// What one server says against the servers next to it on one side.
#[derive(Clone, Debug, PartialEq)]
pub struct Accusation {
    /// Id of this server's row.
    pub me: ServerId,
    /// Incarnation of this server.
    pub incarnation: Incarnation,
    /// Name of this server, for the event.
    pub name: String,
    /// The side of the run, seen from this server: the first finding is the buddy on this side, or the first one past
    /// mute servers; the next one is beyond it, and so on.
    pub side: Side,
    /// The run, nearest first. It may contain living servers without a pulse that are only looked past (R9).
    pub findings: Vec<Finding>,
    /// The living server with a pulse beyond the run; `None`: not found yet, so the vote is only for the first of the
    /// run (R3).
    pub far_end: Option<ServerId>,
    /// Whom it looks past because the database does not answer them.
    pub mute: Mute,
    /// R3: for how long up to now the database answered this server without a pause. Only such time counts for those
    /// who must answer.
    pub served: Duration,
    /// At most this much of this server's time passed between its own clock and the database's, when both were read.
    pub lag: Duration,
    /// R11: whether the brake held this removal back before. Then the brake's last word is asked for first.
    pub braked: bool,
    /// R3: the far end's kernel confirms the silence of the only server of the run, for as long as R6 requires. It is
    /// as good as that server's vote.
    pub confirmed: Option<Confirmed>,
    /// What this agent itself may do.
    pub mode: Mode,
    /// The numbers of its profile, and the rules in force.
    pub tuning: Tuning,
}

/// Living servers that the voter hears and that cannot vote, because the database does not answer them or because they
/// are blind. It looks past them (R9).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mute {
    /// Those between the voter and the last suspect.
    pub passed: Vec<ServerId>,
    /// What the kernel of the one before the first suspect says of it, if that one's host is silent.
    pub confirmed: Option<Confirmed>,
    /// The one before the first suspect, if it says that it is blind: its kernel cannot confirm anything.
    pub blind: Option<ServerId>,
    /// The far end and those after it, as far as they are mute: another witness may look past them too.
    pub beyond: Vec<ServerId>,
}

/// What one server found out about another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Id of the accused server's row.
    pub server: ServerId,
    /// The life that was watched.
    pub incarnation: Incarnation,
    /// What is missing (replies or pulse) and since when. It is checked again at the last moment (R7).
    pub silence: Silence,
    /// Misses since the silence began.
    pub misses: u32,
    /// R6: whether the silence is long enough for a removal by this server.
    pub enough: bool,
    /// R12: an asked witness heard it within the last 3 s. No server is removed against such a proof.
    pub proved: bool,
}
