//! `ringmon route list|pick|watch`: the routes for scripts and clients. It only reads.

use serde_json::json;

use super::exit::Verdict;
use super::{database, out};
use crate::config::{self, Typed};
use crate::router::{self, place};
use ringmon_core::Word as _;
use ringmon_core::route::{Route, Routes};

/// Every server, and whether it is routed.
pub fn list(typed: &Typed, plain: bool, json: bool) -> anyhow::Result<Verdict> {
    let routes = look(typed)?;
    if json {
        out::json(&as_json(&routes))?;
    } else if plain {
        for route in routes.routed() {
            out::line(&place(route))?;
        }
    } else {
        out::line(&as_text(&routes))?;
    }
    Ok(verdict(&routes))
}

/// Random servers, by their weights.
pub fn pick(typed: &Typed, count: u32, json: bool) -> anyhow::Result<Verdict> {
    let routes = look(typed)?;
    for _ in 0..count {
        let Some(route) = routes.pick(rand::random()) else {
            return Err(super::exit::Error::NotThere(
                "no server of the pool is routed; `ringmon route list` says why".to_owned(),
            )
            .into());
        };
        out::line(&if json { json!(route).to_string() } else { place(route) })?;
    }
    Ok(Verdict::Ok)
}

/// The list and its changes.
pub fn watch(typed: &Typed, json: bool) -> anyhow::Result<Verdict> {
    let config = config::sight(typed)?;
    database::wait(async {
        // A missing pool is reported at once, and not waited for.
        let (first, _) = router::look(config.clone()).await?;
        let mut before = tell(&first, None, json)?;
        let mut following = router::follow(config, None);
        loop {
            if following.routes.changed().await.is_err() {
                return Err(super::exit::Error::Unavailable("the routes can no longer be followed".to_owned()).into());
            }
            let routes = std::sync::Arc::clone(&following.routes.borrow_and_update());
            if routes.as_ref() != &before {
                before = tell(&routes, Some(&before), json)?;
            }
        }
    })
}

fn look(typed: &Typed) -> anyhow::Result<Routes> {
    let config = config::sight(typed)?;
    Ok(database::wait(async { Ok(router::look(config).await?) })?.0)
}

fn tell(routes: &Routes, before: Option<&Routes>, json: bool) -> anyhow::Result<Routes> {
    if json {
        out::line(&as_json(routes).to_string())?;
        return Ok(routes.clone());
    }
    let known = |name: &str| before.and_then(|before| before.servers.iter().find(|route| route.name == name));
    for route in routes.servers.iter().filter(|route| known(&route.name) != Some(*route)) {
        out::line(&format!("{}  {:<10} {}  weight {}", route.name, route.standing.word(), place(route), route.weight))?;
    }
    for gone in before.iter().flat_map(|before| &before.servers) {
        if !routes.servers.iter().any(|route| route.name == gone.name) {
            out::line(&format!("{}  gone", gone.name))?;
        }
    }
    Ok(routes.clone())
}

fn verdict(routes: &Routes) -> Verdict {
    if routes.routed().next().is_some() { Verdict::Ok } else { Verdict::NotHealthy }
}

fn as_json(routes: &Routes) -> serde_json::Value {
    let server = |route: &Route| {
        json!({
        "name": route.name, "id": route.id, "incarnation": route.incarnation, "address": route.address,
            "port": route.port,
            "weight": route.weight, "standing": route.standing, "routed": route.standing.is_routed(),
        })
    };
    json!({ "servers": routes.servers.iter().map(server).collect::<Vec<_>>(), "panic": routes.panic })
}

fn as_text(routes: &Routes) -> String {
    let mut table = out::table(&["server", "clients go to", "weight", "routed", "why"]);
    for route in &routes.servers {
        let routed = if route.standing.is_routed() { "yes" } else { "no" };
        let weight = route.weight.to_string();
        table.add_row([&route.name, &place(route), &weight, routed, route.standing.word()]);
    }
    let mut text = table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n");
    if routes.servers.is_empty() {
        "the pool has no servers".clone_into(&mut text);
    }
    text
}
