//! The ring in the server table, read as anybody would: with `ringmon ring show --json`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use serde::Deserialize;

use crate::event::Buddies;

/// One server's row.
#[derive(Clone, Debug, Deserialize)]
pub struct Row {
    /// Never reused.
    pub id: i64,
    /// Unique in the pool.
    pub name: String,
    /// The id of the next server on the ring.
    pub first_buddy: i64,
    /// The id of the previous server on the ring.
    pub second_buddy: i64,
    /// Which life of the server.
    pub incarnation: i64,
    /// Its share of the clients.
    pub weight: u16,
}

/// All rows of a pool.
#[derive(Clone, Debug, Default)]
pub struct Ring {
    rows: BTreeMap<i64, Row>,
}

impl Ring {
    /// Reads the output of `ring show --json`.
    ///
    /// # Errors
    /// The output is something else.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Shown {
            servers: Vec<Row>,
        }
        let shown: Shown = serde_json::from_str(text).with_context(|| format!("not a ring: {text}"))?;
        Ok(Self { rows: shown.servers.into_iter().map(|row| (row.id, row)).collect() })
    }

    /// The names of all servers.
    #[must_use]
    pub fn names(&self) -> BTreeSet<String> {
        self.rows.values().map(|row| row.name.clone()).collect()
    }

    /// The row of this server.
    #[must_use]
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.values().find(|row| row.name == name)
    }

    /// The buddies of this server, by name; none in a ring of one.
    #[must_use]
    pub fn buddies(&self, name: &str) -> Option<Buddies> {
        let row = self.row(name)?;
        let other = |id: i64| self.rows.get(&id).filter(|_| id != row.id).map(|row| row.name.clone());
        Some(Buddies { first: other(row.first_buddy), second: other(row.second_buddy) })
    }

    /// Names in the order of the ring, starting with the smallest. It ends where the ring does, or where the ring is
    /// broken.
    #[must_use]
    pub fn order(&self) -> Vec<String> {
        let mut order: Vec<String> = Vec::new();
        let mut at = self.rows.values().min_by(|a, b| natural(&a.name).cmp(&natural(&b.name)));
        while let Some(row) = at.filter(|row| !order.contains(&row.name)) {
            order.push(row.name.clone());
            at = self.rows.get(&row.first_buddy);
        }
        order
    }
}

/// Sorts `s10` after `s9`.
fn natural(name: &str) -> (usize, &str) {
    (name.len(), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(rows: &[(i64, &str, i64, i64)]) -> Ring {
        let row = |&(id, name, first_buddy, second_buddy): &(i64, &str, i64, i64)| {
            (id, Row { id, name: name.to_owned(), first_buddy, second_buddy, incarnation: 1, weight: 100 })
        };
        Ring { rows: rows.iter().map(row).collect() }
    }

    #[test]
    fn order_follows_first_buddies_from_the_smallest_name() {
        let ring = ring(&[(1, "s10", 3, 2), (2, "s9", 1, 3), (3, "s2", 2, 1)]);
        assert_eq!(ring.order(), ["s2", "s9", "s10"]);
        let buddies = Buddies { first: Some("s2".to_owned()), second: Some("s9".to_owned()) };
        assert_eq!(ring.buddies("s10"), Some(buddies));
    }

    #[test]
    fn a_ring_of_one_has_no_buddies_and_a_broken_one_ends() {
        assert_eq!(ring(&[(1, "a", 1, 1)]).buddies("a"), Some(Buddies::default()));
        assert_eq!(ring(&[(1, "a", 2, 2), (2, "b", 2, 1)]).order(), ["a", "b"]);
        assert_eq!(ring(&[(1, "a", 9, 9)]).order(), ["a"]);
    }
}
