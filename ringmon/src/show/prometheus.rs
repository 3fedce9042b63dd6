//! The list as Prometheus reads it, from a file (`file_sd`) or over HTTP (`http_sd`):
//! <https://prometheus.io/docs/prometheus/latest/http_sd/>.

use core::net::SocketAddr;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::RemovalSeen;
use ringmon_core::Word as _;
use ringmon_core::route::{Route, Routes};
use ringmon_core::row::Address;

/// The document, and how many routed servers it leaves out because they have no port and there is no default. It has
/// one group for each routed server, because labels belong to a group.
#[must_use]
pub fn render(routes: &Routes, pool: &str, default_port: Option<u16>) -> (String, usize) {
    let (mut groups, mut left_out) = (Vec::new(), 0);
    for route in routes.routed() {
        match route.port.or(default_port) {
            Some(port) => groups.push(group(route, pool, port)),
            None => left_out += 1,
        }
    }
    (Value::from(groups).to_string(), left_out)
}

/// Like [`render`], but of all servers, and of those that were removed and are not back. The label
/// `__meta_ringmon_standing` says how each is. Servers without any port are left out. With `members`, targets are this
/// port of the servers themselves, where they are probed.
#[must_use]
pub fn render_all(
    routes: &Routes,
    pool: &str,
    members: Option<(&BTreeMap<String, Address>, u16)>,
    default_port: Option<u16>,
    missing: &BTreeMap<String, RemovalSeen>,
) -> String {
    let known = routes.servers.iter().filter_map(|route| {
        let (at, port) = match members {
            // A server that is kept in the list may have no row any more.
            Some((at, port)) => {
                let removed = missing.get(&route.name).and_then(|removal| removal.address);
                (at.get(&route.name).copied().or(removed)?, port)
            }
            None => (route.address, route.port.or(default_port)?),
        };
        let mut group = group(route, pool, port);
        group["targets"] = json!([SocketAddr::new(at, port)]);
        group["labels"]["__meta_ringmon_standing"] = route.standing.word().into();
        Some(group)
    });
    let there = |name: &String| routes.servers.iter().any(|route| route.name == *name);
    let port = members.map(|(_, port)| port).or(default_port);
    let removed = missing.iter().filter(|(name, _)| !there(name)).filter_map(|(name, removal)| {
        Some(json!({
            "targets": [SocketAddr::new(removal.address?, port?)],
            "labels": {
                "__meta_ringmon_pool": pool,
                "__meta_ringmon_name": name,
                "__meta_ringmon_standing": "removed",
                "ringmon_server": name,
            },
        }))
    });
    Value::from(known.chain(removed).collect::<Vec<_>>()).to_string()
}

fn group(route: &Route, pool: &str, port: u16) -> Value {
    json!({
        "targets": [SocketAddr::new(route.address, port)],
        // All values must be strings. Labels that begin with `__meta_` are for relabelling, and gone afterwards.
        "labels": {
            "__meta_ringmon_pool": pool,
            "__meta_ringmon_name": route.name,
            "__meta_ringmon_id": route.id.0.to_string(),
            "__meta_ringmon_weight": route.weight.to_string(),
            "ringmon_server": route.name,
        },
    })
}

#[cfg(test)]
mod tests;
