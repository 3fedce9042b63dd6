//! Finds the row with a name or an address without reading all rows.

use alloc::collections::BTreeMap;
use alloc::string::String;

use crate::ServerId;
use crate::row::{Address, ServerRow};

/// Hints, believed only if the row says the same. So code that writes into the rows by hand need not know about the
/// index.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    names: BTreeMap<String, ServerId>,
    addresses: BTreeMap<Address, ServerId>,
    picks: BTreeMap<i64, ServerId>,
}

impl Index {
    /// This row was written.
    pub fn note(&mut self, row: &ServerRow) {
        if self.names.get(&row.card.name) != Some(&row.id) {
            self.names.insert(row.card.name.clone(), row.id);
        }
        self.addresses.insert(row.card.address, row.id);
        self.picks.insert(row.pick, row.id);
    }

    /// This row is gone.
    pub fn forget(&mut self, row: &ServerRow) {
        if self.picks.get(&row.pick) == Some(&row.id) {
            self.picks.remove(&row.pick);
        }
    }

    /// The row with the smallest pick not below this one, or the smallest of all. If rows were written by hand, all
    /// rows are read.
    pub fn picked<'a>(&self, rows: &'a BTreeMap<ServerId, ServerRow>, pick: i64) -> Option<&'a ServerRow> {
        if self.picks.len() != rows.len() {
            let above = rows.values().filter(|row| row.pick >= pick).min_by_key(|row| row.pick);
            return above.or_else(|| rows.values().min_by_key(|row| row.pick));
        }
        let mut around = self.picks.range(pick..).chain(self.picks.iter());
        around.find_map(|(pick, id)| rows.get(id).filter(|row| row.pick == *pick))
    }

    /// Whether a row has this name, this address or this pick.
    pub fn taken(&self, rows: &BTreeMap<ServerId, ServerRow>, name: &str, address: Address, pick: i64) -> bool {
        if self.picks.len() != rows.len() {
            return rows.values().any(|row| row.card.name == name || row.card.address == address || row.pick == pick);
        }
        let there = |id: Option<&ServerId>| id.and_then(|id| rows.get(id));
        there(self.names.get(name)).is_some_and(|row| row.card.name == name)
            || there(self.addresses.get(&address)).is_some_and(|row| row.card.address == address)
            || there(self.picks.get(&pick)).is_some_and(|row| row.pick == pick)
    }

    /// The row with this name.
    pub fn name<'a>(&self, rows: &'a BTreeMap<ServerId, ServerRow>, name: &str) -> Option<&'a ServerRow> {
        let hint = self.names.get(name).and_then(|id| rows.get(id)).filter(|row| row.card.name == name);
        hint.or_else(|| rows.values().find(|row| row.card.name == name))
    }

    /// The row with this address.
    pub fn address<'a>(&self, rows: &'a BTreeMap<ServerId, ServerRow>, address: Address) -> Option<&'a ServerRow> {
        let hint = self.addresses.get(&address).and_then(|id| rows.get(id)).filter(|row| row.card.address == address);
        hint.or_else(|| rows.values().find(|row| row.card.address == address))
    }
}
