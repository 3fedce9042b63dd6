//! An agent's configuration for its own service.

use std::num::NonZeroU32;
use std::time::Duration;

use super::error::{Error, Problem};
use super::keys::{Key, Typed};
use super::meaning::{maybe, must};
use super::parse::{self, bad};
use crate::service::{Check, Options, Steps};

/// More checks would be a monitoring system.
const MOST: usize = 32;
/// From the start of one check to the next.
const INTERVALS: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);
/// How long one check may take.
const TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);
/// Results in a row that change a check.
const ROWS: std::ops::RangeInclusive<u16> = 1..=100;
/// How long a shutdown may wait for open connections.
const DRAINS: std::ops::RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(86_400);

/// Which checks to make, and how.
pub(super) fn checks(typed: &Typed) -> Result<Options, Error> {
    let interval = must(typed, Key::CheckInterval, |text| {
        parse::span_in(text, INTERVALS, "a length of time from 100ms to 1h, like 2s")
    })?;
    let timeout = must(typed, Key::CheckTimeout, |text| {
        parse::span_in(text, TIMEOUTS, "a length of time from 10ms to 1h, like 500ms")
    })?;
    if timeout > interval {
        // Perhaps only one of the two was typed. The error names the timeout, because that is the one to change.
        let said = |key| typed.get(key).map_or("", |entry| entry.text.as_str());
        let why = format!("it must not be longer than check_interval, which is {}", said(Key::CheckInterval));
        return Err(match typed.get(Key::CheckTimeout) {
            Some(entry) => bad(Key::CheckTimeout, entry, Problem::Unfit(why)),
            None => Error::Missing { key: Key::CheckTimeout, hint: why },
        });
    }
    Ok(Options {
        checks: maybe(typed, Key::Check, list)?.unwrap_or_default(),
        interval,
        timeout,
        steps: Steps { rise: in_a_row(typed, Key::CheckRise)?, fall: in_a_row(typed, Key::CheckFall)? },
        need: must(typed, Key::CheckNeed, parse::one_of)?,
    })
}

/// How long clients have at a clean shutdown; `None`: it does not wait for them.
pub(super) fn drain(typed: &Typed) -> Result<Option<Duration>, Error> {
    let span = must(typed, Key::Drain, |text| {
        parse::span_in(text, DRAINS, "a length of time up to 1d, like 30s, or 0 for no waiting")
    })?;
    Ok(Some(span).filter(|span| !span.is_zero()))
}

fn in_a_row(typed: &Typed, key: Key) -> Result<NonZeroU32, Error> {
    let number = must(typed, key, |text| parse::number(text, *ROWS.start(), *ROWS.end()))?;
    Ok(NonZeroU32::MIN.saturating_add(u32::from(number) - 1))
}

/// Several checks, with semicolons between them.
fn list(text: &str) -> Result<Vec<Check>, Problem> {
    let pieces: Vec<&str> = text.split(';').map(str::trim).filter(|piece| !piece.is_empty()).collect();
    let mut checks: Vec<Check> = Vec::new();
    for piece in &pieces {
        let check = piece.parse::<Check>().map_err(|unfit| {
            let which = if pieces.len() > 1 { format!("of {piece:?}: ") } else { String::new() };
            Problem::Unfit(format!("{which}{unfit}"))
        })?;
        if checks.contains(&check) {
            return Err(Problem::Unfit(format!("{piece:?} is said twice")));
        }
        checks.push(check);
    }
    if checks.is_empty() {
        return Err(Problem::Unfit(crate::service::Unfit::Kind.to_string()));
    }
    if checks.len() > MOST {
        return Err(Problem::Unfit(format!("at most {MOST} checks are made, and these are {}", checks.len())));
    }
    Ok(checks)
}
