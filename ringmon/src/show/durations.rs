//! How long things took: counted in a few classes, and in the units that people use.

use std::time::Duration;

use serde::Serialize;

/// A histogram of durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Durations {
    /// How many were in each class; the last one has no upper bound.
    pub counts: [u64; Self::BOUNDS_MS.len() + 1],
    /// All of them together.
    pub sum: Duration,
}

impl Durations {
    /// The upper bounds of the classes, in milliseconds: from a local database to the time at which the store gives up.
    pub const BOUNDS_MS: [u64; 10] = [1, 2, 5, 10, 25, 50, 100, 250, 1_000, 2_500];

    /// Counts one.
    pub fn count(&mut self, took: Duration) {
        let class = Self::BOUNDS_MS.iter().position(|&ms| took <= Duration::from_millis(ms));
        self.counts[class.unwrap_or(Self::BOUNDS_MS.len())] += 1;
        self.sum += took;
    }
}

/// A length of time in the unit that suits it, with two digits that count or more: `4.1 us`, `112 ms`, `12 s`,
/// `1 min 30 s`, `3 d 4 h`.
#[must_use]
pub fn in_units(span: Duration) -> String {
    if span.is_zero() {
        return "0 s".to_owned();
    }
    // Each bound is where rounding would make a full one of the next unit.
    let (value, unit) = match span.as_secs_f64() {
        s if s < 999.5e-6 => (s * 1e6, "us"),
        s if s < 999.5e-3 => (s * 1e3, "ms"),
        s if s < 59.5 => (s, "s"),
        _ => return in_two_units(span.saturating_add(Duration::from_millis(500)).as_secs()),
    };
    let digits = usize::from(value < 9.95);
    format!("{value:.digits$} {unit}")
}

fn in_two_units(seconds: u64) -> String {
    let (whole, unit, part, smaller) = match seconds {
        0..3_600 => (seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => (seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => (seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    };
    if part == 0 { format!("{whole} {unit}") } else { format!("{whole} {unit} {part} {smaller}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_in_the_unit_that_suits_it() {
        for (ns, said) in [
            (0, "0 s"),
            (40, "0.0 us"),
            (4_100, "4.1 us"),
            (340_000, "340 us"),
            (999_400, "999 us"),
            (999_600, "1.0 ms"),
            (9_970_000, "10 ms"),
            (112_400_000, "112 ms"),
            (999_700_000, "1.0 s"),
            (3_210_000_000, "3.2 s"),
            (12_000_000_000, "12 s"),
            (59_700_000_000, "1 min"),
            (90_000_000_000, "1 min 30 s"),
            (3_599_600_000_000, "1 h"),
            (7_260_000_000_000, "2 h 1 min"),
            (86_400_000_000_000, "1 d"),
            (273_700_000_000_000, "3 d 4 h"),
        ] {
            assert_eq!(in_units(Duration::from_nanos(ns)), said);
        }
        assert!(in_units(Duration::MAX).contains(" d "));
    }
}
