//! Tells agents to read the table again, so that they need not wait for their next look.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::notice::{Notices, towards};
use ringmon_core::row::PoolKey;
use ringmon_core::{Incarnation, Notice, NoticeBody, ServerId, ServerRow};

/// Longer than a notice takes to be acknowledged or given up.
const PATIENCE: Duration = Duration::from_secs(1);

/// Sends each row's server its notice. It does not matter if a notice does not arrive (this machine may not even reach
/// the servers): they find out by themselves within half a minute.
pub async fn tell(keys: &[PoolKey], letters: &[(&ServerRow, NoticeBody)]) {
    let mut sockets: BTreeMap<IpAddr, Notices> = BTreeMap::new();
    for &(row, body) in letters {
        let to = SocketAddr::new(row.card.address, row.card.notice_port);
        let notice = from_an_operator(body);
        let Ok(own) = towards(to) else { continue };
        let notices = match sockets.entry(own) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(new) => match Notices::bind(SocketAddr::new(own, 0), keys.to_vec()) {
                Ok(notices) => new.insert(notices),
                Err(error) => {
                    tracing::debug!("{error}");
                    continue;
                }
            },
        };
        notices.send(to, notice);
    }
    for notices in sockets.values() {
        let settled = tokio::time::timeout(PATIENCE, notices.settle()).await;
        tracing::debug!(?settled, stats = ?notices.stats(), "told the agents");
    }
}

/// An operator has no row and no life of its own.
pub fn from_an_operator(body: NoticeBody) -> Notice {
    Notice { from: ServerId::NEW, incarnation: Incarnation::default(), body }
}
