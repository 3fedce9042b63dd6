//! Clients that keep asking a HAProxy. Its servers are the pool's, as the router tells it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use ringmon_tests::clients::{Clients, Pace, Request};
use ringmon_tests::haproxy::{BACKEND, Checks, Haproxy, frontend};
use ringmon_tests::lab::{Lab, PATIENCE};
use ringmon_tests::router::Router;
use ringmon_tests::web::{PORT, Web};

/// Eight clients, each of which asks fifty times a second.
const PACE: Pace = Pace { clients: 8, every: Duration::from_millis(20), patience: Duration::from_secs(5) };
/// HAProxy gives up a request after two seconds. Requests that were under way at the end of a fault get this long to
/// end.
const IN_FLIGHT: Duration = Duration::from_millis(2200);

/// Drop it before the lab.
pub struct Served {
    clients: Clients,
    _router: Router,
    haproxy: Haproxy,
    webs: BTreeMap<String, Web>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// Requests that ended.
    pub requests: usize,
    /// Those of them without a good answer.
    pub failed: usize,
}

impl Tally {
    fn of(requests: &[Request]) -> Self {
        let failed = requests.iter().filter(|request| request.answer.is_err()).count();
        Self { requests: requests.len(), failed }
    }

    pub fn plus(self, other: Self) -> Self {
        Self { requests: self.requests + other.requests, failed: self.failed + other.failed }
    }
}

/// Options of the agents, so that clients find the web servers. A clean shutdown waits for two seconds at most, because
/// HAProxy keeps its connections open.
pub fn agent_words() -> [String; 4] {
    ["--route-port", &PORT.to_string(), "--drain", "2s"].map(str::to_owned)
}

impl Served {
    /// Starts web servers beside the agents, a HAProxy that knows none of them, a router that tells it, and clients.
    ///
    /// # Errors
    /// One of them does not start.
    pub fn start(lab: &mut Lab) -> anyhow::Result<Self> {
        let mut webs = BTreeMap::new();
        web_servers(lab, &mut webs)?;
        let haproxy = Haproxy::start(lab.network.hub(), lab.folder(), 0, Checks::None)?;
        let router = Router::start(lab, &["--haproxy", &format!("{}:{BACKEND}", haproxy.socket().display())])?;
        let servers = webs.len();
        let all = |_: &mut Lab| {
            let used = haproxy.servers()?.values().filter(|stat| stat.is_used()).count();
            Ok((used == servers).then_some(()))
        };
        lab.until("HAProxy has every server", PATIENCE, all).with_context(|| router.words())?;
        let clients = Clients::start(lab.network.hub(), frontend(), PACE);
        Ok(Self { clients, _router: router, haproxy, webs })
    }

    /// Starts a web server beside every agent that has started since.
    ///
    /// # Errors
    /// It does not start.
    pub fn joined(&mut self, lab: &Lab) -> anyhow::Result<()> {
        web_servers(lab, &mut self.webs)
    }

    /// The requests since the last call, once those that a dead server may still hold have ended.
    pub fn tally(&self, lab: &mut Lab) -> Tally {
        let sessions = |stat: &ringmon_tests::haproxy::Stat| stat.sessions;
        let waited = lab.until("no request waits for a dead server", IN_FLIGHT, |_| {
            let servers = self.haproxy.servers()?;
            Ok(servers.values().filter(|stat| !stat.is_used()).map(sessions).all(|held| held == 0).then_some(()))
        });
        // They had their time: what HAProxy has given up by now has failed, and is counted.
        drop(waited);
        Tally::of(&self.clients.take())
    }
}

fn web_servers(lab: &Lab, webs: &mut BTreeMap<String, Web>) -> anyhow::Result<()> {
    for server in lab.servers() {
        if !webs.contains_key(&server.name) {
            webs.insert(server.name.clone(), Web::start(&server.name, &server.namespace)?);
        }
    }
    Ok(())
}
