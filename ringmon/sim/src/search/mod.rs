//! Every interleaving of small worlds.

mod age;
mod duty;
mod explore;
mod happen;
mod key;
mod promise;
mod state;
mod table;
mod world;

pub use explore::{End, Limits, Report, search};
pub use world::{Kind, World};
