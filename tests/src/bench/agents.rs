//! A pool of ringmon agents, to be measured.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::pool::{Pool, must};
use super::ports::Ports;
use super::profile::Profile;
use super::reports::{Kind, Report, Reports};
use super::slow::{Mind, Suspected};
use crate::cells::{self, Cells};
use crate::database::Choice;
use crate::event::Event;
use crate::lab::{Lab, Options};
use crate::network::Network;
use crate::process::Process;
use crate::routes::{List, Watching};

/// More events than any measurement makes.
const ALL_EVENTS: &str = "1000000";

/// Whether dead servers are removed, or only suspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// No server is removed, so a victim can come back at once.
    Observe,
    /// Dead servers are removed, and no brake limits the number of removals.
    Act,
}

/// Agents in a lab.
#[derive(Debug)]
pub struct Agents {
    /// Its fields and faults are open to a measurement.
    pub lab: Lab,
    order: Vec<String>,
    ports: Ports,
    reports: Reports,
    read: usize,
    folder: PathBuf,
    /// What clients follow, where servers are removed.
    routes: Option<Watching>,
}

/// For agents of this build (`release`, `dist`, `debug`).
#[must_use]
pub fn options(built: &str, profile: Profile, mode: Mode, database: Choice) -> Options {
    let rules = match mode {
        Mode::Observe => vec!["mode=observe".to_owned()],
        Mode::Act => vec!["brake=1".to_owned()],
    };
    let agent_args = vec!["--profile".to_owned(), profile.to_string()];
    Options { rules, agent_args, database, ..Options::built(built) }
}

/// The same, in control groups: without real-time priority where these limit processor time. A kernel that shares out
/// real-time by group would refuse it there, others would not.
///
/// # Errors
/// This machine has no such groups.
pub fn confine(mut options: Options, kind: Option<cells::Kind>, servers: u8) -> anyhow::Result<Options> {
    let Some(kind) = kind else { return Ok(options) };
    let names: Vec<String> = (1..=servers).map(|number| format!("s{number}")).collect();
    options.cells = Cells::new(kind, &names)?;
    if kind == cells::Kind::Quota {
        options.agent_args.extend(["--realtime", "off"].map(str::to_owned));
    }
    Ok(options)
}

impl Agents {
    /// Starts this many agents, on a ring that is whole.
    ///
    /// # Errors
    /// The pool does not start.
    pub fn start(options: Options, servers: u8) -> anyhow::Result<Self> {
        Self::run(Lab::pool(options, servers)?, servers, None)
    }

    /// The same, and somebody follows the routes.
    ///
    /// # Errors
    /// The pool does not start, or its routes are not known.
    pub fn followed(options: Options, servers: u8) -> anyhow::Result<Self> {
        let mut lab = Lab::pool(options, servers)?;
        let routes = Watching::start(&mut lab, "routes.log", &[])?;
        Self::run(lab, servers, Some(routes))
    }

    fn run(lab: Lab, servers: u8, routes: Option<Watching>) -> anyhow::Result<Self> {
        let order = lab.ring()?.order();
        let ports = Ports::open(&lab.network, 1..=servers)?;
        let folder = lab.server("s1")?.folder.clone();
        let mut pool = Self { lab, order, ports, reports: Reports::default(), read: 0, folder, routes };
        pool.listen()?;
        Ok(pool)
    }

    /// Reads the ring again; it may have changed.
    ///
    /// # Errors
    /// The table cannot be read.
    pub fn read_order(&mut self) -> anyhow::Result<()> {
        self.order = self.lab.ring()?.order();
        Ok(())
    }
}

impl Pool for Agents {
    fn order(&self) -> &[String] {
        &self.order
    }

    fn network(&mut self) -> &mut Network {
        &mut self.lab.network
    }

    fn ports(&self) -> &Ports {
        &self.ports
    }

    fn port(&self, name: &str) -> anyhow::Result<u8> {
        Ok(self.lab.server(name)?.number)
    }

    fn process(&self, name: &str) -> anyhow::Result<&Process> {
        self.lab.server(name)?.agent()
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn listen(&mut self) -> anyhow::Result<()> {
        self.lab.listen()?;
        for event in &self.lab.events()[self.read..] {
            if let Some(report) = report(event) {
                self.reports.tell(report);
            }
        }
        self.read = self.lab.events().len();
        Ok(())
    }

    fn reports(&self) -> &Reports {
        &self.reports
    }

    fn removals(&self) -> anyhow::Result<Option<u64>> {
        let said = self.lab.must(&["events", "--json", "--limit", ALL_EVENTS])?;
        removals(&said).map(Some)
    }

    fn route_outs(&self) -> anyhow::Result<Option<u64>> {
        self.routes.as_ref().map(|routes| Ok(route_outs(&routes.lists()?))).transpose()
    }

    fn cells(&self) -> &Cells {
        self.lab.cells()
    }

    fn renew(&mut self, limit: Duration) -> anyhow::Result<u64> {
        let names = self.order.clone();
        for name in &names {
            self.lab.kill(name)?;
        }
        self.listen()?;
        self.reports.forget();
        for name in &names {
            self.lab.start(name, &[])?;
        }
        let end = Instant::now() + limit;
        // A server may be back at another place.
        while !(self.order.len() == names.len() && self.all_hear()) {
            ensure!(Instant::now() < end, "waited {limit:?} in vain until all are back\n{}", self.last_words());
            std::thread::sleep(Duration::from_millis(20));
            self.listen()?;
            self.read_order()?;
        }
        Ok(self.reports.last_heard_ns())
    }

    fn mind(&self, name: &str) -> Option<Mind> {
        // An agent that is short of time may not answer. That is no reason to stop measuring.
        self.lab.server(name).ok()?.http("/metrics").ok().map(|page| Mind::read(&page))
    }

    fn suspected(&self, by: &str, of: &str, since_ns: u64) -> Option<Suspected> {
        let said = |event: &&Event| event.is("suspect", of) && event.server == by && event.mono_ns >= since_ns;
        self.lab.events().iter().find(said).and_then(|event| Suspected::read(&event.detail))
    }

    fn settle(&mut self, limit: Duration) -> anyhow::Result<()> {
        self.lab.until_whole()?;
        self.read_order()?;
        must(self, "all servers hear their neighbours", limit, |pool| pool.all_hear().then_some(()))
    }

    fn last_words(&self) -> String {
        self.lab.last_words()
    }
}

/// What an agent's event says of another server, if it is one of the words that are measured.
fn report(event: &Event) -> Option<Report> {
    let kind = match event.event.as_str() {
        "alive" | "agent_back" => Kind::Heard,
        "suspect" => Kind::Silent,
        "agent_gone" | "agent_silent" => Kind::AgentSilent,
        _ => return None,
    };
    Some(Report { at_ns: event.mono_ns, by: event.server.clone(), of: event.subject.clone(), kind })
}

/// How often a server was no longer routed that was routed before.
fn route_outs(lists: &[List]) -> u64 {
    let out = |two: &[List]| two[0].routed().difference(&two[1].routed()).count() as u64;
    lists.windows(2).map(out).sum()
}

/// How many servers were removed. It reads what `ringmon events --json` prints, the table's own history, where each
/// removal is once.
fn removals(said: &str) -> anyhow::Result<u64> {
    let mut removals = 0;
    for line in said.lines() {
        let event: Value = serde_json::from_str(line).with_context(|| format!("not an event: {line}"))?;
        if matches!(event.get("event").and_then(Value::as_str), Some("down" | "agent_lost")) {
            removals += 1;
        }
    }
    Ok(removals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removals_are_what_the_table_remembers_of_them() {
        let line = |kind: &str| format!(r#"{{"id":1,"event":"{kind}","subject":"s1"}}"#);
        let said = ["joined", "down", "left", "agent_lost", "down"].map(line).join("\n");
        assert_eq!(removals(&said).unwrap(), 3);
        assert_eq!(removals("").unwrap(), 0);
        assert!(removals("oops").is_err());
    }

    #[test]
    fn each_way_out_of_the_routes_counts() {
        let list = |routed: &[&str]| List {
            servers: ["s1", "s2"]
                .map(|name| crate::routes::Entry {
                    name: name.to_owned(),
                    standing: "active".to_owned(),
                    routed: routed.contains(&name),
                })
                .into(),
            panic: None,
        };
        assert_eq!(route_outs(&[list(&["s1", "s2"]), list(&["s1"]), list(&["s1", "s2"]), list(&[])]), 3);
        assert_eq!(route_outs(&[]), 0);
    }

    #[test]
    fn only_words_about_silence_are_reports() {
        let event = |kind: &str| Event {
            at: String::new(),
            mono_ns: 7,
            server: "a".to_owned(),
            event: kind.to_owned(),
            subject: "b".to_owned(),
            detail: Value::Null,
        };
        assert_eq!(report(&event("suspect")).map(|report| report.kind), Some(Kind::Silent));
        assert_eq!(report(&event("agent_back")).map(|report| report.kind), Some(Kind::Heard));
        assert_eq!(report(&event("vote")), None);
    }
}
