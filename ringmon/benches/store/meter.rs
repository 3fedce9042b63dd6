//! What each writer did, and the numbers of all of them.

use std::time::Duration;

use ringmon_tests::bench::samples::ENOUGH_FOR_P99;
use ringmon_tests::bench::store::Numbers;

#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    /// Including all attempts and pauses.
    pub took: Duration,
    pub attempts: u32,
    /// How often it gave up for the time being, and was started again.
    pub errors: u32,
}

/// One writer's operations.
#[derive(Clone, Debug, Default)]
pub struct Log {
    done: Vec<(Duration, Done)>,
}

impl Log {
    /// Adds an operation that ended `at` this time of the measurement.
    pub fn push(&mut self, at: Duration, done: Done) {
        self.done.push((at, done));
    }
}

/// The measurement is cut into this many parts, to see how steady it was.
const PARTS: usize = 5;

/// The numbers of all writers, within `span`. An operation that ended later counts for the times, because the slowest
/// must not be lost, but not for the rate.
#[expect(clippy::cast_precision_loss, reason = "counts and times of minutes")]
pub fn numbers(logs: &[Log], span: Duration) -> Numbers {
    let all = || logs.iter().flat_map(|log| &log.done);
    let mut took: Vec<Duration> = all().map(|(_, done)| done.took).collect();
    took.sort_unstable();
    let mut parts = [0_u64; PARTS];
    for (at, _) in all() {
        let part = (at.as_secs_f64() / span.as_secs_f64() * PARTS as f64).floor();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a few thousand")]
        if let Some(count) = parts.get_mut(part as usize) {
            *count += 1;
        }
    }
    let operations: u64 = parts.iter().sum();
    let of_part = |count: u64| rounded(count as f64 * PARTS as f64 / span.as_secs_f64());
    let attempts: u64 = all().map(|(_, done)| u64::from(done.attempts)).sum();
    // Nearest rank.
    let percentile = |percent: usize| {
        let rank = (took.len() * percent).div_ceil(100).max(1);
        took.get(rank - 1).map(|took| rounded(took.as_secs_f64() * 1e3))
    };
    Numbers {
        seconds: rounded(span.as_secs_f64()),
        operations,
        ops_per_s: rounded(operations as f64 / span.as_secs_f64()),
        ops_least: of_part(parts.iter().copied().min().unwrap_or_default()),
        ops_most: of_part(parts.iter().copied().max().unwrap_or_default()),
        p50_ms: percentile(50),
        p99_ms: if took.len() < ENOUGH_FOR_P99 { None } else { percentile(99) },
        max_ms: percentile(100),
        attempts_per_op: (!took.is_empty()).then(|| rounded(attempts as f64 / took.len() as f64)),
        max_attempts: all().map(|(_, done)| done.attempts).max(),
        errors: all().map(|(_, done)| u64::from(done.errors)).sum(),
        ..Numbers::default()
    }
}

/// To thousandths.
pub fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}
