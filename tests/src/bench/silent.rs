//! An agent ends or hangs while its host lives: how long it takes until a neighbour says that it is the agent.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::agents::Agents;
use super::case::Case;
use super::crash::{Moments, Trialled};
use super::pool::{Pool, Struck, must, wait};
use super::reports::Kind;
use crate::clock::now_ns;

/// Fewer trials than for crashes, unless more are asked for by name.
pub const TRIALS: usize = 20;

const LIMIT: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(30);
/// A blow comes at a random moment within this time: a pulse is written every 50 ms.
const SPREAD: Duration = Duration::from_millis(100);

/// Kills or freezes agents in turn. Fills `trialled` as it goes.
///
/// # Errors
/// An agent did not come back. What was measured until then stays.
pub fn silent(
    pool: &mut Agents,
    case: Case,
    (trials, seed): (usize, u64),
    trialled: &mut Trialled,
    done: &mut dyn FnMut(usize),
) -> anyhow::Result<()> {
    let mut moments = Moments(seed);
    for trial in 1..=trials {
        must(pool, "all servers hear their neighbours", PATIENCE, |pool| pool.all_hear().then_some(()))?;
        std::thread::sleep(moments.next(SPREAD));
        let victim = pool.order()[trial % pool.order().len()].clone();
        let from = pool.reports().len();
        let watchers = pool.neighbours(&victim);
        let at_ns = now_ns();
        pool.process(&victim)?.signal(if case == Case::AgentKill { Signal::SIGKILL } else { Signal::SIGSTOP })?;
        let struck = Struck { at_ns, done_ns: now_ns() };
        let said = |pool: &dyn Pool, by: &String| pool.reports().first(from, at_ns, Kind::AgentSilent, by, &victim);
        wait(pool, LIMIT, |pool| watchers.iter().all(|by| said(pool, by).is_some()).then_some(()))?;
        let seen: Vec<Option<u64>> = watchers.iter().map(|by| said(pool, by)).collect();
        trialled.push_each(struck, &seen);
        back(pool, case, &victim)?;
        done(trial);
    }
    Ok(())
}

fn back(pool: &mut Agents, case: Case, victim: &str) -> anyhow::Result<()> {
    if case == Case::AgentKill {
        pool.lab.kill(victim)?;
        pool.lab.start(victim, &[])?;
        pool.lab.until_whole()?;
    } else {
        pool.process(victim)?.signal(Signal::SIGCONT)?;
    }
    Ok(())
}
