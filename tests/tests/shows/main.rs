//! What has to be shown besides the ten lines: the wire, broken rings, the pool's rules, every fault, and that nothing
//! is left behind.

mod agent_check;
mod alerts;
mod away;
mod bench;
mod blind;
mod faults;
mod held;
mod hosts;
mod keys;
mod leftovers;
mod recording;
mod reload;
mod routers;
mod routes;
mod rules;
mod service;
mod wire;
mod witnesses;

use ringmon_tests::lab::{Lab, Options};

/// A failure comes with the last words of the lab.
type Result<T = ()> = anyhow::Result<T>;

/// A whole pool on an SQLite file, with quorum both and no brake.
fn pool(servers: u8) -> Result<Lab> {
    Lab::pool(Options { rules: vec!["brake=1".to_owned()], ..Options::built("debug") }, servers)
}

/// The same, for tests that start an agent again in its place: a busy machine may need longer for that than the default
/// allows.
fn patient_pool(servers: u8) -> Result<Lab> {
    let rules = vec!["brake=1".to_owned(), "agent_timeout=60s".to_owned()];
    Lab::pool(Options { rules, ..Options::built("debug") }, servers)
}
