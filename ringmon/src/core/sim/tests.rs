//! Pools that live through faults.

mod faults;
mod kit;
mod random;
mod rules;
mod scale;
mod starts;
