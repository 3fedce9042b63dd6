//! The database's clock, in microseconds since 1970-01-01T00:00:00Z, as SQL.
//!
//! MySQL and MariaDB have two ways to read it. [`started_sql`] is `UTC_TIMESTAMP(6)`, the start of the statement: right
//! where the clock must be read before the rows. [`now`] is `SYSDATE(6)`, the moment at which the expression is
//! evaluated: right for stamps and deadlines. Otherwise a statement that waited for a row lock would pass a deadline
//! that is over by then, and would stamp a vote earlier than anybody could see it. The session's time zone is UTC (the
//! driver sets it). A server that was started with `--sysdate-is-now` has only the first one: there a write may be late
//! by one lock wait, which is at most a second.
//!
//! SQLite has `unixepoch('subsec')` for both. It has a resolution of a millisecond, because SQLite's `'now'` is no
//! finer. But it is read inside the statement, while this process holds the write lock. The process's own clock, bound
//! as a value, would be as old as the wait for the lock.

use sea_orm::DbBackend;
use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};

use ringmon_core::DbTime;

const SQLITE: &str = "(CAST(round(unixepoch('subsec') * 1000) AS INTEGER) * 1000)";

/// The database's clock at the beginning of the statement.
pub(super) fn started_sql(backend: DbBackend) -> &'static str {
    if backend == DbBackend::Sqlite {
        SQLITE
    } else {
        "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6))"
    }
}

/// The database's clock at the moment of evaluation.
pub(super) fn now(backend: DbBackend) -> SimpleExpr {
    Expr::cust(if backend == DbBackend::Sqlite {
        SQLITE
    } else {
        "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', SYSDATE(6))"
    })
}

/// R7: not after this moment.
pub(super) fn not_past(backend: DbBackend, deadline: DbTime) -> SimpleExpr {
    now(backend).lte(deadline.as_us())
}
