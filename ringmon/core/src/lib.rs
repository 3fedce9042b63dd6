//! The pure core: ring algebra, detector, voting, look-ahead, rejoin back-off.
//!
//! Nothing here reads a clock, opens a socket, asks a database or draws a random number of its own.
//! Time comes in as [`Time`], randomness as a seed, evidence as [`WatchReading`], the server table as a
//! [`TableSnapshot`]. What to do goes out as [`Output`] and [`Plan`]. So one seed replays one history.

#![cfg_attr(not(test), no_std)]
#![cfg_attr(
    test,
    allow(
        clippy::wildcard_enum_match_arm,
        reason = "a test panics at whatever it did not expect, and need not name it"
    )
)]

extern crate alloc;

pub mod ahead;
pub mod backoff;
pub mod blindness;
pub mod buddy;
pub mod card;
pub mod detector;
pub mod edit;
pub mod engine;
pub mod event;
pub mod evidence;
pub mod host;
pub mod id;
pub mod keys;
pub mod lateness;
pub mod law;
pub mod loss;
pub mod notice;
pub mod op;
pub mod outages;
pub mod outcome;
pub mod ring;
pub mod rng;
pub mod route;
pub mod row;
pub mod time;
pub mod tuning;
#[cfg(any(test, feature = "simulation"))]
pub mod virtual_table;
pub mod ways;
pub mod without;
pub mod word;

pub use edit::{EventDraft, Lookup, Outcome, Plan, RowWrite, Step, TableSnapshot};
pub use engine::{Engine, Input, Output, Snapshot};
pub use event::{Event, EventBody, EventKind};
pub use evidence::{Purpose, Silence, WatchId, WatchReading, WatchSpec};
pub use id::{BootToken, Incarnation, PoolId, ServerId};
pub use keys::PoolKeys;
pub use notice::{Notice, NoticeBody};
pub use row::{Health, PoolKey, PoolRow, Rules, ServerRow, Side, Vote, VoteKind};
pub use time::{DbTime, Time};
pub use tuning::{Profile, Tuning};
pub use without::{Rule, Without};
pub use word::Word;
