//! `KEY=VALUE...` of `ringmon pool set`.

use std::time::Duration;

use crate::cli::exit::Error;
use crate::config::parse::one_of;
use crate::config::{Problem, nearest};
use crate::store::RuleChanges;
use ringmon_core::Rules;
use ringmon_core::row::{Alone, Mode, Quorum};

/// The rules there are.
const RULES: [&str; 5] = ["quorum", "agent_timeout", "brake", "alone", "mode"];
/// A shorter time for a lost agent would be shorter than a pulse may be late.
const TIMEOUT_LEAST: Duration = Duration::from_millis(100);
/// A longer one is no rule any more.
const TIMEOUT_MOST: Duration = Duration::from_secs(3600);

/// What the settings change.
///
/// # Errors
/// [`Error::Usage`]: one of them means nothing, or is said twice. Nothing was changed.
pub fn changes(settings: &[String]) -> Result<RuleChanges, Error> {
    let mut changes = RuleChanges::default();
    let mut said: Vec<&str> = Vec::new();
    for setting in settings {
        let Some((key, value)) = setting.split_once('=') else {
            return Err(Error::Usage(format!("{setting:?} is no KEY=VALUE; rules are {}", RULES.join(", "))));
        };
        if said.contains(&key) {
            return Err(Error::Usage(format!("{key} is said twice")));
        }
        said.push(key);
        let problem = |problem: Problem| Error::Usage(format!("{key} is {value:?}: {problem}"));
        match key {
            "quorum" => changes.quorum = Some(one_of(value).map_err(problem)?),
            "agent_timeout" => changes.agent_timeout = Some(timeout(value).map_err(problem)?),
            "brake" => changes.brake_permille = Some(permille(value).map_err(problem)?),
            "alone" => changes.alone = Some(one_of(value).map_err(problem)?),
            "mode" => changes.mode = Some(one_of(value).map_err(problem)?),
            _ => {
                let near = nearest(key, RULES).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                return Err(Error::Usage(format!("there is no rule {key:?}; rules are {}{near}", RULES.join(", "))));
            }
        }
    }
    Ok(changes)
}

/// Warnings about rules that are allowed.
pub fn warnings(rules: &Rules) -> Vec<&'static str> {
    let mut warnings = Vec::new();
    if rules.quorum == Quorum::Single {
        warnings.push("quorum=single: one server's word removes another");
    }
    if rules.brake_permille >= 1000 {
        warnings.push("brake=1: nothing limits how much of the pool may be removed");
    }
    if rules.alone == Alone::All {
        warnings.push("alone=all: a server that hears nobody may remove all the others");
    }
    if rules.mode == Mode::Observe {
        warnings.push("mode=observe: nobody is removed");
    }
    warnings
}

/// `500ms`, `5s`, `2m`; at least 100 ms and at most an hour.
fn timeout(text: &str) -> Result<Duration, Problem> {
    let wrong = || Problem::NotA("a time from 100ms to 60m, like 500ms, 5s or 2m");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let ms = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        _ => None,
    };
    let span = ms.map(Duration::from_millis).ok_or_else(wrong)?;
    if (TIMEOUT_LEAST..=TIMEOUT_MOST).contains(&span) { Ok(span) } else { Err(wrong()) }
}

/// A share of the pool, in thousandths.
fn permille(text: &str) -> Result<u16, Problem> {
    let wrong = || Problem::NotA("a share of the pool from 0 to 1, like 0.5; 1 is no brake");
    let share: f64 = text.parse().map_err(|_| wrong())?;
    if !(0.0..=1.0).contains(&share) {
        return Err(wrong());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 1000")]
    Ok((share * 1000.0).round() as u16)
}
