//! What an operator may set for the routes.

use core::time::Duration;

/// Settings for the routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long a vote that no other server seconds keeps a server out. It is also how long a vote lives (R5).
    pub vote_lifetime: Duration,
    /// A voter whose vote was not seconded can keep the same server out again only after it has heard that server for
    /// this long.
    pub heard_again: Duration,
    /// The list freezes if less than this share, in thousandths, of the servers routed within [`Self::panic_window`]
    /// would be left; 0: never.
    pub panic_permille: u16,
    /// How long a routed server counts for [`Self::panic_permille`].
    pub panic_window: Duration,
    /// A server that joins reaches its full share of clients in this time, starting from a tenth; zero: at once.
    pub slow_start: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            vote_lifetime: Duration::from_secs(30),
            heard_again: Duration::from_secs(60),
            panic_permille: 500,
            panic_window: Duration::from_secs(900),
            slow_start: Duration::ZERO,
        }
    }
}
