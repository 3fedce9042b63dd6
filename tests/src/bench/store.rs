//! One line of `bench store --json`. ringmon's bench target `store` writes it, and xtask reads it for its table.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Servers leave, and join at random places; each is an operation.
    Splice,
    /// A server that both its buddies vote against is removed; from the first vote to the last COMMIT.
    Removal,
    /// Votes are cast and withdrawn; each is an operation.
    Vote,
    /// Agents look at their rows, as often as they can.
    Poll,
    /// Ten thousand agents look at their rows, as often as they do in a healthy pool.
    Idle,
    /// A random server is chosen.
    Pick,
    /// One agent looks at its row over a new connection.
    Connect,
    /// The same over an open connection. The difference is the cost of a connection.
    Connected,
}

impl What {
    /// In the order of the table.
    pub const ALL: [Self; 8] =
        [Self::Splice, Self::Removal, Self::Vote, Self::Pick, Self::Poll, Self::Idle, Self::Connect, Self::Connected];

    /// As in options and results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Splice => "splice",
            Self::Removal => "removal",
            Self::Vote => "vote",
            Self::Poll => "poll",
            Self::Idle => "idle",
            Self::Pick => "pick",
            Self::Connect => "connect",
            Self::Connected => "connected",
        }
    }

    /// Whether it changes the ring, or the contents of its rows.
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(self, Self::Splice | Self::Removal | Self::Vote)
    }

    /// Whether it must write nothing at all.
    #[must_use]
    pub const fn only_looks(self) -> bool {
        matches!(self, Self::Poll | Self::Idle | Self::Connect | Self::Connected)
    }

    /// Who does it.
    #[must_use]
    pub const fn designs(self) -> &'static [Design] {
        match self {
            Self::Splice | Self::Removal | Self::Vote => &[Design::Ringmon, Design::LockEverything],
            Self::Pick => &[Design::Ringmon, Design::OrderByRand],
            Self::Poll | Self::Idle | Self::Connect | Self::Connected => &[Design::Ringmon],
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for What {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.map(Self::name).join(", ");
        Self::ALL.into_iter().find(|what| what.name() == text).ok_or_else(|| format!("what is measured is {known}"))
    }
}

/// How it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Design {
    /// With the store's own operations.
    #[serde(rename = "ringmon")]
    Ringmon,
    /// The naive way: each change first locks the pool's row.
    #[serde(rename = "lock-everything")]
    LockEverything,
    /// The naive way to choose a random server.
    #[serde(rename = "order-by-rand")]
    OrderByRand,
}

impl Design {
    /// As in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ringmon => "ringmon",
            Self::LockEverything => "lock-everything",
            Self::OrderByRand => "order-by-rand",
        }
    }
}

/// What was measured. A value that does not apply is missing from the line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoreLine {
    /// Always `store`.
    pub bench: String,
    /// The database's name, as in options.
    pub engine: String,
    /// The version that the database reports.
    pub version: String,
    /// The memory for its pages, in MiB. SQLite has its own default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffer_pool_mib: Option<u32>,
    /// How much later than on loopback every answer of the servers came, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_ms: Option<u32>,
    /// The size of the pool.
    pub servers: u32,
    /// The measured operation.
    pub what: What,
    /// With which design.
    pub design: Design,
    /// How many writers worked at the same time.
    pub writers: u32,
    /// The results.
    #[serde(flatten)]
    pub numbers: Option<Numbers>,
    /// Whether the ring was whole afterwards, with as many servers as before; none: nothing was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring_ok: Option<bool>,
    /// Why it could not be measured, or what was wrong afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The numbers of one measurement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Numbers {
    /// How long it was measured.
    pub seconds: f64,
    /// Operations that ended in that time.
    pub operations: u64,
    /// Operations a second.
    pub ops_per_s: f64,
    /// Operations a second in the slowest fifth of the time.
    pub ops_least: f64,
    /// Operations a second in the fastest fifth. How far apart the two are is noise.
    pub ops_most: f64,
    /// The median time of an operation, including all its attempts and pauses.
    pub p50_ms: Option<f64>,
    /// The 99th percentile; none with fewer than a hundred operations.
    pub p99_ms: Option<f64>,
    /// The longest.
    pub max_ms: Option<f64>,
    /// The mean number of attempts of an operation.
    pub attempts_per_op: Option<f64>,
    /// The most attempts of one operation.
    pub max_attempts: Option<u32>,
    /// How often an operation gave up for the time being, or met a transient error, and was started again.
    pub errors: u64,
    /// Processor time of the database's servers, in hundredths of a core. For SQLite it is the whole process.
    pub core_percent: Option<f64>,
    /// How often 10,000 agents need it each second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed_per_s: Option<f64>,
    /// Rows that the servers wrote meanwhile, whatever the cause. SQLite: 1 if anything was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_written: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(numbers: Option<Numbers>) -> StoreLine {
        StoreLine {
            bench: "store".to_owned(),
            engine: "sqlite".to_owned(),
            version: "embedded".to_owned(),
            buffer_pool_mib: None,
            round_trip_ms: None,
            servers: 100,
            what: What::Splice,
            design: Design::LockEverything,
            writers: 64,
            numbers,
            ring_ok: Some(true),
            problem: None,
        }
    }

    #[test]
    fn lines_are_read_back_as_they_were_written() {
        for one in [line(None), line(Some(Numbers { seconds: 3.0, p50_ms: Some(1.5), ..Numbers::default() }))] {
            let text = serde_json::to_string(&one).unwrap();
            assert!(text.contains(r#""what":"splice","design":"lock-everything""#), "{text}");
            assert_eq!(serde_json::from_str::<StoreLine>(&text).unwrap(), one, "{text}");
        }
    }

    #[test]
    fn names_are_read_back_and_others_are_refused() {
        for what in What::ALL {
            assert_eq!(what.to_string().parse(), Ok(what));
        }
        assert!("joins".parse::<What>().unwrap_err().contains("splice, removal, vote"));
    }
}
