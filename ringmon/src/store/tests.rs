//! Every body runs on SQLite and on a MariaDB that the tests start themselves.

mod access;
mod cost;
mod crowd;
mod errors;
mod explain;
mod kit;
mod mariadb;
mod model;
mod moments;
mod plans;
mod pools;
mod schema;
mod secrets;
mod tls;
mod transaction;
mod upgrade;
mod url;
mod wire;

/// Instantiates each test body, `async fn(TestDb)`, for each engine.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::store::tests::kit::TestDb::sqlite()).await;
            })+
        }
        mod mariadb {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::store::tests::kit::TestDb::mariadb().await).await;
            })+
        }
    };
}
use on_both;
