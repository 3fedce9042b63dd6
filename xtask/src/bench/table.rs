//! The results as one Markdown table, with the promised values beside the measured ones.

use std::fmt::Write;

use ringmon_tests::bench::case::Case;
use ringmon_tests::bench::hogs::HOGS;
use ringmon_tests::bench::machine::Machine;
use ringmon_tests::bench::measurement::{Blames, Measurement, Times};
use ringmon_tests::bench::pool::LOSS_PERCENT;
use ringmon_tests::bench::samples::ENOUGH_FOR_P99;
use ringmon_tests::bench::steady::ONSET;

use super::plan::Plan;
use super::sick;

/// What was promised: milliseconds at the 99th percentile, and milliseconds of processor time a second.
#[derive(Clone, Copy)]
struct Target {
    profile: &'static str,
    crash: f64,
    crash_all: f64,
    crash_loss: f64,
    cpu: f64,
    killed: f64,
    commit: Option<f64>,
}

const TARGETS: [Target; 3] = [
    Target {
        profile: "default",
        crash: 45.0,
        crash_all: 45.0,
        crash_loss: 100.0,
        cpu: 5.0,
        killed: 30.0,
        commit: Some(150.0),
    },
    Target { profile: "fast", crash: 25.0, crash_all: 30.0, crash_loss: 80.0, cpu: 8.0, killed: 20.0, commit: None },
    Target { profile: "turbo", crash: 12.0, crash_all: 18.0, crash_loss: 65.0, cpu: 25.0, killed: 12.0, commit: None },
];

struct Row<'a> {
    who: &'a str,
    profile: &'a str,
    of: Vec<&'a Measurement>,
}

/// The table and the notes below it.
pub fn text(machine: &Machine, plan: &Plan, all: &[Measurement]) -> String {
    let mut text = format!("{machine}; {} servers a pool.\n", plan.servers);
    let rows = rows(all);
    if !rows.is_empty() {
        let _ = write!(text, "\n{}", heads(plan));
    }
    for row in rows {
        let _ = writeln!(text, "{}", row.line());
    }
    if let Some(sick) = sick::table(plan.span.as_secs(), all) {
        let _ = write!(text, "\n{sick}");
    }
    let _ = write!(text, "\n{}", notes(all));
    for one in all {
        if let Some(problem) = &one.problem {
            let first = problem.lines().next().unwrap_or_default();
            let _ = write!(text, "\n- {} {} {}: not measured to its end: {first}", one.who, one.profile, one.case);
        }
    }
    text
}

fn heads(plan: &Plan) -> String {
    let seconds = plan.span.as_secs();
    let heads = [
        String::new(),
        "silent crash seen, p50 / p99 / max ms".to_owned(),
        "CPU ms/s a server".to_owned(),
        format!("false downs: {HOGS} CPU hogs {seconds} s"),
        format!("false downs: {LOSS_PERCENT} % loss each way {seconds} s"),
        format!("false downs: both {seconds} s"),
        "crash under that loss seen".to_owned(),
        "crash under those hogs seen".to_owned(),
        "crash to committed removal".to_owned(),
        "agent killed seen".to_owned(),
        "agent frozen seen".to_owned(),
        "silent crash seen by both neighbours".to_owned(),
        "memory MiB".to_owned(),
        "host or agent?".to_owned(),
    ];
    format!("| {} |\n|{}\n", heads.join(" | "), "---|".repeat(heads.len()))
}

/// In the order of measurement, without those of hosts that are not well.
fn rows(all: &[Measurement]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row> = Vec::new();
    for one in all.iter().filter(|one| one.case.condition().is_none()) {
        match rows.iter_mut().find(|row| row.who == one.who && row.profile == one.profile) {
            Some(row) => row.of.push(one),
            None => rows.push(Row { who: &one.who, profile: &one.profile, of: vec![one] }),
        }
    }
    rows
}

/// What a detector is called in the tables, and whether it tells a host from an agent.
pub fn name(who: &str, profile: &str) -> (String, &'static str) {
    match who {
        "bird" => (format!("BIRD BFD {profile}"), "no"),
        "frr" => (format!("FRR bfdd {profile}"), "no"),
        "keepalived-bfd" => (format!("keepalived BFD {profile}"), "no"),
        "keepalived-vrrp" => (format!("keepalived VRRP {profile}"), "no"),
        who => (format!("**{who} {profile}**"), "yes"),
    }
}

impl Row<'_> {
    fn line(&self) -> String {
        let target = TARGETS.iter().find(|target| self.who == "ringmon" && target.profile == self.profile);
        let (name, knows) = name(self.who, self.profile);
        let cells = [
            name,
            self.times(Case::Crash, target.map(|target| target.crash)),
            self.cpu(target.map(|target| target.cpu)),
            self.blames(Case::Hogs),
            self.blames(Case::Loss),
            self.blames(Case::Both),
            self.times(Case::CrashLoss, target.map(|target| target.crash_loss)),
            self.times(Case::CrashHogs, None),
            self.times(Case::CrashCommit, target.and_then(|target| target.commit)),
            self.silent(Case::AgentKill, target.map(|target| target.killed)),
            self.silent(Case::AgentStop, None),
            self.all(target.map(|target| target.crash_all)),
            self.memory(),
            knows.to_owned(),
        ];
        format!("| {} |", cells.join(" | "))
    }

    fn find(&self, case: Case) -> impl Iterator<Item = &Measurement> {
        self.of.iter().copied().filter(move |one| one.case == case)
    }

    fn times(&self, case: Case, target: Option<f64>) -> String {
        let several = self.find(case).count() > 1;
        let cell = |one: &Measurement| {
            let name = one.database.as_deref().filter(|_| several).map_or(String::new(), |name| format!("{name} "));
            one.times.as_ref().map_or_else(|| missing(one), |times| format!("{name}{}", times_cell(times, target)))
        };
        or_nothing(self.find(case).map(cell).collect::<Vec<_>>().join("; "))
    }

    /// Of killed and frozen agents, what both neighbours have seen stands in the same cell.
    fn silent(&self, case: Case, target: Option<f64>) -> String {
        let all = self.find(case).filter_map(|one| one.all.as_ref());
        let both = all.map(|all| format!("; both {}", ms_cell([all.all_p50_ms, all.all_p99_ms, all.all_max_ms])));
        self.times(case, target) + &both.collect::<String>()
    }

    fn all(&self, target: Option<f64>) -> String {
        let cell = |one: &Measurement| {
            let all = one.all.as_ref()?;
            let few = one.times.as_ref().is_some_and(|times| times.trials < ENOUGH_FOR_P99);
            Some(ms_cell([all.all_p50_ms, all.all_p99_ms, all.all_max_ms]) + &p99_verdict(few, all.all_p99_ms, target))
        };
        or_nothing(self.find(Case::Crash).filter_map(cell).collect())
    }

    fn cpu(&self, target: Option<f64>) -> String {
        let cell = |one: &Measurement| {
            one.cost.as_ref().map_or_else(
                || missing(one),
                |cost| {
                    let [least, cpu, most] = [cost.cpu_least_ms_per_s, cost.cpu_ms_per_s, cost.cpu_most_ms_per_s];
                    format!("{cpu:.1} ({least:.1} to {most:.1}){}", verdict(Some(cpu), target))
                },
            )
        };
        or_nothing(self.find(Case::Quiet).map(cell).collect())
    }

    fn memory(&self) -> String {
        let cell =
            |one: &Measurement| one.cost.as_ref().map_or_else(|| missing(one), |cost| format!("{:.1}", cost.rss_mib));
        or_nothing(self.find(Case::Quiet).map(cell).collect())
    }

    fn blames(&self, case: Case) -> String {
        let cell = |one: &Measurement| one.blames.as_ref().map_or_else(|| missing(one), blames_cell);
        or_nothing(self.find(case).map(cell).collect())
    }
}

fn missing(one: &Measurement) -> String {
    if one.problem.is_some() { "failed".to_owned() } else { String::new() }
}

fn or_nothing(cell: String) -> String {
    if cell.is_empty() { "-".to_owned() } else { cell }
}

pub fn times_cell(times: &Times, target: Option<f64>) -> String {
    let unseen = if times.unseen > 0 { format!(", {} not seen", times.unseen) } else { String::new() };
    let few = if times.trials < ENOUGH_FOR_P99 { format!(" ({} trials)", times.trials) } else { String::new() };
    let verdict = p99_verdict(times.trials < ENOUGH_FOR_P99, times.p99_ms, target);
    format!("{}{few}{unseen}{verdict}", ms_cell([times.p50_ms, times.p99_ms, times.max_ms]))
}

pub fn ms_cell(times: [Option<f64>; 3]) -> String {
    times.map(|ms| ms.map_or("-".to_owned(), |ms| format!("{ms:.1}"))).join(" / ")
}

fn p99_verdict(few: bool, p99_ms: Option<f64>, target: Option<f64>) -> String {
    match target {
        Some(target) if few => format!("; target {target}: too few trials"),
        _ => verdict(p99_ms, target),
    }
}

/// A target, and whether it was met. A crash that was not seen has no number and did not meet it.
fn verdict(measured: Option<f64>, target: Option<f64>) -> String {
    let Some(target) = target else { return String::new() };
    let met = measured.is_some_and(|measured| measured <= target);
    format!("; target {target}: {}", if met { "met" } else { "**missed**" })
}

fn blames_cell(blames: &Blames) -> String {
    match blames.false_removals {
        None => format!("{} (onset {})", blames.false_suspicions, blames.onset_suspicions),
        Some(removals) => {
            let met = if removals == 0 { "met" } else { "**missed**" };
            format!(
                "{removals}; target 0: {met} (suspicions {}; onset {} removals, {} suspicions)",
                blames.false_suspicions,
                blames.onset_removals.unwrap_or_default(),
                blames.onset_suspicions
            )
        }
    }
}

fn notes(all: &[Measurement]) -> String {
    let blow = |hogs: bool| {
        let these = all.iter().filter(|one| one.case.has_hogs() == hogs);
        these.filter_map(|one| one.times.as_ref()).map(|times| times.blow_max_ms).fold(0.0, f64::max)
    };
    let mut notes = vec![
        "A silent crash: the bridge's port passes nothing, the carrier stays up, the processes are frozen. \
         Seen: the first suspicion by a neighbour (BFD: its session goes down); by both: the second one. \
         p99 by nearest rank, of at least 100 trials, otherwise \"-\"."
            .to_owned(),
        "Crashes are trials in a pool that only observes. Between two crashes a watch rests for 1.5 s or 70 intervals, \
         whichever is longer: a watch that has just missed probes rightly asks for more evidence."
            .to_owned(),
        format!(
            "Loss: {LOSS_PERCENT} of 100 IP packets between servers, each way, at random and each packet for itself; \
             ARP is spared. Hogs: {HOGS} busy loops of ordinary priority. \
             Onset: the first {} s of a load, counted separately; no crash falls into it.",
            ONSET.as_secs()
        ),
        "False downs: for ringmon removals, with suspicions beside them; for BFD sessions that went down, \
         each end counted. All servers were healthy."
            .to_owned(),
        "CPU: scheduler's time of all threads in a quiet pool, the mean of all servers, the median of five spans of \
         5 s (least to most); each server has two watches. Memory: the largest of all."
            .to_owned(),
        format!(
            "No time is too short by how it was measured. It may be too long by as much as the blow itself took: \
             at most {:.2} ms, under hogs {:.2} ms.",
            blow(false),
            blow(true)
        ),
    ];
    for one in all.iter().filter(|one| one.cost.is_some()) {
        if let Some(cost) = &one.cost {
            let threads: Vec<String> =
                cost.threads_ms_per_s.iter().map(|(name, ms)| format!("{name} {ms:.2}")).collect();
            notes.push(format!(
                "{} {}, ms/s a server: {} a watch; threads: {}; soft interrupts (sampled) {:.2}; \
                 all that the machine was busy {:.2}.",
                one.who,
                one.profile,
                format_args!("{:.2}", cost.cpu_ms_per_s_a_watch),
                threads.join(", "),
                cost.softirq_ms_per_s,
                cost.busy_ms_per_s
            ));
        }
    }
    notes.extend(sick::notes(all));
    notes.iter().map(|note| format!("- {note}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
