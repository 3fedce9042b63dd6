//! From a crash to the removal in the table.

use super::agents::Agents;
use super::crash::{Moments, Trialled, Trials};
use super::pool::Pool;
use crate::event::Event;
use crate::server::State;

/// Crashes servers in turn until they are removed, and starts their agents anew; fills `trialled` as it goes.
///
/// # Errors
/// The pool did not get over one of them; what was measured until then stays.
pub fn commit(
    pool: &mut Agents,
    trials: &Trials,
    trialled: &mut Trialled,
    done: &mut dyn FnMut(usize),
) -> anyhow::Result<()> {
    let mut moments = Moments(trials.seed);
    let names: Vec<String> = pool.order().to_vec();
    for trial in 1..=trials.count {
        // Every watch may be a new one: the victim of the last trial joined at another place.
        pool.lab.hold(trials.calm + moments.next(trials.spread))?;
        let victim = &names[trial % names.len()];
        let from = pool.lab.events().len();
        let struck = pool.fall(victim)?;
        pool.lab.mark(victim, State::Crashed);
        // Whoever committed it says so at once; the others when they see it.
        let gone = |event: &Event| event.is("down", victim) && event.server != *victim && event.mono_ns >= struck.at_ns;
        // In vain is an answer too: it is counted as not seen, and whatever is wrong shows when the pool is to be whole.
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

/// A fresh start joins at once, where a thawed agent would wait the longer the more often it was removed.
fn back(pool: &mut Agents, victim: &str) -> anyhow::Result<()> {
    pool.lab.kill(victim)?;
    pool.ports().pass(pool.port(victim)?, true)?;
    pool.lab.start(victim, &[])?;
    pool.lab.until_whole()?;
    Ok(())
}
