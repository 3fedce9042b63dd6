//! Consumers of the list of routes. Each keeps something in step that sends clients to servers, or wants to know them.
//!
//! ```text
//!   Routes --watch--> haproxy                                         its Runtime API
//!                +--> pace (one at a time, newest wins, back-off) --> listing   a file: Prometheus, Envoy
//!                                                                 +-> template  any file, checked and reloaded
//!                                                                 +-> hook      a program that gets JSON
//!          Status <--watch-- each of them
//! ```
//!
//! A list without any server means that nothing was read yet. It is not passed on: an empty file would send every
//! client away.

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
