//! The ten lines of what was asked for, each under both quorums. `docs/claims.md` maps them.

mod down;
mod leave;
mod list;
mod ring;

use ringmon_tests::database::Choice;
use ringmon_tests::lab::{Lab, Options};

/// A failure comes with the last words of the lab.
type Result<T = ()> = anyhow::Result<T>;

/// A whole pool on an SQLite file, with this quorum.
fn pool(quorum: &str, servers: u8) -> Result<Lab> {
    Lab::pool(Options { quorum: quorum.to_owned(), ..Options::built("debug") }, servers)
}

/// A whole pool on a MariaDB, with this quorum.
fn pool_on_mariadb(quorum: &str, servers: u8) -> Result<Lab> {
    let database = Choice::MariaDb;
    Lab::pool(Options { quorum: quorum.to_owned(), database, ..Options::built("debug") }, servers)
}

/// Turns each function of one argument into two tests: `NAME::under_single` and `NAME::under_both`.
macro_rules! under_both_quorums {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[test]
            fn under_single() -> crate::Result {
                super::$name("single")
            }

            #[test]
            fn under_both() -> crate::Result {
                super::$name("both")
            }
        }
    )*};
}
use under_both_quorums;
