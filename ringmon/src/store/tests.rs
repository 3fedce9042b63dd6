//! One suite, instantiated for each engine: SQLite, and servers that the tests start (`ringmon_tests::engine`).
//!
//! A plain `cargo test` runs the tests of SQLite and MariaDB; `cargo xtask test --engines LIST` runs others.

mod access;
mod before;
mod cluster;
mod cost;
mod crowd;
mod errors;
mod explain;
mod held;
mod killed;
mod kit;
mod model;
mod moments;
mod plans;
mod pools;
mod races;
mod refusals;
mod schema;
mod secrets;
mod session;
mod tls;
mod transaction;
mod trips;
mod upgrade;
mod url;
mod walk;
mod wire;

/// Instantiates each test body, `async fn(TestDb)`, for each engine. Those after a semicolon are only for servers.
macro_rules! on_engines {
    ($($name:ident),+ $(,)? $(; $($server:ident),+ $(,)?)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::store::tests::kit::TestDb::sqlite()).await;
            })+
        }
        crate::store::tests::on_servers!($($name),+ $(, $($server),+)?);
    };
}
use on_engines;

/// The same, for what only a server can show.
macro_rules! on_servers {
    ($($name:ident),+ $(,)?) => {
        mod on_mariadb {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::store::tests::kit::TestDb::mariadb().await).await;
            })+
        }
        mod on_mysql {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "asked for by: cargo xtask test --engines mysql"]
            async fn $name() {
                super::$name(crate::store::tests::kit::TestDb::mysql().await).await;
            })+
        }
        mod on_galera {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "asked for by: cargo xtask test --engines galera"]
            async fn $name() {
                super::$name(crate::store::tests::kit::TestDb::galera().await).await;
            })+
        }
    };
}
use on_servers;

/// For tests that need servers of their own because they break them: `async fn(Engine)`.
macro_rules! on_own_servers {
    ($($name:ident),+ $(,)?) => {
        mod on_mariadb {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(ringmon_tests::engine::Engine::MariaDb).await;
            })+
        }
        mod on_mysql {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "asked for by: cargo xtask test --engines mysql"]
            async fn $name() {
                super::$name(ringmon_tests::engine::Engine::MySql).await;
            })+
        }
    };
}
use on_own_servers;
