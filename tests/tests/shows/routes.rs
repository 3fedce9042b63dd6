//! Which servers are in the routes, and when, as the agents tell it. The router reads the whole table only once a
//! minute here, so whatever is known sooner was told.

use std::time::Duration;

use anyhow::{Context, ensure};
use ringmon_tests::bench::routes::{By, Scene, What};
use ringmon_tests::database::Choice;
use ringmon_tests::event::Event;
use ringmon_tests::fault::Fault;
use ringmon_tests::lab::{Lab, Options, PATIENCE};
use ringmon_tests::routes::Watching;

use crate::{Result, patient_pool, pool};

const RARELY: [&str; 2] = ["--poll", "1m"];

#[test]
fn a_crashed_server_is_routed_no_more_once_somebody_votes_and_back_when_it_is() -> Result {
    let rules = vec!["brake=1".to_owned()];
    let mut lab = Lab::pool(Options { rules, database: Choice::MariaDb, ..Options::built("debug") }, 5)?;
    let watching = Watching::start(&mut lab, "routes", &RARELY)?;
    lab.quiet(Duration::from_millis(500))?;
    let victim = lab.ring()?.order()[1].clone();
    // In a frozen pool votes are cast, but no server is removed. So the effect of a vote on the routes stays visible.
    lab.must(&["pool", "freeze"])?;
    let blow = lab.strike(Fault::Crash, std::slice::from_ref(&victim))?;
    watching.until(&mut lab, "a vote takes it out of the routes, and nobody else", |list| {
        list.standing(&victim) == "suspect" && list.routed().len() == 4
    })?;
    lab.must(&["pool", "thaw"])?;
    lab.event("it is out of the table", blow.at_ns, |event| event.is("down", &victim))?;
    watching.until(&mut lab, "it is out of the list", |list| list.standing(&victim).is_empty())?;
    lab.strike(Fault::Return, std::slice::from_ref(&victim))?;
    watching.until(&mut lab, "it is routed again", |list| list.standing(&victim) == "active")?;
    Ok(())
}

#[test]
fn a_server_that_drains_or_leaves_is_routed_no_more_at_once() -> Result {
    let mut lab = patient_pool(4)?;
    let watching = Watching::start(&mut lab, "routes", &RARELY)?;
    let said = lab.must(&["drain", "s2"])?;
    ensure!(said.contains("s2 (#2) drains") || said.contains("drains: routers send no new clients"), "{said}");
    watching.until(&mut lab, "it drains", |list| list.standing("s2") == "draining")?;
    lab.until_whole().context("it stays on the ring")?;
    ensure!(lab.must(&["drain", "s2"])?.contains("already"));
    lab.until("the three others are listed", PATIENCE, |lab| {
        let listed = lab.must(&["route", "list", "--plain"])?;
        Ok((listed.lines().count() == 3 && !listed.contains("10.77.0.2")).then_some(()))
    })?;
    for _ in 0..20 {
        ensure!(lab.must(&["route", "pick"])?.trim() != "10.77.0.2");
    }
    // A restart does not end the drain.
    lab.kill("s2")?;
    lab.start("s2", &[])?;
    lab.until_whole()?;
    ensure!(watching.lists()?.last().is_some_and(|list| list.standing("s2") == "draining"));
    lab.must(&["undrain", "s2"])?;
    watching.until(&mut lab, "it drains no more", |list| list.standing("s2") == "active")?;
    lab.strike(Fault::Leave, &["s3".to_owned()])?;
    watching.until(&mut lab, "it has left", |list| list.standing("s3").is_empty())?;
    lab.strike(Fault::Join, &["s5".to_owned()])?;
    watching.until(&mut lab, "somebody has come", |list| list.standing("s5") == "active")?;
    lab.must(&["leave", "s1"])?;
    watching.until(&mut lab, "an operator took it out", |list| list.standing("s1").is_empty())?;
    Ok(())
}

/// One crash, one killed agent and one drained server, while clients keep asking HAProxy.
#[test]
fn haproxy_sends_clients_to_living_servers_and_loses_none_by_a_drain_or_a_killed_agent() -> Result {
    let mut scene = Scene::start("debug", By::Ringmon, 4, Choice::Sqlite, 1)?;
    for what in [What::Drain, What::AgentKill, What::Crash] {
        let line = scene.line(what, 1, &mut |_| {});
        println!("{}", serde_json::to_string(&line)?);
        ensure!(line.problem.is_none(), "{line:?}");
        ensure!(line.requests > 100, "clients asked: {line:?}");
        ensure!(
            what == What::Crash || line.failed_requests == 0,
            "a server that goes on serving loses nothing: {line:?}"
        );
        ensure!(line.failed_requests < line.requests / 4, "the others go on: {line:?}");
    }
    Ok(())
}

#[test]
fn a_broken_link_takes_nobody_out_of_the_routes() -> Result {
    let mut lab = pool(5)?;
    let watching = Watching::start(&mut lab, "routes", &RARELY)?;
    let order = lab.ring()?.order();
    let pair = (lab.server(&order[0])?.number, lab.server(&order[1])?.number);
    let begin = ringmon_tests::clock::now_ns();
    lab.network.change(|faults| faults.broken.extend([(pair.0.min(pair.1), pair.0.max(pair.1))]))?;
    // Who hears of a proof before it has voted never votes.
    for (voter, subject) in [(&order[0], &order[1]), (&order[1], &order[0])] {
        let said = |event: &Event| event.is("vote", subject) || event.is("held", subject);
        lab.event("it votes, or is held back", begin, |event| event.server == *voter && said(event))?;
    }
    watching.until(&mut lab, "both are routed", |list| list.routed().len() == 5)?;
    lab.hold(Duration::from_secs(3))?;
    let last = watching.lists()?.pop();
    ensure!(last.as_ref().is_some_and(|list| list.routed().len() == 5 && list.panic.is_none()), "{last:?}");
    Ok(())
}

/// The pool's own brake is off, so that only the threshold of the routes is left.
#[test]
fn agents_that_vanish_together_are_kept_in_the_routes_and_servers_that_die_are_not() -> Result {
    let mut lab = pool(10)?;
    let watching = Watching::start(&mut lab, "routes", &RARELY)?;
    let order = lab.ring()?.order();
    let dead = [order[0].clone(), order[3].clone(), order[6].clone()];
    lab.strike(Fault::Crash, &dead)?;
    watching.until(&mut lab, "three of ten are gone, and the list is not frozen", |list| {
        list.servers.len() == 7 && list.routed().len() == 7 && list.panic.is_none()
    })?;
    lab.strike(Fault::Return, &dead)?;
    lab.until_whole()?;
    watching.until(&mut lab, "all are back", |list| list.routed().len() == 10)?;
    // Eight of ten agents end at the same moment, for example because of a bad update. Their servers go on serving.
    let order = lab.ring()?.order();
    let vanishing: Vec<String> = order.iter().filter(|name| ![&order[0], &order[5]].contains(name)).cloned().collect();
    lab.strike(Fault::AgentKill, &vanishing)?;
    lab.until("the table has lost them", PATIENCE, |lab| Ok((lab.ring()?.names().len() == 2).then_some(())))?;
    let list = watching.until(&mut lab, "the list is frozen", |list| list.panic.is_some())?;
    ensure!(list.routed().len() == 10, "{list:?}");
    lab.hold(Duration::from_secs(1))?;
    let list = watching.lists()?.pop();
    ensure!(list.as_ref().is_some_and(|list| list.routed().len() == 10), "{list:?}");
    let least = watching.lists()?.iter().map(|list| list.routed().len()).min();
    ensure!(least >= Some(5), "at no time was less than half routed: {least:?}");
    lab.strike(Fault::Return, &vanishing)?;
    let list = watching
        .until(&mut lab, "they are back", |list| list.panic.is_none() && list.standing(&vanishing[0]) == "active")?;
    ensure!(list.routed().len() >= 5, "{list:?}");
    Ok(())
}
