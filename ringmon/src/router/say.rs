//! Logs what changed.

use std::collections::BTreeMap;

use ringmon_core::Word as _;
use ringmon_core::route::{Panic, Route, Routes, Standing};

/// Logs each server whose standing changed, and warns while the list is frozen.
pub fn changes(before: &Routes, after: &Routes) {
    let standings = |routes: &Routes| -> BTreeMap<String, Standing> {
        routes.servers.iter().map(|route| (route.name.clone(), route.standing)).collect()
    };
    let (was, is) = (standings(before), standings(after));
    for route in &after.servers {
        match was.get(&route.name) {
            Some(standing) if *standing == route.standing => {}
            Some(standing) => tracing::info!("{}: {} -> {}", route.name, standing.word(), route.standing.word()),
            None => tracing::info!("{}: {} at {}", route.name, route.standing.word(), place(route)),
        }
    }
    for name in was.keys().filter(|name| !is.contains_key(*name)) {
        tracing::info!("{name}: gone");
    }
    match (&before.panic, &after.panic) {
        (None, Some(panic)) => tracing::error!("{}", frozen(*panic)),
        (Some(_), None) => tracing::warn!("{THAWED}"),
        (None, None) | (Some(_), Some(_)) => {}
    }
}

/// That the list is no longer frozen.
pub const THAWED: &str = "the routes are no longer frozen";

/// That the list is frozen, why, and what to do.
#[must_use]
pub fn frozen(Panic { left, of }: Panic) -> String {
    format!(
        "the routes are frozen: only {left} of the {of} recently routed servers would be left. \
         All of them stay routed until more are back; look at `ringmon ring show` and the agents"
    )
}

/// Where clients go.
#[must_use]
pub fn place(route: &Route) -> String {
    match route.port {
        Some(port) => std::net::SocketAddr::new(route.address, port).to_string(),
        None => route.address.to_string(),
    }
}
