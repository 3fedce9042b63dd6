//! Words and numbers of the demo. With `--json` the words go to stderr, and only the numbers to stdout.

use std::time::Duration;

use ringmon_tests::census::Leftover;
use ringmon_tests::event::Event;
use ringmon_tests::fault::{Fault, Outcome};
use ringmon_tests::lab::{Lab, Teller};
use ringmon_tests::ring::Ring;
use ringmon_tests::server::State;
use serde_json::{Value, json};

use super::picture;
use super::served::Tally;
use crate::progress;

/// Where words and numbers go.
#[derive(Clone, Copy, Debug)]
pub struct Show {
    json: bool,
}

/// One line of `--json`.
#[derive(serde::Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    outcome: &'a Outcome,
    clients: Tally,
}

impl Show {
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    pub fn say(self, text: &str) {
        if self.json { eprintln!("{text}") } else { progress::print(text) }
    }

    /// The ring, and which servers are away and why.
    pub fn picture(self, ring: &Ring, lab: &Lab) {
        let names = ring.names();
        let away = lab.servers().filter(|server| !names.contains(&server.name));
        let away: Vec<String> = away.map(|server| format!("{} ({})", server.name, why(server.state))).collect();
        self.say(&format!("\n{}", picture::of(&ring.order(), &away)));
    }

    pub fn begin(self, fault: Fault, subjects: &[String]) {
        self.say(&format!("--- {fault}: {}", subjects.join(", ")));
        self.say(&format!("    {}", fault.about()));
    }

    /// Prints every transition, with milliseconds since the fault.
    pub fn teller(self) -> Teller {
        Teller(Box::new(move |event, ms| self.say(&transition(event, ms))))
    }

    pub fn outcome(self, outcome: &Outcome, clients: Tally) {
        if self.json {
            progress::print(&serde_json::to_string(&Line { outcome, clients }).unwrap_or_default());
        }
        let ms = |what: &str, ms: Option<f64>| ms.map_or(String::new(), |ms| format!("{what} after {ms:.1} ms, "));
        let steps = [
            ms("suspected", outcome.suspect_ms),
            ms("out of the table", outcome.down_ms),
            ms("healed", outcome.healed_ms),
        ];
        let whole = if outcome.ring_ok == Some(true) { "the ring is whole" } else { "THE RING IS NOT WHOLE" };
        self.say(&format!("=== {}: {}{whole}", outcome.fault, steps.concat()));
        self.say(&format!("    clients: {} requests, {} failed", clients.requests, clients.failed));
        if let Some(problem) = &outcome.problem {
            self.say(problem);
        }
    }

    /// The end. True if everything healed and nothing was left behind.
    pub fn totals(self, outcomes: &[(Outcome, Tally)], planned: usize, took: Duration, left: &[Leftover]) -> bool {
        let healed = outcomes.iter().filter(|(outcome, _)| outcome.ring_ok == Some(true)).count();
        let well = healed == planned && left.is_empty();
        for one in left {
            self.say(&format!("left behind: {one}"));
        }
        if self.json {
            let totals = totals(outcomes, planned, healed, took, left);
            progress::print(&json!({ "totals": totals }).to_string());
        }
        let end = if well { "everything healed, nothing was left behind" } else { "NOT everything is well" };
        let Tally { requests, failed } = clients(outcomes);
        self.say(&format!("clients: {requests} requests through all of it, {failed} failed"));
        self.say(&format!("{healed} of {planned} steps healed in {:.0} s: {end}", took.as_secs_f32()));
        well
    }
}

/// Of all faults together.
fn clients(outcomes: &[(Outcome, Tally)]) -> Tally {
    outcomes.iter().fold(Tally::default(), |sum, (_, tally)| sum.plus(*tally))
}

fn totals(outcomes: &[(Outcome, Tally)], planned: usize, healed: usize, took: Duration, left: &[Leftover]) -> Value {
    let worst =
        |of: fn(&Outcome) -> Option<f64>| outcomes.iter().filter_map(|(outcome, _)| of(outcome)).max_by(f64::total_cmp);
    json!({
        "faults": planned,
        "healed": healed,
        "failed": planned - healed,
        "worst_suspect_ms": worst(|outcome| outcome.suspect_ms),
        "worst_down_ms": worst(|outcome| outcome.down_ms),
        "worst_healed_ms": worst(|outcome| outcome.healed_ms),
        "seconds": (took.as_secs_f64() * 10.0).round() / 10.0,
        "clients": clients(outcomes),
        "left_behind": left.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn why(state: State) -> &'static str {
    match state {
        State::New => "not started",
        State::Running => "not joined",
        State::Crashed => "crashed",
        State::Isolated => "isolated",
        State::Killed => "agent killed",
        State::Stopped => "agent stopped",
        State::Left => "left",
    }
}

fn transition(event: &Event, ms: f64) -> String {
    let Event { server, event: what, subject, .. } = event;
    let whom = if subject == server { String::new() } else { format!(" {subject}") };
    let fields = event.detail.as_object().into_iter().flatten();
    // Nested values are for readers of the logs.
    let fields = fields.filter(|(_, value)| !value.is_object() && !value.is_null());
    let fields: Vec<String> = fields.map(|(key, value)| format!("{key}={}", plain(value))).collect();
    let detail = if fields.is_empty() { String::new() } else { format!("  ({})", fields.join(" ")) };
    format!("{ms:>10.1} ms  {server}: {what}{whom}{detail}")
}

/// A value without JSON's quotes, if it has any.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}
