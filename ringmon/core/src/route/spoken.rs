//! What servers wrote about whom they hear, and for how long that counts.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::{DbTime, ServerId, ServerRow, law};

/// A router knows the database's clock from its last read, so a vote may be stamped this much later.
pub(super) const BEHIND: Duration = Duration::from_secs(2);

/// What is true is written again, and a router reads that once a second.
pub(super) const LASTS: Duration = law::RENEWED.saturating_add(BEHIND);

/// Whether this server hears another one, or another one hears it.
pub(super) fn on_record(rows: &BTreeMap<ServerId, ServerRow>, row: &ServerRow, now: DbTime) -> bool {
    let names_it = |other: &&ServerRow| other.answering().and_then(|a| a.answer).is_some_and(|a| a.hears == row.id);
    let fresh = |row: &ServerRow| record(row).is_some_and(|(at, lasts)| is_younger(now, at, lasts));
    fresh(row) || rows.values().filter(names_it).any(fresh)
}

/// When a server last answered, and for how long that counts. It renews its answer, and a router reads that once a
/// second.
pub(super) fn record(row: &ServerRow) -> Option<(DbTime, Duration)> {
    let answer = row.answering()?.answer.filter(|answer| answer.hears != row.id)?;
    Some((answer.at, law::RENEWED + row.wait() + BEHIND))
}

/// Whether this server wrote anything lately, or another one wrote that it hears it.
pub(super) fn speaks(rows: &BTreeMap<ServerId, ServerRow>, row: &ServerRow, now: DbTime) -> bool {
    words(row).any(|(at, lasts)| is_younger(now, at, lasts)) || on_record(rows, row, now)
}

/// When a server last wrote that it hears somebody, or nobody, and for how long that counts.
pub(super) fn words(row: &ServerRow) -> impl Iterator<Item = (DbTime, Duration)> {
    let answer = row.answering().and_then(|a| a.answer).map(|answer| answer.at);
    [answer, row.alone_at].into_iter().flatten().map(|at| (at, LASTS))
}

/// How old this is. A stamp that is a little later than the known time of the database's clock is of now. One that is
/// much later is of a clock that stepped back since, and says nothing.
pub(super) fn age(now: DbTime, at: DbTime) -> Option<Duration> {
    (at <= now + BEHIND).then(|| now.since(at).unwrap_or_default())
}

pub(super) fn is_younger(now: DbTime, at: DbTime, than: Duration) -> bool {
    age(now, at).is_some_and(|age| age < than)
}

pub(super) fn is_as_old(now: DbTime, at: DbTime, span: Duration) -> bool {
    age(now, at).is_some_and(|age| age >= span)
}
