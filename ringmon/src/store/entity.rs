//! The three tables as sea-orm sees them. `convert` turns their rows into the core's.

pub(super) mod event;
pub(super) mod pool;
pub(super) mod server;
