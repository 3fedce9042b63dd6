//! Times of trials, and what may be concluded from them.

use super::pool::ms;

/// With fewer trials than this there is no 99th percentile, only a largest one.
pub const ENOUGH_FOR_P99: usize = 100;

/// How long each trial took. Some may never have ended.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    ms: Vec<f64>,
    unseen: usize,
}

impl Samples {
    /// Adds a trial that took this long.
    pub fn push(&mut self, ms: f64) {
        let place = self.ms.partition_point(|other| *other <= ms);
        self.ms.insert(place, ms);
    }

    /// Adds a trial that began and ended at these times, in nanoseconds of one clock.
    pub fn push_at(&mut self, began_ns: u64, ended_ns: Option<u64>) {
        match ended_ns {
            Some(at_ns) => self.push(ms(began_ns, at_ns)),
            None => self.push_unseen(),
        }
    }

    /// Adds a trial whose end was not seen: slower than every other.
    pub fn push_unseen(&mut self) {
        self.unseen += 1;
    }

    /// How many trials there were, including those without an end.
    #[must_use]
    pub fn trials(&self) -> usize {
        self.ms.len() + self.unseen
    }

    /// How many trials had no end.
    #[must_use]
    pub fn unseen(&self) -> usize {
        self.unseen
    }

    /// The smallest time that `percent` of the trials did not exceed (nearest rank); `None` if that trial had no end.
    fn percentile(&self, percent: usize) -> Option<f64> {
        let rank = (self.trials() * percent).div_ceil(100).max(1);
        self.ms.get(rank - 1).copied()
    }

    /// The median.
    #[must_use]
    pub fn p50(&self) -> Option<f64> {
        self.percentile(50)
    }

    /// The 99th percentile; it needs at least [`ENOUGH_FOR_P99`] trials.
    #[must_use]
    pub fn p99(&self) -> Option<f64> {
        if self.trials() < ENOUGH_FOR_P99 { None } else { self.percentile(99) }
    }

    /// The largest; `None` if a trial had no end.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        self.percentile(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ms: impl IntoIterator<Item = u32>) -> Samples {
        let mut samples = Samples::default();
        ms.into_iter().for_each(|ms| samples.push(f64::from(ms)));
        samples
    }

    #[test]
    fn percentiles_are_by_nearest_rank_in_whatever_order_they_came() {
        let samples = of((1..=100).rev());
        assert_eq!((samples.p50(), samples.p99(), samples.max()), (Some(50.0), Some(99.0), Some(100.0)));
        let samples = of(1..=200);
        assert_eq!((samples.p50(), samples.p99(), samples.max()), (Some(100.0), Some(198.0), Some(200.0)));
        assert_eq!(of([7]).p50(), Some(7.0));
        assert_eq!(of([]).p50(), None);
    }

    #[test]
    fn a_largest_of_few_is_never_called_a_p99() {
        assert_eq!(of(1..=99).p99(), None);
        assert_eq!(of(1..=99).max(), Some(99.0));
    }

    #[test]
    fn a_trial_without_an_end_is_the_slowest_of_all() {
        let mut samples = of(1..=99);
        samples.push_unseen();
        assert_eq!((samples.trials(), samples.unseen()), (100, 1));
        assert_eq!((samples.p50(), samples.p99(), samples.max()), (Some(50.0), Some(99.0), None));
        samples.push_unseen();
        assert_eq!(samples.p99(), None, "the 100th of 101 has no end");
    }
}
