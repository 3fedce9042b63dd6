//! Clients behind HAProxy: how long they are still sent to a server that is down, and how many of their requests fail.
//! HAProxy is told by ringmon's router, or uses only its own checks, in the same namespaces and with the same faults.
//!
//! ```text
//!   clients --> HAProxy (hub) --> web servers s1 ... s5, each in a namespace with its agent
//!                  ^ Runtime API
//!               ringmon router <-- notices -- agents --> server table
//! ```
//!
//! The time of the last request to a server comes from HAProxy's own count of its choices (`lbtot`), which is read
//! every two milliseconds. So the measured time is at most that much too long.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use super::crash::Moments;
use super::samples::Samples;
use crate::clients::{Clients, Pace};
use crate::clock::{ms_between, now_ns};
use crate::database::Choice;
use crate::fault::Fault;
use crate::haproxy::{BACKEND, Checks, Haproxy, frontend};
use crate::lab::{Lab, Options};
use crate::router::Router;
use crate::server::State;
use crate::service::Service;
use crate::undo;
use crate::web::{self, Web};

/// How HAProxy learns which servers are down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// From ringmon's router; HAProxy checks no server.
    Ringmon,
    /// By its own checks, as they are by default.
    HaproxyDefault,
    /// By its own checks, as fast as is sensible.
    HaproxyFast,
}

/// The fault of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// All its frames are dropped, the carrier stays up.
    Crash,
    /// Its web server answers 503.
    Service,
    /// Its agent is killed; the web server goes on.
    AgentKill,
    /// It is shut down: the agent first, then the web server.
    Shutdown,
    /// An operator drains it.
    Drain,
    /// The process of its web server is killed; host and agent live. The agents check as often as they do by default.
    ServiceKilled,
}

const BYS: [(By, &str); 3] =
    [(By::Ringmon, "ringmon"), (By::HaproxyDefault, "haproxy-default"), (By::HaproxyFast, "haproxy-fast")];
const WHATS: [(What, &str); 6] = [
    (What::Crash, "crash"),
    (What::Service, "service"),
    (What::AgentKill, "agent-kill"),
    (What::Shutdown, "shutdown"),
    (What::Drain, "drain"),
    (What::ServiceKilled, "service-killed"),
];

macro_rules! words {
    ($type:ident, $table:ident) => {
        impl $type {
            /// All of them.
            pub const ALL: [Self; $table.len()] = {
                let mut all = [$table[0].0; $table.len()];
                let mut at = 0;
                while at < $table.len() {
                    all[at] = $table[at].0;
                    at += 1;
                }
                all
            };
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad($table.iter().find(|(one, _)| one == self).map_or("?", |(_, word)| word))
            }
        }

        impl FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let found = $table.iter().find(|(_, word)| *word == text).map(|(one, _)| *one);
                found
                    .ok_or_else(|| format!("there is no {text}; there are {}", $table.map(|(_, word)| word).join(", ")))
            }
        }
    };
}
words!(By, BYS);
words!(What, WHATS);

impl By {
    /// The faults that can be compared: HAProxy's checks know nothing of agents and operators.
    #[must_use]
    pub fn suffers(self, what: What) -> bool {
        self == Self::Ringmon || matches!(what, What::Crash | What::Service | What::Shutdown | What::ServiceKilled)
    }

    const fn checks(self) -> Checks {
        match self {
            Self::Ringmon => Checks::None,
            Self::HaproxyDefault => Checks::Default,
            Self::HaproxyFast => Checks::Fast,
        }
    }
}

/// One line of results: a fault, and one way to tell HAProxy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// What happened to the server.
    pub fault: What,
    /// How often it happened.
    pub trials: usize,
    /// From the fault to the last request that was sent to the server: the median of the trials.
    pub p50_ms: Option<f64>,
    /// The 99th percentile; at least a hundred trials are needed.
    pub p99_ms: Option<f64>,
    /// The largest of the trials.
    pub max_ms: Option<f64>,
    /// The requests that failed, of all clients in all trials.
    pub failed_requests: usize,
    /// All requests, from the fault until the server was back.
    pub requests: usize,
    /// The failed requests in the worst trial.
    pub failed_most: usize,
    /// How HAProxy learned of it.
    pub by: By,
    /// What went wrong with the measurement, if something did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// How often each client asks.
pub const PACE: Pace = Pace { clients: 8, every: Duration::from_millis(10), patience: Duration::from_secs(5) };
/// A request is the last one if the server then stays unused for this long.
const STILL: Duration = Duration::from_millis(400);
/// HAProxy gives up an answer after two seconds. A server that is back sooner would answer what has failed.
const IN_FLIGHT: Duration = Duration::from_millis(2300);
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(2);

/// The pool, its web servers, HAProxy, what tells it, and clients.
pub struct Scene {
    by: By,
    /// The pool, with its faults.
    pub lab: Lab,
    webs: BTreeMap<String, Web>,
    /// Instead of these, where they are to be killed.
    services: BTreeMap<String, Service>,
    haproxy: Haproxy,
    clients: Clients,
    router: Option<Router>,
    moments: Moments,
}

impl Scene {
    /// Starts everything with the binary of this build.
    ///
    /// # Errors
    /// One of the parts does not start.
    pub fn start(build: &str, by: By, servers: u8, database: Choice, seed: u64) -> anyhow::Result<Self> {
        Self::run(build, (by, servers), database, seed, false)
    }

    /// The same, for [`What::ServiceKilled`] and nothing else.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn with_services(build: &str, by: By, servers: u8, database: Choice, seed: u64) -> anyhow::Result<Self> {
        Self::run(build, (by, servers), database, seed, true)
    }

    fn run(build: &str, (by, servers): (By, u8), database: Choice, seed: u64, processes: bool) -> anyhow::Result<Self> {
        let agent_args = agent_words(!processes);
        let options = Options { database, agent_args, rules: vec!["brake=1".to_owned()], ..Options::built(build) };
        let mut lab = Lab::new(options)?;
        let (mut webs, mut services) = (BTreeMap::new(), BTreeMap::new());
        for number in 1..=servers {
            let name = format!("s{number}");
            lab.add(&name)?;
            let server = lab.server(&name)?;
            if processes {
                services.insert(name.clone(), Service::start(&name, &server.namespace, &server.folder)?);
            } else {
                webs.insert(name.clone(), Web::start(&name, &server.namespace)?);
            }
            lab.start(&name, &[])?;
        }
        lab.until_whole()?;
        let haproxy = Haproxy::start(lab.network.hub(), lab.folder(), servers, by.checks())?;
        let router = match by {
            By::Ringmon => {
                let socket = format!("{}:{BACKEND}", haproxy.socket().display());
                Some(Router::start(&lab, &["--haproxy", &socket, "--haproxy-dynamic", "off"])?)
            }
            By::HaproxyDefault | By::HaproxyFast => None,
        };
        let clients = Clients::start(lab.network.hub(), frontend(), PACE);
        let mut scene = Self { by, lab, webs, services, haproxy, clients, router, moments: Moments(seed) };
        scene.until_used()?;
        Ok(scene)
    }

    /// Waits until all servers are on the ring and used.
    fn until_used(&mut self) -> anyhow::Result<()> {
        self.lab.until_whole()?;
        let Self { lab, haproxy, router, .. } = self;
        lab.until("HAProxy uses every server", PATIENCE, |_| {
            Ok(haproxy.servers()?.values().all(|stat| stat.is_used()).then_some(()))
        })
        .with_context(|| router.as_ref().map_or_else(String::new, Router::words))
    }

    /// Makes the trials of one fault. `done` hears after each how many there were.
    ///
    /// # Errors
    /// It never fails: problems are in the line.
    pub fn line(&mut self, what: What, trials: usize, done: &mut dyn FnMut(usize)) -> Line {
        let mut samples = Samples::default();
        let mut line = Line {
            fault: what,
            trials: 0,
            p50_ms: None,
            p99_ms: None,
            max_ms: None,
            failed_requests: 0,
            requests: 0,
            failed_most: 0,
            by: self.by,
            problem: None,
        };
        for trial in 0..trials {
            let result = self.trial(what, trial, &mut samples, &mut line);
            undo::stand_still_if_ending();
            if let Err(error) = result {
                line.problem = Some(format!("{error:#}"));
                break;
            }
            done(trial + 1);
        }
        (line.trials, line.p50_ms, line.p99_ms, line.max_ms) =
            (samples.trials(), samples.p50(), samples.p99(), samples.max());
        line
    }

    fn trial(&mut self, what: What, trial: usize, samples: &mut Samples, line: &mut Line) -> anyhow::Result<()> {
        self.until_used()?;
        self.lab.quiet(Duration::from_millis(300))?;
        std::thread::sleep(self.moments.next(Duration::from_millis(60)));
        let order = self.lab.ring()?.order();
        let victim = order[trial % order.len()].clone();
        drop(self.clients.take());
        let before =
            self.haproxy.servers()?.remove(&victim).with_context(|| format!("HAProxy knows no {victim}"))?.chosen;
        let at_ns = now_ns();
        self.strike(what, &victim)?;
        let last_ns = self.last_choice(what, &victim, at_ns, before)?;
        samples.push(last_ns.map_or(0.0, |last_ns| ms_between(at_ns, last_ns)));
        while now_ns() < at_ns + u64::try_from(IN_FLIGHT.as_nanos()).unwrap_or(u64::MAX) {
            std::thread::sleep(LOOK);
            self.lab.listen()?;
        }
        self.heal(what, &victim)?;
        self.until_used()?;
        let requests = self.clients.take();
        let failed = requests.iter().filter(|request| request.answer.is_err()).count();
        line.requests += requests.len();
        line.failed_requests += failed;
        line.failed_most = line.failed_most.max(failed);
        ensure!(!requests.is_empty(), "no client asked anything");
        Ok(())
    }

    fn strike(&mut self, what: What, victim: &str) -> anyhow::Result<()> {
        let web = || self.webs.get(victim).context("a web server that is no process");
        match what {
            What::Crash => self.lab.crash(&[victim.to_owned()])?,
            What::Service => web()?.fail(true),
            What::ServiceKilled => self.services.get(victim).context("a web server that is a process")?.kill()?,
            What::AgentKill => {
                self.lab.signal(victim, nix::sys::signal::Signal::SIGKILL)?;
                self.lab.mark(victim, State::Killed);
            }
            What::Shutdown => {
                if self.by == By::Ringmon {
                    // As a service manager does it that knows the order: the web server ends after the agent.
                    self.lab.signal(victim, nix::sys::signal::Signal::SIGTERM)?;
                    self.lab.mark(victim, State::Left);
                } else {
                    web()?.stop();
                }
            }
            What::Drain => drop(self.lab.must(&["drain", victim])?),
        }
        Ok(())
    }

    /// When HAProxy last chose the server. It had chosen it `before` times before the fault; nothing if it did not
    /// choose it again.
    fn last_choice(&mut self, what: What, victim: &str, at_ns: u64, before: u64) -> anyhow::Result<Option<u64>> {
        let (mut chosen, mut last) = (before, None);
        let still_ns = u64::try_from(STILL.as_nanos()).unwrap_or(u64::MAX);
        let Self { lab, haproxy, webs, by, .. } = self;
        let mut web_ends = what == What::Shutdown && *by == By::Ringmon;
        lab.until(&format!("HAProxy sends nothing to {victim}"), PATIENCE, |lab| {
            let stat = haproxy.servers()?.remove(victim).with_context(|| format!("HAProxy knows no {victim}"))?;
            let now = now_ns();
            if stat.chosen != chosen {
                (chosen, last) = (stat.chosen, Some(now));
            }
            if web_ends && lab.server(victim)?.agent()?.ended().is_some() {
                web_ends = false;
                webs.get(victim).context("a web server")?.stop();
            }
            let still = now - last.unwrap_or(at_ns) > still_ns;
            Ok((!stat.is_used() && still && !web_ends).then_some(last))
        })
    }

    fn heal(&mut self, what: What, victim: &str) -> anyhow::Result<()> {
        let web = || self.webs.get(victim).context("a web server that is no process");
        match what {
            What::ServiceKilled => {
                self.services.get_mut(victim).context("a web server that is a process")?.start_again()?;
            }
            What::Crash => {
                // As a machine comes back that lost its power: with a new agent, which joins at once. An agent that was
                // removed again and again while it ran would wait longer each time.
                self.lab.signal(victim, nix::sys::signal::Signal::SIGKILL)?;
                self.lab.mark(victim, State::Killed);
                drop(self.lab.strike(Fault::Return, &[victim.to_owned()])?);
            }
            What::AgentKill => drop(self.lab.strike(Fault::Return, &[victim.to_owned()])?),
            What::Service => web()?.fail(false),
            What::Shutdown => {
                web()?.start_again()?;
                if self.by == By::Ringmon {
                    drop(self.lab.strike(Fault::Return, &[victim.to_owned()])?);
                }
            }
            What::Drain => drop(self.lab.must(&["undrain", victim])?),
        }
        Ok(())
    }
}

/// Options of every agent: where clients go, and a check of the web server, if `fast` as fast as HAProxy's fastest.
fn agent_words(fast: bool) -> Vec<String> {
    let (port, url) = (web::PORT.to_string(), format!("http://127.0.0.1:{}/", web::PORT));
    let mut words = vec!["--route-port", &port, "--check", &url];
    if fast {
        words.extend(["--check-interval", "100ms", "--check-timeout", "100ms"]);
    }
    words.into_iter().map(str::to_owned).collect()
}
