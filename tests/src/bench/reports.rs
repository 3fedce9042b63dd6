//! What detectors report about servers, in one vocabulary for all of them.

use std::collections::BTreeMap;

/// What is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is heard: alive, or a session that is up.
    Heard,
    /// It is not heard any more: suspect, or a session that went down.
    Silent,
    /// Its host answers, but its agent does not.
    AgentSilent,
}

/// What one server says about another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// When it was found, in nanoseconds of the monotonic clock.
    pub at_ns: u64,
    /// The name of the server that says so.
    pub by: String,
    /// The name of the server that it is about.
    pub of: String,
    /// The report itself.
    pub kind: Kind,
}

/// All reports, in the order in which they were read.
#[derive(Clone, Debug, Default)]
pub struct Reports {
    all: Vec<Report>,
    last: BTreeMap<(String, String), Kind>,
}

impl Reports {
    /// Adds a report.
    pub fn tell(&mut self, report: Report) {
        self.last.insert((report.by.clone(), report.of.clone()), report.kind);
        self.all.push(report);
    }

    /// All detectors start anew: nobody hears anybody yet.
    pub fn forget(&mut self) {
        self.last.clear();
    }

    /// When the last report was made that a server is heard.
    #[must_use]
    pub fn last_heard_ns(&self) -> u64 {
        self.all.iter().filter(|report| report.kind == Kind::Heard).map(|report| report.at_ns).max().unwrap_or_default()
    }

    /// The number of reports: the index of the next one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are no reports.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether the last report of `by` on `of` is that it is heard.
    #[must_use]
    pub fn hears(&self, by: &str, of: &str) -> bool {
        self.last.get(&(by.to_owned(), of.to_owned())) == Some(&Kind::Heard)
    }

    /// When `by` first reported this of `of` at `since_ns` or later, among the reports from index `from` on.
    #[must_use]
    pub fn first(&self, from: usize, since_ns: u64, kind: Kind, by: &str, of: &str) -> Option<u64> {
        let said =
            |report: &&Report| report.kind == kind && report.at_ns >= since_ns && report.by == by && report.of == of;
        self.all.get(from..)?.iter().filter(said).map(|report| report.at_ns).min()
    }

    /// How many reports say that a server is silent, at `from_ns` or later and before `to_ns`.
    #[must_use]
    pub fn suspicions(&self, from_ns: u64, to_ns: u64) -> u64 {
        let span = from_ns..to_ns;
        self.all.iter().filter(|report| report.kind == Kind::Silent && span.contains(&report.at_ns)).count() as u64
    }

    /// The last reports, for messages.
    #[must_use]
    pub fn last_words(&self) -> String {
        let begin = self.all.len().saturating_sub(20);
        let line = |report: &Report| {
            let seconds = std::time::Duration::from_nanos(report.at_ns).as_secs_f64();
            format!("  {seconds:.6} {}: {} is {:?}", report.by, report.of, report.kind)
        };
        self.all[begin..].iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(at_ns: u64, by: &str, of: &str, kind: Kind) -> Report {
        Report { at_ns, by: by.to_owned(), of: of.to_owned(), kind }
    }

    #[test]
    fn the_last_word_counts_and_of_each_watcher_alone() {
        let mut reports = Reports::default();
        reports.tell(report(1, "a", "b", Kind::Heard));
        assert!(reports.hears("a", "b") && !reports.hears("b", "a"));
        reports.tell(report(2, "a", "b", Kind::AgentSilent));
        assert!(!reports.hears("a", "b"));
    }

    #[test]
    fn what_was_said_before_the_blow_is_no_answer_to_it() {
        let mut reports = Reports::default();
        reports.tell(report(5, "a", "b", Kind::Silent));
        let from = reports.len();
        reports.tell(report(6, "a", "b", Kind::Silent));
        reports.tell(report(12, "a", "b", Kind::Silent));
        reports.tell(report(11, "a", "b", Kind::Silent));
        assert_eq!(reports.first(from, 10, Kind::Silent, "a", "b"), Some(11));
        assert_eq!(reports.first(from, 13, Kind::Silent, "a", "b"), None);
        assert_eq!(reports.suspicions(5, 12), 3);
    }
}
