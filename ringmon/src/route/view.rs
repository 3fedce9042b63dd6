//! The list as templates, hooks and JSON files see it.

use serde::Serialize;

use ringmon_core::route::{Panic, Route, Routes};

/// A server, and whether it is routed: nobody outside needs to know which standings mean that.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Server<'a> {
    #[serde(flatten)]
    route: &'a Route,
    routed: bool,
}

/// The whole list.
#[derive(Clone, Debug, Serialize)]
pub(super) struct View<'a> {
    pool: &'a str,
    /// Everybody that is known of.
    servers: Vec<Server<'a>>,
    /// Those to whom clients are sent.
    routed: Vec<Server<'a>>,
    /// The list is frozen, and why.
    panic: Option<Panic>,
}

impl<'a> View<'a> {
    pub(super) fn new(pool: &'a str, routes: &'a Routes) -> Self {
        let servers = servers(routes);
        let routed = servers.iter().filter(|server| server.routed).cloned().collect();
        Self { pool, servers, routed, panic: routes.panic }
    }
}

/// All servers of a list.
pub(super) fn servers(routes: &Routes) -> Vec<Server<'_>> {
    routes.servers.iter().map(|route| Server { route, routed: route.standing.is_routed() }).collect()
}
