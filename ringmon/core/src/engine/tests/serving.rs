//! What a server's row says of its service: its health, and its share of the clients.

use super::kit::{Bench, ms, ring};
use crate::engine::Input;
use crate::event::EventKind;
use crate::row::Health;

#[test]
fn the_service_health_is_answered_and_written() {
    let mut bench = Bench::member(2);
    bench.feed(Input::Service(Health::Failing));
    assert_eq!(bench.answers_as.map(|(_, health)| health), Some(Health::Failing));
    bench.fail("connection lost", true);
    bench.pass(ms(200));
    bench.settle();
    assert_eq!(bench.table.named("s9").map(|r| r.health), Some(Health::Failing));
    assert_eq!(bench.told(EventKind::Service), 1);
}

#[test]
fn another_weight_is_written_until_it_stands_in_the_row() {
    let mut bench = Bench::member(3);
    let weight = |bench: &Bench| bench.table.named("s9").map(|row| row.card.clients.weight);
    let before = weight(&bench).expect("a row");
    bench.feed(Input::Weight(before));
    bench.settle();
    assert_eq!(bench.told(EventKind::Service), 0, "it is what it was");
    bench.feed(Input::Weight(before + 1));
    bench.fail("connection lost", true);
    bench.pass(ms(200));
    bench.settle();
    assert_eq!(weight(&bench), Some(before + 1));
    assert_eq!(bench.told(EventKind::Service), 1);
}

/// A restart of the agent, or another join, would write what its identity says.
#[test]
fn a_weight_of_before_the_join_is_what_it_joins_with() {
    let mut bench = Bench::new(9, ring(3));
    bench.feed(Input::Start { kept: None });
    bench.feed(Input::Weight(7));
    bench.settle();
    bench.prove();
    bench.settle();
    assert_eq!(bench.table.named("s9").map(|row| row.card.clients.weight), Some(7));
}
