//! What was measured on hosts that are not well, as a second table; and what stands beside every measurement.

use std::fmt::Write;

use ringmon_tests::bench::case::Case;
use ringmon_tests::bench::condition::{self, Condition};
use ringmon_tests::bench::measurement::Measurement;
use ringmon_tests::bench::peers::timing;
use ringmon_tests::bench::profile::Profile;

use super::table::{ms_cell, name, times_cell};

/// The milliseconds within which a crash has to be seen: at the 99th percentile, and each of them.
fn target(profile: &str, condition: Condition) -> Option<(f64, Option<f64>)> {
    let at = ["default", "fast", "turbo"].iter().position(|name| *name == profile)?;
    match condition {
        Condition::Young => Some(([45.0, 28.0, 14.0][at], None)),
        Condition::Fifo | Condition::Timers => Some(([60.0, 45.0, 35.0][at], Some([150.0, 120.0, 100.0][at]))),
        Condition::Quota => Some((120.0, Some(200.0))),
        Condition::Memory | Condition::LossArp => None,
    }
}

/// `None`: there is nothing to show.
pub fn table(seconds: u64, all: &[Measurement]) -> Option<String> {
    let mut text = format!(
        "| condition | | silent crash seen, p50 / p99 / max ms | by both neighbours | removals, {seconds} s | \
         route-outs | suspicions | wake-ups late by > 1 ms, p99 / max |\n|{}\n",
        "---|".repeat(8)
    );
    let mut rows = 0;
    for condition in condition::ALL {
        let mut seen: Vec<(&str, &str)> = Vec::new();
        for one in all.iter().filter(|one| one.case.condition() == Some(condition)) {
            let key = (one.who.as_str(), one.profile.as_str());
            if !seen.contains(&key) {
                seen.push(key);
                let these =
                    |case| all.iter().find(|one| one.case == case && (one.who.as_str(), one.profile.as_str()) == key);
                let row = row(condition, these(Case::CrashSick(condition)), these(Case::Sick(condition)));
                let _ = writeln!(text, "| {condition} | {} | {row} |", name(key.0, key.1).0);
                rows += 1;
            }
        }
    }
    (rows > 0).then_some(text)
}

fn row(condition: Condition, crash: Option<&Measurement>, healthy: Option<&Measurement>) -> String {
    let nothing = |one: Option<&Measurement>| {
        if one.is_some_and(|one| one.problem.is_some()) { "failed" } else { "-" }.to_owned()
    };
    let times = crash.and_then(|one| one.times.as_ref());
    let goal = crash.filter(|one| one.who == "ringmon").and_then(|one| target(&one.profile, condition));
    let seen = times.map_or_else(
        || nothing(crash),
        |times| {
            let most = match goal.and_then(|(_, most)| most) {
                Some(most) if times.max_ms.is_some_and(|max| max <= most) => format!("; max {most}: met"),
                Some(most) => format!("; max {most}: **missed**"),
                None => String::new(),
            };
            times_cell(times, goal.map(|(p99, _)| p99)) + &most
        },
    );
    let both = crash.and_then(|one| one.all.as_ref());
    let both = both.map_or("-".to_owned(), |all| ms_cell([all.all_p50_ms, all.all_p99_ms, all.all_max_ms]));
    let blames = healthy.and_then(|one| one.blames.as_ref());
    let count = |count: Option<u64>, onset: Option<u64>| match count {
        Some(count) => format!("{count} (onset {})", onset.unwrap_or_default()),
        None => nothing(healthy),
    };
    let wakeups = [crash, healthy].into_iter().flatten().filter_map(|one| one.wakeups.as_ref());
    let wakeups: Vec<String> = wakeups
        .map(|one| {
            let [p99, max] =
                [one.wakeup_p99_ms, one.wakeup_max_ms].map(|ms| ms.map_or("-".to_owned(), |ms| format!("{ms:.1}")));
            format!("{:.1} %, {p99} / {max}", one.wakeups_late_percent)
        })
        .collect();
    [
        seen,
        both,
        count(blames.and_then(|one| one.false_removals), blames.and_then(|one| one.onset_removals)),
        count(blames.and_then(|one| one.false_route_outs), blames.and_then(|one| one.onset_route_outs)),
        count(blames.map(|one| one.false_suspicions), blames.map(|one| one.onset_suspicions)),
        wakeups.join("; "),
    ]
    .join(" | ")
}

/// What stands beside the measurements: how late the machine was, slow trials, and the cost beside BIRD's.
pub fn notes(all: &[Measurement]) -> Vec<String> {
    let mut notes = Vec::new();
    for one in all {
        let title = format!("{} {} {}", one.who, one.profile, one.case);
        let mut words: Vec<String> = one.wakeups.iter().map(ToString::to_string).collect();
        words.extend(one.hogs_share.map(|share| format!("hogs had {:.0} % of each processor", share * 100.0)));
        words.extend(one.cells.map(str::to_owned));
        if !words.is_empty() {
            notes.push(format!("{title}: {}", words.join("; ")));
        }
        notes.extend(one.slow.iter().map(|told| format!("{title}, slow {told}")));
    }
    notes.extend(beside_bird(all));
    notes
}

/// What a quiet server costs beside BIRD at the same interval, in the same run.
fn beside_bird(all: &[Measurement]) -> Vec<String> {
    let cost = |who: &str, profile: &str| {
        let one = all.iter().find(|one| one.who == who && one.profile == profile && one.cost.is_some())?;
        one.cost.as_ref().map(|cost| cost.cpu_ms_per_s)
    };
    let of = |profile: Profile| {
        let ours = cost("ringmon", &profile.to_string())?;
        let bird = cost("bird", &timing(profile.interval()))?;
        let share = ours / bird;
        Some(format!("CPU of a quiet server, {profile}: {ours:.1} ms/s, BIRD at that interval {bird:.1}: {share:.2} x"))
    };
    [Profile::Default, Profile::Fast, Profile::Turbo].into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use ringmon_tests::bench::measurement::{Blames, Cost, Times};
    use ringmon_tests::bench::pool::Counts;
    use ringmon_tests::bench::samples::Samples;
    use ringmon_tests::bench::usage::Usage;

    use super::*;

    fn crash(ms: impl Iterator<Item = u32>) -> Measurement {
        let mut samples = Samples::default();
        ms.for_each(|ms| samples.push(f64::from(ms)));
        let mut one = Measurement::new("ringmon", "fast", Case::CrashSick(Condition::Fifo), 5);
        one.times = Some(Times::of(&samples, 0.1));
        one
    }

    #[test]
    fn a_condition_is_one_row_with_its_crashes_and_its_healthy_servers() {
        let mut healthy = Measurement::new("ringmon", "fast", Case::Sick(Condition::Fifo), 5);
        let counts = |suspicions, removals| Counts { suspicions, removals: Some(removals), route_outs: Some(1) };
        healthy.blames = Some(Blames::of((5.0, counts(4, 0)), (60.0, counts(2, 0))));
        let text = table(60, &[crash((0..100).map(|n| if n < 99 { 40 } else { 121 })), healthy]).unwrap();
        let row = text.lines().nth(2).unwrap();
        assert_eq!(
            row,
            "| fifo | **ringmon fast** | 40.0 / 40.0 / 121.0; target 45: met; max 120: **missed** | - | 0 (onset 0) | \
             1 (onset 1) | 2 (onset 4) |  |"
        );
        assert_eq!(text.lines().count(), 3);
    }

    #[test]
    fn without_such_measurements_there_is_no_table() {
        assert_eq!(table(60, &[Measurement::new("ringmon", "fast", Case::Crash, 5)]), None);
    }

    #[test]
    fn costs_are_compared_at_the_same_interval() {
        let quiet = |who: &str, profile: &str, ms: f64| {
            let usage = Usage { threads_ms_per_s: [("x".to_owned(), ms)].into(), ..Usage::default() };
            Measurement { cost: Cost::of(&[usage]), ..Measurement::new(who, profile, Case::Quiet, 5) }
        };
        let all = [quiet("ringmon", "turbo", 12.0), quiet("bird", "3.3 ms x 3", 30.0), quiet("bird", "10 ms x 3", 9.0)];
        assert_eq!(beside_bird(&all), ["CPU of a quiet server, turbo: 12.0 ms/s, BIRD at that interval 30.0: 0.40 x"]);
    }
}
