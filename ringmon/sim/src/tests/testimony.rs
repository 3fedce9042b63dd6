//! The second witness's kernel takes the place of its vote: it needs neither its agent's word nor its database.

use super::kit::{anybody_removed, assert_sound, befall, ms, pool, rule, secs, seeds, told};
use crate::Fault;
use ringmon_core::EventKind;
use ringmon_core::row::Mode;

/// The only two that may say that a server is dead are its buddies, and one of them cannot vote.
#[test]
fn a_witness_without_a_database_holds_no_removal_up() {
    for seed in seeds() {
        for servers in [3, 5, 12] {
            let mut world = pool(servers);
            let ring = world.ring();
            befall(&mut world, &ring[2], Fault::LoseDatabase);
            world.run_for(secs(40));
            let from = world.now;
            befall(&mut world, &ring[1], Fault::Crash);
            assert!(
                world.run_until(secs(3), |w| w.table.named(&ring[1]).is_none()),
                "seed {seed}, {servers} servers: {:?}",
                world.ring()
            );
            println!("{servers} servers: down after {:?}", told(&world, from, EventKind::Down, &ring[1]));
            assert_sound(&world);
        }
    }
}

/// Servers `from` to `from + mute.len()` of the ring: those marked `m` lose their database, those marked `x` die.
/// Whether the dead are removed in 4 s, and nobody else.
fn die_among_the_mute(servers: usize, word: &str) {
    for seed in seeds() {
        let mut world = pool(servers);
        let ring = world.ring();
        let marked = |letter| ring.iter().zip(word.chars()).filter(move |(_, c)| *c == letter).map(|(name, _)| name);
        marked('m').for_each(|name| befall(&mut world, name, Fault::LoseDatabase));
        world.run_for(secs(40));
        let from = world.now;
        marked('x').for_each(|name| befall(&mut world, name, Fault::Crash));
        let gone = |w: &crate::World| marked('x').all(|name| w.table.named(name).is_none());
        assert!(world.run_until(secs(4), gone), "seed {seed}, {word}: {:?}", world.ring());
        let last = marked('x').filter_map(|name| told(&world, from, EventKind::Down, name)).max();
        println!("{servers} servers, {word}: down after {last:?}");
        assert_eq!(world.ring().len(), servers - marked('x').count());
        marked('m').for_each(|name| befall(&mut world, name, Fault::FindDatabase));
        assert!(world.run_until(secs(40), crate::World::settled), "{word}: {:?}", world.ring());
        assert_sound(&world);
    }
}

/// A database that part of a pool cannot reach (a switch, a firewall): those beyond the mute servers look past them.
#[test]
fn the_dead_among_servers_without_a_database_are_removed() {
    for word in ["mxm", "mmxmm", "mxxm", "xxm", "mmxm", "xmx", "mxmxm", "xmxm"] {
        die_among_the_mute(12, word);
    }
    die_among_the_mute(4, "mxm");
    die_among_the_mute(5, "mxm");
}

/// The only server with a database has no second voter. It still accuses its dead buddies, which takes them out of the
/// routes.
#[test]
fn the_only_server_with_a_database_accuses_its_dead_buddies() {
    let mut world = pool(6);
    let ring = world.ring();
    [2, 4].iter().for_each(|at| befall(&mut world, &ring[*at], Fault::LoseDatabase));
    world.run_for(secs(40));
    [1, 3, 5].iter().for_each(|at| befall(&mut world, &ring[*at], Fault::Crash));
    world.run_for(secs(5));
    let accused = world.table.rows.values().filter(|row| row.vote_first.is_some() || row.vote_second.is_some());
    let accused: std::collections::BTreeSet<_> = accused.map(|row| row.card.name.clone()).collect();
    assert!(accused.is_superset(&[&ring[1], &ring[5]].map(Clone::clone).into()), "{accused:?}");
    assert_sound(&world);
}

/// A mute server in the middle of a run hears one that the voter does not hear: it ends the run.
#[test]
fn whom_a_mute_server_in_the_middle_hears_is_not_accused() {
    let mut world = pool(8);
    let ring = world.ring();
    [2, 3].iter().for_each(|at| befall(&mut world, &ring[*at], Fault::LoseDatabase));
    world.run_for(secs(40));
    let now = world.now;
    let [voter, suspect] = [&ring[0], &ring[3]].map(|name| world.host(name).unwrap());
    world.network.set_cut(voter, suspect, true, now);
    world.network.set_cut(suspect, voter, true, now);
    befall(&mut world, &ring[1], Fault::Crash);
    for _ in 0..2000 {
        world.run_for(ms(5));
        let row = world.table.named(&ring[3]).expect("it lives");
        assert!(row.vote_first.is_none() && row.vote_second.is_none(), "{row:?}");
    }
    assert!(world.table.named(&ring[1]).is_none(), "{:?}", world.ring());
    assert_sound(&world);
}

/// One server beyond the mute ones does not hear one that they hear: a bad link between servers that are no buddies.
#[test]
fn whom_a_mute_server_hears_is_not_removed_from_beyond() {
    let mut world = pool(6);
    let ring = world.ring();
    befall(&mut world, &ring[1], Fault::LoseDatabase);
    befall(&mut world, &ring[3], Fault::LoseDatabase);
    world.run_for(secs(40));
    let at = |name: &String| world.host(name).unwrap();
    let (suspect, beyond) = (at(&ring[2]), [at(&ring[0]), at(&ring[4]), at(&ring[5])]);
    let now = world.now;
    for other in beyond {
        world.network.set_cut(other, suspect, true, now);
        world.network.set_cut(suspect, other, true, now);
    }
    world.run_for(secs(60));
    assert!(!anybody_removed(&world), "{:?}", world.ring());
    let votes = world.table.rows.values().filter(|row| row.vote_first.is_some() || row.vote_second.is_some());
    assert_eq!(votes.count(), 0);
    assert_sound(&world);
}

/// It makes a removal no slower, and needs no vote of the other buddy.
#[test]
fn a_removal_that_a_kernel_confirms_rests_on_one_vote() {
    let mut world = pool(5);
    let ring = world.ring();
    befall(&mut world, &ring[2], Fault::LoseDatabase);
    let from = world.now;
    befall(&mut world, &ring[1], Fault::Crash);
    assert!(world.run_until(secs(3), |w| w.table.named(&ring[1]).is_none()), "{:?}", world.ring());
    let down = told(&world, from, EventKind::Down, &ring[1]).unwrap();
    println!("down after {down:?}");
    assert!(down < ms(300), "{down:?}");
    let removed = world.table.events.iter().filter_map(|event| event.body.removal().map(|(_, removed)| removed));
    let removed: Vec<_> = removed.collect();
    let [removed] = removed.as_slice() else { panic!("{removed:?}") };
    assert_eq!(removed.voters, [ring[0].clone(), ring[2].clone()]);
    let kernel = removed.kernel.as_ref().expect("the kernel's word");
    assert!(kernel.misses >= Some(16) && kernel.silence_ms >= Some(100.0), "{kernel:?}");
    assert_eq!(removed.votes.as_ref().unwrap().len(), 1);
    assert_sound(&world);
}

/// One bad link: the witness's kernel hears the suspect, so it confirms nothing.
#[test]
fn a_kernel_that_hears_the_suspect_confirms_nothing() {
    let mut world = pool(5);
    let ring = world.ring();
    let [a, b] = [&ring[0], &ring[1]].map(|name| world.host(name).unwrap());
    let now = world.now;
    world.network.set_cut(a, b, true, now);
    world.network.set_cut(b, a, true, now);
    world.run_for(secs(60));
    assert!(!anybody_removed(&world), "{:?}", world.ring());
    assert_sound(&world);
}

/// A witness that stands still sends no probes and counts no misses. Its kernel still answers.
#[test]
fn the_kernel_of_a_server_that_stands_still_confirms_nothing() {
    let mut world = pool(5);
    let ring = world.ring();
    let host = world.host(&ring[2]).unwrap();
    rule(&mut world, |pool| pool.rules.mode = Mode::Observe);
    world.run_for(secs(31));
    befall(&mut world, &ring[2], Fault::Stop);
    befall(&mut world, &ring[1], Fault::Crash);
    let said = |world: &crate::World| {
        let asker = world.host(&ring[0]).unwrap();
        let readings = world.hosts[asker].datapath.readings();
        readings.into_iter().find_map(|(_, reading)| reading.testimony)
    };
    world.run_for(secs(2));
    assert!(world.hosts[host].frozen);
    println!("{:?}", said(&world));
    assert!(said(&world).is_none_or(|said| said.misses < 16), "{:?}", said(&world));
    assert!(!anybody_removed(&world));
}
