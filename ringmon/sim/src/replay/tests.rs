//! The replay of a simulated agent's recording says again what the agent said.

use std::time::Duration;

use super::{Joint, Replay};
use crate::recording::{Reader, Record};
use crate::{Fault, Settings, World};
use ringmon_core::EventKind;
use ringmon_core::engine::Output;

fn seed() -> u64 {
    let seed = std::env::var("RINGMON_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(3);
    println!("RINGMON_SEED={seed}");
    seed
}

/// A pool of five in which the third server dies, recorded by all; and the files of each server.
fn crash() -> (World, Vec<Vec<Vec<u8>>>) {
    let mut world = World::new(Settings::new(seed(), 5));
    for host in 0..5 {
        world.record(host);
        world.befall(host, Fault::Start);
    }
    world.table.pool.rules.brake_permille = 1000;
    assert!(world.run_until(Duration::from_secs(20), World::settled));
    world.tapes.values_mut().for_each(crate::Tape::cut);
    world.run_for(Duration::from_secs(1));
    world.befall(2, Fault::Crash);
    world.run_for(Duration::from_secs(3));
    let files = world.tapes.values_mut().map(crate::Tape::files).collect();
    (world, files)
}

/// Plays files one after the other. Returns everything that was said, and whether it was the same then.
fn play(files: &[Vec<u8>]) -> (Vec<Output>, Vec<Joint>, bool) {
    let mut replay: Option<Replay> = None;
    let (mut said, mut joints, mut agrees) = (Vec::new(), Vec::new(), true);
    for file in files {
        let mut reader = Reader::open(file).unwrap();
        let header = reader.header().clone();
        let Some(Ok(Record::Checkpoint(engine))) = reader.next() else { panic!("no checkpoint") };
        match &mut replay {
            None => replay = Some(Replay::new(header, *engine)),
            Some(replay) => joints.push(replay.go_on(header, *engine)),
        }
        for record in reader {
            let Record::Call(call) = record.unwrap() else { panic!("a second checkpoint") };
            let played = replay.as_mut().unwrap().play(*call);
            agrees &= played.agrees();
            said.extend(played.outputs);
        }
    }
    (said, joints, agrees)
}

#[test]
fn every_agent_says_again_what_it_said() {
    let (world, files) = crash();
    let mut downs = 0;
    for (host, files) in files.iter().enumerate() {
        let (said, joints, agrees) = play(files);
        assert!(agrees, "s{} says something else", host + 1);
        assert_eq!(joints, [Joint::Seamless]);
        let told: Vec<_> = said.iter().filter_map(|o| if let Output::Event(e) = o { Some(e) } else { None }).collect();
        let then: Vec<_> = world.log.iter().filter(|line| line.host == host).map(|line| &line.event).collect();
        assert_eq!(told, then, "s{}", host + 1);
        downs += told.iter().filter(|e| e.kind() == EventKind::Down && e.subject == "s3").count();
    }
    assert!(downs >= 2, "both buddies tell that s3 is gone");
}

#[test]
fn a_file_is_replayed_by_itself() {
    let (_, files) = crash();
    for files in &files {
        assert!(play(&files[1..]).2);
    }
}

#[test]
fn what_is_missing_and_what_went_astray_is_noticed() {
    let (_, files) = crash();
    let of_first = &files[0];
    assert_eq!(play(&[of_first[1].clone(), of_first[0].clone()]).1, [Joint::Afresh]);
    assert_eq!(play(&[of_first[0].clone(), files[1][1].clone()]).1, [Joint::Afresh]);

    // Without one of its calls, the first file ends in another state than the second file begins with.
    let mut reader = Reader::open(&of_first[0]).unwrap();
    let header = reader.header().clone();
    let Some(Ok(Record::Checkpoint(engine))) = reader.next() else { panic!("no checkpoint") };
    let mut replay = Replay::new(header, *engine);
    let calls: Vec<_> = reader.map(Result::unwrap).collect();
    let is_table = |r: &Record| matches!(r, Record::Call(c) if matches!(c.input, Some(ringmon_core::Input::Table(_))));
    let skipped = calls.iter().rposition(is_table).unwrap();
    for (place, record) in calls.into_iter().enumerate() {
        let Record::Call(mut call) = record else { panic!("a second checkpoint") };
        if place == skipped {
            call.input = None;
        }
        replay.play(*call);
    }
    let mut reader = Reader::open(&of_first[1]).unwrap();
    let mut header = reader.header().clone();
    let Some(Ok(Record::Checkpoint(engine))) = reader.next() else { panic!("no checkpoint") };
    let engine_again =
        |engine: &ringmon_core::Engine| rmp_serde::from_slice(&rmp_serde::to_vec_named(engine).unwrap()).unwrap();
    assert_eq!(replay.go_on(header.clone(), engine_again(&engine)), Joint::Astray);
    header.first += 7;
    assert_eq!(replay.go_on(header, engine_again(&engine)), Joint::Gap(7));
}
