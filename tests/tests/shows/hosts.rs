//! What real hosts do to their interfaces and addresses while an agent runs, and before it can.

use anyhow::ensure;
use ringmon_tests::clock::now_ns;
use ringmon_tests::lab::{Lab, Options, PATIENCE};
use ringmon_tests::network::{INTERFACE, address};
use ringmon_tests::passing::Passing;

use crate::{Result, pool};

/// Waits until this server says that this changed, and prints how long that took.
fn says(lab: &mut Lab, name: &str, change: &str, since: u64) -> Result {
    let event = lab.event(&format!("{name} says {change}"), since, |event| {
        event.server == name && event.is("host_changed", name) && event.detail["change"] == change
    })?;
    println!("{change}: said after {} ms", (event.mono_ns - since) / 1_000_000);
    Ok(())
}

/// Waits until it is out of the table, and prints how long that took.
fn removed(lab: &mut Lab, name: &str, since: u64) -> Result {
    let down = lab.event("it is removed", since, |event| event.is("down", name))?;
    println!("removed after {} ms", (down.mono_ns - since) / 1_000_000);
    Ok(())
}

fn back(lab: &mut Lab, name: &str, since: u64) -> Result {
    let joined = lab.event("it joins again", since, |event| {
        event.server == name && (event.is("rejoined", name) || event.is("joined", name))
    })?;
    println!("back after {} ms", (joined.mono_ns - since) / 1_000_000);
    lab.until_whole().map(drop)
}

#[test]
fn a_lost_address_is_said_at_once_and_not_answered_for() -> Result {
    let mut lab = pool(4)?;
    let me = lab.ring()?.order()[1].clone();
    let own = address(lab.server(&me)?.number);
    let since = now_ns();
    lab.server(&me)?.namespace.ip(&format!("address del {own}/24 dev {INTERFACE}\n"))?;
    says(&mut lab, &me, "address_gone", since)?;
    removed(&mut lab, &me, since)?;
    let since = now_ns();
    lab.server(&me)?.namespace.ip(&format!("address add {own}/24 dev {INTERFACE}\n"))?;
    says(&mut lab, &me, "address_back", since)?;
    back(&mut lab, &me, since)
}

#[test]
fn an_interface_that_is_made_anew_is_taken_again() -> Result {
    let mut lab = pool(4)?;
    let me = lab.ring()?.order()[1].clone();
    for _ in 0..2 {
        let since = now_ns();
        lab.server(&me)?.namespace.ip(&format!("link del {INTERFACE}\n"))?;
        says(&mut lab, &me, "interface_gone", since)?;
        removed(&mut lab, &me, since)?;
        let since = now_ns();
        let server = lab.server(&me)?;
        lab.network.replug(server.number, &server.namespace)?;
        says(&mut lab, &me, "interface_back", since)?;
        back(&mut lab, &me, since)?;
    }
    Ok(())
}

#[test]
fn a_renamed_interface_is_followed() -> Result {
    let mut lab = pool(4)?;
    let order = lab.ring()?.order();
    let (me, buddy) = (order[1].clone(), order[2].clone());
    let since = now_ns();
    // The kernel renames an interface that is up too, from 6.2 on.
    let renamed = format!("link set {INTERFACE} down\nlink set {INTERFACE} name lan0\nlink set lan0 up\n");
    lab.server(&me)?.namespace.ip(&renamed)?;
    says(&mut lab, &me, "renamed", since)?;
    lab.until_whole()?;
    let since = now_ns();
    lab.crash(std::slice::from_ref(&buddy))?;
    let event = lab.event("it sees a crash", since, |e| e.server == me && e.is("suspect", &buddy))?;
    println!("a crash seen under the new name after {} ms", (event.mono_ns - since) / 1_000_000);
    lab.until_whole().map(drop)
}

/// As beside a load balancer: the slot is not to be had, and the agent works behind it.
#[test]
fn behind_another_xdp_program_traffic_control_answers() -> Result {
    let options = Options { rules: vec!["brake=1".to_owned()], ..Options::built("debug") };
    let pass = options.pass.clone();
    let mut lab = Lab::new(options)?;
    let object = pass.ok_or_else(|| anyhow::anyhow!("this lab has no pass-all program"))?;
    let holder = Passing::load(&object)?;
    for name in ["s1", "s2", "s3", "s4"] {
        lab.add(name)?;
        holder.attach(&lab.server(name)?.namespace, INTERFACE)?;
        lab.start(name, &[])?;
    }
    lab.until_whole()?;
    let victim = lab.ring()?.order()[1].clone();
    for name in ["s1", "s2", "s3", "s4"] {
        let board = lab.board(name)?;
        ensure!(board.datapath.mode.as_deref() == Some("tc"), "{name}: {:?}", board.datapath.mode);
        ensure!(board.count("verdicts", "answered") > 0, "{board:?}");
    }
    let log = std::fs::read_to_string(lab.server("s1")?.folder.join("agent.log"))?;
    ensure!(log.contains("another XDP program is there (pass, program "), "{log}");
    let since = now_ns();
    lab.crash(std::slice::from_ref(&victim))?;
    removed(&mut lab, &victim, since)?;
    lab.until_whole().map(drop)
}

#[test]
fn a_start_waits_for_the_address() -> Result {
    let mut lab = pool(2)?;
    lab.add("s3")?;
    let own = address(lab.server("s3")?.number);
    lab.server("s3")?.namespace.ip(&format!("address del {own}/24 dev {INTERFACE}\n"))?;
    lab.start("s3", &[])?;
    let log = lab.server("s3")?.folder.join("agent.log");
    lab.until("it says what it waits for", PATIENCE, |_| {
        let said = std::fs::read_to_string(&log)?;
        Ok((said.contains("does not have that address") && said.contains("wait_address")).then_some(()))
    })?;
    let since = now_ns();
    lab.server("s3")?.namespace.ip(&format!("address add {own}/24 dev {INTERFACE}\n"))?;
    back(&mut lab, "s3", since)
}
