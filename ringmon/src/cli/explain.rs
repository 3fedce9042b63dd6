//! `ringmon explain WORD`: what a word or an alert of ringmon means, from the pages that are also in the documents.

use super::exit::{Error, Verdict};
use super::out;
use crate::config::nearest;

/// One section (`##`) each for events, states, reasons and exit codes; an entry (`###`) for each word.
const WORDS: &str = include_str!("../../../docs/words.md");
/// An entry for each metric.
const METRICS: &str = include_str!("../../../docs/metrics.md");

/// A runbook for each alert.
const ALERTS: &str = include_str!("../../../docs/alerts.md");

/// What a page says of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The heading above it, such as `Events`.
    pub(super) section: &'static str,
    pub(super) word: &'static str,
    pub(super) text: &'static str,
}

/// All entries, in the order of the pages.
pub(super) fn entries() -> impl Iterator<Item = Entry> {
    let sections = WORDS.split("\n## ").skip(1).filter_map(|section| section.split_once('\n'));
    let words = sections.chain([("Metrics", METRICS)]).flat_map(|(section, body)| {
        let parts = body.split("\n### `").skip(1).filter_map(|part| part.split_once("`\n"));
        parts.map(move |(word, text)| Entry { section, word, text: text.trim() })
    });
    let runbooks = ALERTS.split("\n## ").skip(1).filter_map(|part| part.split_once('\n'));
    let alerts = runbooks.filter(|(name, _)| name.starts_with("Ringmon"));
    words.chain(alerts.map(|(word, text)| Entry { section: "Alerts", word, text: text.trim() }))
}

/// Prints every entry of this word; without one, all words.
pub fn run(word: Option<&str>) -> anyhow::Result<Verdict> {
    let Some(word) = word else {
        out::line(&list())?;
        return Ok(Verdict::Ok);
    };
    let found: Vec<String> = entries().filter(|entry| entry.word == word).map(|entry| shown(&entry)).collect();
    if found.is_empty() {
        let near = nearest(word, entries().map(|entry| entry.word));
        let hint =
            near.map_or_else(|| "`ringmon explain` lists the words".to_owned(), |near| format!("did you mean {near}?"));
        return Err(Error::NotThere(format!("\"{word}\" is no word of ringmon's; {hint}")).into());
    }
    out::line(&found.join("\n\n"))?;
    Ok(Verdict::Ok)
}

fn shown(entry: &Entry) -> String {
    let kind = match entry.section {
        "Events" => "an event",
        "States" => "a state",
        "Reasons" => "a reason",
        "Exit codes" => "an exit code",
        "Rules" => "a rule of the pool",
        "Terms" => "a term",
        "Alerts" => "an alert",
        _ => "a metric",
    };
    format!("{} ({kind})\n\n{}", entry.word, plain(entry.text))
}

/// Without the marks of the page.
fn plain(text: &str) -> String {
    text.replace("*Alert:*", "Alert:").replace(['`', '*'], "")
}

fn list() -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut section = "";
    for entry in entries() {
        if entry.section != section {
            section = entry.section;
            lines.push(format!("{}{section}", if lines.is_empty() { "" } else { "\n" }));
        }
        lines.push(format!("  {}", entry.word));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests;
