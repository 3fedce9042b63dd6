//! Taking out any rule does harm: each story has the right outcome with its rule and a wrong one without it.

use super::kit::seed;
use crate::story::Story;
use ringmon_core::{Rule, Word as _};

#[test]
fn every_rule_has_its_story() {
    let rules: Vec<Rule> = Story::all().iter().map(|story| story.rule).collect();
    assert_eq!(rules, Rule::ALL);
}

#[test]
fn without_any_one_of_the_rules_something_goes_wrong_that_does_not_with_it() {
    let first = seed();
    let mut unproved = Vec::new();
    for story in Story::all() {
        match story.prove(first) {
            Some(proof) => println!("without {}, seed {}: {}", story.rule, proof.seed, proof.without.join("; ")),
            None => unproved.push(format!("{}: {}", story.rule, story.about)),
        }
    }
    assert!(unproved.is_empty(), "no world of {first} and after shows what these are for:\n{}", unproved.join("\n"));
}
