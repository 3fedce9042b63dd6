//! Servers whose probes do not leave, or that hear nobody, for each reason that can be made on purpose.
//!
//! Two are not among them. A full neighbour table: the kernel has one for all namespaces. A lost route: on one link the
//! kernel goes on without it, because a probe's socket is bound to its interface.

use anyhow::{Context, ensure};
use ringmon_tests::clock::now_ns;
use ringmon_tests::lab::{Lab, PATIENCE};
use ringmon_tests::network::{INTERFACE, address};

use crate::{Result, patient_pool, pool};

/// Drops echo requests to this address, or all of them, where a packet filter of a host does.
fn filter(hook: &str, to: Option<u8>) -> String {
    let to = to.map_or_else(String::new, |number| format!("ip daddr {} ", address(number)));
    let (family, hook) = match hook {
        "egress" => ("netdev", format!("egress device {INTERFACE}")),
        other => ("ip", other.to_owned()),
    };
    let rule = format!("{to}icmp type echo-request drop");
    format!("table {family} blind {{ chain leaving {{ type filter hook {hook} priority 0; {rule}\n }}\n}}\n")
}

/// What is done in a server's namespace: by nft(8) or by `ip -batch`.
enum Means {
    Nft(String),
    Ip(String),
}

fn apply(lab: &Lab, name: &str, means: &Means) -> Result {
    let inside = &lab.server(name)?.namespace;
    match means {
        Means::Nft(rules) => inside.command("nft", &["-f", "-"], rules)?,
        Means::Ip(lines) => inside.ip(lines)?,
    };
    Ok(())
}

/// What `ringmon status` says on this server, with its exit code at the end.
fn status(lab: &Lab, name: &str) -> Result<String> {
    let script = format!("{} status; echo \"exit $?\"", lab.binary().display());
    lab.server(name)?.namespace.command("sh", &["-c", &script], "")
}

/// Waits until the server says that it is blind towards `subject`, and prints how long that took.
fn blind(lab: &mut Lab, name: &str, subject: &str, why: &str, since: u64) -> Result {
    let event = lab.event(&format!("{name} is blind ({why})"), since, |event| {
        event.server == name && event.is("blind", subject) && event.detail["why"] == why
    })?;
    println!("{why}: said after {} ms", (event.mono_ns - since) / 1_000_000);
    // An event is written a moment before the board.
    lab.until("it is not ready", PATIENCE, |lab| {
        Ok(lab.server(name)?.http("/readyz")?.starts_with("HTTP/1.1 503").then_some(()))
    })?;
    let status = status(lab, name)?;
    ensure!(status.contains("exit 1") && status.contains(&format!("({why})")), "{why}: {status}");
    let metrics = lab.server(name)?.http("/metrics")?;
    ensure!(metrics.contains(&format!("reason=\"{why}\"")) && metrics.contains("ringmon_blind{"), "{why}: {metrics}");
    Ok(())
}

fn sees(lab: &mut Lab, name: &str, subject: &str, since: u64) -> Result {
    lab.event("it sees again", since, |event| event.server == name && event.is("sees_again", subject))?;
    lab.until("it is healthy again", PATIENCE, |lab| Ok(status(lab, name)?.contains("exit 0").then_some(())))
}

#[test]
fn each_reason_is_said_by_its_name_and_nobody_is_removed() -> Result {
    let mut lab = patient_pool(4)?;
    let me = lab.ring()?.order()[1].clone();
    let number = lab.server(&me)?.number;
    let (nft, ip) = (Means::Nft, |lines: &str| Means::Ip(lines.to_owned()));
    let begin = now_ns();
    for (why, make, undo) in [
        ("filtered", nft(filter("output", None)), nft("delete table ip blind\n".to_owned())),
        ("unstamped", nft(filter("egress", None)), nft("delete table netdev blind\n".to_owned())),
    ] {
        let since = now_ns();
        apply(&lab, &me, &make)?;
        blind(&mut lab, &me, &me, why, since)?;
        let board = lab.board(&me)?;
        ensure!(board.engine.watches.iter().all(|watch| watch.state == "unknown"), "{why}: {board:?}");
        let since = now_ns();
        apply(&lab, &me, &undo)?;
        sees(&mut lab, &me, &me, since)?;
    }
    let removed = lab.events().iter().find(|event| event.mono_ns >= begin && event.event == "down");
    ensure!(removed.is_none(), "{removed:?}");

    let since = now_ns();
    lab.network.change(|faults| {
        faults.isolated.insert(number);
    })?;
    blind(&mut lab, &me, &me, "receive_path", since)?;
    lab.network.change(|faults| faults.isolated.clear())?;
    sees(&mut lab, &me, &me, since)?;

    // Others answer, and the network drops the answers: their own probes still arrive.
    let since = now_ns();
    let port = format!("egress device p{number}");
    let rule = "icmp type echo-reply drop";
    let rules = format!("table netdev blind {{ chain in {{ type filter hook {port} priority 0; {rule}\n }}\n}}\n");
    lab.network.hub().command("nft", &["-f", "-"], &rules)?;
    blind(&mut lab, &me, &me, "no_answer", since)?;
    lab.network.hub().command("nft", &["-f", "-"], "delete table netdev blind\n")?;
    sees(&mut lab, &me, &me, since)?;
    let removed = lab.events().iter().find(|event| event.mono_ns >= since && event.event == "down");
    ensure!(removed.is_none(), "{removed:?}");

    for (why, lines) in
        [("link_down", format!("link set {INTERFACE} down")), ("no_device", format!("link del {INTERFACE}"))]
    {
        let since = now_ns();
        apply(&lab, &me, &ip(&lines))?;
        blind(&mut lab, &me, &me, why, since)?;
    }
    Ok(())
}

/// Others miss it as soon: nobody answers for its address.
#[test]
fn a_server_without_its_address_says_so() -> Result {
    let mut lab = patient_pool(4)?;
    let me = lab.ring()?.order()[1].clone();
    let own = address(lab.server(&me)?.number);
    let since = now_ns();
    apply(&lab, &me, &Means::Ip(format!("address del {own}/24 dev {INTERFACE}")))?;
    blind(&mut lab, &me, &me, "no_address", since)
}

#[test]
fn the_dead_buddy_of_a_blind_server_is_removed_by_the_others() -> Result {
    for to_all in [true, false] {
        let mut lab = pool(5)?;
        let order = lab.ring()?.order();
        let (me, dead) = (order[1].clone(), order[2].clone());
        let (begin, number) = (now_ns(), lab.server(&dead)?.number);
        let rules = filter("output", (!to_all).then_some(number));
        apply(&lab, &me, &Means::Nft(rules))?;
        let subject = if to_all { &me } else { &dead };
        blind(&mut lab, &me, subject, "filtered", begin)?;
        let board = lab.board(&me)?;
        let state = board.watch(&dead).map(|watch| watch.state.as_str());
        ensure!(state == Some("unknown"), "{state:?}");

        let since = now_ns();
        lab.crash(std::slice::from_ref(&dead))?;
        let down = lab.event("its dead buddy is removed", since, |event| event.is("down", &dead))?;
        println!("all: {to_all}, its dead buddy was removed after {} ms", (down.mono_ns - since) / 1_000_000);
        lab.until("the ring is whole without it", PATIENCE, |lab| {
            Ok((!lab.ring()?.names().contains(&dead)).then_some(()))
        })?;
        let own = lab.events().iter().find(|e| e.server == me && matches!(e.event.as_str(), "suspect" | "vote"));
        ensure!(own.is_none(), "a blind server judges nobody: {own:?}");
        let taken = lab.events().iter().find(|e| e.is("suspect", &me) || e.is("down", &me));
        ensure!(taken.is_none(), "it answers: {taken:?}");

        let undone = now_ns();
        apply(&lab, &me, &Means::Nft("delete table ip blind\n".to_owned()))?;
        let sees = |event: &ringmon_tests::event::Event| event.server == me && event.event == "sees_again";
        // Whom it could not see alone is no buddy any more.
        if to_all {
            lab.event("it sees again", undone, sees).context("after the filter")?;
        }
        lab.until_whole()?;
    }
    Ok(())
}
