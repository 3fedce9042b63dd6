//! Rings broken by hand, and the pool's rules: freeze, observe, brake, partition.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use ringmon_tests::clock::now_ns;
use ringmon_tests::fault::Fault;
use ringmon_tests::lab::{Lab, Options};

use crate::{Result, pool};

/// Long enough for every rule: R4's three seconds are the longest wait.
const HOLD: Duration = Duration::from_secs(5);

#[test]
fn ring_check_finds_a_ring_broken_by_hand_and_names_the_rows() -> Result {
    let mut lab = pool(4)?;
    // The agents are frozen, so that none reacts to what is done to the table.
    for server in lab.servers() {
        server.agent()?.freeze()?;
    }
    let good = lab.ring()?;
    let order = good.order();
    let id = |name: &str| good.row(name).map(|row| row.id).context("on the ring");
    let (a, c) = (id(&order[0])?, id(&order[2])?);
    lab.database.sql(&format!("UPDATE server SET first_buddy = {c} WHERE id = {a}"))?;
    let said = lab.ringmon(&["ring", "check"])?;
    ensure!(said.code == 1, "{said:?}");
    ensure!(said.out.contains(&order[0]), "it names the row: {}", said.out);
    println!("{}", said.out);
    let said = lab.ringmon(&["ring", "check", "--json"])?;
    ensure!(said.code == 1 && said.out.contains("\"whole\": false"), "{said:?}");
    lab.database.sql(&format!("UPDATE server SET first_buddy = {} WHERE id = {a}", id(&order[1])?))?;
    ensure!(lab.ringmon(&["ring", "check"])?.code == 0);
    for server in lab.servers() {
        server.agent()?.thaw()?;
    }
    lab.until_whole()?;
    Ok(())
}

/// No server was removed since then, by the table and by every event.
fn nobody_removed(lab: &Lab, since_ns: u64, expected: &BTreeSet<String>) -> Result {
    let gone = ["down", "agent_lost"];
    let told = lab.events().iter().find(|event| event.mono_ns >= since_ns && gone.contains(&event.event.as_str()));
    ensure!(told.is_none() && lab.ring()?.names() == *expected, "{told:?}\n{}", lab.last_words());
    Ok(())
}

#[test]
fn a_frozen_pool_removes_nobody_until_it_thaws() -> Result {
    let mut lab = pool(4)?;
    let all = lab.expected();
    lab.must(&["pool", "freeze"])?;
    let blow = lab.strike(Fault::Crash, &["s2".to_owned()])?;
    lab.event("it is suspected all the same", blow.at_ns, |event| event.is("suspect", "s2"))?;
    lab.hold(HOLD)?;
    nobody_removed(&lab, blow.at_ns, &all)?;
    lab.must(&["pool", "thaw"])?;
    lab.event("it is removed after the thaw", blow.at_ns, |event| event.is("down", "s2"))?;
    lab.until_whole()?;
    Ok(())
}

#[test]
fn a_pool_that_observes_removes_nobody() -> Result {
    let mut lab = pool(4)?;
    let all = lab.expected();
    lab.must(&["pool", "set", "mode=observe"])?;
    let blow = lab.strike(Fault::Crash, &["s3".to_owned()])?;
    lab.event("it is suspected all the same", blow.at_ns, |event| event.is("suspect", "s3"))?;
    lab.hold(HOLD)?;
    nobody_removed(&lab, blow.at_ns, &all)?;
    lab.must(&["pool", "set", "mode=act"])?;
    lab.event("it is removed once the pool acts", blow.at_ns, |event| event.is("down", "s3"))?;
    lab.until_whole()?;
    Ok(())
}

#[test]
fn agents_that_only_observe_remove_nobody() -> Result {
    let agent_args = vec!["--mode".to_owned(), "observe".to_owned()];
    let mut lab = Lab::pool(Options { agent_args, ..Options::built("debug") }, 3)?;
    let all = lab.expected();
    let blow = lab.strike(Fault::Crash, &["s1".to_owned()])?;
    lab.event("it is suspected all the same", blow.at_ns, |event| event.is("suspect", "s1"))?;
    lab.hold(HOLD)?;
    nobody_removed(&lab, blow.at_ns, &all)
}

#[test]
fn the_brake_holds_when_too_many_are_gone() -> Result {
    // The brake allows half of eight to be gone: the fifth is one too many.
    let mut lab = Lab::pool(Options::built("debug"), 8)?;
    let all = lab.expected();
    for _ in 0..2 {
        let pair = Fault::AdjacentCrash.subjects(&lab, &lab.ring()?, 0);
        let blow = lab.strike(Fault::AdjacentCrash, &pair)?;
        for name in &pair {
            lab.event("it is out of the table", blow.at_ns, |event| event.is("down", name))?;
        }
        lab.until_whole()?;
    }
    let ring = lab.ring()?;
    ensure!(ring.names().len() == 4, "four of eight are gone: {:?}", ring.names());
    let fifth = Fault::Crash.subjects(&lab, &ring, 0);
    let blow = lab.strike(Fault::Crash, &fifth)?;
    let held = lab
        .event("the brake holds", blow.at_ns, |event| event.is("held", &fifth[0]) && event.detail["why"] == "brake")?;
    println!("{}", held.detail);
    lab.hold(HOLD)?;
    nobody_removed(&lab, blow.at_ns, &ring.names())?;
    ensure!(lab.must(&["events"])?.contains("braked"), "the table says so");
    let gone: Vec<&str> = all.iter().filter(|name| !ring.names().contains(*name)).map(String::as_str).collect();
    let shown = lab.must(&["pool", "show"])?;
    ensure!(gone.len() == 4 && gone.iter().all(|name| shown.contains(name)), "who is gone is shown: {shown}");
    lab.must(&[&["pool", "forget"], &gone[..2]].concat())?;
    lab.event("it lets go", blow.at_ns, |event| event.is("down", &fifth[0]))?;
    Ok(())
}

/// A cut between the two groups, which both reach the database. Nobody is removed, whatever is said, and the cut heals.
fn halves(groups: impl Fn(&[String]) -> [Vec<String>; 2]) -> Result {
    let mut lab = pool(6)?;
    let all = lab.expected();
    let order = lab.ring()?.order();
    let mut ports = Vec::new();
    for group in groups(&order) {
        let numbers: Result<BTreeSet<u8>> = group.iter().map(|name| Ok(lab.server(name)?.number)).collect();
        ports.push(numbers?);
    }
    let begin = now_ns();
    lab.network.change(|faults| faults.groups = ports)?;
    lab.event("somebody misses somebody", begin, |event| event.event == "suspect")?;
    lab.hold(HOLD)?;
    nobody_removed(&lab, begin, &all)?;
    lab.network.change(|faults| faults.groups.clear())?;
    lab.until_whole()?;
    nobody_removed(&lab, begin, &all)
}

#[test]
fn a_cut_into_two_halves_of_the_ring_removes_nobody() -> Result {
    halves(|order| [order[..3].to_vec(), order[3..].to_vec()])
}

#[test]
fn a_cut_between_every_other_server_of_the_ring_removes_nobody() -> Result {
    let every_other = |order: &[String], from: usize| order.iter().skip(from).step_by(2).cloned().collect();
    halves(|order| [every_other(order, 0), every_other(order, 1)])
}
