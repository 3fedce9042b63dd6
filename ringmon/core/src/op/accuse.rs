//! Voting against a run, and removing it: rules R2 to R9 and R11.
//!
//! ```text
//!   chain not as believed ---------------------------> Stale (or Removed: own COMMIT whose answer was lost)
//!   something removable, nothing in the way ---------> Apply: splice the removable ones out
//!       R11 frozen, observing, brake ---------------> what is below, with that reason
//!       R11 brake, which has not spoken lately ------> Apply: an event that says so
//!   own votes missing, changed or due for renewal ---> Apply: vote (and the reason of the nearest suspect)
//!   else --------------------------------------------> Held(reason of the nearest suspect)
//! ```
//!
//! **Two witnesses.** The server that removes is one of them: it is deaf to the suspect now, for long enough (R6), and
//! checks that again before COMMIT (R7). The other witness has its vote in the table. The two were deaf *at the same
//! time* because that vote was cast after the remover's own silence began (R5). Of two voters one can always act: the
//! one whose silence began before the other one's vote. Beyond a run of one, the other witness's kernel may take the
//! place of its vote ([`Confirmed`](crate::evidence::Confirmed)).
//!
//! **Challenge and answer.** Each of these votes has stood for as long as the accused needs to answer (R3), and no
//! answer protects the accused ([`mod@answers`], R4). Whoever is protected ends the run: no server beyond it is removed
//! from this side, and no second witness counts that looks past it.
//!
//! **Where a witness stands.** A vote counts only while its voter accuses all servers between itself and the suspect,
//! but for those that the database does not answer ([`Mute`](crate::op::Mute)).
//! So the voter is the suspect's next server on that side, or one that looks past others (R1, R9). The vote of a server
//! that is itself in the remover's run counts only while it is being renewed: dead and hung servers do not withdraw.

mod answers;
mod case;
mod chain;
mod judge;
mod lost;
mod removal;
mod votes;

pub(super) use answers::{answers, hears};
pub(super) use case::Case;
pub(super) use lost::already_removed;
pub(super) use removal::gate;

use alloc::vec::Vec;

use super::plan::{Draft, Next, apply, held, hurried, vote_set};
use crate::edit::{Outcome, Step, TableSnapshot, VoteSet};
use crate::op::accusation::Accusation;
use crate::outcome::Held;
use crate::row::ServerRow;
use chain::Chain;

pub(super) fn accuse(a: &Accusation, seen: &TableSnapshot) -> Next {
    let chain = Chain::read(a, seen)?;
    let reason = match removal::attempt(a, seen, &chain) {
        Ok(removal) => return Ok(removal),
        Err(Step::Done(Outcome::Held(reason))) => reason,
        Err(early) => return Err(early),
    };
    let due = votes::due(a, seen, &chain);
    if due.is_empty() { held(reason) } else { Ok(vote(a, seen, due, reason)) }
}

fn vote(a: &Accusation, seen: &TableSnapshot, due: Vec<(&ServerRow, VoteSet)>, reason: Held) -> Step {
    let subjects = due.iter().map(|(row, _)| row.id).collect();
    let mut draft = Draft::accusation([]);
    for (row, set) in due {
        *vote_set(draft.touch(row), a.side.opposite()) = set;
    }
    let voted = Outcome::Voted { subjects, held: Some(reason) };
    apply(hurried(a, seen.db_now, draft.writes(), Vec::new(), voted))
}
