//! What is measured in which pool, and how long that should take.

use std::time::Duration;

use ringmon_tests::bench::agents::Mode;
use ringmon_tests::bench::case::Case;
use ringmon_tests::bench::condition::{self, Condition};
use ringmon_tests::bench::peers::{self, INTERVAL, Peer};
use ringmon_tests::bench::profile::Profile;
use ringmon_tests::bench::silent;
use ringmon_tests::bench::steady::ONSET;
use ringmon_tests::cells;
use ringmon_tests::database::Choice;

use super::Detect;

/// How long a quiet pool is watched at a time. The machine without a pool is watched twice as long.
pub const QUIET: Duration = Duration::from_secs(5);
/// How many such spans. The spans of one pool differ by 6 to 22 %. From one start to the next the same build took 3.7
/// and 6.1 ms/s, which no number of spans shows: repeat the run before you believe it.
pub const SPANS: u32 = 5;
/// How long after its start a pool counts as quiet.
pub const SETTLE: Duration = Duration::from_secs(3);

/// Where the server table is for crash-commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Tables {
    /// In an SQLite file.
    Sqlite,
    /// In a MariaDB on the bridge.
    Mariadb,
    /// First in the one, then in the other.
    Both,
}

/// The pool under test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// ringmon's agents.
    Agents(Profile, Mode, Choice),
    /// Other detectors, and how often they probe.
    Peers(Peer, Duration),
}

impl Who {
    /// `who` and `profile` of its measurements.
    pub fn names(&self) -> (String, String) {
        match self {
            Self::Agents(profile, ..) => ("ringmon".to_owned(), profile.to_string()),
            Self::Peers(peer, interval) => (peer.to_string(), peers::timing(*interval)),
        }
    }
}

/// A pool, and what is measured in it.
#[derive(Clone, Debug)]
pub struct Stage {
    pub who: Who,
    pub cases: Vec<Case>,
    /// The control groups that the detectors run in.
    pub cell: Option<cells::Kind>,
}

impl Stage {
    fn of(who: Who, cases: Vec<Case>) -> Self {
        Self { who, cases, cell: None }
    }
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub stages: Vec<Stage>,
    pub trials: usize,
    pub span: Duration,
    pub servers: u8,
    /// Killed and frozen agents have as many trials as crashes.
    silent_too: bool,
    pub build: String,
}

/// Loss comes last: what a watch has learned from it would make it patient in the next case.
const SUSPECTED: [Case; 6] =
    [Case::Quiet, Case::Crash, Case::AgentKill, Case::AgentStop, Case::CrashHogs, Case::CrashLoss];
const STEADY: [Case; 3] = [Case::Hogs, Case::Loss, Case::Both];
const OF_PEERS: [Case; 5] = [Case::Quiet, Case::Crash, Case::Hogs, Case::Loss, Case::Both];

impl Plan {
    pub fn new(detect: &Detect) -> Self {
        let only = detect.only();
        let wanted = |cases: &[Case]| -> Vec<Case> {
            let asked = |case: &&Case| only.is_empty() || only.contains(case);
            cases.iter().filter(asked).copied().collect()
        };
        let mut stages = Vec::new();
        let mut profiles = detect.profiles.clone();
        profiles.dedup();
        for &profile in &profiles {
            let agents = |mode| Who::Agents(profile, mode, Choice::Sqlite);
            stages.push(Stage::of(agents(Mode::Observe), wanted(&SUSPECTED)));
            stages.push(Stage::of(agents(Mode::Act), wanted(&STEADY)));
        }
        // Only for the default profile, because only that one promises a time for this.
        for database in databases(detect.database).into_iter().filter(|_| profiles.contains(&Profile::Default)) {
            let who = Who::Agents(Profile::Default, Mode::Act, database);
            stages.push(Stage::of(who, wanted(&[Case::CrashCommit])));
        }
        for &peer in &detect.peers {
            stages.push(Stage::of(Who::Peers(peer, INTERVAL), wanted(&OF_PEERS)));
        }
        // BIRD takes any interval.
        for interval in profiles.iter().map(|profile| profile.interval()).filter(|_| detect.peers.contains(&Peer::Bird))
        {
            if interval != INTERVAL {
                stages.push(Stage::of(Who::Peers(Peer::Bird, interval), wanted(&[Case::Quiet])));
            }
        }
        if detect.sick || only.iter().any(|case| matches!(case, Case::Sick(_) | Case::CrashSick(_))) {
            for condition in condition::ALL {
                stages.extend(sick(condition, &profiles, &detect.peers, &wanted));
            }
        }
        stages.retain(|stage| !stage.cases.is_empty());
        let span = Duration::from_secs(detect.seconds.into());
        let silent_too = detect.sick || [Case::AgentKill, Case::AgentStop].iter().any(|case| only.contains(case));
        let (trials, build) = (detect.trials.into(), detect.build.clone());
        Self { stages, trials, span, servers: detect.servers, silent_too, build }
    }

    pub fn needs_mariadb(&self) -> bool {
        self.stages.iter().any(|stage| matches!(stage.who, Who::Agents(_, _, Choice::MariaDb)))
    }

    pub fn needs_peers(&self) -> bool {
        self.stages.iter().any(|stage| matches!(stage.who, Who::Peers(..)))
    }

    /// How many trials this case has in this pool; 0: it has none.
    pub fn trials_of(&self, who: &Who, case: Case) -> usize {
        let asked = match who {
            Who::Agents(profile, ..) => profile.trials(self.trials),
            Who::Peers(..) => self.trials,
        };
        match case {
            Case::Crash | Case::CrashLoss | Case::CrashHogs | Case::CrashCommit | Case::CrashSick(_) => asked,
            Case::AgentKill | Case::AgentStop if self.silent_too => asked,
            Case::AgentKill | Case::AgentStop => asked.min(silent::TRIALS),
            Case::Quiet | Case::Hogs | Case::Loss | Case::Both | Case::Sick(_) => 0,
        }
    }

    /// About how long a case takes, from experience.
    pub fn estimate_of(&self, who: &Who, case: Case) -> Duration {
        let calm = match who {
            Who::Agents(profile, ..) => profile.calm(),
            Who::Peers(..) => PEERS_CALM,
        };
        let trials = u32::try_from(self.trials_of(who, case)).unwrap_or(u32::MAX);
        let ms = Duration::from_millis;
        match case {
            Case::Quiet => SETTLE + QUIET * SPANS,
            Case::Hogs | Case::Loss | Case::Both | Case::Sick(_) => ONSET + self.span + ms(500),
            // Two of five servers can be struck while the others rest.
            Case::Crash if matches!(who, Who::Peers(..)) => (ms(650) + calm / 2) * trials,
            Case::Crash => (ms(100) + calm / 2) * trials,
            Case::CrashSick(Condition::Young) => ms(3500) * trials,
            Case::CrashSick(_) => ONSET + (ms(650) + calm / 2) * trials,
            Case::CrashLoss | Case::CrashHogs => ONSET + (ms(100) + calm / 2) * trials,
            Case::AgentKill => ms(700) * trials,
            Case::AgentStop => ms(600) * trials,
            Case::CrashCommit => (ms(700) + calm) * trials,
        }
    }

    /// For the whole plan.
    pub fn estimate(&self) -> Duration {
        let of_stage = |stage: &Stage| -> Duration {
            START + stage.cases.iter().map(|case| self.estimate_of(&stage.who, *case)).sum::<Duration>()
        };
        self.stages.iter().map(of_stage).sum()
    }

    /// For the whole plan.
    pub fn count(&self) -> usize {
        self.stages.iter().map(|stage| stage.cases.len()).sum()
    }
}

/// About how long a pool needs to start.
pub const START: Duration = Duration::from_secs(2);
/// A BFD session that came up again is at its full rate after this time.
pub const PEERS_CALM: Duration = Duration::from_millis(1000);

/// Each condition has pools of its own: what a watch has learned from the last one would make it patient. Crashes first
/// in pools that observe, then healthy servers in pools that remove.
fn sick(
    condition: Condition,
    profiles: &[Profile],
    peers: &[Peer],
    wanted: &dyn Fn(&[Case]) -> Vec<Case>,
) -> Vec<Stage> {
    let (crash, healthy) = (wanted(&[Case::CrashSick(condition)]), wanted(&[Case::Sick(condition)]));
    let mut stages = Vec::new();
    for &profile in profiles {
        for (mode, cases) in [(Mode::Observe, &crash), (Mode::Act, &healthy)] {
            stages.push(Stage::of(Who::Agents(profile, mode, Choice::Sqlite), cases.clone()));
        }
    }
    for &peer in peers {
        stages.push(Stage::of(Who::Peers(peer, INTERVAL), [crash.clone(), healthy.clone()].concat()));
    }
    stages.into_iter().map(|stage| Stage { cell: condition.cell(), ..stage }).collect()
}

fn databases(tables: Tables) -> Vec<Choice> {
    match tables {
        Tables::Sqlite => vec![Choice::Sqlite],
        Tables::Mariadb => vec![Choice::MariaDb],
        Tables::Both => vec![Choice::Sqlite, Choice::MariaDb],
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use ringmon_tests::bench::case::ALL;

    use super::*;

    #[derive(Parser)]
    struct Words {
        #[command(subcommand)]
        bench: super::super::Bench,
    }

    fn plan(words: &[&str]) -> Plan {
        let all = ["bench", "detect"].iter().chain(words);
        let super::super::Bench::Detect(detect) = Words::parse_from(all).bench else { panic!("detect was asked for") };
        Plan::new(&detect)
    }

    #[test]
    fn the_default_with_peers_measures_everything_within_an_hour() {
        let plan = plan(&["--peers"]);
        // BIRD is quiet at two more intervals.
        assert_eq!(plan.count(), 3 * 9 + 1 + 4 * 5 + 2);
        assert!(ALL.iter().all(|case| plan.stages.iter().any(|stage| stage.cases.contains(case))));
        assert!(plan.estimate() < Duration::from_secs(60 * 60), "{:?}", plan.estimate());
        assert!(plan.needs_peers() && !plan.needs_mariadb());
    }

    #[test]
    fn only_what_is_asked_for_is_started() {
        let plan = plan(&["--profiles", "fast", "--only", "crash,loss", "--database", "both"]);
        let cases: Vec<_> = plan.stages.iter().map(|stage| stage.cases.clone()).collect();
        assert_eq!(cases, [vec![Case::Crash], vec![Case::Loss]]);
        assert!(!plan.needs_mariadb(), "crash-commit was not asked for");
    }

    #[test]
    fn hosts_that_are_not_well_are_measured_when_asked_for_and_in_pools_of_their_own() {
        let all = plan(&["--sick", "--peers"]);
        assert_eq!(all.count(), plan(&["--peers"]).count() + 6 * 2 * (3 + 4));
        assert_eq!(all.trials_of(&all.stages[0].who, Case::AgentKill), 100);
        let some = plan(&["--profiles", "fast", "--only", "quota,crash-fifo", "--trials", "20"]);
        let cases: Vec<_> = some.stages.iter().map(|stage| (stage.cases.clone(), stage.cell)).collect();
        let (fifo, quota) = (Condition::Fifo, Condition::Quota);
        let cell = Some(cells::Kind::Quota);
        assert_eq!(
            cases,
            [
                (vec![Case::CrashSick(fifo)], None),
                (vec![Case::CrashSick(quota)], cell),
                (vec![Case::Sick(quota)], cell)
            ]
        );
    }

    #[test]
    fn only_the_peers_that_are_named_are_measured() {
        let peers = |words: &[&str]| -> Vec<String> {
            plan(words).stages.iter().filter(|s| matches!(s.who, Who::Peers(..))).map(|s| s.who.names().0).collect()
        };
        assert_eq!(peers(&["--only", "crash", "--peers=bird,frr"]), ["bird", "frr"]);
        assert_eq!(peers(&["--only", "crash", "--peers"]).len(), peers::ALL.len());
        assert_eq!(peers(&["--only", "crash"]), [""; 0]);
        assert_eq!(peers(&["--profiles", "turbo", "--only", "quiet", "--peers=frr"]), ["frr"], "BIRD was not named");
        assert!(Words::try_parse_from(["bench", "detect", "--peers=brid"]).is_err());
    }

    #[test]
    fn the_slow_profile_has_fewer_trials() {
        let plan = plan(&["--profiles", "gentle", "--only", "crash"]);
        assert_eq!(plan.trials_of(&plan.stages[0].who, Case::Crash), 10);
    }
}
