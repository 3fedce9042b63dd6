//! Transitions an agent tells of: one line each in the event log.

use alloc::string::String;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Time;

/// What happened. The names are a contract: others script against them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Spliced in.
    Joined,
    /// Which the buddies are now.
    Buddies,
    /// First authenticated reply of a watch, of a new incarnation, and after a suspicion.
    Alive,
    /// This server's own opinion: no replies.
    Suspect,
    /// A vote was written.
    Vote,
    /// A vote was taken back.
    VoteWithdrawn,
    /// Out of the table: the commit was seen.
    Down,
    /// Its pulse is gone; nothing was removed.
    AgentSilent,
    /// Its pulse is back before it was removed.
    AgentBack,
    /// Removed because its agent did not come back.
    AgentLost,
    /// A clean shutdown.
    Left,
    /// Back after a removal, as a new incarnation.
    Rejoined,
    /// This server found itself removed.
    Removed,
    /// The pool is frozen: nobody is removed.
    Frozen,
    /// The pool is no longer frozen.
    Thawed,
    /// An operator mended the ring's links.
    Repaired,
    /// A suspicion did not count, and why.
    Void,
    /// A removal was due and was not made, and why.
    Held,
    /// An asked witness hears a server that this one does not: a broken link.
    BrokenLink,
    /// This server goes to another place on the ring, because neither of its buddies hears it.
    Moving,
    /// The database does not answer, and why.
    DatabaseAway,
    /// It answers again.
    DatabaseBack,
    /// A service check changed, or clients are no longer, or again, to be sent there (`draining`).
    Service,
}

/// One transition. The event log adds `at` (wall clock) and `server` (who says so).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When, on this machine's monotonic clock.
    pub mono: Time,
    /// What.
    pub kind: EventKind,
    /// The name of the server it is about.
    pub subject: String,
    /// Evidence and circumstances: an object, whose fields depend on `kind`.
    pub detail: Value,
}
