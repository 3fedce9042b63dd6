//! What is shown, and in which shape: what the loop publishes about itself, and the routes as other programs expect
//! them.
//!
//! Nothing here decides or does anything. The side rooms that make a part of it and those that show it meet here.

mod board;
mod durations;
pub mod envoy;
mod error_kind;
#[cfg(test)]
mod kit;
pub mod prometheus;
pub mod saying;

pub use board::{
    About, Board, CheckView, Count, DatapathChoice, DatapathMode, DatapathStats, ReloadView, RemovalSeen, Watched,
};
pub use durations::{Durations, in_units};
pub use error_kind::{ErrorKind, HasKind};

#[cfg(test)]
pub use kit::listed;
