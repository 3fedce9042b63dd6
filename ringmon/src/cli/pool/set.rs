//! `KEY=VALUE...` of `ringmon pool set`.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::cli::exit::Error;
use crate::config::parse::{one_of, share, span_in};
use crate::config::{Problem, nearest};
use crate::store::RuleChanges;
use ringmon_core::Rules;
use ringmon_core::row::{Alone, Mode, Quorum};

/// The rules there are.
const RULES: [&str; 5] = ["quorum", "agent_timeout", "brake", "alone", "mode"];
/// A shorter time for a lost agent would be shorter than a pulse may be late. A longer time would be no rule any more.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);
const A_TIMEOUT: &str = "a length of time from 100ms to 1h, like 500ms, 5s or 2m";
const A_BRAKE: &str = "a share of the pool from 0 to 1, like 0.5; 1 is no brake";

/// Reads the settings.
///
/// # Errors
/// [`Error::Usage`]: one of them is unknown, or given twice. Nothing was changed.
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
            "agent_timeout" => changes.agent_timeout = Some(span_in(value, TIMEOUTS, A_TIMEOUT).map_err(problem)?),
            "brake" => changes.brake_permille = Some(share(value, A_BRAKE).map_err(problem)?),
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
