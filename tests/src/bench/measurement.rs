//! One line of `bench detect --json`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::case::Case;
use super::pool::Counts;
use super::samples::Samples;
use super::slow::Told;
use super::usage::Usage;
use super::wakeups::Wakeups;

/// What was measured. A value that does not apply is missing from the line.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub struct Measurement {
    /// Always `detect`.
    pub bench: &'static str,
    /// `ringmon`, `bird`, `frr`, `keepalived-bfd` or `keepalived-vrrp`.
    pub who: String,
    /// The detector's profile, or its interval and multiplier.
    pub profile: String,
    /// Which measurement it is.
    pub case: Case,
    /// Where the server table was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// How many servers the pool has.
    pub servers: u8,
    #[serde(flatten)]
    /// How long it took, over the trials.
    pub times: Option<Times>,
    #[serde(flatten)]
    /// How long it took until all neighbours had seen it.
    pub all: Option<All>,
    #[serde(flatten)]
    /// How often healthy servers were blamed.
    pub blames: Option<Blames>,
    #[serde(flatten)]
    /// What the detector cost.
    pub cost: Option<Cost>,
    #[serde(flatten)]
    /// How late the machine woke threads meanwhile.
    pub wakeups: Option<Wakeups>,
    /// The share of each processor that real-time hogs had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hogs_share: Option<f64>,
    /// Which file limits the detectors' control groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cells: Option<&'static str>,
    /// Trials that took more than twice the median, or were not seen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub slow: Vec<Told>,
    /// Why it could not be measured, or not to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// In milliseconds since the blow.
#[derive(Clone, Debug, Serialize)]
pub struct Times {
    /// How many trials there were.
    pub trials: usize,
    /// How many of them were not seen in time; they count as slower than all others.
    pub unseen: usize,
    /// The median.
    pub p50_ms: Option<f64>,
    /// The 99th percentile; none with fewer than 100 trials.
    pub p99_ms: Option<f64>,
    /// The largest; none if one trial was not seen.
    pub max_ms: Option<f64>,
    /// The longest that striking took: every time may be too long by this much, and is never too short.
    pub blow_max_ms: f64,
}

/// The same until the last neighbour saw it. A trial that one of them did not see has no end.
#[derive(Clone, Debug, Serialize)]
pub struct All {
    /// The median.
    pub all_p50_ms: Option<f64>,
    /// The 99th percentile; none with fewer than 100 trials.
    pub all_p99_ms: Option<f64>,
    /// The largest; none if one trial was not seen.
    pub all_max_ms: Option<f64>,
}

/// Reports about healthy servers, all of them false.
#[derive(Clone, Debug, Serialize)]
pub struct Blames {
    /// How long the pool was watched, after the onset of the load.
    pub seconds: f64,
    /// Suspicions, counted for each watcher. A BFD session that goes down is one at each end.
    pub false_suspicions: u64,
    /// Removals from the table. BFD has none: others act on its suspicions.
    pub false_removals: Option<u64>,
    /// How often clients were no longer sent to one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub false_route_outs: Option<u64>,
    /// How long the load had been on before that.
    pub onset_seconds: f64,
    /// Suspicions in the onset.
    pub onset_suspicions: u64,
    /// Removals in the onset.
    pub onset_removals: Option<u64>,
    /// And how often clients were no longer sent to one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub onset_route_outs: Option<u64>,
}

/// What a server's detector uses while nothing happens.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// How long each measured span was.
    pub seconds: f64,
    /// Processor time of its threads, from the scheduler: the mean of all servers, in the median one of several spans.
    pub cpu_ms_per_s: f64,
    /// In the span with the least.
    pub cpu_least_ms_per_s: f64,
    /// In the span with the most. How far apart these two are depends on the machine.
    pub cpu_most_ms_per_s: f64,
    /// The same for each of a server's two watches.
    pub cpu_ms_per_s_a_watch: f64,
    /// By thread name.
    pub threads_ms_per_s: BTreeMap<String, f64>,
    /// Soft interrupts of the whole machine, less those without a pool, for each server. The kernel samples them at its
    /// tick.
    pub softirq_ms_per_s: f64,
    /// All time in which the machine was not idle, less the same without a pool, for each server. It includes what is
    /// charged to no thread.
    pub busy_ms_per_s: f64,
    /// The largest resident memory of one server's detector.
    pub rss_mib: f64,
}

impl Measurement {
    /// Without any result yet.
    #[must_use]
    pub fn new(who: &str, profile: &str, case: Case, servers: u8) -> Self {
        let (who, profile) = (who.to_owned(), profile.to_owned());
        Self {
            bench: "detect",
            who,
            profile,
            case,
            database: None,
            servers,
            times: None,
            all: None,
            blames: None,
            cost: None,
            wakeups: None,
            hogs_share: None,
            cells: None,
            slow: Vec::new(),
            problem: None,
        }
    }
}

impl Times {
    /// From these samples, with a blow that took up to `blow_max_ms`.
    #[must_use]
    pub fn of(samples: &Samples, blow_max_ms: f64) -> Self {
        Self {
            trials: samples.trials(),
            unseen: samples.unseen(),
            p50_ms: samples.p50().map(thousandths),
            p99_ms: samples.p99().map(thousandths),
            max_ms: samples.max().map(thousandths),
            blow_max_ms: thousandths(blow_max_ms),
        }
    }
}

impl All {
    /// From these samples; `None` if there are none.
    #[must_use]
    pub fn of(samples: &Samples) -> Option<Self> {
        (samples.trials() > 0).then(|| Self {
            all_p50_ms: samples.p50().map(thousandths),
            all_p99_ms: samples.p99().map(thousandths),
            all_max_ms: samples.max().map(thousandths),
        })
    }
}

impl Blames {
    /// From the counts in the onset, and in the time that counts.
    #[must_use]
    pub fn of((onset_seconds, onset): (f64, Counts), (seconds, then): (f64, Counts)) -> Self {
        Self {
            seconds: thousandths(seconds),
            false_suspicions: then.suspicions,
            false_removals: then.removals,
            false_route_outs: then.route_outs,
            onset_seconds: thousandths(onset_seconds),
            onset_suspicions: onset.suspicions,
            onset_removals: onset.removals,
            onset_route_outs: onset.route_outs,
        }
    }
}

impl Cost {
    /// A server watches its two buddies.
    const WATCHES: f64 = 2.0;

    /// For each server, from these spans: everything in the median span, and the processor time in the extreme ones.
    /// `None`: there is no span.
    #[must_use]
    pub fn of(spans: &[Usage]) -> Option<Self> {
        let mut sorted: Vec<&Usage> = spans.iter().collect();
        sorted.sort_by(|one, other| one.cpu_ms_per_s().total_cmp(&other.cpu_ms_per_s()));
        let usage = sorted.get(sorted.len().saturating_sub(1) / 2)?;
        let cpu = usage.cpu_ms_per_s();
        let threads = usage.threads_ms_per_s.iter().map(|(name, ms)| (name.clone(), thousandths(*ms)));
        Some(Self {
            seconds: thousandths(usage.seconds),
            cpu_ms_per_s: thousandths(cpu),
            cpu_least_ms_per_s: thousandths(sorted.first()?.cpu_ms_per_s()),
            cpu_most_ms_per_s: thousandths(sorted.last()?.cpu_ms_per_s()),
            cpu_ms_per_s_a_watch: thousandths(cpu / Self::WATCHES),
            threads_ms_per_s: threads.collect(),
            softirq_ms_per_s: thousandths(usage.softirq_ms_per_s),
            busy_ms_per_s: thousandths(usage.busy_ms_per_s),
            rss_mib: thousandths(usage.rss_mib),
        })
    }
}

fn thousandths(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_what_applies_and_nothing_else() {
        let mut samples = Samples::default();
        samples.push(12.345_678);
        let mut line = Measurement::new("ringmon", "fast", Case::Crash, 5);
        line.times = Some(Times::of(&samples, 0.05));
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"bench":"detect","who":"ringmon","profile":"fast","case":"crash","servers":5,"trials":1,"#,
                r#""unseen":0,"p50_ms":12.346,"p99_ms":null,"max_ms":12.346,"blow_max_ms":0.05}"#
            )
        );
    }

    #[test]
    fn onset_is_counted_apart() {
        let counts = |suspicions| Counts { suspicions, removals: Some(0), route_outs: None };
        let mut line = Measurement::new("ringmon", "fast", Case::Both, 5);
        line.blames = Some(Blames::of((5.0, counts(3)), (60.0, counts(1))));
        let text = serde_json::to_string(&line).unwrap();
        assert!(text.contains(r#""false_suspicions":1,"false_removals":0"#), "{text}");
        assert!(text.contains(r#""onset_suspicions":3"#), "{text}");
    }
}
