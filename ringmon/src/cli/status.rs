//! `ringmon status`: asks the local agent.

mod client;
mod view;

use std::net::SocketAddr;

use jiff::Zoned;

use super::exit::{Error, Verdict};
use super::out;
use crate::config::{Key, Typed};
pub use client::get;

/// Shows what the local agent shows of itself. It is "not healthy" unless the agent is a member of its ring, hears
/// others there, and sees all that it watches.
pub fn run(typed: &Typed, json: bool) -> anyhow::Result<Verdict> {
    let addr = address(typed)?;
    let body = get(addr, "/status")?;
    let status: view::Status = serde_json::from_slice(&body)
        .map_err(|error| Error::Unavailable(format!("what answers on {addr} is no agent of this version: {error}")))?;
    if json {
        out::line(String::from_utf8_lossy(&body).trim_end())?;
    } else {
        out::line(&view::text(&status, &Zoned::now()))?;
    }
    let engine = &status.engine;
    let sees = engine.blind.is_none() && engine.watches.iter().all(|watch| watch.blind.is_none());
    let healthy = engine.phase == "member" && engine.alone.is_none() && sees;
    Ok(if healthy { Verdict::Ok } else { Verdict::NotHealthy })
}

/// Where the local agent can be asked.
pub fn address(typed: &Typed) -> anyhow::Result<SocketAddr> {
    let key = Key::Http;
    let off = || Error::Usage(format!("{key} is off, so the agent cannot be asked; say where with {}", key.flag()));
    Ok(crate::config::http(typed)?.ok_or_else(off)?)
}
