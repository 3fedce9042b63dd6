//! Routing servers and the router itself stop and start: what the routes are then. With a real HAProxy and a real
//! Prometheus.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use ringmon_tests::database::Choice;
use ringmon_tests::fault::Fault;
use ringmon_tests::haproxy::{BACKEND, Checks, Haproxy};
use ringmon_tests::lab::{Lab, Options, PATIENCE};
use ringmon_tests::process::{Launch, Process, tail};
use ringmon_tests::router::{HTTP, Router};
use ringmon_tests::{engine, http};

use crate::Result;

const SERVERS: u8 = 4;

/// A pool whose agents say where clients go.
fn pool(database: Choice) -> Result<Lab> {
    let agent_args = ["--route-port", "8080"].map(str::to_owned).to_vec();
    let options = Options { database, agent_args, rules: vec!["brake=1".to_owned()], ..Options::built("debug") };
    Lab::pool(options, SERVERS)
}

fn router(lab: &Lab, haproxy: &Haproxy) -> Result<Router> {
    let socket = format!("{}:{BACKEND}", haproxy.socket().display());
    Router::start(lab, &["--haproxy", &socket, "--haproxy-dynamic", "off"])
}

/// Waits until HAProxy uses exactly these servers.
fn uses(lab: &mut Lab, haproxy: &Haproxy, router: &Router, names: &[&str]) -> Result {
    let wanted: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut last = BTreeSet::new();
    let waited = lab.until(&format!("HAProxy uses {wanted:?}"), PATIENCE, |_| {
        last = used(haproxy)?;
        Ok((last == wanted).then_some(()))
    });
    waited.with_context(|| format!("it uses {last:?}; the router: {}", router.words()))
}

fn used(haproxy: &Haproxy) -> Result<BTreeSet<String>> {
    let servers = haproxy.servers()?;
    Ok(servers.into_iter().filter(|(_, stat)| stat.is_used()).map(|(name, _)| name).collect())
}

#[test]
fn haproxy_reloaded_or_restarted_and_a_router_killed_get_the_routes_again() -> Result {
    let mut lab = pool(Choice::Sqlite)?;
    let mut haproxy = Haproxy::start(lab.network.hub(), lab.folder(), SERVERS, Checks::None)?;
    let mut router = router(&lab, &haproxy)?;
    lab.must(&["drain", "s2"])?;
    uses(&mut lab, &haproxy, &router, &["s1", "s3", "s4"])?;

    let old = haproxy.reload()?;
    uses(&mut lab, &haproxy, &router, &["s1", "s3", "s4"])?;
    drop(old);
    haproxy.restart()?;
    uses(&mut lab, &haproxy, &router, &["s1", "s3", "s4"])?;
    // Somebody changes it by hand.
    let said = haproxy.ask(&format!("set server {BACKEND}/s2 state ready"))?;
    ensure!(said.trim().is_empty(), "HAProxy does so in silence: {said}");
    uses(&mut lab, &haproxy, &router, &["s1", "s3", "s4"])?;

    router.kill()?;
    lab.must(&["drain", "s3"])?;
    lab.hold(Duration::from_millis(1500))?;
    ensure!(used(&haproxy)? == ["s1", "s3", "s4"].map(str::to_owned).into(), "without a router all stays as it was");
    router.start_again(&lab)?;
    uses(&mut lab, &haproxy, &router, &["s1", "s4"])?;
    lab.must(&["undrain", "s2"])?;
    uses(&mut lab, &haproxy, &router, &["s1", "s2", "s4"])
}

/// A minute without a database: nothing changes, also not for a router and a HAProxy that start meanwhile.
#[test]
fn the_database_away_for_a_minute_leaves_the_routes_as_they_were() -> Result {
    let mut lab = pool(Choice::MariaDb)?;
    let mut haproxy = Haproxy::start(lab.network.hub(), lab.folder(), SERVERS, Checks::None)?;
    let mut router = router(&lab, &haproxy)?;
    lab.must(&["drain", "s2"])?;
    uses(&mut lab, &haproxy, &router, &["s1", "s3", "s4"])?;
    let board = |lab: &Lab| -> Result<serde_json::Value> {
        Ok(serde_json::from_str(&http::body(lab.network.hub(), HTTP.parse::<SocketAddr>()?, "/routes")?)?)
    };
    lab.database.mariadb().context("a MariaDB")?.process().freeze()?;
    let away = Instant::now();
    lab.until("the router says so", PATIENCE, |lab| Ok((!board(lab)?["database"].is_null()).then_some(())))?;
    router.kill()?;
    haproxy.restart()?;
    router.start_again(&lab)?;
    // They started with the kept list.
    uses(&mut lab, &haproxy, &router, &["s1", "s3", "s4"])?;
    ensure!(board(&lab)?["stale"] == true, "{}", board(&lab)?);
    let mut seen = BTreeSet::new();
    lab.until("a minute has gone by", Duration::from_secs(90), |_| {
        seen.insert(used(&haproxy)?);
        Ok((away.elapsed() >= Duration::from_secs(60)).then_some(()))
    })?;
    ensure!(seen.len() == 1, "nothing changed: {seen:?}");
    let said = board(&lab)?;
    println!("after a minute: {}", said["database"]);
    ensure!(said["database"]["seconds"].as_f64() > Some(40.0) && said["database"]["why"].as_str().is_some(), "{said}");
    lab.database.mariadb().context("a MariaDB")?.process().thaw()?;
    lab.until("the router reads it again", PATIENCE, |lab| {
        let said = board(lab)?;
        Ok((said["database"].is_null() && said["stale"] == false).then_some(()))
    })?;
    lab.must(&["undrain", "s2"])?;
    uses(&mut lab, &haproxy, &router, &["s1", "s2", "s3", "s4"])
}

#[test]
fn prometheus_discovers_the_pool_and_loses_a_dead_server() -> Result {
    let mut lab = pool(Choice::Sqlite)?;
    let router = Router::start(&lab, &[])?;
    let (folder, at) = (lab.folder().join("prometheus"), SocketAddr::from(([127, 0, 0, 1], 9090)));
    std::fs::create_dir_all(&folder)?;
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: pool\n  http_sd_configs:\n  \
         - url: http://{HTTP}/http_sd\n    refresh_interval: 1s\n"
    );
    std::fs::write(folder.join("prometheus.yml"), config)?;
    let args = [
        format!("--config.file={}", folder.join("prometheus.yml").display()),
        format!("--storage.tsdb.path={}", folder.join("data").display()),
        format!("--web.listen-address={at}"),
    ];
    let launch = Launch {
        program: engine::find("prometheus")?,
        args: args.iter().map(Into::into).collect(),
        env: Vec::new(),
        log: folder.join("log"),
    };
    let prometheus = Process::start(lab.network.hub(), launch)?;
    let targets = |lab: &Lab| -> Result<BTreeSet<String>> {
        // It needs a while until it listens.
        let Ok(text) = http::body(lab.network.hub(), at, "/api/v1/targets?state=active") else {
            return Ok(BTreeSet::new());
        };
        let answer: serde_json::Value = serde_json::from_str(&text)?;
        let active = answer["data"]["activeTargets"].as_array().cloned().unwrap_or_default();
        Ok(active
            .iter()
            .filter_map(|target| target["discoveredLabels"]["__address__"].as_str())
            .map(str::to_owned)
            .collect())
    };
    let addresses = |numbers: &[u8]| -> BTreeSet<String> {
        numbers.iter().map(|number| format!("10.77.0.{number}:8080")).collect()
    };
    let becomes = |lab: &mut Lab, what: &str, wanted: BTreeSet<String>| -> Result {
        let mut last = BTreeSet::new();
        let waited = lab.until(what, PATIENCE * 2, |lab| {
            last = targets(lab)?;
            Ok((last == wanted).then_some(()))
        });
        waited.with_context(|| format!("its targets are {last:?}: {}\n{}", tail(prometheus.log(), 5), router.words()))
    };
    becomes(&mut lab, "Prometheus has found the pool", addresses(&[1, 2, 3, 4]))?;
    lab.strike(Fault::Crash, &["s3".to_owned()])?;
    becomes(&mut lab, "the dead server is gone from its targets", addresses(&[1, 2, 4]))?;
    lab.strike(Fault::Return, &["s3".to_owned()])?;
    becomes(&mut lab, "it is back", addresses(&[1, 2, 3, 4]))
}
