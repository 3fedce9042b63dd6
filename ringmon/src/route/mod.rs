//! Consumers of the list of routes: each keeps something that sends clients to servers, or that wants to know them, in step.
//!
//! ```text
//!   Routes --watch--> haproxy                                         its Runtime API
//!                +--> pace (one at a time, newest wins, back-off) --> listing   a file: Prometheus, Envoy
//!                                                                 +-> template  any file, checked and reloaded
//!                                                                 +-> hook      a program that gets JSON
//!          Status <--watch-- each of them
//! ```
//!
//! A list without any server says that nothing was ever read, and is not handed on: an empty file would send every client away.

pub mod file;
pub mod haproxy;
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
