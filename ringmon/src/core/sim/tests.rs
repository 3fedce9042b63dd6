//! Pools that live through faults.

mod corners;
mod faults;
mod kit;
mod random;
mod rules;
mod scale;
mod scenarios;
mod starts;
