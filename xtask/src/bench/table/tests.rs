use ringmon_tests::bench::measurement::{All, Cost};
use ringmon_tests::bench::pool::Counts;
use ringmon_tests::bench::samples::Samples;
use ringmon_tests::bench::usage::Usage;

use super::*;

fn times(who: &str, profile: &str, case: Case, ms: impl Iterator<Item = u32>) -> Measurement {
    let mut samples = Samples::default();
    ms.for_each(|ms| samples.push(f64::from(ms)));
    Measurement { times: Some(Times::of(&samples, 0.1)), ..Measurement::new(who, profile, case, 5) }
}

fn cells(of: &[Measurement]) -> Vec<String> {
    let rows = rows(of);
    assert_eq!(rows.len(), 1);
    rows[0].line().split(" | ").map(|cell| cell.trim_matches(['|', ' ']).to_owned()).collect()
}

#[test]
fn a_target_is_met_or_missed_by_its_p99() {
    let cells_of =
        |worst: u32| cells(&[times("ringmon", "fast", Case::Crash, (0..100).map(|n| if n < 98 { 10 } else { worst }))]);
    assert_eq!(cells_of(25)[1], "10.0 / 25.0 / 25.0; target 25: met");
    assert_eq!(cells_of(26)[1], "10.0 / 26.0 / 26.0; target 25: **missed**");
    assert_eq!(cells_of(26)[0], "**ringmon fast**");
    assert_eq!(cells_of(26)[2], "-");
}

#[test]
fn what_both_neighbours_saw_has_its_own_target() {
    let mut one = times("ringmon", "fast", Case::Crash, (0..100).map(|_| 10));
    let mut samples = Samples::default();
    (0..100).for_each(|n| samples.push(if n < 98 { 12.0 } else { 31.0 }));
    one.all = All::of(&samples);
    assert_eq!(cells(&[one])[11], "12.0 / 31.0 / 31.0; target 30: **missed**");
}

#[test]
fn a_killed_agent_has_a_target_and_is_seen_by_both() {
    let mut one = times("ringmon", "fast", Case::AgentKill, (0..100).map(|_| 15));
    let mut samples = Samples::default();
    (0..100).for_each(|_| samples.push(19.0));
    one.all = All::of(&samples);
    assert_eq!(cells(&[one])[9], "15.0 / 15.0 / 15.0; target 20: met; both 19.0 / 19.0 / 19.0");
}

#[test]
fn few_trials_meet_nothing() {
    let cells = cells(&[times("ringmon", "fast", Case::Crash, 1..=20)]);
    assert_eq!(cells[1], "10.0 / - / 20.0 (20 trials); target 25: too few trials");
}

#[test]
fn a_crash_that_was_not_seen_misses_the_target() {
    let mut samples = Samples::default();
    (0..98).for_each(|_| samples.push(10.0));
    (0..2).for_each(|_| samples.push_unseen());
    let one =
        Measurement { times: Some(Times::of(&samples, 0.1)), ..Measurement::new("ringmon", "fast", Case::Crash, 5) };
    assert_eq!(cells(&[one])[1], "10.0 / - / -, 2 not seen; target 25: **missed**");
}

#[test]
fn peers_have_no_targets_and_no_removals() {
    let counts = |suspicions| Counts { suspicions, removals: None, route_outs: None };
    let mut loss = Measurement::new("bird", "10 ms x 3", Case::Loss, 5);
    loss.blames = Some(Blames::of((5.0, counts(7)), (60.0, counts(138))));
    let cells = cells(&[times("bird", "10 ms x 3", Case::Crash, 1..=100), loss]);
    assert_eq!(cells[0], "BIRD BFD 10 ms x 3");
    assert_eq!(cells[1], "50.0 / 99.0 / 100.0");
    assert_eq!(cells[4], "138 (onset 7)");
    assert_eq!(cells.last().map(String::as_str), Some("no"));
}

#[test]
fn a_false_removal_misses_the_target_and_a_suspicion_is_shown() {
    let of = |removals| {
        let mut one = Measurement::new("ringmon", "turbo", Case::Both, 5);
        let counts = |suspicions, removals| Counts { suspicions, removals: Some(removals), route_outs: None };
        one.blames = Some(Blames::of((5.0, counts(4, 0)), (60.0, counts(2, removals))));
        cells(&[one])[5].clone()
    };
    assert_eq!(of(0), "0; target 0: met (suspicions 2; onset 0 removals, 4 suspicions)");
    assert!(of(1).starts_with("1; target 0: **missed**"));
}

#[test]
fn two_databases_are_told_apart_and_failures_are_said() {
    let mut sqlite = times("ringmon", "default", Case::CrashCommit, 1..=100);
    sqlite.database = Some("sqlite".to_owned());
    let mut mariadb = Measurement::new("ringmon", "default", Case::CrashCommit, 5);
    mariadb.database = Some("mariadb".to_owned());
    mariadb.problem = Some("it did not start".to_owned());
    assert_eq!(cells(&[sqlite, mariadb])[8], "sqlite 50.0 / 99.0 / 100.0; target 150: met; failed");
}

#[test]
fn costs_are_in_the_table_and_threads_in_the_notes() {
    let usage =
        |ms| Usage { threads_ms_per_s: [("ringmon-sender".to_owned(), ms)].into(), rss_mib: 7.5, ..Usage::default() };
    let mut one = Measurement::new("ringmon", "default", Case::Quiet, 5);
    one.cost = Cost::of(&[6.0, 3.0, 4.0].map(usage));
    let cells = cells(std::slice::from_ref(&one));
    assert_eq!((cells[2].as_str(), cells[12].as_str()), ("4.0 (3.0 to 6.0); target 5: met", "7.5"));
    assert!(notes(&[one]).contains("2.00 a watch; threads: ringmon-sender 4.00"));
}
