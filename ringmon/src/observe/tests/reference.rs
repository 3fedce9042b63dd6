//! docs/metrics.md is made from the pages: `RINGMON_WRITE=1 cargo test -p ringmon reference` writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::super::metrics::{Form, render, routes};
use super::{board, machine, origin, watch};
use crate::observe::routes::tests::board as routes_board;

const PAGE: &str = "../docs/metrics.md";
const RULES: &str = include_str!("../../../packaging/prometheus/ringmon.rules.yml");

/// Why nobody is woken by a family that no rule names. The longest beginning counts.
const WHY_NONE: &[(&str, &str)] = &[
    ("process_", "general rules of a host watch these"),
    ("ringmon_agent_info", "a fact"),
    ("ringmon_build_info", "a fact; for a table of who runs what"),
    ("ringmon_check_seconds", "how slow a check may be is for its service to say"),
    ("ringmon_consecutive_misses", "a few misses are daily life; what they lead to has a rule"),
    ("ringmon_database_away_seconds", "`ringmon_database_up` says it"),
    ("ringmon_database_operation_seconds", "what a slow database does to removals has a rule"),
    ("ringmon_datapath_info", "a fact"),
    ("ringmon_events_total", "the log says why a line could not be written"),
    ("ringmon_held_total", "every removal is held for a moment; what lasts has a rule"),
    ("ringmon_incarnation", "a fact"),
    ("ringmon_incidents_total", "lost evidence is made up for; for whoever looks into it"),
    ("ringmon_loss_ratio", "the judgement allows for loss"),
    ("ringmon_misses_needed", "what the judgement asks for; for whoever looks into it"),
    ("ringmon_misses_total", "the judgement allows for loss"),
    ("ringmon_notices_total", "those that never arrive have a rule of their own"),
    ("ringmon_probe", "what it leads to has a rule"),
    ("ringmon_recorder_total", "the flight recorder is not needed for the job"),
    ("ringmon_rejoins_total", "the removal before it has a rule"),
    ("ringmon_removals_total", "`ringmon_server_removed_timestamp_seconds` says who"),
    ("ringmon_replies", "normal traffic"),
    ("ringmon_route", "what it leads to has a rule"),
    ("ringmon_rtt_seconds", "the judgement allows for slow networks"),
    ("ringmon_silence", "a suspicion follows from it, and has a rule"),
    ("ringmon_verdicts_total", "most are normal traffic; forged ones have a rule"),
    ("ringmon_voids_total", "a late host has a rule; for whoever looks into it"),
    ("ringmon_votes_total", "the removal that follows has a rule"),
];

#[derive(Debug, Default)]
struct Family {
    kind: String,
    help: String,
    labels: BTreeSet<String>,
    pages: BTreeSet<&'static str>,
}

/// The families of a page in the classic text, where comments name them as their samples do.
fn families(page: &'static str, text: &str, all: &mut BTreeMap<String, Family>) {
    let mut name = String::new();
    for line in text.lines() {
        if let Some((family, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            family.clone_into(&mut name);
            let entry = all.entry(name.clone()).or_default();
            help.clone_into(&mut entry.help);
            entry.pages.insert(page);
        } else if let Some((_, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            kind.clone_into(&mut all.entry(name.clone()).or_default().kind);
        } else if let Some((_, labels)) =
            line.split_once('{').and_then(|(head, rest)| Some((head, rest.rsplit_once('}')?.0)))
        {
            let keys = labels.split("\",").filter_map(|pair| pair.split_once('=')).map(|(key, _)| key.to_owned());
            all.entry(name.clone()).or_default().labels.extend(keys.filter(|key| key != "le"));
        }
    }
}

fn all_families() -> BTreeMap<String, Family> {
    let (origin, machine) = (origin(), machine());
    let mut all = BTreeMap::new();
    let agent = render(board(vec![watch(0, "b", "alive"), watch(1, "c", "unknown")]), &origin, machine).unwrap();
    families("agent", &Form::Classic.of(agent), &mut all);
    let router = routes::render(Arc::new(routes_board()), &origin, machine).unwrap();
    families("router", &Form::Classic.of(router), &mut all);
    all
}

/// The alerts whose rules name this family.
fn alerts(family: &str) -> Vec<&'static str> {
    let names = |rule: &&str| {
        let mut words = rule.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        // A histogram is named by its parts.
        words.any(|word| word.strip_suffix("_bucket").or(word.strip_suffix("_count")).unwrap_or(word) == family)
    };
    let expression = |rule: &'static str| rule.split("labels:").next().unwrap_or_default();
    let rules = RULES.split("- alert: ").skip(1);
    rules.filter(|rule| names(&expression(rule))).filter_map(|rule| rule.lines().next()).map(str::trim).collect()
}

fn alert_line(family: &str) -> String {
    let alerts = alerts(family);
    if !alerts.is_empty() {
        let alerts: Vec<String> = alerts.iter().map(|alert| format!("`{alert}`")).collect();
        return format!("*Alert:* {}.", alerts.join(", "));
    }
    let why = WHY_NONE.iter().filter(|(start, _)| family.starts_with(start)).max_by_key(|(start, _)| start.len());
    let (_, why) = why.unwrap_or_else(|| panic!("{family} has neither an alert nor a reason why none"));
    format!("*Alert:* none: {why}.")
}

fn reference() -> String {
    let mut text = String::from(
        "# Metrics\n\n\
         What an agent (`127.0.0.1:7464/metrics`) and a router (`127.0.0.1:7465/metrics`) show. This page is\n\
         made from the code, and a test holds them against each other. `ringmon explain METRIC` prints an entry.\n\n\
         The pages come in the classic text of Prometheus, and as OpenMetrics 1.0 for whoever asks for\n\
         `application/openmetrics-text`. Durations are in seconds, times in seconds since 1970. A family whose\n\
         subject is not there (no watch, no check, no removal) has no samples. What each value of a label means,\n\
         `ringmon explain VALUE` says; `docs/words.md` is the list. `docs/alerts.md` has the alerts.\n",
    );
    for (name, family) in all_families() {
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let pages: Vec<&str> = family.pages.into_iter().collect();
        let labels = if labels.is_empty() { "none".to_owned() } else { labels.join(", ") };
        let _ = write!(
            text,
            "\n### `{name}`\n\n{}. A {} of the {}; labels: {labels}.\n\n{}\n",
            family.help,
            family.kind,
            pages.join(" and the "),
            alert_line(&name)
        );
    }
    text
}

#[test]
fn the_reference_is_what_the_pages_show() {
    let made = reference();
    if std::env::var_os("RINGMON_WRITE").is_some() {
        std::fs::write(PAGE, &made).unwrap();
    }
    let kept = std::fs::read_to_string(PAGE).unwrap_or_default();
    let differs = made.lines().zip(kept.lines()).find(|(made, kept)| made != kept);
    assert!(
        made == kept,
        "docs/metrics.md is not what the pages show: {differs:?}. `RINGMON_WRITE=1 cargo test -p ringmon reference` \
         writes it anew"
    );
}

#[test]
fn every_rule_names_families_that_are_there() {
    let known = all_families();
    for rule in RULES.split("- alert: ").skip(1) {
        let (name, body) = rule.split_once('\n').unwrap();
        for word in body.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            let base = word.strip_suffix("_bucket").or(word.strip_suffix("_count")).unwrap_or(word);
            let ours = word.starts_with("ringmon_") || word.starts_with("process_");
            assert!(!ours || known.contains_key(base), "{name}: no page has {word}");
        }
    }
}

/// Prometheus' own reader of the classic text, on both pages. It comes with Debian's package `prometheus`.
#[test]
fn promtool_finds_nothing_wrong() {
    let agent = render(board(vec![watch(0, "b", "alive"), watch(1, "c", "unknown")]), &origin(), machine()).unwrap();
    let router = routes::render(Arc::new(routes_board()), &origin(), machine()).unwrap();
    for page in [agent, router].map(|page| Form::Classic.of(page)) {
        let mut command = Command::new("promtool");
        let piped = command.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut promtool = piped.spawn().expect("promtool is needed: apt-get install prometheus");
        promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
        let ended = promtool.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success() && said.trim().is_empty(), "{said}\n{page}");
    }
}

/// The rules are rules, each fires where it should, and none in a healthy pool.
#[test]
fn the_rules_pass_their_own_tests() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/prometheus");
    for words in [
        ["check", "rules", "ringmon.rules.yml"],
        ["test", "rules", "ringmon.rules.test.yml"],
        ["check", "config", "prometheus.yml"],
    ] {
        let ended = Command::new("promtool").args(words).current_dir(folder).output();
        let ended = ended.expect("promtool is needed: apt-get install prometheus");
        let said = [&ended.stdout, &ended.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat();
        assert!(ended.status.success(), "{words:?}: {said}");
    }
}
