//! Consumers of the list of routes: files that others read, and commands that tell them.
//!
//! ```text
//!   Routes --watch--> pace (one at a time, newest wins, back-off) --> listing   a file: Prometheus, Envoy, JSON
//!                                                                 +-> template  any file, checked and reloaded
//!                                                                 +-> hook      a program that gets JSON
//!          Status <--watch-- pace
//! ```
//!
//! A list without any server says that nothing was ever read, and is not handed on: an empty file would send every client away.

pub mod file;
pub mod hook;
pub mod listing;
pub mod template;

mod command;
mod error;
mod pace;
mod status;
mod view;

#[cfg(test)]
mod kit;

pub use command::{CommandLine, LIMIT};
pub use error::Error;
pub use status::Status;
