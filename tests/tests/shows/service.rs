//! The service of a server. A failing one leaves the routes and not the ring. A server that is about to end first loses
//! its clients. The router reads the whole table once a minute where it is to be told, and often where it must miss
//! nothing.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::Signal;
use ringmon_tests::clock::now_ns;
use ringmon_tests::lab::{Lab, PATIENCE};
use ringmon_tests::network::address;
use ringmon_tests::routes::Watching;
use ringmon_tests::server::State;

use crate::{Result, pool};

const RARELY: [&str; 2] = ["--poll", "1m"];
/// As routers do by default. A router that has just begun to follow may miss what is told at that moment.
const EVERY_SECOND: [&str; 2] = ["--poll", "1s"];
const PORT: u16 = 8080;

/// A service of this server, until it is dropped. It accepts connections when asked to; its kernel does so at once.
fn serve(lab: &Lab, name: &str) -> Result<TcpListener> {
    let bound = lab.server(name)?.namespace.run(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)))?;
    bound.context("the service cannot listen")
}

/// Three servers, and `s4` with a service and an agent with these arguments; and the routes.
fn with_service(words: &[&str], poll: &[&str]) -> Result<(Lab, Watching, TcpListener)> {
    let mut lab = pool(3)?;
    lab.add("s4")?;
    let service = serve(&lab, "s4")?;
    lab.start("s4", words)?;
    lab.until_whole()?;
    let watching = Watching::start(&mut lab, "routes", poll)?;
    watching.until(&mut lab, "it is routed", |list| list.standing("s4") == "active")?;
    Ok((lab, watching, service))
}

/// A client of `s4`: both ends of the connection.
fn client(lab: &Lab, service: &TcpListener) -> Result<(TcpStream, TcpStream)> {
    let connected = lab.network.hub().run(|| TcpStream::connect((address(4), PORT)))?;
    let client = connected.context("the client cannot connect")?;
    let (server, _) = service.accept().context("nobody has come")?;
    Ok((client, server))
}

#[test]
fn a_service_that_fails_leaves_the_routes_and_not_the_ring_and_comes_back() -> Result {
    let check = format!("tcp:127.0.0.1:{PORT}");
    // A check must get nothing from the agent's environment, such as a password. Otherwise this check would fail.
    let script = tempfile::NamedTempFile::new().context("no temporary file")?;
    std::fs::write(script.path(), "env | grep -q ^RINGMON_ && exit 1; exit 0\n").context("cannot write a script")?;
    let clean = format!("exec:/bin/sh {}", script.path().display());
    let words = ["--check", &check, "--check", &clean, "--check-interval", "250ms", "--check-timeout", "200ms"];
    let (mut lab, watching, service) = with_service(&words, &RARELY)?;
    // The router's notice that it follows is on its way.
    lab.quiet(Duration::from_millis(500))?;
    lab.event("it works", 0, |event| event.is("service", "s4") && event.detail["health"] == "passing")?;
    let begin = now_ns();
    drop(service);
    watching.until(&mut lab, "it is routed no more, and nobody else is concerned", |list| {
        list.standing("s4") == "failing" && list.routed().len() == 3
    })?;
    let told = lab.event("it says so", begin, |event| event.is("service", "s4"))?;
    ensure!(told.detail["health"] == "failing" && told.detail["check"] == check.as_str(), "{told:?}");
    ensure!(told.detail["why"] == "cannot connect: Connection refused (os error 111)", "{told:?}");
    let ring = lab.until_whole()?;
    ensure!(ring.names().contains("s4"), "it stays on the ring");
    let buddies = ring.buddies("s4").context("its buddies")?;
    for buddy in [buddies.first, buddies.second].into_iter().flatten() {
        lab.until("its kernel's replies tell its buddies", PATIENCE, |lab| {
            let board = lab.board(&buddy)?;
            Ok(board.watch("s4").is_some_and(|watch| watch.reading.health == "failing").then_some(()))
        })?;
    }
    // The metrics come from the agent's last board, which is a little older than what it tells.
    lab.until("its metrics say so", Duration::from_secs(10), |lab| {
        let metrics = lab.server("s4")?.http("/metrics")?;
        let failing = format!("ringmon_check_passing{{pool=\"lab\",check=\"{check}\"}} 0");
        Ok(metrics.contains(&failing).then_some(()))
    })?;
    let _service = serve(&lab, "s4")?;
    watching.until(&mut lab, "it is routed again", |list| list.standing("s4") == "active")?;
    ensure!(!lab.events().iter().any(|event| event.mono_ns > begin && event.is("suspect", "s4")), "nobody missed it");
    Ok(())
}

#[test]
fn a_clean_shutdown_leaves_the_routes_first_and_the_ring_when_nobody_is_connected() -> Result {
    let (mut lab, watching, service) = with_service(&["--route-port", "8080", "--drain", "5m"], &EVERY_SECOND)?;
    let connection = client(&lab, &service)?;
    lab.signal("s4", Signal::SIGTERM)?;
    watching.until(&mut lab, "it drains", |list| list.standing("s4") == "draining")?;
    lab.until_whole().context("it stays on the ring, and is heard")?;
    // Longer than routers are given in any case.
    lab.hold(Duration::from_millis(1500))?;
    ensure!(lab.server("s4")?.agent()?.ended().is_none(), "somebody is connected");
    ensure!(lab.ring()?.names().contains("s4"));
    drop(connection);
    let status = lab.server("s4")?.agent()?.wait(Duration::from_secs(10))?;
    ensure!(status.success(), "{status}");
    lab.mark("s4", State::Left);
    watching.until(&mut lab, "it has left", |list| list.standing("s4").is_empty())?;
    lab.until_whole()?;
    Ok(())
}

#[test]
fn a_second_signal_waits_for_nobody_and_a_kill_meanwhile_is_forgotten() -> Result {
    let words = ["--route-port", "8080", "--drain", "5m"];
    let (mut lab, watching, service) = with_service(&words, &EVERY_SECOND)?;
    let _connection = client(&lab, &service)?;
    lab.signal("s4", Signal::SIGINT)?;
    watching.until(&mut lab, "it drains", |list| list.standing("s4") == "draining")?;
    lab.kill("s4")?;
    lab.start("s4", &words)?;
    watching.until(&mut lab, "it is routed again", |list| list.standing("s4") == "active")?;
    lab.until_whole()?;
    lab.signal("s4", Signal::SIGTERM)?;
    watching.until(&mut lab, "it drains", |list| list.standing("s4") == "draining")?;
    lab.signal("s4", Signal::SIGTERM)?;
    let status = lab.server("s4")?.agent()?.wait(Duration::from_secs(10))?;
    ensure!(status.success() && !lab.ring()?.names().contains("s4"), "{status}");
    Ok(())
}

/// "Drain, reboot, look, undrain": by a clean stop, which drains and leaves by itself, and by a kill and a removal.
#[test]
fn a_drain_by_an_operator_outlives_what_ends_the_agent() -> Result {
    let words = ["--route-port", "8080"];
    let (mut lab, watching, _service) = with_service(&words, &EVERY_SECOND)?;
    lab.must(&["drain", "s4"])?;
    watching.until(&mut lab, "it drains", |list| list.standing("s4") == "draining")?;
    lab.quiet(Duration::from_secs(1)).context("its agent reads its row")?;
    for clean in [true, false] {
        if clean {
            lab.signal("s4", Signal::SIGTERM)?;
            let status = lab.server("s4")?.agent()?.wait(Duration::from_secs(20))?;
            ensure!(status.success(), "{status}");
            lab.mark("s4", State::Left);
        } else {
            lab.kill("s4")?;
        }
        watching.until(&mut lab, "it is gone", |list| list.standing("s4").is_empty())?;
        let known = watching.lists()?.len();
        lab.start("s4", &words)?;
        watching.until(&mut lab, "it is back", |list| list.standing("s4") == "draining")?;
        lab.until_whole()?;
        let since = watching.lists()?.split_off(known);
        ensure!(since.iter().all(|list| list.standing("s4") != "active"), "{since:?}");
    }
    lab.must(&["undrain", "s4"])?;
    watching.until(&mut lab, "it is routed again", |list| list.standing("s4") == "active")?;
    lab.quiet(Duration::from_secs(1)).context("its agent reads its row")?;
    // A server that starts without clients, although nobody drained it.
    lab.signal("s4", Signal::SIGTERM)?;
    lab.server("s4")?.agent()?.wait(Duration::from_secs(20))?;
    lab.mark("s4", State::Left);
    watching.until(&mut lab, "it is gone", |list| list.standing("s4").is_empty())?;
    lab.start("s4", &["--start-drained"])?;
    watching.until(&mut lab, "it waits for an operator", |list| list.standing("s4") == "draining")?;
    lab.must(&["undrain", "s4"])?;
    watching.until(&mut lab, "it is routed", |list| list.standing("s4") == "active")?;
    Ok(())
}

#[test]
fn an_agent_that_starts_with_a_broken_service_knows_it_before_it_takes_its_place() -> Result {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let (script, broken) = (folder.path().join("check.sh"), folder.path().join("broken"));
    let text = format!("sleep 0.3; test ! -e {}\n", broken.display());
    std::fs::write(&script, text).context("cannot write a script")?;
    let check = format!("exec:/bin/sh {}", script.display());
    let words = ["--check", &check, "--check-interval", "1s", "--check-timeout", "900ms", "--check-fall", "1"];
    let (mut lab, watching, _service) = with_service(&words, &["--poll", "50ms"])?;
    std::fs::write(&broken, "").context("cannot break the service")?;
    watching.until(&mut lab, "it is routed no more", |list| list.standing("s4") == "failing")?;
    let known = watching.lists()?.len();
    lab.kill("s4")?;
    let begin = now_ns();
    lab.start("s4", &words)?;
    lab.event("it fails still", begin, |event| event.is("service", "s4") && event.detail["health"] == "failing")?;
    lab.until_whole()?;
    let since = watching.lists()?.split_off(known);
    ensure!(since.iter().all(|list| list.standing("s4") != "active"), "not before it works: {since:?}");
    let begin = now_ns();
    std::fs::remove_file(&broken).context("cannot mend the service")?;
    lab.event("it works", begin, |event| event.is("service", "s4"))?;
    watching.until(&mut lab, "it is routed again", |list| list.standing("s4") == "active")?;
    Ok(())
}
