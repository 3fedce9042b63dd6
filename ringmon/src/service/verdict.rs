//! From results to a health. It is pure: only the results and their order count.
//!
//! ```text
//!             first result, whichever
//!   unknown --------------------------> passing <--- `rise` passes in a row ---+
//!      |                                   |                                   |
//!      +------------> failing <------------+--- `fall` failures in a row       |
//!                        |                                                     |
//!                        +-----------------------------------------------------+
//! ```

use std::num::NonZeroU32;

use ringmon_core::row::Health;
use ringmon_core::{Time, words};

/// How many results in a row change a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// Passes that a failing check needs.
    pub rise: NonZeroU32,
    /// Failures that a passing check needs.
    pub fall: NonZeroU32,
}

impl Default for Steps {
    fn default() -> Self {
        Self { rise: NonZeroU32::MIN, fall: NonZeroU32::MIN }
    }
}

/// How many checks must pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Need {
    /// Every check.
    #[default]
    All,
    /// One is enough.
    Any,
}

words!(Need: All = "all", Any = "any");

/// The state of one check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Track {
    passing: Option<bool>,
    since: Time,
    against: u32,
}

impl Track {
    /// As it was left by earlier results; `None`: there were none.
    pub const fn known(passing: Option<bool>, since: Time) -> Self {
        Self { passing, since, against: 0 }
    }

    /// Takes a result; true if it changed the check. The first result decides at once, so that a server that starts is
    /// routed, or not, without a wait.
    pub fn result(&mut self, at: Time, passed: bool, steps: Steps) -> bool {
        if self.passing == Some(passed) {
            self.against = 0;
            return false;
        }
        self.against += 1;
        let asked = if passed { steps.rise } else { steps.fall };
        if self.passing.is_some() && self.against < asked.get() {
            return false;
        }
        *self = Self { passing: Some(passed), since: at, against: 0 };
        true
    }

    /// `None`: no result yet.
    pub const fn passing(&self) -> Option<bool> {
        self.passing
    }

    /// Since when it has counted as that.
    pub const fn since(&self) -> Time {
        self.since
    }
}

/// All checks together. A check without a result decides nothing, unless the others decide without it.
pub fn health(tracks: &[Track], need: Need) -> Health {
    let has = |wanted: Option<bool>| tracks.iter().any(|track| track.passing == wanted);
    let (decides, otherwise) = match need {
        Need::All => (false, true),
        Need::Any => (true, false),
    };
    let word = |passing: bool| if passing { Health::Passing } else { Health::Failing };
    if has(Some(decides)) {
        word(decides)
    } else if has(None) || tracks.is_empty() {
        Health::Unknown
    } else {
        word(otherwise)
    }
}
