//! The operations, each against the model of a database.

mod held;
mod interleave;
mod kit;
mod laws;
mod places;
mod runs;
mod votes;
