//! What an operator may set of the routes.

use core::time::Duration;

/// What an operator may set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// For how long a vote that nobody seconds keeps a server out; and how long a vote lives (R5).
    pub vote_lifetime: Duration,
    /// A voter whose vote nobody seconded keeps the same server out again only after it heard it for so long.
    pub heard_again: Duration,
    /// The list freezes if less than this share, in thousandths, of those routed within [`Self::panic_window`] would be
    /// left; 0: never.
    pub panic_permille: u16,
    /// See there.
    pub panic_window: Duration,
    /// A server that joins gets its share of clients in this time, from a tenth on; zero: at once.
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
