//! A pool under a virtual clock: no sockets, no database, no threads. One seed is one history.
//!
//! ```text
//!  World ---- queue of happenings (when, in which order)
//!    |------- Host: an Engine, its Datapath (what a kernel would count), its disk, its operations under way
//!    |------- Network: who reaches whom, what gets lost
//!    +------- VirtualTable: the database, one statement at a time
//! ```
//!
//! [`Fault`] lists what can happen to a server. [`World::violations`] lists what must never happen and did.

#![cfg_attr(
    test,
    allow(
        clippy::wildcard_enum_match_arm,
        reason = "a test panics at whatever it did not expect, and need not name it"
    )
)]

mod calm;
mod check;
mod database;
pub mod datapath;
mod drains;
mod established;
mod fault;
mod host;
pub mod network;
mod older;
pub mod outage;
pub mod random;
pub mod recording;
pub mod replay;
mod rotation;
mod routers;
pub mod scenario;
pub mod search;
mod settings;
pub mod story;
mod tape;
#[cfg(test)]
mod tests;
mod traffic;
mod world;

pub use fault::Fault;
pub use host::Host;
pub use settings::{Settings, Traffic};
pub use tape::Tape;
pub use world::{Line, World};
