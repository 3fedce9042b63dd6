//! Lines 3 and 4: the down signal, the new buddies, and the notice to the third server.

use std::time::Duration;

use anyhow::ensure;
use nix::sys::signal::Signal;
use ringmon_tests::clock::now_ns;
use ringmon_tests::event::Event;
use ringmon_tests::fault::Fault;
use ringmon_tests::lab::{Lab, Options, PATIENCE};

use crate::{Result, pool, pool_on_mariadb};

crate::under_both_quorums! {
    line_3_the_down_servers_other_buddy_becomes_the_new_buddy,
    line_4_the_third_server_is_notified,
}

fn line_3_the_down_servers_other_buddy_becomes_the_new_buddy(quorum: &str) -> Result {
    let mut lab = pool_on_mariadb(quorum, 5)?;
    let order = lab.ring()?.order();
    let (before, victim, after) = (order[0].clone(), order[1].clone(), order[2].clone());
    let blow = lab.strike(Fault::Crash, std::slice::from_ref(&victim))?;
    let down = lab.event("it is out of the table", blow.at_ns, |event| event.is("down", &victim))?;
    let voters = down.detail["voters"].as_array().map_or(0, Vec::len);
    ensure!(voters >= if quorum == "both" { 2 } else { 1 }, "voters and evidence: {}", down.detail);
    let ring = lab.until_whole()?;
    // For the server before it, it was the first buddy; for the server after it, the second.
    ensure!(ring.buddies(&before).and_then(|b| b.first).as_ref() == Some(&after));
    ensure!(ring.buddies(&after).and_then(|b| b.second).as_ref() == Some(&before));
    ensure!(lab.view().hear_each_other(&before, &after));
    Ok(())
}

/// Only one of the two watchers can report: the one whose first buddy it is, or the one whose second buddy it is.
fn one_report(silent_side: usize) -> Result {
    let mut lab = pool("single", 5)?;
    let order = lab.ring()?.order();
    let (victim, silenced) = (order[1].clone(), order[silent_side].clone());
    lab.signal(&silenced, Signal::SIGSTOP)?;
    let blow = lab.strike(Fault::Crash, std::slice::from_ref(&victim))?;
    let gone = |event: &Event| event.is("down", &victim) && event.server != silenced;
    lab.event("one report was enough", blow.at_ns, gone)?;
    lab.signal(&silenced, Signal::SIGCONT)?;
    lab.until_whole()?;
    Ok(())
}

#[test]
fn line_3_under_single_the_report_about_a_first_buddy_is_enough() -> Result {
    one_report(2)
}

#[test]
fn line_3_under_single_the_report_about_a_second_buddy_is_enough() -> Result {
    one_report(0)
}

#[test]
fn line_3_under_both_a_server_that_one_buddy_still_hears_is_not_removed() -> Result {
    let mut lab = pool("both", 5)?;
    let order = lab.ring()?.order();
    let port = |lab: &Lab, name: &str| -> Result<u8> { Ok(lab.server(name)?.number) };
    let (a, b) = (port(&lab, &order[0])?, port(&lab, &order[1])?);
    let begin = now_ns();
    lab.network.change(|faults| faults.broken = [(a.min(b), a.max(b))].into())?;
    let pair = [order[0].clone(), order[1].clone()];
    for (voter, subject) in [(&pair[0], &pair[1]), (&pair[1], &pair[0])] {
        let vote = |event: &Event| event.server == *voter && event.is("vote", subject);
        lab.event("each accuses the other", begin, vote)?;
    }
    // Longer than any wait in the rules: R4 gives up its protection after three seconds.
    lab.hold(Duration::from_secs(5))?;
    lab.network.change(|faults| faults.broken.clear())?;
    lab.until_whole()?;
    let removed = lab.events().iter().filter(|event| event.mono_ns >= begin && event.event == "down");
    ensure!(removed.count() == 0, "a broken link removes nobody\n{}", lab.last_words());
    Ok(())
}

fn line_4_the_third_server_is_notified(quorum: &str) -> Result {
    // A busy machine may need longer to start an agent again than the default allows.
    let rules = vec!["agent_timeout=60s".to_owned()];
    let mut lab = Lab::pool(Options { quorum: quorum.to_owned(), rules, ..Options::built("debug") }, 5)?;
    let order = lab.ring()?.order();
    let (finder, victim, third) = (order[0].clone(), order[1].clone(), order[2].clone());
    if quorum == "single" {
        // The third server hardly looks by itself: long before it finds out, the server that found it has removed the
        // victim.
        lab.kill(&third)?;
        lab.start(&third, &["--profile", "gentle"])?;
        lab.until_whole()?;
        ensure!(lab.ring()?.order() == order, "a restart keeps its place");
    }
    let received = |lab: &Lab| -> Result<u64> { Ok(lab.board(&third)?.count("notices", "received")) };
    let before = received(&lab)?;
    let blow = lab.strike(Fault::Crash, std::slice::from_ref(&victim))?;
    lab.event("the finder votes", blow.at_ns, |event| event.server == finder && event.is("vote", &victim))?;
    lab.until("the third server has a notice", PATIENCE, |lab| Ok((received(lab)? > before).then_some(())))?;
    lab.until_whole()?;
    let new = |event: &Event| event.server == third && event.buddies().is_some_and(|buddies| buddies.contains(&finder));
    lab.event("the third server has its new buddy", blow.at_ns, new)?;
    if quorum == "single" {
        let down = lab.event("it is out of the table", blow.at_ns, |event| event.is("down", &victim))?;
        ensure!(down.detail["voters"] == serde_json::json!([finder]), "the third had no part in it: {}", down.detail);
    }
    Ok(())
}
