//! What `cargo xtask bench detect` measures can be measured: a few trials, with agents as tests build them.

use std::time::Duration;

use anyhow::ensure;
use ringmon_tests::bench::agents::{Agents, Mode, options};
use ringmon_tests::bench::case::Case;
use ringmon_tests::bench::commit::commit;
use ringmon_tests::bench::crash::{Trialled, Trials, crash};
use ringmon_tests::bench::pool::Pool;
use ringmon_tests::bench::profile::Profile;
use ringmon_tests::bench::silent::silent;
use ringmon_tests::bench::steady::steady;
use ringmon_tests::database::Choice;

use crate::Result;

const PROFILE: Profile = Profile::Default;
const SEED: u64 = 7;
/// More patience than a measurement has: here the machine may be busy.
const LIMIT: Duration = Duration::from_secs(20);

fn trials(count: usize) -> Trials {
    let ms = Duration::from_millis;
    Trials { count, calm: PROFILE.calm(), spread: ms(60), limit: LIMIT, seed: SEED }
}

/// All were seen, none before that was possible, and none as late as the limit.
fn plausible(trialled: &Trialled, count: usize) -> Result {
    println!("{trialled:?}");
    let samples = &trialled.samples;
    ensure!(samples.trials() == count && samples.unseen() == 0, "{trialled:?}");
    let (Some(p50), Some(max)) = (samples.p50(), samples.max()) else { anyhow::bail!("{trialled:?}") };
    ensure!(p50 > 1.0 && max < LIMIT.as_secs_f64() * 1e3, "between one miss and the limit: {trialled:?}");
    ensure!(samples.p99().is_none(), "{count} trials have no p99");
    Ok(())
}

#[test]
fn crashes_are_seen_again_and_again_and_nobody_is_removed() -> Result {
    let mut pool = Agents::start(options("debug", PROFILE, Mode::Observe, Choice::Sqlite), 5)?;
    let mut trialled = Trialled::default();
    let mut told = Vec::new();
    crash(&mut pool, &trials(6), &mut trialled, &mut |trial| told.push(trial))?;
    plausible(&trialled, 6)?;
    ensure!(told == [1, 2, 3, 4, 5, 6]);
    let mut silenced = Trialled::default();
    silent(&mut pool, Case::AgentKill, (1, SEED), &mut silenced, &mut |_| {})?;
    silent(&mut pool, Case::AgentStop, (1, SEED), &mut silenced, &mut |_| {})?;
    plausible(&silenced, 2)?;
    ensure!(pool.removals()? == Some(0));
    Ok(())
}

#[test]
fn a_removal_is_timed_and_the_victim_comes_back() -> Result {
    let mut pool = Agents::start(options("debug", PROFILE, Mode::Act, Choice::Sqlite), 4)?;
    let mut trialled = Trialled::default();
    commit(&mut pool, &trials(2), &mut trialled, &mut |_| {})?;
    plausible(&trialled, 2)?;
    ensure!(pool.removals()? == Some(2));
    ensure!(pool.lab.until_whole()?.names().len() == 4);
    let (blames, _) = steady(&mut pool, Case::Loss, Duration::from_secs(1), &mut |_| {})?;
    println!("{blames:?}");
    ensure!(blames.seconds >= 1.0 && blames.onset_seconds >= 5.0, "{blames:?}");
    ensure!(pool.lab.network.faults().one_way_loss == 0, "the loss is over");
    Ok(())
}
