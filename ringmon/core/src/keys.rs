//! The pool's keys.

use alloc::vec::Vec;

use super::Time;
use super::route::LAG;
use super::row::{PoolKey, PoolRow};

/// The keys of the newest pool row that was read. Probes and notices are tagged with them.
///
/// An older row changes nothing: a slow operation can end after one that read later, and a replica can lag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolKeys {
    list: Vec<PoolKey>,
    version: i64,
    /// Since when every look has shown an older row.
    older: Option<Time>,
}

impl PoolKeys {
    /// Keys of an earlier run. Every row counts as newer.
    #[must_use]
    pub const fn kept(list: Vec<PoolKey>) -> Self {
        Self { list, version: 0, older: None }
    }

    /// First the key in use, then the one that it replaces while both are accepted.
    #[must_use]
    pub fn list(&self) -> &[PoolKey] {
        &self.list
    }

    /// The table went back in time: the next row that is read counts, whatever its version. A rotation that a restore
    /// took back is otherwise never undone here, and a server that joins is heard by nobody.
    pub const fn went_back(&mut self) {
        self.version = 0;
    }

    /// The same for who may read a replica that lags: an older row counts once every look has shown one for this long.
    pub fn follow(&mut self, row: &PoolRow, now: Time) -> bool {
        let older = (row.version < self.version).then(|| self.older.unwrap_or(now));
        self.older = older.filter(|since| now.since(*since) < LAG);
        if self.older != older {
            self.went_back();
        }
        self.take(row)
    }

    /// Takes the keys of a row that was read, and returns whether they changed.
    pub fn take(&mut self, row: &PoolRow) -> bool {
        if row.version < self.version || row.keys.is_empty() {
            return false;
        }
        let others = self.list != row.keys;
        (self.list, self.version) = (row.keys.clone(), row.version);
        others
    }
}

impl From<PoolRow> for PoolKeys {
    fn from(row: PoolRow) -> Self {
        Self { list: row.keys, version: row.version, older: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PoolId, Rules};

    const fn key(id: u8) -> PoolKey {
        PoolKey { id, secret: [id; 16] }
    }

    fn row(version: i64, keys: &[u8]) -> PoolRow {
        let keys = keys.iter().map(|id| key(*id)).collect();
        PoolRow { id: PoolId(1), name: "web".into(), rules: Rules::default(), frozen: None, keys, version }
    }

    #[test]
    fn an_older_row_changes_nothing() {
        let mut keys = PoolKeys::kept([key(1)].into());
        assert!(!keys.take(&row(3, &[1])), "the same");
        assert!(keys.take(&row(4, &[1, 2])));
        assert!(!keys.take(&row(3, &[1])));
        assert_eq!(keys.list(), [key(1), key(2)]);
        assert!(keys.take(&row(4, &[2])), "set by hand, without a new version");
        assert!(!keys.take(&row(5, &[])), "a recording has none");
        assert_eq!(keys.list(), [key(2)]);
        keys.went_back();
        assert!(keys.take(&row(3, &[1])), "another history");
        assert!(!keys.take(&row(2, &[3])), "in which versions grow as well");
    }

    /// A rotation that a failover lost, as a router sees it.
    #[test]
    fn an_older_row_counts_once_every_look_has_shown_it() {
        let mut keys = PoolKeys::kept([].into());
        let at = |ms: u64| Time::from_ns(ms * 1_000_000);
        assert!(keys.follow(&row(4, &[2]), at(0)));
        for ms in [1, 9_000, 10_000] {
            assert!(!keys.follow(&row(3, &[1]), at(ms)), "{ms}");
        }
        assert!(!keys.follow(&row(4, &[2]), at(10_001)), "another replica");
        assert!(!keys.follow(&row(3, &[1]), at(10_002)));
        assert!(!keys.follow(&row(3, &[1]), at(20_001)));
        assert!(keys.follow(&row(3, &[1]), at(20_002)));
        assert!(!keys.follow(&row(3, &[1]), at(20_003)));
        assert_eq!(keys.list(), [key(1)]);
    }
}
