//! These tests need root and BPF, and fail where they cannot run.

mod answers;
mod barriers;
mod changes;
mod contract;
mod forged;
mod hooks;
pub mod kit;
pub mod netns;
mod observes;
mod opening;
mod run;
mod testify;
mod timers;
mod veth;
