//! `sim`

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use super::flags::word;
use crate::config::parse;
use ringmon_core::{Profile, Rule, Word as _};
use ringmon_sim::scenario::Scenario;

/// The end of `ringmon sim --help`.
pub(super) const SIM_EXAMPLES: &str = "\
Examples:
  ringmon sim                                        the scenarios there are
  ringmon sim mass-death --servers 1000 --seed 7     30 % of a thousand servers die at once
  ringmon sim all --servers 100 --json               every scenario, one JSON line each
  ringmon sim mass-death --servers 100,1000,10000 --svg plots
  ringmon sim rack --profile fast --loss 1           1 % of all frames are lost
  ringmon sim random --seeds 10000                   ten thousand small pools, each with up to seven faults
  ringmon sim random --seed 7 --loud                 one of them, told in full
  ringmon sim random --without R4                    what goes wrong without a rule
  ringmon sim rules                                  what each rule is for: a story, with and without it
  ringmon sim outages --profile fast                 what outages, and loss, do to a server that lives
  ringmon sim search                                 every interleaving of small worlds: the ones that end in seconds
  ringmon sim search --minutes 60                    all of them, each for an hour at most
  ringmon sim search --world late --loud             one of them, and what was found, told event by event

The search runs the real operations on the table against each other, in every order, in worlds of two to four servers
with one or two faults. It ends with 0 if every world is as it must be, with 1 if a promise is broken (or if it does
not find a hole that is there because a rule was taken out), and with 69 if a search did not end in its time.";

/// `sim`
#[derive(Clone, Debug, Args)]
pub struct SimArgs {
    /// Which scenario; `all`: every scenario; `list`: their names; `random`: small pools with random faults; `rules`:
    /// what each rule is for; `outages`: what outages do to a living server; `search`: every interleaving of small
    /// worlds
    #[arg(value_name = "SCENARIO", default_value = "list")]
    pub play: Play,
    /// How many servers; several numbers are several runs
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "100",
        value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    pub servers: Vec<u32>,
    /// Everything random follows from this seed
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// The profile of the agents, and so the pace of their probes
    #[arg(long, value_parser = word::<Profile>(), default_value = "default")]
    pub profile: Profile,
    /// Loss of every frame, each way, in per cent, down to a tenth
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = parse::percent)]
    pub loss: u16,
    /// Least time of a frame on its way, in microseconds
    #[arg(long, value_name = "US", default_value_t = 50)]
    pub delay_us: u64,
    /// And at most this much longer
    #[arg(long, value_name = "US", default_value_t = 450)]
    pub jitter_us: u64,
    /// Least and most time of a statement, in microseconds; a transaction, COMMIT included, counts as one
    #[arg(long, value_name = "LEAST,MOST", default_value = "100,800", value_parser = least_and_most)]
    pub statement_us: (u64, u64),
    /// `random`: how many pools, with this seed and the ones after it [default: 1000, or 1 with --loud]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub seeds: Option<u64>,
    /// `outages`: how many outages of each length
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    pub trials: u32,
    /// `outages`: how many probes at each loss
    #[arg(long, value_name = "N", default_value_t = 100_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub probes: u64,
    /// `search`: all worlds, each for at most this long [default: those that end in seconds]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub minutes: Option<u64>,
    /// `search`: only this world
    #[arg(long, value_name = "NAME")]
    pub world: Option<String>,
    /// `random`, `outages`: how many to run at a time [default: as many as there are processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// `random`: rules to take out, to see what they are for
    #[arg(long, value_name = "RULE,...", value_delimiter = ',')]
    pub without: Vec<Rule>,
    /// `random`: print everything that happens to standard error; `search`: tell also what had to be found
    #[arg(long)]
    pub loud: bool,
    /// The table as Markdown
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
    /// One JSON line for each run
    #[arg(long)]
    pub json: bool,
    /// Draw detection time against pool size, and ring size over time, into this folder
    #[arg(long, value_name = "DIR")]
    pub svg: Option<PathBuf>,
}

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub enum Play {
    /// Nothing: prints the names of the scenarios.
    List,
    /// Every scenario.
    All,
    /// One scenario.
    One(Scenario),
    /// Small pools with random faults.
    Random,
    /// What each rule is for.
    Rules,
    /// What outages do to a living server.
    Outages,
    /// Every interleaving of small worlds.
    Search,
}

impl FromStr for Play {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "list" => Ok(Self::List),
            "all" => Ok(Self::All),
            "random" => Ok(Self::Random),
            "rules" => Ok(Self::Rules),
            "outages" => Ok(Self::Outages),
            "search" => Ok(Self::Search),
            name => Scenario::read(name)
                .map(Self::One)
                .ok_or_else(|| format!("there is no scenario {name}; see ringmon sim list")),
        }
    }
}

/// Two numbers, the larger one last.
fn least_and_most(text: &str) -> Result<(u64, u64), &'static str> {
    let two = text.split_once(',').and_then(|(least, most)| Some((least.parse().ok()?, most.parse().ok()?)));
    two.map(|(least, most): (u64, u64)| (least, most.max(least))).ok_or("it must be two numbers, as in 100,800")
}
