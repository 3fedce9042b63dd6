//! A length of time as people write it: `90s`, `15m`, `12h`, `30d`.

use std::time::Duration;

use crate::config::{Problem, parse as config};

/// Younger events are needed: the rules count them (R11), and an agent learns from them what became of it.
const HOUR: Duration = Duration::from_secs(3600);

/// A positive span.
///
/// # Errors
/// A description of what is expected.
pub fn parse(text: &str) -> Result<Duration, Problem> {
    config::span_in(text, Duration::from_nanos(1)..=Duration::MAX, "a length of time like 90s, 15m, 12h or 30d")
}

/// How long to keep events.
///
/// # Errors
/// As [`parse`]; or the time is too short for the rules.
pub fn at_least_an_hour(text: &str) -> Result<Duration, Problem> {
    let too_short = "an hour at least: agents look into the last minutes of events before they remove anybody";
    parse(text).and_then(|span| if span >= HOUR { Ok(span) } else { Err(Problem::NotA(too_short)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_as_people_write_them() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("12h", 43_200), ("30d", 2_592_000), ("1d12h", 129_600)] {
            assert_eq!(parse(text).ok(), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "30", "0s", "-1d", "1mo", "x", "9999999999999d"] {
            let said = parse(text).map_err(|problem| problem.to_string());
            assert_eq!(said, Err("it must be a length of time like 90s, 15m, 12h or 30d".to_owned()), "{text}");
        }
    }

    #[test]
    fn what_the_rules_need_is_kept() {
        assert_eq!(at_least_an_hour("60m").ok(), Some(HOUR));
        assert!(at_least_an_hour("59m").is_err_and(|why| why.to_string().contains("an hour at least")));
    }
}
