//! A slice of the search that takes a minute unoptimised. `cargo xtask prove` does the rest. The limit in time is far
//! longer: what a world has in it does not depend on how busy a machine is.

use std::time::Duration;

use super::{Case, End, Kind, Limits, Report, World, search};
use ringmon_core::Rule;

const LIMITS: Limits = Limits { states: 1_000_000, time: Duration::from_secs(600), every: 20 };

fn run(world: &World) -> Report {
    let report = search(world, LIMITS, &mut |_, _| {});
    println!("{world}: {} states, {} steps, depth {}", report.states, report.steps, report.depth);
    report
}

fn holds(world: &World) {
    let report = run(world);
    assert_eq!(report.end, End::Complete, "{world}");
    assert!(report.states > 100 && report.ended_well > 0, "{report:?}: the search is broken");
}

fn breaks(world: &World) -> Vec<String> {
    match run(world).end {
        End::Found { story, .. } => story,
        end => panic!("{world}: {end:?}"),
    }
}

#[test]
fn two_servers_keep_their_promises_in_every_order() {
    holds(&World::new(2, 1));
}

#[test]
fn a_dead_one_of_three_goes_in_every_order() {
    holds(&World::new(3, 1).only(&[Kind::Dead, Kind::Link, Kind::Database, Kind::LostAnswer]));
}

/// P1: without the wait, and where an answer takes longer than the accused's row says, a cut removes who lives.
#[test]
fn the_wait_for_an_answer_is_what_keeps_the_other_half_of_a_cut() {
    let cut = World::new(4, 1).only(&[Kind::Halves]).lasting();
    let story = breaks(&cut.clone().without(&[Rule::R3]));
    assert!(story[0].contains("cut off"), "{story:?}");
    breaks(&cut.without(&[Rule::R4]));
    breaks(&World::new(4, 2).only(&[Kind::Halves, Kind::Late]).lasting());
}

#[test]
fn what_other_rules_are_for_is_found() {
    for rule in [Rule::R2, Rule::R7] {
        breaks(&World::new(3, 1).without(&[rule]));
    }
}

/// Without the conflict it is right: `ringmon sim search --world isolated`, which takes a minute unoptimised.
#[test]
fn a_removal_that_goes_on_after_a_conflict_does_not_see_a_proof() {
    let isolated = World::new(4, 1).only(&[Kind::Isolated]);
    breaks(&World { stubborn: true, ..isolated });
}

#[test]
fn every_world_has_a_name_of_its_own() {
    let mut names: Vec<&str> = Case::all().iter().map(|case| case.name).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
    assert!(Case::all().iter().all(|case| case.quick || !case.breaks));
}
