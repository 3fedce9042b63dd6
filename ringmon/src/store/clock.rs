//! The database's clock, in microseconds since 1970-01-01T00:00:00Z, as SQL.
//!
//! MySQL and MariaDB have two readings of it. [`started_sql`] is `UTC_TIMESTAMP(6)`, the start of the statement: right where
//! the clock is to be read before the rows. [`now`] is `SYSDATE(6)`, the moment the expression is evaluated: right for stamps and
//! deadlines, because a statement that waited for a row lock would otherwise pass a deadline that is over by then, and stamp a vote earlier
//! than anybody could see it. The session's time zone is UTC (the driver sets it). A server started with
//! `--sysdate-is-now` has only the first: there a write may be late by one lock wait, which is a second at most.
//!
//! SQLite: `unixepoch('subsec')` for both. Its resolution is a millisecond, SQLite's `'now'` has no finer one; but it is read inside the
//! statement, while this process holds the write lock. The process's own clock, bound as a value, would be as old as the wait for it.

use sea_orm::DbBackend;
use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};

use ringmon_core::DbTime;

const SQLITE: &str = "(CAST(round(unixepoch('subsec') * 1000) AS INTEGER) * 1000)";

/// The database's clock when the statement began.
pub(super) fn started_sql(backend: DbBackend) -> &'static str {
    if backend == DbBackend::Sqlite {
        SQLITE
    } else {
        "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6))"
    }
}

/// The database's clock when this is evaluated.
pub(super) fn now(backend: DbBackend) -> SimpleExpr {
    Expr::cust(if backend == DbBackend::Sqlite {
        SQLITE
    } else {
        "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', SYSDATE(6))"
    })
}

/// R7: not past this moment.
pub(super) fn not_past(backend: DbBackend, deadline: DbTime) -> SimpleExpr {
    now(backend).lte(deadline.as_us())
}
