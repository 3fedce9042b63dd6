//! A pool with web servers, two routers and a Prometheus, and the alerts that are awaited.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use ringmon_tests::database::{Choice, Forward};
use ringmon_tests::lab::{Lab, Options, PATIENCE, POOL};
use ringmon_tests::network::{INTERFACE, address};
use ringmon_tests::prometheus::{Alert, Prometheus, Target};
use ringmon_tests::router::{HTTP, Router};
use ringmon_tests::web::{PORT, Web};

use super::lists;
use crate::Result;

const SERVERS: u8 = 6;
/// Where the second router's metrics are, and where it reaches the database.
const SECOND_HTTP: &str = "127.0.0.1:7467";
const FAR_PORT: u16 = 3307;
/// The second way to one server, for a Prometheus that has to ask it while its link is down.
const SIDE: [&str; 2] = ["10.78.0.1", "10.78.0.2"];

struct Expected {
    name: String,
    labels: Vec<(String, String)>,
    since: Instant,
}

/// It is dropped in this order.
pub struct Scene {
    prometheus: Prometheus,
    routers: BTreeMap<&'static str, Router>,
    webs: BTreeMap<String, Web>,
    /// The way of the second router to the database.
    pub far: Option<Forward>,
    /// The servers in the order of the ring.
    pub order: [String; SERVERS as usize],
    expected: Vec<Expected>,
    /// The alerts that came as expected, by name.
    pub fired: BTreeSet<String>,
    /// While this file is there the first router's hook fails.
    broken: PathBuf,
    pub lab: Lab,
}

impl Scene {
    pub fn start() -> Result<Self> {
        let (port, url) = (PORT.to_string(), format!("http://127.0.0.1:{PORT}/"));
        let words = ["--http", "0.0.0.0:7464", "--route-port", &port, "--check", &url, "--check-interval", "1s"];
        let agent_args = words.iter().map(|word| (*word).to_owned()).collect();
        let options = Options { agent_args, database: Choice::MariaDb, ..Options::built("debug") };
        let mut lab = Lab::pool(options, SERVERS)?;
        let order = lab.ring()?.order().try_into();
        let order: [String; SERVERS as usize] = order.ok().context("the ring has other servers")?;
        let mut webs = BTreeMap::new();
        for name in &order {
            webs.insert(name.clone(), Web::start(name, &lab.server(name)?.namespace)?);
        }
        let (script, broken) = (lab.folder().join("hook.sh"), lab.folder().join("broken"));
        std::fs::write(&script, format!("test ! -e {}\n", broken.display())).context("cannot write the hook")?;
        let hook = format!("/bin/sh {}", script.display());
        let (far, far_url) = lab.database.farther(lab.network.hub(), FAR_PORT, Duration::ZERO)?;
        let first = Router::start(&lab, &["--hook", &hook])?;
        let second = ["--router-http", SECOND_HTTP, "--database-url", &far_url];
        let routers = BTreeMap::from([("lb1", first), ("lb2", Router::start_in(&lab, "router2", &second)?)]);
        let aside = &order[4];
        side_way(&lab, aside)?;
        let mut targets = Vec::new();
        for name in &order {
            let at = if name == aside { SIDE[1].to_owned() } else { address(lab.server(name)?.number).to_string() };
            targets.push(Target { job: "ringmon", instance: name.clone(), address: format!("{at}:7464") });
        }
        for (instance, at) in [("lb1", HTTP), ("lb2", SECOND_HTTP)] {
            targets.push(Target { job: "ringmon-router", instance: instance.to_owned(), address: at.to_owned() });
        }
        // Before Prometheus: until now nobody answered the checks.
        lab.until("all servers are routed", PATIENCE, |lab| {
            // It fails while it lists nobody.
            let listed = lab.ringmon(&["route", "list", "--plain"])?.out;
            Ok((listed.lines().count() == usize::from(SERVERS)).then_some(()))
        })?;
        let prometheus = Prometheus::start(&mut lab, &lists::rules()?, POOL, &targets)?;
        let (expected, fired) = (Vec::new(), BTreeSet::new());
        Ok(Self { prometheus, routers, webs, far: Some(far), order, expected, fired, broken, lab })
    }

    /// No alert fires for this long.
    pub fn healthy(&mut self, span: Duration) -> Result {
        let Self { prometheus, lab, .. } = self;
        let end = Instant::now() + span;
        prometheus.until(lab, "the pool was healthy for long enough", span * 2, |prometheus| {
            let firing = prometheus.firing()?;
            ensure!(firing.is_empty(), "a healthy pool fires {}", names(&firing));
            Ok((Instant::now() > end).then_some(()))
        })
    }

    /// A fault was just made, and this alert has to come.
    pub fn expect(&mut self, name: &str, labels: &[(&str, &str)]) {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.expected.push(Expected { name: name.to_owned(), labels, since: Instant::now() });
    }

    /// Whether an alert of this name is still to come.
    pub fn awaits(&self, name: &str) -> bool {
        self.expected.iter().any(|expected| expected.name == name)
    }

    /// Waits until all expected alerts have come. Before each look it does `meanwhile`, with the number of the look.
    pub fn until_fired(&mut self, limit: Duration, mut meanwhile: impl FnMut(&mut Self, u32) -> Result) -> Result {
        let end = Instant::now() + limit;
        let mut turn = 0;
        while self.look()? {
            ensure!(Instant::now() < end, "{}", self.in_vain(limit));
            meanwhile(self, turn)?;
            turn += 1;
        }
        Ok(())
    }

    /// Waits until all expected alerts have come, or `enough` says that no more have to come for now.
    pub fn until_fired_or(&mut self, limit: Duration, enough: impl Fn(&Self) -> bool) -> Result {
        let end = Instant::now() + limit;
        while self.look()? && !enough(self) {
            ensure!(Instant::now() < end, "{}", self.in_vain(limit));
        }
        Ok(())
    }

    /// Asks Prometheus once, and says which expected alerts have come. False if none is left.
    fn look(&mut self) -> Result<bool> {
        self.lab.hold(Duration::from_millis(200))?;
        let firing = self.prometheus.firing().context("Prometheus does not say which alerts fire")?;
        let come = |expected: &Expected| firing.iter().find(|alert| alert.is(&expected.name, &expected.labels));
        for expected in &self.expected {
            if let Some(alert) = come(expected) {
                println!("alert {alert} fired after {:.1} s", expected.since.elapsed().as_secs_f64());
                self.fired.insert(expected.name.clone());
            }
        }
        self.expected.retain(|expected| come(expected).is_none());
        Ok(!self.expected.is_empty())
    }

    fn in_vain(&self, limit: Duration) -> String {
        let missing: Vec<String> = self.expected.iter().map(|e| format!("{} {:?}", e.name, e.labels)).collect();
        let firing = self.prometheus.firing().unwrap_or_default();
        let routers: Vec<String> = self.routers.values().map(Router::words).collect();
        let firing = names(&firing);
        let (missing, routers) = (missing.join(", "), routers.join("\n"));
        format!(
            "after {limit:?} not fired: {missing}\nfiring: {firing}\nrouters:\n{routers}\n{}",
            self.lab.last_words()
        )
    }

    /// Waits until no other alerts fire than these.
    pub fn until_only(&mut self, lasting: &[&str]) -> Result {
        let Self { prometheus, lab, .. } = self;
        let mut others = Vec::new();
        let waited = prometheus.until(lab, "the alerts end", PATIENCE, |prometheus| {
            others = prometheus.firing()?;
            others.retain(|alert| !lasting.contains(&alert.name()));
            Ok(others.is_empty().then_some(()))
        });
        waited.with_context(|| format!("these go on: {}", names(&others)))
    }

    /// The web server of this server.
    pub fn web(&self, name: &str) -> Result<&Web> {
        self.webs.get(name).with_context(|| format!("{name} has no web server"))
    }

    pub fn router(&self, name: &str) -> Result<&Router> {
        self.routers.get(name).with_context(|| format!("there is no router {name}"))
    }

    /// Starts a router again that was killed.
    pub fn start_again(&mut self, name: &str) -> Result {
        let router = self.routers.get_mut(name).with_context(|| format!("there is no router {name}"))?;
        router.start_again(&self.lab)
    }

    /// Gives the second router its way to the database again.
    pub fn far(&mut self) -> Result {
        self.far = Some(self.lab.database.farther(self.lab.network.hub(), FAR_PORT, Duration::ZERO)?.0);
        Ok(())
    }

    /// The first router's hook works or fails from now on.
    pub fn hook_works(&self, works: bool) -> Result {
        let done = if works { std::fs::remove_file(&self.broken) } else { std::fs::write(&self.broken, "") };
        done.context("cannot change what the hook does")
    }

    /// Sets the link of a server up or down.
    pub fn link(&self, name: &str, state: &str) -> Result {
        self.lab.server(name)?.namespace.ip(&format!("link set {INTERFACE} {state}\n")).map(drop)
    }

    /// Whether datagrams from servers arrive at the routers.
    pub fn udp_to_hub(&self, passes: bool) -> Result {
        let chain = "chain input {\n type filter hook input priority 0\n iifname br0 meta l4proto udp drop\n}";
        let table = if passes { String::new() } else { format!("table inet notices {{\n{chain}\n}}\n") };
        let rules = format!("table inet notices\ndelete table inet notices\n{table}");
        let changed = self.lab.network.hub().command("nft", &["-f", "-"], &rules);
        changed.map(drop).context("cannot change the hub's rules")
    }

    /// Cuts the link between two servers, or mends it.
    pub fn pair(&mut self, a: &str, b: &str, cut: bool) -> Result {
        let (a, b) = (self.lab.server(a)?.number, self.lab.server(b)?.number);
        let pair = (a.min(b), a.max(b));
        self.lab.network.change(|faults| faults.broken = if cut { [pair].into() } else { BTreeSet::new() })
    }

    /// Waits until a scrape has seen that this server suspects its buddy, or that it does not.
    pub fn until_suspects(&mut self, server: &str, buddy: &str, suspects: bool) -> Result {
        let labels = format!("instance=\"{server}\", server=\"{buddy}\", purpose=\"buddy\", state=\"suspect\"");
        let (expression, wanted) = (format!("ringmon_watch_state{{{labels}}}"), f64::from(u8::from(suspects)));
        let end = Instant::now() + PATIENCE;
        while !self.prometheus.values(&expression)?.contains(&wanted) {
            ensure!(
                Instant::now() < end,
                "no scrape has seen that {expression} is {wanted}\n{}",
                self.lab.last_words()
            );
            self.look()?;
        }
        Ok(())
    }
}

/// A link from the hub to this server beside the bridge.
fn side_way(lab: &Lab, name: &str) -> Result {
    let [hub, server] = SIDE;
    let namespace = &lab.server(name)?.namespace;
    let path = namespace.path();
    let lines =
        format!("link add side type veth peer name side netns {path}\naddr add {hub}/24 dev side\nlink set side up\n");
    lab.network.hub().ip(&lines).context("cannot make a second way to a server")?;
    namespace.ip(&format!("addr add {server}/24 dev side\nlink set side up\n")).map(drop)
}

fn names(alerts: &[Alert]) -> String {
    alerts.iter().map(Alert::to_string).collect::<Vec<_>>().join(", ")
}
