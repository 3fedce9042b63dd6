mod answers;
mod history;
mod kit;
mod lone;

use super::*;
use crate::Incarnation;
use crate::{Side, Vote, VoteKind};
use kit::{Kit, S, row, slot};

#[test]
fn who_drains_or_fails_or_is_gone_is_not_routed() {
    let mut kit = Kit::of(5);
    kit.change(1, |row| row.draining = true);
    kit.change(2, |row| row.health = Health::Failing);
    kit.change(3, |row| row.health = Health::Unknown);
    kit.look(&[]);
    assert_eq!(kit.routed(), ["s3", "s4", "s5"]);
    let standings: Vec<_> = kit.routes().servers.iter().map(|route| route.standing).collect();
    assert_eq!(standings[..3], [Standing::Draining, Standing::Failing, Standing::Active]);
    kit.gone(&[4], Some(EventKind::Down));
    assert_eq!(kit.routed(), ["s3", "s5"]);
    kit.change(1, |row| row.draining = false);
    kit.change(2, |row| row.health = Health::Passing);
    kit.look(&[]);
    assert_eq!(kit.routed(), ["s1", "s2", "s3", "s5"]);
}

#[test]
fn a_first_vote_takes_out_for_its_lifetime_and_no_longer_however_often_it_is_renewed() {
    let mut kit = Kit::of(5);
    kit.vote(1, 2, Side::First, VoteKind::Host);
    assert_eq!(kit.routed(), ["s1", "s3", "s4", "s5"]);
    kit.pass(S * 29);
    kit.renew(2, Side::First);
    assert_eq!(kit.routed().len(), 4);
    let due = kit.routing.poll_timeout(kit.now).unwrap();
    assert_eq!(due.since(kit.now), S, "it is told when to look again");
    kit.pass(S);
    assert_eq!(kit.routed().len(), 5);
    kit.renew(2, Side::First);
    assert_eq!(kit.routed().len(), 5, "renewed, it is the same vote");
}

#[test]
fn a_second_vote_keeps_it_out_for_as_long_as_both_stand() {
    let mut kit = Kit::of(5);
    kit.vote(1, 2, Side::First, VoteKind::Host);
    kit.pass(S * 20);
    kit.vote(3, 2, Side::Second, VoteKind::Host);
    for _ in 0..6 {
        kit.pass(S * 20);
        kit.renew(2, Side::First);
        kit.renew(2, Side::Second);
        assert_eq!(kit.routed().len(), 4);
    }
    kit.withdraw(2, Side::Second);
    assert_eq!(kit.routed().len(), 5, "the first alone has had its time");
}

#[test]
fn the_same_voter_counts_again_only_after_a_minute_of_hearing() {
    let mut kit = Kit::of(5);
    kit.vote(1, 2, Side::First, VoteKind::Host);
    kit.pass(S);
    kit.withdraw(2, Side::First);
    assert_eq!(kit.routed().len(), 5);
    kit.pass(S * 30);
    kit.vote(1, 2, Side::First, VoteKind::Host);
    assert_eq!(kit.routed().len(), 5, "a link that comes and goes");
    kit.pass(S);
    kit.withdraw(2, Side::First);
    kit.pass(S * 59);
    kit.routes();
    kit.vote(1, 2, Side::First, VoteKind::Host);
    assert_eq!(kit.routed().len(), 5, "the minute counts from the last one");
    kit.pass(S);
    kit.vote(3, 2, Side::Second, VoteKind::Host);
    assert_eq!(kit.routed().len(), 4, "another voter has its own word");
    kit.withdraw(2, Side::First);
    kit.withdraw(2, Side::Second);
    kit.pass(S * 61);
    kit.routes();
    kit.vote(1, 2, Side::First, VoteKind::Host);
    assert_eq!(kit.routed().len(), 4);
}

#[test]
fn two_that_accuse_each_other_are_a_broken_link_and_both_stay() {
    let mut kit = Kit::of(5);
    kit.vote(1, 2, Side::First, VoteKind::Host);
    kit.vote(2, 1, Side::Second, VoteKind::Host);
    assert_eq!(kit.routed().len(), 5);
    kit.vote(3, 2, Side::Second, VoteKind::Host);
    assert_eq!(kit.routed(), ["s1", "s3", "s4", "s5"], "a third one decides it");
}

#[test]
fn a_vote_from_the_future_keeps_nobody_out() {
    for (ahead, routed) in [(Duration::from_secs(1), 2), (Duration::from_secs(3600), 3)] {
        let mut kit = Kit::of(3);
        let (voter, at) = (ServerId(1), kit.db_now() + ahead);
        let vote = Vote { voter, voter_incarnation: Incarnation(1), since: at, at, kind: VoteKind::Host };
        kit.change(2, |row| *slot(row, Side::First) = Some(vote));
        kit.look(&[]);
        assert_eq!(kit.routed().len(), routed, "{ahead:?} ahead");
    }
}

#[test]
fn a_vote_dies_with_its_voters_life() {
    let mut kit = Kit::of(5);
    kit.vote(1, 2, Side::First, VoteKind::Host);
    kit.change(1, |row| row.incarnation = Incarnation(2));
    kit.look(&[]);
    assert_eq!(kit.routed().len(), 5);
}

#[test]
fn agents_that_vanish_together_freeze_the_list() {
    let mut kit = Kit::of(10);
    kit.routes();
    kit.gone(&[1, 2, 3, 4, 5], Some(EventKind::AgentLost));
    assert_eq!(kit.routed().len(), 5, "half is left, and half is enough");
    kit.pass(S * 10);
    kit.gone(&[6], Some(EventKind::AgentLost));
    let routes = kit.routes();
    assert_eq!(routes.panic, Some(Panic { left: 4, of: 10 }));
    assert_eq!(routes.routed().count(), 10);
    let kept = routes.servers.iter().filter(|route| route.standing == Standing::Kept).count();
    assert_eq!(kept, 6);
    kit.pass(S * 3600);
    assert_eq!(kit.routed().len(), 10, "an hour later nothing is better");
    for id in 21..=26 {
        let mut new = row(id);
        new.card.name = format!("s{}", id - 20);
        kit.rows.insert(id, new);
    }
    kit.look(&[]);
    let routes = kit.routes();
    assert_eq!((routes.panic, routes.routed().count()), (None, 10), "they are back");
}

#[test]
fn real_deaths_and_departures_are_no_loss_of_sight() {
    let mut kit = Kit::of(10);
    kit.routes();
    kit.gone(&[1, 2, 3], Some(EventKind::Down));
    assert_eq!(kit.routed().len(), 7);
    kit.gone(&[4, 5, 6, 7], Some(EventKind::Left));
    assert_eq!(kit.routed(), ["s10", "s8", "s9"], "seven of ten, each accounted for");
    kit.change(8, |row| row.draining = true);
    kit.change(9, |row| row.draining = true);
    kit.look(&[]);
    assert_eq!(kit.routed(), ["s10"]);
}

#[test]
fn the_dead_are_named_for_a_minute_or_until_they_are_back() {
    let mut kit = Kit::of(5);
    kit.gone(&[1, 2], Some(EventKind::Down));
    kit.gone(&[3], Some(EventKind::AgentLost));
    kit.gone(&[4], Some(EventKind::Left));
    assert_eq!(kit.routes().dead, ["s1", "s2"]);
    let mut new = row(21);
    new.card.name = "s1".into();
    kit.rows.insert(21, new);
    kit.look(&[]);
    assert_eq!(kit.routes().dead, ["s2"]);
    assert!(kit.routing.poll_timeout(kit.now).unwrap().since(kit.now) <= S * 60);
    kit.pass(S * 60);
    assert_eq!(kit.routes().dead, Vec::<String>::new());
}

#[test]
fn a_table_that_somebody_emptied_empties_no_list() {
    let mut kit = Kit::of(4);
    kit.routes();
    kit.gone(&[1, 2, 3, 4], None);
    let routes = kit.routes();
    assert_eq!(routes.panic, Some(Panic { left: 0, of: 4 }));
    assert_eq!(routes.routed().count(), 4);
}

#[test]
fn a_threshold_of_nothing_freezes_nothing() {
    let mut kit = Kit::with(4, Policy { panic_permille: 0, ..Policy::default() });
    kit.routes();
    kit.gone(&[1, 2, 3, 4], None);
    assert_eq!(kit.routed(), Vec::<String>::new());
}

#[test]
fn whoever_was_routed_long_ago_does_not_count() {
    let mut kit = Kit::of(4);
    kit.routes();
    kit.gone(&[1, 2], Some(EventKind::AgentLost));
    assert_eq!(kit.routed().len(), 2);
    kit.pass(S * 901);
    assert_eq!(kit.routed().len(), 2);
    kit.gone(&[3], Some(EventKind::AgentLost));
    assert_eq!(kit.routed(), ["s4"], "one of two is half");
}

#[test]
fn a_replica_that_lags_brings_nobody_back_and_takes_nobody_away() {
    let mut kit = Kit::of(5);
    kit.change(2, |row| row.draining = true);
    kit.gone(&[1], Some(EventKind::Down));
    assert_eq!(kit.routed(), ["s3", "s4", "s5"]);
    let mut old: Vec<ServerRow> = (1..=5).map(row).collect();
    old.retain(|row| row.id != ServerId(5));
    let seen = kit.snapshot();
    kit.routing.see_all(kit.now, old.clone(), &seen);
    assert_eq!(kit.routed(), ["s3", "s4", "s5"], "5 is not there yet, and 1 and 2 are as they were before");
    kit.look(&[]);
    assert_eq!(kit.routed(), ["s3", "s4", "s5"]);
    // A replica that never catches up has lost the rows that it does not have.
    kit.routing.see_all(kit.now, old.clone(), &seen);
    kit.pass(S * 9);
    kit.routing.see_all(kit.now, old.clone(), &seen);
    assert_eq!(kit.routed(), ["s3", "s4", "s5"]);
    kit.pass(S);
    kit.routing.see_all(kit.now, old, &seen);
    assert_eq!(kit.routed(), ["s3", "s4"]);
}

#[test]
fn the_pools_row_shows_that_a_replica_lags() {
    let mut kit = Kit::with(0, Policy { panic_permille: 0, ..Policy::default() });
    kit.pool_version = 2;
    kit.rows.insert(1, row(1));
    kit.look(&[]);
    assert_eq!(kit.routed(), ["s1"]);
    // A read from before the first server of the pool: there is no row that could be older.
    kit.pool_version = 1;
    let seen = kit.snapshot();
    kit.routing.see_all(kit.now, Vec::new(), &seen);
    assert_eq!(kit.routed(), ["s1"]);
}

#[test]
fn one_row_that_is_not_there_is_no_departure_before_the_table_says_so() {
    let mut kit = Kit::of(5);
    let mut seen = kit.snapshot();
    seen.events.insert(ServerId(3), None);
    kit.routing.see_some(kit.now, &seen);
    assert_eq!(kit.routed().len(), 5, "a replica may not have it yet");
    seen.events.insert(ServerId(3), Some(kit.ended(3, EventKind::Joined)));
    kit.routing.see_some(kit.now, &seen);
    assert_eq!(kit.routed().len(), 5, "it came between the two reads");
    kit.gone(&[3], None);
    assert_eq!(kit.routed(), ["s1", "s2", "s4", "s5"], "somebody deleted it");
}

#[test]
fn a_name_is_its_newest_rows() {
    let mut kit = Kit::of(3);
    let mut seen = kit.snapshot();
    let mut again = row(9);
    (again.card.name, again.card.clients.weight) = ("s2".into(), 50);
    seen.rows.insert(again.id, again.clone());
    kit.routing.see_some(kit.now, &seen);
    let weights =
        |kit: &mut Kit| kit.routes().servers.iter().map(|route| (route.id.0, route.weight)).collect::<Vec<_>>();
    assert_eq!(weights(&mut kit), [(1, 100), (9, 50), (3, 100)]);
    seen.rows = [(ServerId(2), ServerRow { version: 7, ..row(2) })].into();
    kit.routing.see_some(kit.now, &seen);
    assert_eq!(weights(&mut kit), [(1, 100), (9, 50), (3, 100)], "ids grow: 2 was before 9");
}

#[test]
fn a_part_of_the_table_changes_that_part() {
    let mut kit = Kit::of(5);
    let mut seen = kit.snapshot();
    let draining = ServerRow { draining: true, version: 2, ..row(2) };
    seen.rows.insert(draining.id, draining);
    seen.events.insert(ServerId(3), Some(kit.ended(3, EventKind::Down)));
    seen.events.insert(ServerId(77), None);
    kit.routing.see_some(kit.now, &seen);
    assert_eq!(kit.routed(), ["s1", "s4", "s5"]);
}

#[test]
fn a_kept_list_holds_until_the_table_is_read() {
    let mut kit = Kit::of(5);
    let kept = kit.routes();
    let mut later = Routing::new(Policy::default());
    later.recall(kit.now, &kept, S);
    let routes = later.settle(kit.now);
    assert_eq!(routes.routed().count(), 5);
    assert!(routes.servers.iter().all(|route| route.standing == Standing::Kept));
    let seen = kit.snapshot();
    later.see_some(kit.now, &seen);
    assert_eq!(later.settle(kit.now).routed().count(), 5, "a part is no table");
    let rows: Vec<ServerRow> = kit.rows.values().take(2).cloned().collect();
    later.see_all(kit.now, rows, &seen);
    let routes = later.settle(kit.now);
    assert_eq!(routes.panic, Some(Panic { left: 2, of: 5 }), "it counts as seen");
}

#[test]
fn an_old_list_is_no_sighting_and_who_left_meanwhile_is_not_lost() {
    let mut kit = Kit::of(5);
    let kept = kit.routes();
    let rows: Vec<ServerRow> = kit.rows.values().take(2).cloned().collect();
    let mut later = Routing::new(Policy::default());
    later.recall(kit.now, &kept, S * 3600);
    assert_eq!(later.settle(kit.now).routed().count(), 5);
    later.see_all(kit.now, rows.clone(), &kit.snapshot());
    let routes = later.settle(kit.now);
    assert_eq!((routes.panic, routes.servers.len()), (None, 2), "an hour ago is not of late");

    let mut later = Routing::new(Policy::default());
    later.recall(kit.now, &kept, S);
    assert_eq!(later.known(), [1, 2, 3, 4, 5].map(ServerId), "their ends are asked for");
    let mut seen = kit.snapshot();
    for (id, kind) in [(3, EventKind::Left), (4, EventKind::Left), (5, EventKind::Down)] {
        seen.events.insert(ServerId(id), Some(kit.ended(id, kind)));
    }
    later.see_all(kit.now, rows, &seen);
    let routes = later.settle(kit.now);
    assert_eq!((routes.panic, routes.servers.len()), (None, 2), "they left while nobody looked");
    assert_eq!(routes.dead, ["s5"]);
}

#[test]
fn whoever_joins_gets_its_share_by_and_by() {
    let mut kit = Kit::with(2, Policy { slow_start: S * 20, ..Policy::default() });
    kit.rows.insert(3, row(3));
    kit.look(&[]);
    let weights = |kit: &mut Kit| kit.routes().servers.iter().map(|route| route.weight).collect::<Vec<_>>();
    assert_eq!(weights(&mut kit), [100, 100, 10]);
    assert!(kit.routing.poll_timeout(kit.now).unwrap().since(kit.now) <= S);
    kit.pass(S * 10);
    assert_eq!(weights(&mut kit), [100, 100, 50]);
    kit.pass(S * 10);
    assert_eq!(weights(&mut kit), [100, 100, 100]);
}

#[test]
fn a_pick_follows_the_weights() {
    let mut kit = Kit::of(3);
    kit.change(1, |row| row.card.clients.weight = 0);
    kit.change(2, |row| row.card.clients.weight = 300);
    kit.look(&[]);
    let routes = kit.routes();
    let picked = |at: f64| routes.pick(at).unwrap().name.as_str();
    assert_eq!([picked(0.0), picked(0.74), picked(0.76), picked(1.0)], ["s2", "s2", "s3", "s3"]);
    for id in 1..=3 {
        kit.change(id, |row| row.card.clients.weight = 0);
    }
    kit.look(&[]);
    let routes = kit.routes();
    assert_eq!(
        [routes.pick(0.0), routes.pick(0.5), routes.pick(1.0)].map(|r| r.unwrap().name.clone()),
        ["s1", "s2", "s3"]
    );
    assert_eq!(Routes::default().pick(0.5), None);
}
