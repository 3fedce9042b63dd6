//! The outcomes of a few seeds are kept as digests. A change that is meant to change nothing leaves them as they are.
//!
//! Only values are digested, and events as the JSON that others script against, so names of types and fields may
//! change.

use std::hash::Hasher as _;
use std::time::Duration;

use siphasher::sip::SipHasher24;

use crate::random::{Options, live_in};
use crate::scenario::{Report, Scenario, Setup, run};
use crate::story::Story;
use crate::{Line, World};
use ringmon_core::edit::StoredEvent;
use ringmon_core::{Profile, Word as _};

/// One line each: what was run, its seed, and the digest of the outcome.
const GOLDEN: &str = include_str!("golden.txt");

/// Compares these with the lines of the file that begin with this word.
fn hold(word: &str, found: &[String]) {
    let kept: Vec<&str> = GOLDEN.lines().filter(|line| line.split(' ').next() == Some(word)).collect();
    let changed = found.iter().filter(|line| !kept.contains(&line.as_str())).filter_map(|line| line.rsplit_once(' '));
    let changed: Vec<&str> = changed.map(|(what, _)| what).collect();
    assert!(
        changed.is_empty() && kept.len() == found.len(),
        "not what it was: {}. If this is meant, say why, and keep these in golden.txt:\n{}",
        changed.join(", "),
        found.join("\n")
    );
}

/// A line of the file: `what`, and the digest of these lines.
fn line(what: &str, lines: impl IntoIterator<Item = String>) -> String {
    let mut digest = SipHasher24::new();
    for line in lines {
        digest.write(line.as_bytes());
        digest.write_u8(b'\n');
    }
    format!("{what} {:016x}", digest.finish())
}

fn scenario(scenario: Scenario, seed: u64) -> String {
    let us = Duration::from_micros;
    let setup = Setup {
        scenario,
        servers: 8,
        seed,
        profile: Profile::Default,
        loss_permille: 5,
        latency: (us(50), us(500)),
        statement: (us(100), us(800)),
    };
    let Report {
        dead,
        detection,
        healed,
        removals,
        false_removals,
        left_over,
        commits,
        traffic,
        span,
        ring,
        wrong,
        ..
    } = run(&setup, &mut |_, _, _| {});
    let numbers = format!("{dead} {healed:?} {removals} {commits} {span:?} {} {}", traffic.probes, traffic.notices);
    let lists = [format!("{detection:?}"), format!("{ring:?}"), [false_removals, left_over, wrong].concat().join("\n")];
    line(&format!("scenario {} {seed}", scenario.word()), [numbers].into_iter().chain(lists))
}

fn told(Line { at, host, event }: &Line) -> String {
    format!("{} {host} {} {}", at.as_ns(), event.subject, serde_json::to_value(&event.body).expect("JSON"))
}

fn stored(StoredEvent { at, subject_name, by, body, .. }: &StoredEvent) -> String {
    format!("{} {subject_name} {by} {}", at.as_us(), serde_json::to_value(body).expect("JSON"))
}

fn random(seed: u64) -> String {
    let (life, World { log, table, .. }) = live_in(seed, &Options::default());
    let numbers = format!("{} {} {} {:?}", life.servers, life.removals, life.rejoins, life.span);
    let lines = life.wrong.iter().cloned().chain(log.iter().map(told)).chain(table.events.iter().map(stored));
    line(&format!("random {seed}"), lines.chain([numbers]))
}

fn story(story: &Story) -> String {
    let proof = story.prove(1).expect("each rule has a world that shows what it is for");
    line(&format!("story {} {}", story.rule, proof.seed), proof.without)
}

#[test]
fn scenarios_come_out_as_they_did() {
    // The reboots take minutes.
    let quick = |s: &&Scenario| !matches!(s, Scenario::SwitchReboot | Scenario::SwitchRebootNoTable);
    let scenarios: Vec<String> = Scenario::ALL.iter().filter(quick).map(|s| scenario(*s, 1)).collect();
    hold("scenario", &scenarios);
}

#[test]
fn random_pools_live_as_they_did() {
    hold("random", &(1..=12).map(random).collect::<Vec<_>>());
}

#[test]
fn without_a_rule_the_same_goes_wrong_as_it_did() {
    hold("story", &Story::all().each_ref().map(story));
}
