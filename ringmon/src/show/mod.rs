//! Shapes of what is shown: what the loop publishes of itself, and the routes in the words of other programs.
//!
//! Nothing here decides or does anything; side rooms that make a part of it and those that show it meet here.

mod board;
pub mod envoy;
#[cfg(test)]
mod kit;
pub mod prometheus;

pub use board::{Board, CheckView, Count, DatapathMode, DatapathStats};

#[cfg(test)]
pub use kit::listed;
