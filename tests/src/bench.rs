//! How fast failures are seen, how often healthy servers are blamed, and what that costs. Measured on a pool in the
//! lab, and on other failure detectors in the same namespaces with the same faults.
//!
//! ```text
//!   xtask bench detect --> Agents | Peers : Pool --> crash, silent, commit, healthy, usage --> Measurement
//! ```
//!
//! Every time runs from the blow, taken just before the one system call that strikes it, to the moment that the
//! detector itself wrote down. How often this program looks is not part of it.
//!
//! [`store`] has the lines of `bench store`. Its load is a bench target of ringmon's, which knows the store from
//! inside.

pub mod agents;
pub mod case;
pub mod commit;
pub mod condition;
pub mod crash;
pub mod hogs;
pub mod lines;
pub mod machine;
pub mod measurement;
pub mod outages;
pub mod pace;
pub mod peers;
pub mod pool;
pub mod ports;
pub mod profile;
pub mod realtime;
pub mod reports;
pub mod routes;
pub mod samples;
pub mod silent;
pub mod slow;
pub mod steady;
pub mod store;
pub mod usage;
pub mod wakeups;
pub mod young;
