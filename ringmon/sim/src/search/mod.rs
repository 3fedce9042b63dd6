//! Every interleaving of small worlds.

mod age;
mod cases;
mod duty;
mod explore;
mod happen;
mod key;
mod promise;
mod state;
mod table;
mod tell;
mod time;
mod world;

pub use cases::Case;
pub use explore::{End, Limits, Report, search};
pub use world::{Kind, World};
