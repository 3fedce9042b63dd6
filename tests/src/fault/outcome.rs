//! What became of a fault, measured on the clock of the agents' events.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Serialize;

use super::{Blow, Fault};
use crate::clock::ms_between;
use crate::event::Event;
use crate::lab::{Lab, PATIENCE};
use crate::ring::Ring;

/// One line of `demo --json`; `None` where a value does not apply. With several subjects, the latest one counts.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The fault's name.
    pub fault: String,
    /// The servers that it struck.
    pub subjects: Vec<String>,
    /// From the fault to the first report, by any server, that the subject or its agent is silent.
    pub suspect_ms: Option<f64>,
    /// From the fault to the first report that it is out of the table.
    pub down_ms: Option<f64>,
    /// Until all servers have their final buddies, and hear authenticated replies from them.
    pub healed_ms: Option<f64>,
    /// Whether `ring check` and every agent's buddies say that the ring is whole.
    pub ring_ok: Option<bool>,
    /// The problem, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Outcome {
    fn new(fault: Fault, subjects: Vec<String>) -> Self {
        let fault = fault.to_string();
        Self { fault, subjects, suspect_ms: None, down_ms: None, healed_ms: None, ring_ok: None, problem: None }
    }

    /// For a fault that could not even be struck.
    #[must_use]
    pub fn failed(fault: Fault, error: &anyhow::Error) -> Self {
        Self { ring_ok: Some(false), problem: Some(format!("{error:#}")), ..Self::new(fault, Vec::new()) }
    }
}

const SILENT: [&str; 2] = ["suspect", "agent_silent"];
const GONE: [&str; 3] = ["down", "agent_lost", "left"];

impl Lab {
    /// Waits until the pool has recovered, and returns how long each step took. A step that does not come is a problem
    /// in the outcome, not an error.
    pub fn outcome(&mut self, blow: &Blow) -> Outcome {
        let mut outcome = Outcome::new(blow.fault, blow.subjects.clone());
        if let Err(error) = self.measure(blow, &mut outcome) {
            outcome.ring_ok = Some(false);
            outcome.problem = Some(format!("{error:#}"));
        }
        outcome
    }

    fn measure(&mut self, blow: &Blow, outcome: &mut Outcome) -> anyhow::Result<()> {
        match blow.fault {
            Fault::Crash | Fault::Isolated | Fault::AdjacentCrash | Fault::AgentKill | Fault::AgentStop => {
                outcome.suspect_ms = Some(self.first_of(blow, "suspected", &SILENT)?);
                outcome.down_ms = Some(self.first_of(blow, "out of the table", &GONE)?);
            }
            Fault::Leave => {
                outcome.down_ms = Some(self.first_of(blow, "out of the table", &GONE)?);
                self.ended_well(blow)?;
            }
            Fault::AgentPause => {
                outcome.suspect_ms = Some(self.first_of(blow, "seen without a pulse", &SILENT)?);
                self.pulse_is_back(blow)?;
            }
            Fault::Join | Fault::Return => {}
        }
        let ring = self.until_whole()?;
        outcome.ring_ok = Some(true);
        if blow.fault == Fault::AgentPause {
            let same = |name: &String| {
                ring.row(name).map(|row| row.incarnation) == blow.before.row(name).map(|row| row.incarnation)
            };
            ensure!(blow.subjects.iter().all(same), "a pause of a second cost {:?} its place", blow.subjects);
        } else {
            outcome.healed_ms = Some(self.healed(blow, &ring)?);
        }
        Ok(())
    }

    /// Milliseconds until the last of the subjects had its first event of these kinds.
    fn first_of(&mut self, blow: &Blow, what: &str, kinds: &[&str]) -> anyhow::Result<f64> {
        let mut latest = blow.at_ns;
        for name in &blow.subjects {
            let what = format!("{name} is {what}");
            let wanted = |event: &Event| event.subject == *name && kinds.contains(&event.event.as_str());
            // The subject's own word counts only for its own leaving.
            let wanted = |event: &Event| wanted(event) && (event.server != *name || event.event == "left");
            latest = latest.max(self.event(&what, blow.at_ns, wanted)?.mono_ns);
        }
        Ok(ms_between(blow.at_ns, latest))
    }

    /// A server that missed a pulse says that it is back; or, if it missed the server's replies too, that the server is
    /// back.
    fn pulse_is_back(&mut self, blow: &Blow) -> anyhow::Result<()> {
        self.until("the pulse is back for all who missed it", PATIENCE, |lab| {
            let mut missing = BTreeSet::new();
            for event in lab.events().iter().filter(|event| event.mono_ns >= blow.at_ns) {
                let pair = (&event.server, &event.subject);
                match event.event.as_str() {
                    "agent_silent" => missing.insert(pair),
                    "agent_back" | "alive" => missing.remove(&pair),
                    _ => false,
                };
            }
            Ok(missing.is_empty().then_some(()))
        })
    }

    /// A clean shutdown ends by itself, with exit code 0.
    fn ended_well(&self, blow: &Blow) -> anyhow::Result<()> {
        for name in &blow.subjects {
            let status = self.server(name)?.agent()?.wait(Duration::from_secs(20))?;
            ensure!(status.success(), "the agent of {name} ended with {status}");
        }
        Ok(())
    }

    /// Replays what the agents said since the fault, in the order of the clock, until all of them have and hear their
    /// final buddies.
    fn healed(&self, blow: &Blow, ring: &Ring) -> anyhow::Result<f64> {
        let mut since: Vec<&Event> = self.events().iter().filter(|event| event.mono_ns >= blow.at_ns).collect();
        since.sort_by_key(|event| event.mono_ns);
        let mut view = blow.view.clone();
        if blow.fault == Fault::Return {
            blow.subjects.iter().for_each(|name| view.forget(name));
        }
        let names = ring.names();
        let mut first = None;
        for event in since {
            view.tell(event);
            let whole = names.iter().all(|name| {
                let belief = view.of(name);
                let hears = |buddy: &Option<String>| buddy.as_ref().is_none_or(|buddy| belief.hears.contains(buddy));
                ring.buddies(name)
                    .is_some_and(|buddies| belief.buddies == buddies && hears(&buddies.first) && hears(&buddies.second))
            });
            if whole {
                first = Some(event.mono_ns);
                break;
            }
        }
        let at = first.context("the ring is whole, but no event says since when")?;
        Ok(ms_between(blow.at_ns, at))
    }
}
