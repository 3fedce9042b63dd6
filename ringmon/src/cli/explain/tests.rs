//! Nothing that a person can meet is without an explanation.

use std::collections::BTreeSet;

use super::*;
use ringmon_common::{Incident, Verdict as PacketVerdict};
use ringmon_core::blindness::Blindness;
use ringmon_core::edit::Held;
use ringmon_core::evidence::LocalFault;
use ringmon_core::host::HostChange;
use ringmon_core::route::Standing;
use ringmon_core::row::{Health, Mode};
use ringmon_core::{EventKind, Purpose, VoteKind, Word};

const ALERTS: &str = include_str!("../../../packaging/prometheus/ringmon.rules.yml");
const RUNBOOKS: &str = include_str!("../../../../docs/alerts.md");

fn words<T: Word>(all: &[T]) -> impl Iterator<Item = &'static str> {
    all.iter().map(|one| one.word())
}

fn must_explain(section: &str, words: impl IntoIterator<Item = &'static str>) {
    let there: BTreeSet<&str> = entries().filter(|entry| entry.section == section).map(|entry| entry.word).collect();
    let missing: Vec<&str> = words.into_iter().filter(|word| !there.contains(word)).collect();
    assert!(missing.is_empty(), "docs/words.md, \"{section}\", has no entry for {missing:?}");
}

#[test]
fn every_event_state_reason_and_exit_code_is_explained() {
    must_explain("Events", words(EventKind::ALL));
    must_explain("States", ["starting", "joining", "member", "removed", "leaving", "stopped"]);
    must_explain("States", ["alone", "frozen", "braked", "draining", "drained"]);
    must_explain("States", ["none", "xdp-native", "xdp-generic", "tc"]);
    must_explain("States", words(ringmon_core::detector::State::ALL).chain(words(Standing::ALL)));
    must_explain("States", words(VoteKind::ALL).chain(words(Health::ALL)).chain(words(Mode::ALL)));
    must_explain("States", words(Purpose::ALL));
    must_explain("Reasons", words(LocalFault::ALL).chain(words(Held::ALL)).chain(words(Blindness::ALL)));
    must_explain("Reasons", words(HostChange::ALL));
    must_explain("Reasons", PacketVerdict::ALL.iter().map(|it| it.label()));
    must_explain("Reasons", Incident::ALL.iter().map(|it| it.label()));
    must_explain("Reasons", crate::notice::NoticeStats::default().counts().iter().map(|count| count.label));
    must_explain("Exit codes", ["0", "1", "2", "65", "69", "70", "77", "78"]);
}

/// The entry's last paragraph names an alert that is there, or says why there is none.
#[test]
fn every_entry_says_who_is_woken() {
    let known: BTreeSet<&str> = ALERTS.split("- alert: ").skip(1).filter_map(|rule| rule.lines().next()).collect();
    assert!(known.len() > 20, "{known:?}");
    // Rules and terms are no news, and an alert is one itself.
    let news = entries().filter(|entry| !["Rules", "Terms", "Alerts"].contains(&entry.section));
    for Entry { section, word, text } in news {
        let last = text.rsplit("\n\n").next().unwrap_or_default();
        let said = last.strip_prefix("*Alert:* ").unwrap_or_else(|| panic!("{section}, {word}: no alert, no reason"));
        let named: Vec<&str> = said.split('`').skip(1).step_by(2).filter(|name| name.starts_with("Ringmon")).collect();
        assert!(said.starts_with("none: ") == named.is_empty(), "{section}, {word}: {said}");
        for name in named {
            assert!(known.contains(name), "{section}, {word}: there is no alert {name}");
        }
    }
}

#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let rules: BTreeSet<&str> = ALERTS.split("- alert: ").skip(1).filter_map(|rule| rule.lines().next()).collect();
    let headings = RUNBOOKS.lines().filter_map(|line| line.strip_prefix("## ")).filter(|it| it.starts_with("Ringmon"));
    assert_eq!(rules, headings.collect());
    for name in &rules {
        let link = format!("docs/alerts.md#{}", name.to_lowercase());
        assert!(ALERTS.contains(&link), "{name} does not lead to its runbook");
    }
}

/// An alert's name is what somebody has in hand who was woken.
#[test]
fn an_alert_is_explained_by_its_runbook() {
    let named = entries().filter(|entry| entry.section == "Alerts").map(|entry| entry.word);
    let rules = ALERTS.split("- alert: ").skip(1).filter_map(|rule| rule.lines().next());
    assert_eq!(named.collect::<BTreeSet<_>>(), rules.collect());
}

#[test]
fn a_word_is_printed_without_the_marks_of_the_page() {
    let down = entries().find(|entry| entry.word == "down").expect("it is there");
    let text = shown(&down);
    assert!(text.starts_with("down (an event)\n\n") && text.contains("\n\nAlert: "), "{text}");
    assert!(!text.contains('`') && !text.contains('*'), "{text}");
}
