//! The pool's keys, as last read.

use alloc::vec::Vec;

use super::row::{PoolKey, PoolRow};

/// What probes and notices are tagged with. Taken from a row only if it is not older than the last one: operations end
/// in another order than they read, and a replica may lag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolKeys {
    list: Vec<PoolKey>,
    version: i64,
}

impl PoolKeys {
    /// Keys of an earlier run: any row is newer.
    #[must_use]
    pub const fn kept(list: Vec<PoolKey>) -> Self {
        Self { list, version: 0 }
    }

    /// The key in use, first; then the one it replaced, while both are accepted.
    #[must_use]
    pub fn list(&self) -> &[PoolKey] {
        &self.list
    }

    /// The pool's row was read; whether the keys are others now.
    pub fn take(&mut self, row: &PoolRow) -> bool {
        if row.version < self.version || row.keys.is_empty() {
            return false;
        }
        let others = self.list != row.keys;
        *self = Self { list: row.keys.clone(), version: row.version };
        others
    }
}

impl From<PoolRow> for PoolKeys {
    fn from(row: PoolRow) -> Self {
        Self { list: row.keys, version: row.version }
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
    }
}
