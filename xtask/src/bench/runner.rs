//! Executes the plan. What fails becomes a line with a problem, and the next pool starts fresh.

use std::time::{Duration, SystemTime};

use anyhow::bail;
use ringmon_tests::bench::agents::{self, Agents, Mode};
use ringmon_tests::bench::case::Case;
use ringmon_tests::bench::commit::commit;
use ringmon_tests::bench::condition::Condition;
use ringmon_tests::bench::crash::{Trialled, Trials, crash};
use ringmon_tests::bench::measurement::{All, Cost, Measurement, Times};
use ringmon_tests::bench::peers::Peers;
use ringmon_tests::bench::pool::Pool;
use ringmon_tests::bench::silent::silent;
use ringmon_tests::bench::slow::slow;
use ringmon_tests::bench::steady::{Load, ONSET, hold, steady};
use ringmon_tests::bench::usage;
use ringmon_tests::bench::wakeups::Sleeper;
use ringmon_tests::bench::young::young;
use ringmon_tests::database::Choice;
use ringmon_tests::undo;

use super::plan::{PEERS_CALM, Plan, QUIET, SETTLE, SPANS, START, Stage, Who};
use super::progress::Progress;
use crate::progress::say;

/// A blow comes at a random moment within this time. That covers some probes of every profile but the slowest, which
/// gets a whole interval.
const SPREAD: Duration = Duration::from_millis(60);
/// How long a pool has to be whole again after a load was taken off.
const PATIENCE: Duration = Duration::from_secs(60);

/// Gets each measurement.
type Sink<'a> = &'a mut dyn FnMut(Measurement) -> anyhow::Result<()>;

enum Running {
    Agents(Box<Agents>),
    Peers(Box<Peers>),
}

impl Running {
    fn start(stage: &Stage, plan: &Plan) -> anyhow::Result<Self> {
        let servers = plan.servers;
        match &stage.who {
            Who::Agents(profile, mode, database) => {
                let options = agents::options(&plan.build, *profile, *mode, database.clone());
                let options = agents::confine(options, stage.cell, servers)?;
                // Somebody follows the routes where healthy servers are watched.
                let healthy = *mode == Mode::Act && !stage.cases.contains(&Case::CrashCommit);
                let pool = if healthy { Agents::followed(options, servers) } else { Agents::start(options, servers) };
                Ok(Self::Agents(Box::new(pool?)))
            }
            Who::Peers(peer, interval) => {
                Ok(Self::Peers(Box::new(Peers::start(*peer, *interval, stage.cell, servers)?)))
            }
        }
    }

    fn pool(&mut self) -> &mut dyn Pool {
        match self {
            Self::Agents(pool) => pool.as_mut(),
            Self::Peers(pool) => pool.as_mut(),
        }
    }
}

/// Measures everything in order. `sink` gets each result at once.
///
/// # Errors
/// A result cannot be written, or the machine cannot be watched.
pub fn run(plan: &Plan, progress: &mut Progress, sink: Sink) -> anyhow::Result<()> {
    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |at| at.as_secs());
    say(&format!("random moments from seed {seed}"));
    let without = if plan.stages.iter().any(|stage| stage.cases.contains(&Case::Quiet)) {
        say(&format!("watching the machine without a pool for {} s", (QUIET * 2).as_secs()));
        usage::machine(QUIET * 2)?
    } else {
        usage::Machine::default()
    };
    let mut number = 0;
    for stage in &plan.stages {
        let mut work = Work { plan, stage, seed, without, number: &mut number };
        work.stage(progress, sink)?;
    }
    Ok(())
}

struct Work<'a> {
    plan: &'a Plan,
    stage: &'a Stage,
    seed: u64,
    without: usage::Machine,
    number: &'a mut usize,
}

impl Work<'_> {
    fn stage(&mut self, progress: &mut Progress, sink: Sink) -> anyhow::Result<()> {
        let (who, profile) = self.stage.who.names();
        let place = self.database().map_or(String::new(), |name| format!(", table in {name}"));
        progress.next(&format!("starting {} servers of {who} {profile}{place}", self.plan.servers), START);
        let mut running: Option<Running> = None;
        for case in &self.stage.cases {
            *self.number += 1;
            let what = format!("[{}/{}] {who} {profile} {case}", self.number, self.plan.count());
            progress.next(&what, self.plan.estimate_of(&self.stage.who, *case));
            let mut measurement = Measurement::new(&who, &profile, *case, self.plan.servers);
            measurement.database = self.database().map(str::to_owned);
            let result = self.watched(&mut running, *case, progress, &mut measurement);
            undo::stand_still_if_ending();
            if let Err(error) = result {
                measurement.problem = Some(format!("{error:#}"));
                // A pool with a problem must not be measured as part of the next case.
                running = None;
            }
            progress.done(&summary(&measurement));
            measurement.slow.iter().for_each(|told| say(&format!("  slow {told}")));
            sink(measurement)?;
        }
        Ok(())
    }

    /// For agents: where their table is.
    fn database(&self) -> Option<&'static str> {
        match &self.stage.who {
            Who::Agents(_, _, Choice::Sqlite) => Some("sqlite"),
            Who::Agents(_, _, Choice::MariaDb) => Some("mariadb"),
            Who::Agents(_, _, Choice::Given(_)) => Some("given"),
            Who::Peers(..) => None,
        }
    }

    /// One case, and how late the machine wakes a thread meanwhile.
    fn watched(
        &self,
        running: &mut Option<Running>,
        case: Case,
        progress: &mut Progress,
        measurement: &mut Measurement,
    ) -> anyhow::Result<()> {
        let sleeper = Sleeper::start()?;
        let result = self.case(running, case, progress, measurement);
        measurement.wakeups = sleeper.ask();
        result
    }

    fn case(
        &self,
        running: &mut Option<Running>,
        case: Case,
        progress: &mut Progress,
        measurement: &mut Measurement,
    ) -> anyhow::Result<()> {
        // A pool that does not recover from one case must not spoil the next.
        let last = running.take().and_then(|mut last| match last.pool().settle(PATIENCE) {
            Ok(()) => Some(last),
            Err(error) => {
                say(&format!("starting afresh, the pool is not whole after the case before: {error:#}"));
                None
            }
        });
        let running = match last {
            Some(last) => running.insert(last),
            None => running.insert(Running::start(self.stage, self.plan)?),
        };
        measurement.cells = running.pool().cells().words();
        match case {
            Case::Quiet => measurement.cost = self.quiet(running.pool())?,
            Case::Hogs | Case::Loss | Case::Both | Case::Sick(_) => {
                self.steady(running.pool(), case, progress, measurement)?
            }
            Case::Crash
            | Case::CrashLoss
            | Case::CrashHogs
            | Case::CrashSick(_)
            | Case::AgentKill
            | Case::AgentStop
            | Case::CrashCommit => {
                let mut trialled = Trialled::default();
                let result = self.trials(running, case, progress, &mut trialled);
                measurement.hogs_share = trialled.hogs_share;
                measurement.slow = slow(&trialled.told, trialled.samples.p50());
                if trialled.samples.trials() > 0 {
                    measurement.times = Some(Times::of(&trialled.samples, trialled.blow_max_ms));
                    measurement.all = All::of(&trialled.all);
                }
                result?;
            }
        }
        Ok(())
    }

    fn quiet(&self, pool: &mut dyn Pool) -> anyhow::Result<Option<Cost>> {
        std::thread::sleep(SETTLE);
        let names: Vec<String> = pool.order().to_vec();
        let pids = names.iter().map(|name| pool.pids(name)).collect::<anyhow::Result<Vec<_>>>()?;
        let spans = (0..SPANS).map(|_| usage::quiet(&pids, QUIET, self.without)).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Cost::of(&spans))
    }

    fn steady(
        &self,
        pool: &mut dyn Pool,
        case: Case,
        progress: &mut Progress,
        measurement: &mut Measurement,
    ) -> anyhow::Result<()> {
        let tell = &mut |share: f64| progress.share(share, &format!("{:.0} %", share * 100.0));
        let (blames, share) = steady(pool, case, self.plan.span, tell)?;
        (measurement.blames, measurement.hogs_share) = (Some(blames), share);
        Ok(())
    }

    fn trials(
        &self,
        running: &mut Running,
        case: Case,
        progress: &mut Progress,
        trialled: &mut Trialled,
    ) -> anyhow::Result<()> {
        let trials = self.spacing(case);
        let count = trials.count;
        let done = &mut |trial: usize| {
            #[expect(clippy::cast_precision_loss, reason = "thousands of trials at most")]
            let share = trial as f64 / count.max(1) as f64;
            progress.share(share, &format!("trial {trial} of {count}"));
        };
        match (case, running) {
            (Case::AgentKill | Case::AgentStop, Running::Agents(pool)) => {
                silent(pool, case, (count, self.seed), trialled, done)
            }
            (Case::CrashCommit, Running::Agents(pool)) => commit(pool, &trials, trialled, done),
            (Case::CrashSick(Condition::Young), running) => young(running.pool(), &trials, trialled, done),
            (Case::Crash | Case::CrashLoss | Case::CrashHogs | Case::CrashSick(_), running) => {
                let pool = running.pool();
                let load = Load::on(case, pool)?;
                if load.is_on() {
                    hold(pool, ONSET, &mut || {})?;
                }
                let result = crash(pool, &trials, trialled, done);
                trialled.hogs_share = load.share();
                load.off(pool).and(result)
            }
            (case, Running::Agents(_) | Running::Peers(_)) => bail!("{case} has no trials here"),
        }
    }

    fn spacing(&self, case: Case) -> Trials {
        let count = self.plan.trials_of(&self.stage.who, case);
        let (calm, limit, spread) = match &self.stage.who {
            Who::Agents(profile, ..) => (profile.calm(), profile.limit(), SPREAD.max(profile.interval())),
            Who::Peers(..) => (PEERS_CALM, Duration::from_secs(5), SPREAD),
        };
        Trials { count, calm, spread, limit, seed: self.seed }
    }
}

/// The result in one line.
fn summary(measurement: &Measurement) -> String {
    let ms = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| format!("{ms:.1}"));
    let mut parts = Vec::new();
    if let Some(times) = &measurement.times {
        let [p50, p99, max] = [times.p50_ms, times.p99_ms, times.max_ms].map(ms);
        parts.push(format!("p50 {p50}, p99 {p99}, max {max} ms of {} trials", times.trials));
    }
    if let Some(blames) = &measurement.blames {
        let removals = |removals: Option<u64>| removals.map_or(String::new(), |n| format!(" and {n} removals"));
        let outs = |outs: Option<u64>| outs.map_or(String::new(), |n| format!(" and {n} route-outs"));
        parts.push(format!(
            "{} false suspicions{}{} in {:.0} s; {}{}{} at the onset",
            blames.false_suspicions,
            removals(blames.false_removals),
            outs(blames.false_route_outs),
            blames.seconds,
            blames.onset_suspicions,
            removals(blames.onset_removals),
            outs(blames.onset_route_outs),
        ));
    }
    if let Some(cost) = &measurement.cost {
        parts.push(format!("{:.2} ms/s and {:.1} MiB a server", cost.cpu_ms_per_s, cost.rss_mib));
    }
    if let Some(share) = measurement.hogs_share {
        parts.push(format!("hogs had {:.0} % of each processor", share * 100.0));
    }
    if let Some(wakeups) = &measurement.wakeups {
        parts.push(wakeups.to_string());
    }
    if let Some(problem) = &measurement.problem {
        parts.push(format!("FAILED: {problem}"));
    }
    parts.join("; ")
}
