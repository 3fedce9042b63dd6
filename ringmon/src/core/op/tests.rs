//! The operations, each against the model of a database.

mod kit;
mod places;
mod runs;
