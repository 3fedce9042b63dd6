//! What changes of the interface and the address that this server probes from, while it runs.

use serde::{Deserialize, Serialize};

use crate::words;

/// One such change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostChange {
    /// The interface has another name. Nothing else changes.
    Renamed,
    /// The interface no longer has the address. Probes are no longer answered for it.
    AddressGone,
    /// It has the address again.
    AddressBack,
    /// The interface does not exist any more, or is in another network namespace.
    InterfaceGone,
    /// An interface of that name has the address, and answers probes.
    InterfaceBack,
}

words! { HostChange:
    Renamed = "renamed",
    AddressGone = "address_gone",
    AddressBack = "address_back",
    InterfaceGone = "interface_gone",
    InterfaceBack = "interface_back",
}
