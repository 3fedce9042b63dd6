//! Which row has a name or an address, without reading all of them.

use std::collections::BTreeMap;

use crate::core::ServerId;
use crate::core::row::{Address, ServerRow};

/// Hints, believed only if the row says the same: whoever writes into the rows by hand need not know of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    names: BTreeMap<String, ServerId>,
    addresses: BTreeMap<Address, ServerId>,
}

impl Index {
    /// This row was written.
    pub fn note(&mut self, row: &ServerRow) {
        if self.names.get(&row.name) != Some(&row.id) {
            self.names.insert(row.name.clone(), row.id);
        }
        self.addresses.insert(row.address, row.id);
    }

    /// The row of this name.
    pub fn name<'a>(&self, rows: &'a BTreeMap<ServerId, ServerRow>, name: &str) -> Option<&'a ServerRow> {
        let hint = self.names.get(name).and_then(|id| rows.get(id)).filter(|row| row.name == name);
        hint.or_else(|| rows.values().find(|row| row.name == name))
    }

    /// The row of this address.
    pub fn address<'a>(&self, rows: &'a BTreeMap<ServerId, ServerRow>, address: Address) -> Option<&'a ServerRow> {
        let hint = self.addresses.get(&address).and_then(|id| rows.get(id)).filter(|row| row.address == address);
        hint.or_else(|| rows.values().find(|row| row.address == address))
    }
}
