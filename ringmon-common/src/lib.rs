//! What ringmon's BPF programs and its agent must agree on, byte for byte: the wire format of a probe, the layouts of
//! the maps, the keyed tag, and the names of everything that is counted.
//!
//! The same code runs on both sides. So it has no `std`, no allocation, no dependency, and no panic on any input. Only
//! the agent's side asks for the feature `serde`, which gives words to the enums that both sides share.

#![no_std]

#[cfg(test)]
extern crate std;

pub mod cell;
pub mod count;
pub mod frame;
pub mod layout;
pub mod rtt;
pub mod siphash;
pub mod tag;
pub mod testimony;
pub mod window;
pub mod wire;

pub use count::{Action, Incident, Verdict};
pub use frame::{Frame, Source, recognise};
pub use siphash::SipHash24;
pub use tag::TagKey;
pub use testimony::Testimony;
pub use wire::{Direction, Payload};
