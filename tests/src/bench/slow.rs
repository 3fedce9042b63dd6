//! Why a trial was slow: what its watchers said of the victim, and of their own hosts.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::pool::{Pool, ms};

/// What a detector thinks of its own host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mind {
    /// How often silence did not count, by the local fault.
    pub voids: BTreeMap<String, u64>,
    /// How often it was late of late, 0 to 8.
    pub lateness: f64,
}

impl Mind {
    /// From a page of an agent's metrics.
    #[must_use]
    pub fn read(page: &str) -> Self {
        let mut mind = Self::default();
        for line in page.lines() {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            if name.starts_with("ringmon_lateness{") {
                mind.lateness = value.parse().unwrap_or_default();
            } else if name.starts_with("ringmon_voids_total{") {
                let reason = name.split_once("reason=\"").and_then(|(_, rest)| rest.split_once('"'));
                let count = value.parse().unwrap_or_default();
                reason.map(|(reason, _)| mind.voids.insert(reason.to_owned(), count));
            }
        }
        mind
    }

    /// The voids that came since `before`.
    fn since(&self, before: &Self) -> BTreeMap<String, u64> {
        let more = |(reason, now): (&String, &u64)| {
            let more = now.saturating_sub(before.voids.get(reason).copied().unwrap_or_default());
            (more > 0).then(|| (reason.clone(), more))
        };
        self.voids.iter().filter_map(more).collect()
    }
}

/// What a suspicion says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Suspected {
    /// How many probes in a row were missed.
    pub misses: u64,
    /// How many had to be.
    pub needed: u64,
    /// The share of probes that were lost before.
    pub loss: f64,
    /// How long the silence had to be.
    pub silence_asked_ms: f64,
    /// How long it was.
    pub silence_ms: f64,
}

impl Suspected {
    /// From the event's `detail`; what it does not have is 0.
    #[must_use]
    pub fn read(detail: &Value) -> Option<Self> {
        serde_json::from_value(detail.clone()).ok()
    }
}

/// A crash: who was struck when, and when each watcher reported it.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Its number.
    pub trial: usize,
    /// The server that was struck.
    pub victim: String,
    /// When.
    pub struck_ns: u64,
    /// By watcher.
    pub seen_ns: Vec<Option<u64>>,
}

/// A crash, and what its watchers said.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// The number of the trial.
    pub trial: usize,
    /// The server that was struck.
    pub victim: String,
    /// How long it took until the first report; none if there was none.
    pub ms: Option<f64>,
    /// Both watchers.
    pub watchers: Vec<Watcher>,
}

/// What one watcher said.
#[derive(Clone, Debug, Serialize)]
pub struct Watcher {
    /// Its name.
    pub by: String,
    /// How long its report took; none if there was none.
    pub ms: Option<f64>,
    /// The suspicion, in its own words.
    #[serde(flatten)]
    pub suspected: Option<Suspected>,
    /// How often silence did not count from the blow to the report, by the local fault.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub voids: BTreeMap<String, u64>,
    /// How often its host was late of late, 0 to 8, after the report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lateness: Option<f64>,
}

/// Asks the watchers, before a blow.
#[must_use]
pub fn look_at(pool: &dyn Pool, watchers: &[String]) -> Vec<Option<Mind>> {
    watchers.iter().map(|name| pool.mind(name)).collect()
}

/// Asks them again after it.
#[must_use]
pub fn tell(pool: &dyn Pool, trial: Trial, watchers: &[String], before: &[Option<Mind>]) -> Told {
    let took = |seen: Option<u64>| seen.map(|at_ns| ms(trial.struck_ns, at_ns));
    let watcher = |(at, by): (usize, &String)| {
        let mind = pool.mind(by);
        let before = before.get(at).cloned().flatten().unwrap_or_default();
        Watcher {
            by: by.clone(),
            ms: took(trial.seen_ns.get(at).copied().flatten()),
            suspected: pool.suspected(by, &trial.victim, trial.struck_ns),
            voids: mind.as_ref().map(|mind| mind.since(&before)).unwrap_or_default(),
            lateness: mind.map(|mind| mind.lateness),
        }
    };
    Told {
        trial: trial.trial,
        ms: took(trial.seen_ns.iter().flatten().min().copied()),
        watchers: watchers.iter().enumerate().map(watcher).collect(),
        victim: trial.victim,
    }
}

/// Those that took more than twice the median, or were not seen.
#[must_use]
pub fn slow(told: &[Told], median_ms: Option<f64>) -> Vec<Told> {
    let limit = median_ms.map_or(f64::INFINITY, |median| median * 2.0);
    told.iter().filter(|one| one.ms.is_none_or(|ms| ms > limit)).cloned().collect()
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ms {
            Some(ms) => write!(f, "trial {}, {}: {ms:.1} ms", self.trial, self.victim)?,
            None => write!(f, "trial {}, {}: not seen", self.trial, self.victim)?,
        }
        for watcher in &self.watchers {
            write!(f, "; {} ", watcher.by)?;
            match watcher.ms {
                Some(ms) => write!(f, "after {ms:.1}")?,
                None => write!(f, "never")?,
            }
            if let Some(Suspected { misses, needed, loss, silence_asked_ms: asked, .. }) = watcher.suspected {
                write!(f, ", {misses} of {needed} misses, loss {loss:.3}, asked {asked:.0} ms")?;
            }
            for (reason, count) in &watcher.voids {
                write!(f, ", {count} void {reason}")?;
            }
            if let Some(lateness) = watcher.lateness {
                write!(f, ", lateness {lateness}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# TYPE ringmon_lateness gauge\nringmon_lateness{pool=\"lab\"} 2\n\
        ringmon_voids_total{pool=\"lab\",reason=\"sender_late\"} 5\n\
        ringmon_voids_total{pool=\"lab\",reason=\"loop_late\"} 1\nringmon_votes_total{pool=\"lab\"} 9\n# EOF\n";

    #[test]
    fn voids_by_reason_and_lateness_are_read_from_a_page() {
        let now = Mind::read(PAGE);
        assert!((now.lateness - 2.0).abs() < 1e-9);
        let before = Mind { voids: [("sender_late".to_owned(), 3), ("loop_late".to_owned(), 1)].into(), lateness: 0.0 };
        assert_eq!(now.since(&before), [("sender_late".to_owned(), 2)].into());
    }

    #[test]
    fn slow_is_beyond_twice_the_median_or_never() {
        let told = |trial, ms| Told { trial, victim: "s1".to_owned(), ms, watchers: Vec::new() };
        let all = [told(1, Some(10.0)), told(2, Some(20.0)), told(3, Some(20.1)), told(4, None)];
        let slow: Vec<usize> = slow(&all, Some(10.0)).iter().map(|one| one.trial).collect();
        assert_eq!(slow, [3, 4]);
    }

    #[test]
    fn a_slow_trial_is_one_line_with_its_reasons() {
        let detail =
            serde_json::json!({"loss":0.0156,"misses":6,"needed":5,"silence_asked_ms":100.0,"silence_ms":33.1});
        let watcher = Watcher {
            by: "s2".to_owned(),
            ms: Some(70.04),
            suspected: Suspected::read(&detail),
            voids: [("sender_late".to_owned(), 2)].into(),
            lateness: Some(1.0),
        };
        let told = Told { trial: 7, victim: "s1".to_owned(), ms: Some(70.04), watchers: vec![watcher] };
        assert_eq!(
            told.to_string(),
            "trial 7, s1: 70.0 ms; s2 after 70.0, 6 of 5 misses, loss 0.016, asked 100 ms, 2 void sender_late, \
             lateness 1"
        );
    }
}
