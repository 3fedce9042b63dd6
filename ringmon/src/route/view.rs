//! The list as templates, hooks and JSON files see it.

use serde::Serialize;

use ringmon_core::route::{Panic, Route, Routes};

/// A server, and whether it is routed: readers need not know which standings mean that.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Server<'a> {
    #[serde(flatten)]
    route: &'a Route,
    routed: bool,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct View<'a> {
    pool: &'a str,
    /// All known servers.
    servers: Vec<Server<'a>>,
    /// The servers that get clients.
    routed: Vec<Server<'a>>,
    /// Why the list is frozen, if it is.
    panic: Option<Panic>,
}

impl<'a> View<'a> {
    pub(super) fn new(pool: &'a str, routes: &'a Routes) -> Self {
        let servers = servers(routes);
        let routed = servers.iter().filter(|server| server.routed).cloned().collect();
        Self { pool, servers, routed, panic: routes.panic }
    }
}

pub(super) fn servers(routes: &Routes) -> Vec<Server<'_>> {
    routes.servers.iter().map(|route| Server { route, routed: route.standing.is_routed() }).collect()
}
