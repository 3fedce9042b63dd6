//! An agent's board for people.

use std::time::Duration;

use serde::Deserialize;

use crate::show::CheckView;
use ringmon_core::buddy::BuddyList;
use ringmon_core::row::{Address, Health, Mode};
use ringmon_core::ways::Lost;
use ringmon_core::{Incarnation, Purpose, ServerId, Time, WatchReading, Word as _, law};

use super::super::out;

/// The shown part of [`Board`](crate::show::Board). New fields there do no harm.
#[derive(Debug, Deserialize)]
pub struct Status {
    pub engine: Engine,
    #[serde(default)]
    pub datapath: Datapath,
    #[serde(default)]
    pub checks: Vec<CheckView>,
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

/// A few lines and a table.
pub fn text(status: &Status) -> String {
    let engine = &status.engine;
    let id = engine.id.map_or_else(|| "no row".to_owned(), |id| id.to_string());
    let mut lines = vec![
        format!("server     {} ({id}, incarnation {})", engine.server, engine.incarnation.0),
        format!("phase      {}", engine.phase),
        format!("buddies    {}", buddies(engine.buddies.as_ref())),
        format!("mode       {}", mode(engine.mode)),
        format!("datapath   {}", status.datapath.mode.as_deref().unwrap_or("none")),
        format!("database   {}", database(engine)),
    ];
    if let Some(why) = &engine.waiting {
        lines.push(format!("waiting    {why}"));
    }
    if let Some(why) = &engine.frozen {
        lines.push(format!("frozen     {why}"));
    }
    if engine.braked {
        lines.push("brake      it holds back a removal: `ringmon pool show` names who is gone".to_owned());
    }
    if let Some(since) = engine.alone {
        let ago = short(engine.at.since(since));
        lines.push(format!("alone      for {ago} this server hears nobody, and its row says so"));
    }
    // Long before it is too late to answer, a removal takes longer than the time between two answers (REVOTE).
    if engine.answer_wait >= law::WAIT_MOST / 2 {
        lines.push(
            "slow       the database is far: removals by this server may fail, and its answers be late".to_owned(),
        );
    }
    if let Some(since) = engine.drained {
        let ago = short(engine.at.since(since));
        lines.push(format!("draining   for {ago}: no new clients are sent here, and this server will leave"));
    } else if engine.draining {
        lines.push("draining   no new clients are sent here, until `ringmon undrain`".to_owned());
    }
    if !status.checks.is_empty() {
        lines.push(format!("service    {}", health(engine.health)));
    }
    if engine.lateness > 0 {
        let more = engine.lateness + 1;
        lines.push(format!("late       this server was recently late: it asks for {more} times the evidence"));
    }
    if !engine.broken_links.is_empty() {
        let way = |link: &BrokenLink| if link.way == "out" { "out to it" } else { "back from it, or both ways" };
        let links: Vec<String> = engine.broken_links.iter().map(|l| format!("{} ({})", l.server, way(l))).collect();
        lines.push(format!("links      broken with {}: others hear it", links.join(", ")));
    }
    if !status.checks.is_empty() {
        lines.extend([String::new(), checks(status)]);
    }
    if !engine.watches.is_empty() {
        lines.push(String::new());
        lines.push(watches(engine));
    }
    lines.join("\n")
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

fn database(engine: &Engine) -> String {
    match &engine.database_away {
        Some((since, why)) => format!("away for {:.1} s: {why}", engine.at.since(*since).as_secs_f64()),
        None => "answers".to_owned(),
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
    let mut table = out::table(&["check", "state", "for", "took", "last failure"]);
    for view in &status.checks {
        let CheckView { check, passing, since, took, why } = view;
        let state = match passing {
            None => "no result yet",
            Some(true) => "passes",
            Some(false) => "fails",
        };
        let [span, took] =
            [status.engine.at.since(*since), *took].map(|span| passing.map_or("-".to_owned(), |_| short(span)));
        table.add_row([check.clone(), state.to_owned(), span, took, why.clone().unwrap_or_else(|| "-".to_owned())]);
    }
    table.trim_fmt()
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
    let mut table = out::table(&heads);
    for watch in &engine.watches {
        let reading = &watch.reading;
        let silent = engine.at.since(reading.silent_since());
        table.add_row([
            watch.name.clone(),
            watch.address.to_string(),
            watch.purpose.word().to_owned(),
            watch.state.clone(),
            reading.last_rtt.map_or_else(|| "-".to_owned(), short),
            reading.sent.to_string(),
            reading.replies.to_string(),
            reading.misses.to_string(),
            format!("{}/{}", watch.lost.out, watch.lost.back),
            format!("{} misses (loss {:.1} %)", watch.needed, watch.loss * 100.0),
            short(silent),
        ]);
    }
    table.trim_fmt()
}

/// A duration with three significant digits.
fn short(span: Duration) -> String {
    let us = span.as_secs_f64() * 1e6;
    match us {
        _ if us < 1_000.0 => format!("{us:.1} us"),
        _ if us < 1_000_000.0 => format!("{:.1} ms", us / 1e3),
        _ => format!("{:.1} s", us / 1e6),
    }
}
