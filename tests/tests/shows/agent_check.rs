//! HAProxy without a router: it asks every server's agent, and its own checks see which servers are dead.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::Signal;
use ringmon_tests::clients::{Clients, Pace};
use ringmon_tests::database::Choice;
use ringmon_tests::haproxy::{Checks, Haproxy, frontend};
use ringmon_tests::lab::{Lab, Options, PATIENCE};
use ringmon_tests::network::address;
use ringmon_tests::server::State;
use ringmon_tests::web::{self, Web};

use crate::Result;

pub const PORT: u16 = 7466;
const SERVERS: u8 = 3;

/// A pool with web servers whose agents answer, with HAProxy and clients before them. It is dropped in this order.
struct Scene {
    clients: Clients,
    haproxy: Haproxy,
    webs: BTreeMap<String, Web>,
    lab: Lab,
}

impl Scene {
    fn start(database: Choice) -> Result<Self> {
        let (port, url) = (web::PORT.to_string(), format!("http://127.0.0.1:{}/", web::PORT));
        let ask = PORT.to_string();
        let words = [
            ["--route-port", &port],
            ["--agent-check", &ask],
            ["--check", &url],
            ["--check-interval", "250ms"],
            ["--check-timeout", "200ms"],
            ["--drain", "5m"],
        ];
        let agent_args = words.as_flattened().iter().map(|word| (*word).to_owned()).collect();
        let options = Options { rules: vec!["brake=1".to_owned()], agent_args, database, ..Options::built("debug") };
        let mut lab = Lab::pool(options, SERVERS)?;
        let mut webs = BTreeMap::new();
        for number in 1..=SERVERS {
            let name = format!("s{number}");
            webs.insert(name.clone(), Web::start(&name, &lab.server(&name)?.namespace)?);
        }
        for name in webs.keys() {
            lab.until("its service works", PATIENCE, |lab| Ok((says(lab, name)? == "ready up 100%\n").then_some(())))?;
        }
        let folder = lab.folder().join("haproxy");
        std::fs::create_dir_all(&folder).context("cannot make HAProxy's folder")?;
        let haproxy = Haproxy::start(lab.network.hub(), &folder, SERVERS, Checks::Agents(PORT))?;
        let pace = Pace { clients: 4, every: Duration::from_millis(20), patience: Duration::from_secs(10) };
        let clients = Clients::start(lab.network.hub(), frontend(), pace);
        let mut scene = Self { clients, haproxy, webs, lab };
        for number in 1..=SERVERS {
            scene.until(&format!("s{number}"), "UP")?;
        }
        scene.clients.take();
        Ok(scene)
    }

    fn until(&mut self, name: &str, status: &str) -> Result {
        let Self { haproxy, lab, .. } = self;
        let mut last = None;
        lab.until(&format!("HAProxy says {status} of {name}"), PATIENCE, |_| {
            last = haproxy.servers()?.remove(name);
            Ok(last.as_ref().is_some_and(|stat| stat.status == status).then_some(()))
        })
        .with_context(|| format!("HAProxy says {last:?}"))
    }

    /// No client was refused since the last call, and some came.
    fn all_served(&self) -> Result {
        let requests = self.clients.take();
        let failed: Vec<_> = requests.iter().filter(|request| request.answer.is_err()).collect();
        ensure!(failed.is_empty() && !requests.is_empty(), "of {} requests: {failed:?}", requests.len());
        Ok(())
    }

    fn web(&self, name: &str) -> Result<&Web> {
        self.webs.get(name).context("a web server")
    }
}

/// The answer of this server's agent.
pub fn says(lab: &Lab, name: &str) -> Result<String> {
    let server = lab.server(name)?;
    let at = (address(server.number), PORT);
    let connected = server.namespace.run(move || TcpStream::connect(at))?;
    let mut said = String::new();
    connected.context("nobody answers")?.read_to_string(&mut said).context("no answer")?;
    Ok(said)
}

#[test]
fn haproxy_asks_the_agents_and_no_client_is_lost_by_a_drain_or_a_clean_shutdown() -> Result {
    let mut scene = Scene::start(Choice::Sqlite)?;
    scene.lab.must(&["drain", "s1"])?;
    scene.until("s1", "DRAIN (agent)")?;
    scene.lab.must(&["undrain", "s1"])?;
    scene.until("s1", "UP")?;
    scene.all_served()?;

    // A router would be told of it. A HAProxy has to ask, and is waited for.
    scene.lab.signal("s2", Signal::SIGTERM)?;
    scene.until("s2", "DRAIN (agent)")?;
    let ended = scene.lab.server("s2")?.agent()?.wait(PATIENCE)?;
    ensure!(ended.success(), "{ended}");
    scene.lab.mark("s2", State::Left);
    scene.web("s2")?.stop();
    scene.lab.until_whole()?;
    scene.all_served()?;
    Ok(())
}

#[test]
fn haproxy_sees_a_failing_service_by_its_agent_and_a_dead_server_by_itself() -> Result {
    let mut scene = Scene::start(Choice::Sqlite)?;
    // HAProxy itself sees only that connections are accepted.
    scene.web("s1")?.fail(true);
    scene.until("s1", "DOWN (agent)")?;
    ensure!(scene.lab.whole(&scene.lab.expected())?.is_some(), "it stays on the ring");
    scene.web("s1")?.fail(false);
    scene.until("s1", "UP")?;

    scene.lab.crash(&["s2".to_owned()])?;
    scene.until("s2", "DOWN")?;
    scene.lab.until_whole()?;
    Ok(())
}

/// An agent cannot tell HAProxy what it does not know.
#[test]
fn an_agent_that_is_away_or_does_not_know_its_place_takes_no_client_away() -> Result {
    let mut scene = Scene::start(Choice::MariaDb)?;
    scene.lab.database.mariadb().context("a MariaDB")?.process().freeze()?;
    scene.lab.kill("s1")?;
    scene.lab.start("s1", &[])?;
    scene.lab.until("it has started with what it kept", PATIENCE, |lab| {
        // It may not listen yet.
        Ok(lab.board("s1").ok().filter(|board| board.engine.phase == "starting").map(drop))
    })?;
    ensure!(says(&scene.lab, "s1")? == "up\n", "of its service it knows, of its place it does not");
    scene.lab.hold(Duration::from_secs(2))?;
    scene.until("s1", "UP")?;
    scene.all_served()?;
    scene.lab.database.mariadb().context("a MariaDB")?.process().thaw()?;
    scene.lab.until_whole()?;
    scene.lab.until("it knows its place", PATIENCE, |lab| Ok((says(lab, "s1")? == "ready up 100%\n").then_some(())))?;
    scene.all_served()
}
