//! The flight recorder of real agents: why was a server removed, and does the core decide the same again?

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use ringmon_tests::fault::Fault;
use ringmon_tests::lab::{Lab, Options, PATIENCE, Said};

use crate::Result;

/// A whole pool whose agents record, each into its own folder.
fn recorded(servers: u8) -> Result<Lab> {
    let mut lab = Lab::new(Options { rules: vec!["brake=1".to_owned()], ..Options::built("debug") })?;
    for number in 1..=servers {
        let name = format!("s{number}");
        lab.add(&name)?;
        let folder = flight(&lab, &name)?;
        lab.start(&name, &["--record", &folder.to_string_lossy()])?;
    }
    lab.until_whole().context("the pool did not come up")?;
    Ok(lab)
}

fn flight(lab: &Lab, name: &str) -> Result<PathBuf> {
    Ok(lab.server(name)?.folder.join("flight"))
}

fn replay(lab: &Lab, name: &str, words: &[&str]) -> Result<Said> {
    let folder = flight(lab, name)?;
    lab.ringmon(&[&["replay", &*folder.to_string_lossy()], words].concat())
}

/// The recordings of a server, as bytes.
fn bytes(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        all.push(std::fs::read(entry?.path())?);
    }
    ensure!(!all.is_empty(), "nothing was recorded in {}", folder.display());
    Ok(all)
}

#[test]
fn a_replay_tells_why_a_crashed_server_was_removed() -> Result {
    let mut lab = recorded(4)?;
    let blow = lab.strike(Fault::Crash, &["s2".to_owned()])?;
    lab.event("it is out of the table", blow.at_ns, |event| event.is("down", "s2"))?;
    lab.until_whole()?;
    let buddies = blow.before.buddies("s2").context("s2 was on the ring")?;
    let buddies = [buddies.first.context("two buddies")?, buddies.second.context("two buddies")?];
    let mut removers = 0;
    for name in &buddies {
        // What was told reaches the file at once, through another thread.
        let mut last = None;
        let told = lab.until("the recording tells of it", PATIENCE, |lab| {
            let said = last.insert(replay(lab, name, &["--why", "s2"])?);
            let well = said.code == 0 && said.err.is_empty() && said.out.contains("\ns2 was removed at ");
            Ok(well.then(|| said.clone()))
        });
        let said = told.with_context(|| format!("it said {last:?}"))?;
        println!("{name}:\n{}", said.out);
        let text = said.out.split_once("\n\n").context("a chain and a text")?.1.replace('\n', " ");
        for part in [format!("{name} suspected s2 at "), format!("{name} voted against s2 at ")] {
            ensure!(text.contains(&part), "{part:?} is not in {text}");
        }
        for voter in &buddies {
            ensure!(text.contains(&format!("{voter}'s vote was ")), "{voter} has no vote in {text}");
        }
        removers += usize::from(text.contains("itself, whose recording this is"));
    }
    ensure!(removers == 1, "one of {buddies:?} removed it, the other one read so");
    Ok(())
}

#[test]
fn real_recordings_come_to_the_same_again_also_of_an_agent_that_was_killed() -> Result {
    let mut lab = recorded(4)?;
    let blow = lab.strike(Fault::AgentPause, &["s1".to_owned()])?;
    lab.event("its pulse is missed", blow.at_ns, |event| event.is("agent_silent", "s1"))?;
    lab.event("it is back", blow.at_ns, |event| event.is("agent_back", "s1"))?;
    lab.kill("s3")?;
    for name in ["s1", "s2", "s3", "s4"] {
        let said = replay(&lab, name, &["--check", "--json"])?;
        ensure!(said.code == 0, "{name}: {}{}", said.err, said.out);
        ensure!(said.err.contains("recorded calls came to the same again"), "{said:?}");
        ensure!(said.out.lines().count() > 5, "{said:?}");
        let size: usize = bytes(&flight(&lab, name)?)?.iter().map(Vec::len).sum();
        println!("{name}: {size} bytes; {}", said.err);
    }
    Ok(())
}

#[test]
fn a_recording_has_no_key_of_the_pool() -> Result {
    let lab = recorded(3)?;
    let server = lab.server("s1")?;
    let kept = std::fs::read_to_string(server.folder.join("lab/s1/kept"))?;
    let kept: serde_json::Value = serde_json::from_str(kept.lines().last().context("two lines")?)?;
    let key = kept["keys"][0][1].as_array().context("a key is kept")?;
    let key: Vec<u8> = key.iter().filter_map(|byte| byte.as_u64()?.try_into().ok()).collect();
    ensure!(key.len() == 16, "{key:?}");
    // MessagePack writes a list of small numbers with an extra byte before each number of 128 or more.
    let listed: Vec<u8> = key.iter().flat_map(|b| if *b < 128 { vec![*b] } else { vec![0xcc, *b] }).collect();
    for file in bytes(&flight(&lab, "s1")?)? {
        for secret in [&key, &listed] {
            ensure!(!file.windows(secret.len()).any(|part| part == secret), "the pool's key is in the recording");
        }
    }
    Ok(())
}
