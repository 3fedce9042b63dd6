//! `ringmon route list|pick|watch`: the routes for scripts and clients. It only reads.

use jiff::Zoned;
use serde_json::json;

use super::exit::Verdict;
use super::{database, out, when};
use crate::config::{self, Typed};
use crate::router::{self, place};
use ringmon_core::Word as _;
use ringmon_core::route::{Route, Routes, Standing};

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
    let at = when::full(&Zoned::now());
    for (warns, text) in changes(routes, before) {
        out::line(&out::said(&format!("{at}  {text}"), warns))?;
    }
    Ok(routes.clone())
}

/// What is new, a line each, and whether a person should look at it.
fn changes(routes: &Routes, before: Option<&Routes>) -> Vec<(bool, String)> {
    let mut lines = Vec::new();
    match (before.and_then(|before| before.panic), routes.panic) {
        (None, Some(panic)) => lines.push((true, router::frozen(panic))),
        (Some(_), None) => lines.push((false, router::THAWED.to_owned())),
        (None, None) | (Some(_), Some(_)) => {}
    }
    for route in &routes.servers {
        let was = before.and_then(|before| before.servers.iter().find(|was| was.name == route.name));
        if was == Some(route) {
            continue;
        }
        let Route { name, weight, standing, .. } = route;
        // A slow start is seen by this: the list has no other trace of it.
        let earlier = was.filter(|was| was.weight != *weight).map(|was| format!(" (was {})", was.weight));
        let (word, at, earlier) = (standing.word(), place(route), earlier.unwrap_or_default());
        let text = format!("{name}  {word:<10} {at}  weight {weight}{earlier}  {}", meaning(*standing, *weight));
        lines.push((needs_a_look(*standing), text));
    }
    for gone in before.iter().flat_map(|before| &before.servers) {
        if !routes.servers.iter().any(|route| route.name == gone.name) {
            let dead = routes.dead.contains(&gone.name);
            lines.push((dead, format!("{}  gone{}", gone.name, if dead { ": it was found dead" } else { "" })));
        }
    }
    lines
}

/// `ringmon explain` has more about each of these words.
const fn meaning(standing: Standing, weight: u16) -> &'static str {
    match standing {
        Standing::Active | Standing::Kept if weight == 0 => "no clients, unless every server has the weight 0",
        Standing::Active => "it gets clients",
        Standing::Draining => "no new clients: an operator drains it, or its agent is about to stop",
        Standing::Failing => "no clients: its service checks fail",
        Standing::Suspect => "no clients: two servers vote against it, or one does and it did not answer",
        Standing::Kept => "it gets clients because the list is frozen: something is against it, or its row is gone",
    }
}

/// What is kept gets clients only until the list moves again.
const fn needs_a_look(standing: Standing) -> bool {
    !matches!(standing, Standing::Active)
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
    if routes.servers.is_empty() {
        return "the pool has no servers".to_owned();
    }
    let rows = routes.servers.iter().map(|route| {
        let (standing, routed) = (route.standing, if route.standing.is_routed() { "yes" } else { "no" });
        let (weight, why) = (route.weight.to_string(), standing.word().to_owned());
        let cells = [
            route.name.clone(),
            place(route),
            weight,
            routed.to_owned(),
            why,
            meaning(standing, route.weight).to_owned(),
        ];
        (needs_a_look(standing), cells)
    });
    let table = out::rows(["server", "clients go to", "weight", "routed", "why", ""], &rows.collect::<Vec<_>>());
    // At the end, where it cannot scroll away.
    let frozen = routes.panic.map(|panic| format!("\n\n{}", out::said(&router::frozen(panic), true)));
    table + &frozen.unwrap_or_default()
}

#[cfg(test)]
mod tests;
