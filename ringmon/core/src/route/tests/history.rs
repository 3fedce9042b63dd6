//! The table goes back in time, and replicas of the one history and the other.

use alloc::vec::Vec;

use super::kit::{Kit, S, row};
use crate::{EventKind, Incarnation, ServerId, ServerRow};

impl Kit {
    /// The rows as they are now.
    fn copy(&self) -> Vec<ServerRow> {
        self.rows.values().cloned().collect()
    }

    fn go_back(&mut self, rows: &[ServerRow]) {
        self.rows = rows.iter().map(|row| (row.id.0, row.clone())).collect();
    }

    /// Its agent takes the row again.
    fn take_again(&mut self, id: i64, life: i64) {
        self.change(id, |row| row.incarnation = Incarnation(life));
    }

    fn shows(&mut self, rows: &[ServerRow]) -> Vec<String> {
        let seen = self.snapshot();
        self.routing.see_all(self.now, rows.to_vec(), &seen);
        self.routed()
    }
}

#[test]
fn a_restart_that_is_lost_is_followed_once_the_agent_takes_its_row_again() {
    let mut kit = Kit::of(3);
    let before = kit.copy();
    kit.take_again(2, 20);
    for _ in 0..5 {
        kit.change(2, |row| row.draining = !row.draining);
    }
    kit.look(&[]);
    assert_eq!(kit.routed(), ["s1", "s3"]);
    kit.go_back(&before);
    kit.look(&[]);
    assert_eq!(kit.routed(), ["s1", "s3"], "it may be a replica that lags");
    kit.take_again(2, 21);
    kit.look(&[]);
    assert_eq!(kit.routed(), ["s1", "s2", "s3"]);
    assert_eq!(kit.routing.went_back(), 1);
    kit.look(&[]);
    assert_eq!(kit.routing.went_back(), 1, "it is said once");
}

#[test]
fn a_dead_server_whose_removal_is_lost_stays_out_and_one_that_lives_comes_back() {
    let mut kit = Kit::of(5);
    let before = kit.copy();
    kit.gone(&[3, 4], Some(EventKind::Down));
    assert_eq!(kit.routed(), ["s1", "s2", "s5"]);
    kit.pass(S * 60);
    kit.go_back(&before);
    let life = kit.db_now().as_us();
    kit.take_again(2, life);
    kit.take_again(4, life);
    for _ in 0..30 {
        kit.look(&[]);
        assert_eq!(kit.routed(), ["s1", "s2", "s4", "s5"], "nobody lives in the row of 3");
        kit.pass(S);
    }
    kit.gone(&[3], Some(EventKind::Down));
    assert_eq!(kit.routed(), ["s1", "s2", "s4", "s5"]);
    assert_eq!(kit.routing.went_back(), 1);
}

#[test]
fn rows_that_nobody_took_again_are_as_the_new_history_has_them() {
    let mut kit = Kit::of(3);
    let before = kit.copy();
    kit.change(3, |row| row.draining = true);
    kit.look(&[]);
    assert_eq!(kit.routed(), ["s1", "s2"]);
    kit.go_back(&before);
    kit.take_again(1, 20);
    kit.look(&[]);
    assert_eq!(kit.routed(), ["s1", "s2"], "one row that was not written since the copy proves nothing");
    kit.change(1, |row| row.incarnation = Incarnation(30));
    let seen = kit.snapshot();
    let proof = ServerRow { version: 1, ..kit.rows[&1].clone() };
    let mut some = seen.clone();
    some.rows.insert(ServerId(1), proof);
    kit.routing.see_some(kit.now, &some);
    assert_eq!(kit.routed(), ["s1", "s2"], "a part is no table");
    kit.look(&[]);
    assert_eq!(kit.routed(), ["s1", "s2", "s3"]);
}

#[test]
fn a_server_whose_join_is_lost_has_ten_seconds_to_join_again() {
    let mut kit = Kit::of(4);
    let before: Vec<ServerRow> = kit.copy().into_iter().take(3).collect();
    kit.change(1, |row| row.first_buddy = ServerId(4));
    kit.look(&[]);
    kit.go_back(&before);
    kit.take_again(1, 20);
    kit.look(&[]);
    assert_eq!(kit.routing.went_back(), 1);
    for _ in 0..9 {
        kit.look(&[]);
        assert_eq!(kit.routed(), ["s1", "s2", "s3", "s4"]);
        kit.pass(S);
    }
    kit.pass(S);
    kit.look(&[]);
    assert_eq!(kit.routed(), ["s1", "s2", "s3"]);
}

#[test]
fn an_id_that_is_given_again_is_another_server() {
    let mut kit = Kit::of(3);
    kit.change(3, |row| row.version = 9);
    kit.look(&[]);
    let mut other = row(3);
    (other.card.name, other.incarnation) = ("s7".into(), Incarnation(20));
    kit.rows.insert(3, other);
    // The one that had the id joins again, and the next id is lower than the one of any other lost join.
    let mut again = row(4);
    (again.card.name, again.incarnation) = ("s3".into(), Incarnation(21));
    kit.rows.insert(4, again);
    kit.look(&[]);
    assert_eq!(kit.routed(), ["s1", "s2", "s3", "s7"]);
}

#[test]
fn of_two_rows_with_a_name_the_later_life_counts_whatever_their_ids() {
    let mut kit = Kit::of(1);
    let mut lost = row(9);
    (lost.card.name, lost.card.clients.weight) = ("s2".into(), 1);
    kit.rows.insert(9, lost.clone());
    kit.look(&[]);
    kit.rows.remove(&9);
    kit.pool_version = 0;
    kit.rows.insert(2, ServerRow { incarnation: Incarnation(2), ..row(2) });
    kit.look(&[]);
    let ids: Vec<i64> = kit.routes().servers.iter().map(|route| route.id.0).collect();
    assert_eq!(ids, [1, 2]);
}

#[test]
fn neither_a_replica_that_stands_still_nor_one_of_the_lost_history_is_believed() {
    let mut kit = Kit::of(5);
    let still = kit.copy();
    kit.change(2, |row| row.draining = true);
    kit.take_again(1, 15);
    kit.gone(&[3], Some(EventKind::Down));
    let lost = kit.copy();
    // The new history begins before all this.
    kit.go_back(&still);
    kit.pass(S);
    let life = kit.db_now().as_us();
    [1, 2, 4].into_iter().for_each(|id| kit.take_again(id, life));
    kit.gone(&[3], Some(EventKind::Down));
    kit.change(5, |row| row.draining = true);
    kit.look(&[]);
    assert_eq!(kit.routed(), ["s1", "s2", "s4"]);
    for _ in 0..60 {
        for rows in [&still, &lost] {
            assert_eq!(kit.shows(rows), ["s1", "s2", "s4"]);
            kit.pass(S);
        }
    }
    assert_eq!(kit.routing.went_back(), 1);
}

#[test]
fn the_end_of_an_earlier_life_ends_no_later_one() {
    let mut kit = Kit::of(5);
    let before = kit.copy();
    let at = kit.db_now();
    kit.pass(S * 5);
    kit.gone(&[3], Some(EventKind::Down));
    let lost = kit.copy();
    kit.go_back(&before);
    kit.pass(S * 60);
    let life = kit.db_now().as_us();
    [1, 2, 3, 4, 5].into_iter().for_each(|id| kit.take_again(id, life));
    kit.look(&[]);
    assert_eq!(kit.routed().len(), 5);
    kit.pass(S);
    // A replica of the lost history, with its event of then.
    let mut seen = kit.snapshot();
    let mut event = kit.ended(3, EventKind::Down);
    event.at = at + S * 5;
    seen.events.insert(ServerId(3), Some(event));
    kit.routing.see_all(kit.now, lost, &seen);
    let during = kit.routed();
    let mut after = Vec::new();
    for _ in 0..100 {
        kit.pass(S * 30);
        kit.look(&[]);
        after.push(kit.routed().len());
    }
    assert_eq!((during.len(), after[0], after[99]), (5, 5, 5));
}

#[test]
fn who_only_seemed_to_be_dead_in_the_lost_history_is_routed_again() {
    let mut kit = Kit::of(5);
    let before = kit.copy();
    kit.pass(S * 5);
    (0..3).for_each(|_| kit.change(1, |_| {}));
    kit.gone(&[3, 4], Some(EventKind::Down));
    kit.go_back(&before);
    kit.pass(S * 60);
    let life = kit.db_now().as_us();
    // 3 stood still all the while, and goes on in its life. 4 is dead.
    [1, 2, 5].into_iter().for_each(|id| kit.take_again(id, life));
    kit.look(&[]);
    assert_eq!(kit.routed().len(), 3, "nobody knows yet");
    kit.pass(S * 2);
    kit.gone(&[4], Some(EventKind::Down));
    kit.pass(S * 89);
    kit.look(&[]);
    assert_eq!(kit.routed(), ["s1", "s2", "s3", "s5"]);
    // A replica of the lost history, in which both were there for a while.
    let seen = kit.snapshot();
    kit.routing.see_all(kit.now, before, &seen);
    assert_eq!(kit.routed(), ["s1", "s2", "s3", "s5"]);
}
