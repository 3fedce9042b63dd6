//! A pool gets a new key while it runs.

use std::time::Duration;

use anyhow::ensure;
use nix::sys::signal::Signal;
use ringmon_tests::clock::now_ns;
use ringmon_tests::lab::{Lab, Options};

use crate::Result;

fn key_ids(lab: &Lab) -> Result<serde_json::Value> {
    let shown: serde_json::Value = serde_json::from_str(&lab.must(&["pool", "show", "--json"])?)?;
    Ok(shown["key_ids"].clone())
}

#[test]
fn a_pool_gets_a_new_key_and_nobody_falls_silent() -> Result {
    let mut lab = Lab::pool(Options::built("debug"), 4)?;
    let began = now_ns();
    for id in [2, 3] {
        let said = lab.must(&["pool", "rotate-key"])?;
        let end = format!("3 of 3: every agent uses key {id}; key {} is out of the table", id - 1);
        ensure!(said.contains(&end), "{said}");
        ensure!(key_ids(&lab)? == serde_json::json!([id]));
    }
    lab.hold(Duration::from_secs(1))?;
    lab.until_whole()?;
    // A vote is not bad: no server accuses a host that it does not suspect, and an agent with a late pulse has lost no
    // probe.
    let bad = ["suspect", "down", "agent_lost"];
    let ill = lab.events().iter().find(|event| event.mono_ns >= began && bad.contains(&event.event.as_str()));
    ensure!(ill.is_none(), "a probe was lost: {ill:?}");
    for name in ["s1", "s2", "s3", "s4"] {
        let unknown = lab.board(name)?.count("verdicts", "unknown_key");
        ensure!(unknown == 0, "{name} got {unknown} probes with a key that it did not know");
    }
    // And the pool still sees which servers die.
    let victim = lab.ring()?.order()[0].clone();
    lab.strike(ringmon_tests::fault::Fault::Crash, std::slice::from_ref(&victim))?;
    lab.until_whole()?;
    Ok(())
}

/// It answers nothing, so nobody knows what it knows. (With a shorter agent timeout it would be removed.)
#[test]
fn an_agent_that_shows_nothing_stops_the_rotation_and_loses_nothing() -> Result {
    let rules = vec!["agent_timeout=60s".to_owned()];
    let mut lab = Lab::pool(Options { rules, ..Options::built("debug") }, 3)?;
    lab.signal("s2", Signal::SIGSTOP)?;
    let said = lab.ringmon(&["pool", "rotate-key", "--within", "2s"]);
    lab.signal("s2", Signal::SIGCONT)?;
    let said = said?;
    ensure!(said.code == 69 && said.err.contains("s2 not seen to accept key 2 after 2s"), "{said:?}");
    ensure!(key_ids(&lab)? == serde_json::json!([1, 2]), "both hold");
    lab.until_whole()?;
    let said = lab.must(&["pool", "rotate-key"])?;
    ensure!(said.starts_with("2 of 3: "), "it goes on where it was: {said}");
    ensure!(key_ids(&lab)? == serde_json::json!([2]));
    lab.until_whole()?;
    Ok(())
}
