//! `ringmon --version`: what two programs must know of each other before they meet in one pool.

use std::sync::LazyLock;

use crate::store::{OLDEST_SCHEMA, SCHEMA_VERSION};
use ringmon_common::wire;

static TEXT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{} (commit {})\nwire    {}, and {} with older agents\n\
         schema  {SCHEMA_VERSION}, and runs on {OLDEST_SCHEMA} to {SCHEMA_VERSION}",
        env!("CARGO_PKG_VERSION"),
        env!("RINGMON_COMMIT"),
        wire::VERSION,
        wire::FIRST_VERSION,
    )
});

/// For `--version`; `-V` has the first word alone.
pub fn text() -> &'static str {
    &TEXT
}
