//! An agent's board for people.

use std::time::Duration;

use jiff::Zoned;
use serde::Deserialize;

use crate::show::saying::obstacle;
use crate::show::{CheckView, in_units};
use ringmon_core::blindness::Blindness;
use ringmon_core::buddy::BuddyList;
use ringmon_core::row::{Address, Health, Mode};
use ringmon_core::ways::Lost;
use ringmon_core::{Incarnation, Purpose, ServerId, Time, WatchReading, Word as _, law};

use super::super::{out, when};

/// The shown part of [`Board`](crate::show::Board). New fields there do no harm.
#[derive(Debug, Deserialize)]
pub struct Status {
    pub engine: Engine,
    #[serde(default)]
    pub datapath: Datapath,
    #[serde(default)]
    pub about: About,
    #[serde(default)]
    pub checks: Vec<CheckView>,
}

/// Where it probes from.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct About {
    pub interface: String,
    pub address: String,
}

#[derive(Debug, Deserialize)]
pub struct Engine {
    pub at: Time,
    pub server: String,
    pub phase: String,
    pub id: Option<ServerId>,
    #[serde(default)]
    pub waiting: Option<String>,
    pub incarnation: Incarnation,
    pub buddies: Option<BuddyList>,
    pub watches: Vec<Watch>,
    pub database_away: Option<(Time, String)>,
    pub frozen: Option<String>,
    #[serde(default)]
    pub answer_wait: Duration,
    #[serde(default)]
    pub alone: Option<Time>,
    #[serde(default)]
    pub blind: Option<(Time, Blindness)>,
    #[serde(default)]
    pub braked: bool,
    #[serde(default)]
    pub broken_links: Vec<BrokenLink>,
    #[serde(default)]
    pub lateness: u32,
    pub mode: Mode,
    #[serde(default)]
    pub health: Health,
    #[serde(default)]
    pub drained: Option<Time>,
    #[serde(default)]
    pub draining: bool,
}

#[derive(Debug, Deserialize)]
pub struct Watch {
    pub name: String,
    pub address: Address,
    pub purpose: Purpose,
    pub state: String,
    #[serde(default)]
    pub blind: Option<Blindness>,
    pub reading: WatchReading,
    #[serde(default)]
    pub loss: f64,
    #[serde(default)]
    pub needed: u32,
    #[serde(default)]
    pub lost: Lost,
}

#[derive(Debug, Deserialize)]
pub struct BrokenLink {
    pub server: String,
    pub way: String,
}

#[derive(Debug, Default, Deserialize)]
pub struct Datapath {
    pub mode: Option<String>,
}

/// A few lines and tables, as they are read at this moment.
pub fn text(status: &Status, now: &Zoned) -> String {
    let lines = lines(status, now);
    let said = lines.iter().map(|(warns, word, text)| out::said(&format!("{word:<10} {text}"), *warns));
    let mut parts: Vec<String> = said.collect();
    if !status.checks.is_empty() {
        parts.extend([String::new(), checks(status)]);
    }
    if !status.engine.watches.is_empty() {
        parts.extend([String::new(), watches(&status.engine)]);
    }
    parts.join("\n")
}

/// Of each line: whether a person should look at it, its word, and what it says.
fn lines(status: &Status, now: &Zoned) -> Vec<(bool, &'static str, String)> {
    let engine = &status.engine;
    // The two clocks are compared at this moment: an agent shows itself many times a second.
    let since = |then: Time| when::since(engine.at.since(then), now);
    let id = engine.id.map_or_else(|| "no row".to_owned(), |id| id.to_string());
    let mut lines = vec![
        (engine.id.is_none(), "server", format!("{} ({id}, incarnation {})", engine.server, engine.incarnation.0)),
        (engine.phase != "member", "phase", engine.phase.clone()),
        (false, "buddies", buddies(engine.buddies.as_ref())),
        (engine.mode == Mode::Observe, "mode", mode(engine.mode).to_owned()),
        (false, "datapath", datapath(status)),
        match &engine.database_away {
            Some((then, why)) => (true, "database", format!("away {}: {why}", since(*then))),
            None => (false, "database", "answers".to_owned()),
        },
    ];
    lines.extend(engine.waiting.iter().map(|why| (true, "waiting", why.clone())));
    lines.extend(engine.frozen.iter().map(|why| (true, "frozen", why.clone())));
    if engine.braked {
        lines.push((true, "brake", "it holds back a removal: `ringmon pool show` names who is gone".to_owned()));
    }
    if let Some(then) = engine.alone {
        lines.push((true, "alone", format!("{} this server hears nobody, and its row says so", since(then))));
    }
    lines.extend(blind(engine).map(|text| (true, "blind", text)));
    // Long before it is too late to answer, a removal takes longer than the time between two answers (REVOTE).
    if engine.answer_wait >= law::WAIT_MOST / 2 {
        let slow = "the database is far: removals by this server may fail, and its answers be late";
        lines.push((true, "slow", slow.to_owned()));
    }
    if let Some(then) = engine.drained {
        let text = format!("{}: no new clients are sent here, and this server will leave", since(then));
        lines.push((false, "draining", text));
    } else if engine.draining {
        lines.push((false, "draining", "no new clients are sent here, until `ringmon undrain`".to_owned()));
    }
    if !status.checks.is_empty() {
        lines.push((engine.health == Health::Failing, "service", health(engine.health).to_owned()));
    }
    if engine.lateness > 0 {
        let more = engine.lateness + 1;
        let text = format!("it was late lately: where it hears nobody else, it asks for {more} times the evidence");
        lines.push((true, "late", text));
    }
    if !engine.broken_links.is_empty() {
        let way = |link: &BrokenLink| if link.way == "out" { "out to it" } else { "back from it, or both ways" };
        let links: Vec<String> = engine.broken_links.iter().map(|l| format!("{} ({})", l.server, way(l))).collect();
        lines.push((true, "links", format!("broken with {}: others hear it", links.join(", "))));
    }
    lines
}

/// Whom this server does not see because of itself.
fn blind(engine: &Engine) -> impl Iterator<Item = String> {
    let whole = engine.blind.map(|(then, why)| {
        let seconds = engine.at.since(then).as_secs();
        format!("for {seconds} s this server has seen nobody ({}): {}", why.word(), obstacle(why))
    });
    let each = engine.watches.iter().filter(|_| engine.blind.is_none()).filter_map(|watch| {
        let why = watch.blind?;
        Some(format!("this server cannot see {} ({}): {}", watch.name, why.word(), obstacle(why)))
    });
    whole.into_iter().chain(each.collect::<Vec<_>>())
}

fn buddies(list: Option<&BuddyList>) -> String {
    let Some(list) = list else { return "not known yet".to_owned() };
    match (&list.first, &list.second) {
        (Some(first), Some(second)) => format!("first {}, second {}", first.name, second.name),
        (Some(only), None) | (None, Some(only)) => format!("first and second {}", only.name),
        (None, None) => "none: alone on the ring".to_owned(),
    }
}

const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Act => "act",
        Mode::Observe => "observe: nobody is removed",
    }
}

const fn health(health: Health) -> &'static str {
    match health {
        Health::Unknown => "not known yet",
        Health::Passing => "works",
        Health::Failing => "fails: no clients are sent here",
    }
}

fn checks(status: &Status) -> String {
    let rows = status.checks.iter().map(|CheckView { check, passing, since, took, why, watched }| {
        let state = match passing {
            None => "no result yet",
            Some(true) => "passes",
            Some(false) => "fails",
        };
        let [span, took] =
            [status.engine.at.since(*since), *took].map(|span| passing.map_or("-".to_owned(), |_| in_units(span)));
        let why = why.clone().unwrap_or_else(|| "-".to_owned());
        (*passing == Some(false), [check.clone(), state.to_owned(), span, took, watched.to_string(), why])
    });
    out::rows(["check", "state", "for", "took", "watched", "last failure"], &rows.collect::<Vec<_>>())
}

fn watches(engine: &Engine) -> String {
    let heads = [
        "watch",
        "address",
        "purpose",
        "state",
        "rtt",
        "sent",
        "replies",
        "misses",
        "lost out/back",
        "suspect after",
        "silent",
    ];
    let rows = engine.watches.iter().map(|watch| {
        let reading = &watch.reading;
        let cells = [
            watch.name.clone(),
            watch.address.to_string(),
            watch.purpose.word().to_owned(),
            watch.state.clone(),
            reading.last_rtt.map_or_else(|| "-".to_owned(), in_units),
            reading.sent.to_string(),
            reading.replies.to_string(),
            reading.misses.to_string(),
            format!("{}/{}", watch.lost.out, watch.lost.back),
            format!("{} misses (loss {:.1} %)", watch.needed, watch.loss * 100.0),
            in_units(engine.at.since(reading.silent_since())),
        ];
        (matches!(watch.state.as_str(), "suspect" | "agent_silent" | "restarting" | "unknown"), cells)
    });
    out::rows(heads, &rows.collect::<Vec<_>>())
}

/// The mode, and where that is.
fn datapath(status: &Status) -> String {
    let (mode, About { interface, address }) = (status.datapath.mode.as_deref().unwrap_or("none"), &status.about);
    if interface.is_empty() { mode.to_owned() } else { format!("{mode} on {interface}, {address}") }
}

#[cfg(test)]
mod tests;
