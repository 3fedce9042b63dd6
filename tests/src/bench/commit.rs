//! From a crash to the removal in the table.

use super::agents::Agents;
use super::crash::{Moments, Trialled, Trials};
use super::pool::Pool;
use crate::event::Event;
use crate::server::State;

/// Crashes servers in turn until they are removed, and starts their agents again. Fills `trialled` as it goes.
///
/// # Errors
/// The pool did not recover from one of them. What was measured until then stays.
pub fn commit(
    pool: &mut Agents,
    trials: &Trials,
    trialled: &mut Trialled,
    done: &mut dyn FnMut(usize),
) -> anyhow::Result<()> {
    let mut moments = Moments(trials.seed);
    let names: Vec<String> = pool.order().to_vec();
    for trial in 1..=trials.count {
        // Every watch may be new, because the victim of the last trial joined at another place.
        pool.lab.hold(trials.calm + moments.next(trials.spread))?;
        let victim = &names[trial % names.len()];
        let from = pool.lab.events().len();
        let struck = pool.fall(victim)?;
        pool.lab.mark(victim, State::Crashed);
        // The server that committed it says so at once; the others when they see it.
        let gone = |event: &Event| event.is("down", victim) && event.server != *victim && event.mono_ns >= struck.at_ns;
        // No removal is a result too: it counts as not seen. Any problem shows when the pool must be whole again.
        let _ = pool
            .lab
            .until("it is removed", trials.limit, |lab| Ok(lab.events()[from..].iter().any(gone).then_some(())));
        back(pool, victim)?;
        let at_ns = pool.lab.events()[from..].iter().filter(|event| gone(event)).map(|event| event.mono_ns).min();
        trialled.push(struck, at_ns);
        done(trial);
    }
    Ok(())
}

/// A fresh start joins at once. A thawed agent would wait longer each time it was removed.
fn back(pool: &mut Agents, victim: &str) -> anyhow::Result<()> {
    pool.lab.kill(victim)?;
    pool.ports().pass(pool.port(victim)?, true)?;
    pool.lab.start(victim, &[])?;
    pool.lab.until_whole()?;
    Ok(())
}
