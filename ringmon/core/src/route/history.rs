//! Which of two states of a row is the newer one, also when the table went back in time, and which lives of servers are
//! over.
//!
//! In one history of a table the version of a row only grows. A restore, or a failover that lost commits, begins
//! another history, in which versions are given again. A router may read a replica of the one or of the other, and
//! cannot ask anybody which is right. But incarnations grow in all of them: each agent whose row was taken back takes
//! it again, in a new life. So of two states of a row the one with the later life is newer, whatever their versions
//! are. And a later life in a row that was written no more often than is known proves that a new history has begun.
//!
//! A replica that lags, or receives nothing more, cannot pretend that: all its rows are as they once were, and no life
//! in them is later than the known one. Neither can a replica that is left over from the lost history.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::edit::StoredEvent;
use crate::event::EventBody;
use crate::{Incarnation, ServerId, ServerRow, Time};

/// For this long it is remembered that a server is gone. No replica lags by so much.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// In a history this old, all who are dead were found dead again, also those that had a grace of a minute.
const SETTLED: Duration = Duration::from_secs(90);

/// Whether `row` is an older state than `known`, of any history.
pub(super) fn is_older(row: &ServerRow, known: &ServerRow) -> bool {
    (row.incarnation, row.version) < (known.incarnation, known.version)
}

/// Whether `row` proves that `known` is of another history, which is over.
fn is_of_a_later_history(row: &ServerRow, known: &ServerRow) -> bool {
    row.incarnation > known.incarnation && (row.version <= known.version || row.card.name != known.card.name)
}

/// The life that this event ended. An older version of ringmon does not say which one it was. It began before its end.
pub(super) fn ended_life(event: &StoredEvent) -> Incarnation {
    let removed = event.body.removal().and_then(|(_, removed)| removed.incarnation);
    let left = if let EventBody::Left(left) = &event.body { left.incarnation } else { None };
    removed.or(left).unwrap_or_else(|| Incarnation(event.at.as_us()))
}

/// What is remembered of the table's history.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// The last life of each row that is gone for good, and when that was seen.
    ended: BTreeMap<ServerId, (Incarnation, Time)>,
    /// A row proves that another history has begun, and the whole pool was not read since.
    proved: bool,
    /// When the whole pool was last read for the first time in a new history.
    began: Option<Time>,
    /// How often another history began.
    pub count: u64,
}

impl History {
    /// This row is gone for good. `known` is the last life that was seen.
    pub fn end(&mut self, now: Time, id: ServerId, known: Incarnation, event: &StoredEvent) {
        self.ended.insert(id, (known.max(ended_life(event)), now));
    }

    /// Whether this life of a row is over.
    pub fn is_over(&self, row: &ServerRow) -> bool {
        self.ended.get(&row.id).is_some_and(|(life, _)| row.incarnation <= *life)
    }

    /// A row is taken over; `known` is what was known of it.
    pub fn note(&mut self, row: &ServerRow, known: Option<&ServerRow>) {
        self.proved |= self.shows_another(row, known);
        self.ended.remove(&row.id);
    }

    /// Whether this row proves that another history has begun. In one history an ended row does not return.
    pub fn shows_another(&self, row: &ServerRow, known: Option<&ServerRow>) -> bool {
        let returned = self.ended.contains_key(&row.id) && !self.is_over(row);
        returned || known.is_some_and(|known| is_of_a_later_history(row, known))
    }

    /// Whether another history has begun since the whole pool was last read, which now has these `rows`. If only a part
    /// of it proved that, a read that shows an earlier life than is known may be one of the lost history: it has to
    /// wait.
    pub fn begins(&mut self, now: Time, rows: &[ServerRow], known: &BTreeMap<ServerId, ServerRow>) -> bool {
        let shows = rows.iter().any(|row| self.shows_another(row, known.get(&row.id)));
        let earlier = |row: &ServerRow| known.get(&row.id).is_some_and(|known| row.incarnation < known.incarnation);
        let begins = shows || self.proved && !rows.iter().any(earlier);
        if begins {
            self.began = Some(now);
            self.count += 1;
        }
        begins
    }

    /// The whole pool was taken over as it is in the new history.
    pub const fn has_begun(&mut self) {
        self.proved = false;
    }

    /// Whether a history began this short a time ago.
    pub fn is_new(&self, now: Time, within: Duration) -> bool {
        self.began.is_some_and(|began| now.since(began) < within)
    }

    /// The whole pool was read. Who was found dead in the lost history and is dead is found so again, long within
    /// [`SETTLED`]. Whoever is in the table then, in which nothing is older than is known, only seemed to be dead.
    pub fn acquit(&mut self, now: Time, rows: &[ServerRow], known: &BTreeMap<ServerId, ServerRow>) {
        let Some(began) = self.began.filter(|began| now.since(*began) >= SETTLED) else { return };
        let older = |row: &ServerRow| known.get(&row.id).is_some_and(|known| is_older(row, known));
        if !rows.iter().any(older) {
            let there = |id: &ServerId| rows.iter().any(|row| row.id == *id);
            self.ended.retain(|id, (_, at)| *at >= began || !there(id));
        }
    }

    /// Forgets what no replica can still show.
    pub fn forget(&mut self, now: Time) {
        self.ended.retain(|_, (_, at)| now.since(*at) < REMEMBERED);
    }

    /// Another history has begun: these rows are right as they are, and what was newer is not. The lives that were seen
    /// to end stay over: their servers are dead, whatever the table says.
    pub fn start_over(&self, rows: &[ServerRow], known: &mut BTreeMap<ServerId, ServerRow>) {
        for row in rows.iter().filter(|row| !self.is_over(row)) {
            if let Some(known) = known.get_mut(&row.id).filter(|known| known.incarnation <= row.incarnation) {
                known.clone_from(row);
            }
        }
    }
}
