//! The operations, each against the model of a database.

mod alone;
mod answers;
mod compared;
mod confirmed;
mod damaged;
mod held;
mod interleave;
mod kit;
mod laws;
mod lost;
mod places;
mod runs;
mod votes;
