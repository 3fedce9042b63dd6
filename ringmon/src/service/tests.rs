//! The words of a check, verdicts, and each kind of check against real sockets, processes and a bus.

mod at_once;
mod check;
mod exec;
mod kinds;
mod lookout;
mod running;
mod systemd;
mod verdict;

use super::check::Check;

fn check(text: &str) -> Check {
    text.parse().unwrap_or_else(|unfit| panic!("{text}: {unfit}"))
}
