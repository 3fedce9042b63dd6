//! How fast failures are seen, how often healthy servers are blamed, and what that costs: measured on a pool in the lab,
//! and on other failure detectors in the same namespaces with the same faults.
//!
//! ```text
//!   xtask bench detect --> Agents | Peers : Pool --> crash, silent, commit, healthy, usage --> Measurement
//! ```
//!
//! Every time is between the blow, taken just before one system call that strikes it, and the moment the detector itself
//! wrote down: how often this program looks is no part of it.
//!
//! [`store`] is what `bench store` says; its load is a bench target of ringmon's, which knows the store from inside.

pub mod agents;
pub mod case;
pub mod commit;
pub mod crash;
pub mod hogs;
pub mod lines;
pub mod machine;
pub mod measurement;
pub mod pace;
pub mod peers;
pub mod pool;
pub mod ports;
pub mod profile;
pub mod reports;
pub mod routes;
pub mod samples;
pub mod silent;
pub mod steady;
pub mod store;
pub mod usage;
