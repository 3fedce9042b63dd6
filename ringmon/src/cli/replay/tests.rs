//! What the replay tells of simulated removals.

use std::path::PathBuf;
use std::time::Duration;

use super::files::{self, File};
use super::play::{Ended, Line, play};
use super::why::why;
use ringmon_core::EventKind;
use ringmon_sim::replay::Decisions;
use ringmon_sim::{Fault, Settings, World};

/// A pool of five, all recorded.
fn pool(seed: u64) -> World {
    println!("seed {seed}");
    let mut world = World::new(Settings::new(seed, 5));
    for host in 0..5 {
        world.record(host);
        world.befall(host, Fault::Start);
    }
    world.table.pool.rules.brake_permille = 1000;
    assert!(world.run_until(Duration::from_secs(20), World::settled));
    world.run_for(Duration::from_secs(2));
    world
}

/// The recording of one server, as files in a temporary folder.
fn recording(world: &mut World, host: usize) -> (tempfile::TempDir, Vec<File>) {
    let dir = tempfile::tempdir().unwrap();
    for (place, bytes) in world.tapes.get_mut(&host).unwrap().files().iter().enumerate() {
        std::fs::write(dir.path().join(format!("s{}-{place}.rec", host + 1)), bytes).unwrap();
    }
    let (files, notes) = files::read(&[dir.path().to_owned()]).unwrap();
    assert!(notes.is_empty(), "{notes:?}");
    (dir, files)
}

fn lines(files: &[File]) -> (Decisions, Vec<Line>, Ended) {
    let mut decisions = Decisions::default();
    let mut lines = Vec::new();
    let ended = play(files, &mut decisions, &mut |_, item| {
        lines.extend(item.ok());
        Ok(())
    });
    (decisions, lines, ended.unwrap())
}

#[test]
fn why_a_crashed_server_is_gone_is_told_by_all_who_know() {
    let mut world = pool(11);
    world.befall(2, Fault::Crash);
    world.run_for(Duration::from_secs(2));
    let (mut removers, mut readers) = (0, 0);
    for host in [0, 1, 3, 4] {
        let (_dir, files) = recording(&mut world, host);
        let (names, lines, ended) = lines(&files);
        assert!(ended.parted.is_none() && ended.damage.is_none() && ended.calls > 100, "{ended:?}");
        let me = format!("s{}", host + 1);
        match why("s3", &lines, &names) {
            Ok(told) => {
                println!("{me}: {}\n", told.text);
                assert!(told.text.starts_with("s3 was removed at "), "{}", told.text);
                assert!(told.text.contains(&format!("{me} suspected s3 at ")), "{}", told.text);
                assert!(told.text.contains("misses in a row") && told.text.contains(" to answer"), "{}", told.text);
                assert!(!told.chain.is_empty());
                removers += usize::from(told.text.contains(&format!("by {me} itself")));
                readers += usize::from(told.text.contains("saw it in the table"));
            }
            Err(error) => assert!(error.to_string().contains("s3"), "{error}"),
        }
    }
    assert_eq!((removers, readers), (1, 1), "one buddy removed it, the other one read so");
}

#[test]
fn what_was_not_removed_is_said_so() {
    let mut world = pool(12);
    world.befall(2, Fault::Crash);
    // Both suspect it. It is back long before the votes are old enough, however fast that was.
    let suspicions = |world: &World| world.log.iter().filter(|l| l.event.kind() == EventKind::Suspect).count();
    let before = suspicions(&world);
    assert!(world.run_until(Duration::from_secs(2), |world| suspicions(world) == before + 2));
    world.befall(2, Fault::Return);
    world.run_for(Duration::from_secs(2));
    let of = |host| {
        move |world: &mut World| {
            let (_dir, files) = recording(world, host);
            let (names, lines, _) = lines(&files);
            why("s3", &lines, &names).map(|told| told.text)
        }
    };
    let all: Vec<_> = [0, 1, 3, 4].into_iter().map(|host| of(host)(&mut world)).collect();
    let told: Vec<&String> = all.iter().filter_map(|one| one.as_ref().ok()).collect();
    println!("{told:#?}");
    assert!(!told.is_empty());
    assert!(told.iter().all(|text| text.starts_with("s3 was not removed here.")), "{told:?}");
    let (_dir, files) = recording(&mut world, 0);
    let (names, lines, _) = lines(&files);
    let error = why("s33", &lines, &names).unwrap_err().to_string();
    assert!(error.starts_with("s33 does not occur in this part of the recording; it tells of s1"), "{error}");
}

#[test]
fn the_files_of_two_servers_are_not_mixed() {
    let mut world = pool(13);
    let ((one, _), (other, _)) = (recording(&mut world, 0), recording(&mut world, 1));
    let both: Vec<PathBuf> = vec![one.path().to_owned(), other.path().to_owned()];
    let error = files::read(&both).unwrap_err().to_string();
    assert!(error.starts_with("these are recordings of several servers (s1 of pool sim in "), "{error}");
}
