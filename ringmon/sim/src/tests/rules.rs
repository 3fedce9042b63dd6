//! The rules of section 6, each in a case where it matters.

use super::kit::{anybody_removed, assert_sound, befall, count, ms, pool, rule, secs, seed, told};
use crate::{Fault, Line, Settings, World};
use ringmon_core::edit::Held;
use ringmon_core::engine::Input;
use ringmon_core::row::{Mode, Quorum};
use ringmon_core::{EventKind, law};

/// R1: the first look ahead is sixteen servers wide.
#[test]
fn a_run_longer_than_the_first_look_ahead_is_removed() {
    for dead in [17, 30] {
        let mut world = pool(dead + 4);
        let from = world.now;
        for name in world.ring().into_iter().skip(1).take(dead) {
            befall(&mut world, &name, Fault::Crash);
        }
        assert!(world.run_until(secs(5), World::settled), "{dead}: {:?}", world.ring());
        println!("{dead} adjacent ones of {}: whole after {:?}", dead + 4, world.now.since(from));
        assert_sound(&world);
    }
}

#[test]
fn a_third_of_forty_servers_dying_at_once_heals_in_about_a_detection_period() {
    let mut world = pool(40);
    let from = world.now;
    for host in (0..40).filter(|h| h * 7 % 10 < 3) {
        world.befall(host, Fault::Crash);
    }
    assert!(world.run_until(secs(5), World::settled), "{:?}", world.ring());
    println!("12 of 40: whole after {:?}", world.now.since(from));
    assert!(world.now.since(from) < secs(1));
    assert_sound(&world);
}

/// R9: the server next to one without a pulse is watched by the server beyond that one.
#[test]
fn a_crash_next_to_a_lost_agent_is_seen_past_it() {
    for fault in [Fault::Kill, Fault::Stop] {
        let mut world = pool(5);
        let ring = world.ring();
        befall(&mut world, &ring[1], fault);
        world.run_for(secs(1));
        let from = world.now;
        befall(&mut world, &ring[2], Fault::Crash);
        assert!(world.run_until(secs(2), |w| w.ring().len() == 4), "{fault:?}");
        let down = told(&world, from, EventKind::Down, &ring[2]).expect("down");
        println!("{fault:?} beside it: down after {down:?}");
        // By the seed 0.28 to 1.1 s: up to two re-votes.
        assert!(down < ms(1250), "{down:?}");
        assert!(world.table.named(&ring[1]).is_some(), "the lost agent has its time");
        assert!(world.run_until(secs(5), World::settled));
        assert_sound(&world);
    }
}

#[test]
fn with_one_witness_enough_one_report_removes() {
    let mut world = pool(5);
    rule(&mut world, |pool| pool.rules.quorum = Quorum::Single);
    let ring = world.ring();
    // The other neighbour cannot reach the table, and its vote is not needed.
    befall(&mut world, &ring[2], Fault::LoseDatabase);
    let from = world.now;
    befall(&mut world, &ring[1], Fault::Crash);
    assert!(world.run_until(secs(5), |w| w.ring().len() == 4), "{:?}", world.ring());
    println!("down after {:?}", world.now.since(from));
    assert_sound(&world);
}

/// An agent of an older version, whose kernel cannot be asked.
#[test]
fn with_both_witnesses_asked_one_that_cannot_speak_holds_the_removal() {
    let mut world = pool(5);
    let ring = world.ring();
    let older = world.table.named(&ring[2]).expect("a member").id;
    world.table.rows.get_mut(&older).expect("its row").answering = None;
    befall(&mut world, &ring[2], Fault::LoseDatabase);
    befall(&mut world, &ring[1], Fault::Crash);
    world.run_for(secs(10));
    assert_eq!(world.ring().len(), 5);
    let voter = world.host(&ring[0]).expect("known");
    let held = &world.hosts[voter].engine.as_ref().expect("runs").snapshot(world.now).held;
    assert!(held.contains_key(&Held::NoSecondVote), "{held:?}");
    befall(&mut world, &ring[2], Fault::FindDatabase);
    assert!(world.run_until(secs(10), World::settled), "{:?}", world.ring());
    assert_sound(&world);
}

#[test]
fn a_frozen_pool_removes_nobody_until_it_is_thawed() {
    let mut world = pool(4);
    rule(&mut world, |pool| pool.frozen = Some("maintenance".into()));
    let from = world.now;
    world.befall(1, Fault::Crash);
    world.run_for(secs(10));
    assert_eq!(world.ring().len(), 4);
    assert!(count(&world, from, EventKind::Frozen, "pool") >= 2, "both neighbours say so");
    assert!(told(&world, from, EventKind::Suspect, "s2").is_some());
    rule(&mut world, |pool| pool.frozen = None);
    assert!(world.run_until(secs(3), World::settled));
    assert!(count(&world, from, EventKind::Thawed, "pool") >= 2);
    assert_sound(&world);
}

#[test]
fn who_only_observes_removes_nobody() {
    let mut world = pool(4);
    rule(&mut world, |pool| pool.rules.mode = Mode::Observe);
    world.befall(1, Fault::Crash);
    world.run_for(secs(10));
    assert_eq!(world.ring().len(), 4);
    rule(&mut world, |pool| pool.rules.mode = Mode::Act);
    assert!(world.run_until(secs(3), World::settled));
    assert_sound(&world);
}

#[test]
fn an_observing_agent_votes_and_leaves_the_removal_to_the_other_witness() {
    let mut world = pool(3);
    world.befall(0, Fault::Kill);
    world.hosts[0].mode = Mode::Observe;
    world.befall(0, Fault::Start);
    assert!(world.run_until(secs(3), World::settled));
    world.befall(1, Fault::Crash);
    assert!(world.run_until(secs(10), World::settled), "{:?}", world.ring());
    let by = &world.table.events.iter().find(|e| e.kind() == EventKind::Down).expect("down").by;
    assert_eq!(by, "s3");
    assert_sound(&world);
}

/// R11: where more than the brake's share is gone, nobody else is removed, and an event says so. It lets go by itself
/// when they are back.
#[test]
fn the_brake_holds_until_servers_are_back() {
    let mut world = pool(8);
    rule(&mut world, |pool| pool.rules.brake_permille = 400);
    for host in 2..8 {
        world.befall(host, Fault::Crash);
        world.run_for(secs(1));
    }
    world.run_for(secs(10));
    assert_eq!(world.ring().len(), 8 - 3, "{:?}", world.ring());
    let spoke = world.table.events.iter().filter(|e| e.kind() == EventKind::Braked).count();
    assert!((1..=6).contains(&spoke), "it spoke {spoke} times");
    for host in 2..8 {
        world.befall(host, Fault::Return);
    }
    assert!(world.run_until(secs(60), World::settled), "all are back: {:?}", world.ring());
    world.befall(7, Fault::Crash);
    assert!(world.run_until(secs(3), |world| world.ring().len() == 7), "{:?}", world.ring());
    assert_sound(&world);
}

/// R11: removals at the same moment do not see each other. All of 70 servers die at once, of whom 50 may be gone.
#[test]
fn the_brake_holds_in_a_mass_death_with_removals_in_parallel() {
    let settings = Settings { lazy: true, ..Settings::new(seed(), 100) };
    let (mut world, order) = World::established(settings, ms(200));
    assert!(world.run_until(secs(20), World::settled));
    world.run_for(law::GRACE_MOST + secs(2));
    for &host in order.iter().filter(|host| *host % 10 < 7) {
        world.befall(host, Fault::Crash);
    }
    world.run_for(secs(5));
    let gone = world.table.gone(law::BRAKE_WINDOW).len();
    println!("{gone} of 100 are gone, and 50 may be");
    assert!((40..=55).contains(&gone), "{gone}");
    // Between two living ones, so that nothing but the brake holds it.
    let ring: Vec<usize> = world.ring().iter().filter_map(|name| world.host(name)).collect();
    let lives = |host: &usize| world.hosts[*host].is_well();
    let next = ring.windows(3).find(|three| three.iter().all(lives)).expect("three in a row")[1];
    world.befall(next, Fault::Crash);
    world.run_for(secs(3));
    assert!(world.table.gone(law::BRAKE_WINDOW).len() <= gone.max(50), "one more is gone");
    assert!(world.table.events.iter().any(|e| e.kind() == EventKind::Braked));
    assert_sound(&world);
}

/// R7: a voter that stands still between reading and writing does not remove a server that has come back in the
/// meantime.
#[test]
fn a_voter_that_was_suspended_in_the_middle_removes_nobody_who_is_back() {
    for (quorum, after) in
        [Quorum::Both, Quorum::Single].into_iter().flat_map(|q| (100..460).step_by(3).map(move |a| (q, a)))
    {
        let mut world = pool_of_three_once(quorum);
        world.befall(1, Fault::Crash);
        world.run_for(ms(after));
        if world.ring().len() < 3 {
            continue;
        }
        world.befall(0, Fault::Stop);
        world.befall(2, Fault::Stop);
        world.run_for(ms(10));
        world.befall(1, Fault::Return);
        world.run_for(ms(200));
        world.befall(0, Fault::Continue);
        world.befall(2, Fault::Continue);
        world.run_for(secs(2));
        assert_eq!(world.ring().len(), 3, "stopped {after} ms after the crash");
        assert_sound(&world);
    }
}

fn pool_of_three_once(quorum: Quorum) -> World {
    let mut settings = Settings::new(7, 3);
    // With a slow database, there are many moments at which to stand still.
    settings.statement = (ms(5), ms(10));
    let mut world = World::new(settings);
    for host in 0..3 {
        world.befall(host, Fault::Start);
    }
    assert!(world.run_until(secs(20), World::settled));
    rule(&mut world, |pool| pool.rules.quorum = quorum);
    world
}

#[test]
fn who_stood_still_or_lost_its_link_suspects_nobody_for_it() {
    let mut world = pool(4);
    let from = world.now;
    world.befall(1, Fault::Stop);
    world.run_for(ms(900));
    world.befall(1, Fault::Continue);
    world.run_for(secs(2));
    let unplugged = world.now;
    world.befall(2, Fault::Isolate);
    world.feed(2, Input::Link(false));
    // Shorter than a removal takes, with one interval before it and one after. The others do suspect it, rightly.
    world.run_for(ms(60));
    world.befall(2, Fault::Return);
    world.feed(2, Input::Link(true));
    world.run_for(secs(2));
    let suspects = |l: &&Line| l.at >= from && l.event.kind() == EventKind::Suspect;
    let guilty = world.log.iter().filter(suspects).find(|l| l.host == 2 || (l.host == 1 && l.at < unplugged));
    assert!(guilty.is_none(), "{guilty:?}");
    assert!(!anybody_removed(&world));
    let voids = world.hosts[2].engine.as_ref().expect("runs").snapshot(world.now).voids;
    assert!(voids.values().sum::<u64>() > 0, "{voids:?}");
    assert_sound(&world);
}

/// R10: the notice that cannot be lost for long.
#[test]
fn without_any_notice_a_changed_ring_is_known_at_once() {
    let mut world = pool(4);
    world.notices_lost = true;
    world.befall(3, Fault::Leave);
    let from = world.now;
    assert!(world.run_until(secs(1), World::settled), "{:?}", world.ring());
    println!("the leave is known after {:?}", world.now.since(from));
    assert!(world.now.since(from) < ms(700));
    let from = world.now;
    world.befall(1, Fault::Crash);
    assert!(world.run_until(secs(2), World::settled));
    println!("the removal is known after {:?}", world.now.since(from));
    assert_sound(&world);
}
