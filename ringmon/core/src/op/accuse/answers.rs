//! R3 and R4: a vote is a challenge, and the accused answers it in its own row.
//!
//! Both sides of a cut accuse each other, and neither can tell by its own evidence which side died. The table can: a
//! server that is alive and reaches the table answers there, and names a server that it hears. Such an answer protects
//! it while it is renewed. It counts only if it is younger than the accuser's silence, or if the next one is not
//! overdue: an earlier one says nothing of a server that died since.
//!
//! - *How long to wait* for an answer is what the accused's own row says ([`ServerRow::wait`]), and not what the
//!   accuser's clock or database make likely: the longest wait of the run. The wait begins with the vote, and only time
//!   counts in which the database served the remover.
//! - *A protected server ends the run.* What is beyond it is for it to report. So the servers in the middle of the
//!   other side, which hear both their buddies and know of no accusation, are protected by those at the edges.
//! - *Whom it hears* may be accused in the same run: in a cut, everybody on the other side is.
//! - *"I hear nobody"* is an answer that names its own server, and the alone mark. It protects for [`law::LONE_WORD`],
//!   the time to find somebody. The answer is one write without a look, and so there before the mark.
//! - *An agent of an older version* cannot answer. Its counter-vote against those that would remove it counts as its
//!   answer, for as long as another server seconds it and otherwise for [`law::LONE_WORD`].

use super::chain::Chain;
use super::votes::{silence, stands};
use crate::edit::{Step, TableSnapshot};
use crate::law;
use crate::op::accusation::Accusation;
use crate::op::plan::{need_rows, row};
use crate::row::{ServerRow, Side};
use core::time::Duration;

/// R3: the longest time that a server of the run needs to answer.
pub(super) fn wait(chain: &Chain<'_>) -> Duration {
    chain.suspects.iter().map(|suspect| suspect.row.wait()).max().unwrap_or(law::WAIT_MOST)
}

/// R4: whether the suspect at this place of the chain is protected by its own word.
///
/// # Errors
/// What to read first.
pub(super) fn is_answered(a: &Accusation, seen: &TableSnapshot, chain: &Chain<'_>, place: usize) -> Result<bool, Step> {
    let suspect = &chain.suspects[place];
    if is_looking(seen, suspect.row) {
        return Ok(true);
    }
    if suspect.row.answering().is_none() {
        return objects(a, seen, chain, place);
    }
    answers(seen, suspect.row, silence(seen, suspect) + a.lag)
}

/// Whether it has an answer that protects it: it hears somebody, or has just lost everybody.
///
/// # Errors
/// What to read first.
pub(in crate::op) fn answers(seen: &TableSnapshot, accused: &ServerRow, silence: Duration) -> Result<bool, Step> {
    // An answer that names itself says that it hears nobody. It says so only while that is new.
    let answer = accused.answering().and_then(|answering| answering.answer).filter(|it| it.hears == accused.id);
    let lost = answer.is_some_and(|it| it.at.is_recent(seen.db_now, silence.min(law::RENEWED)));
    Ok(lost || hears(seen, accused, silence)?)
}

/// Whether it has a fresh answer that names a member, and is younger than `silence` or not overdue to be renewed.
///
/// # Errors
/// What to read first.
pub(in crate::op) fn hears(seen: &TableSnapshot, accused: &ServerRow, silence: Duration) -> Result<bool, Step> {
    let answer = accused.answering().and_then(|answering| answering.answer);
    let Some(answer) = answer.filter(|it| it.hears != accused.id) else { return Ok(false) };
    // Who still answers an earlier silence may not know that this one is new: it did not hear its accuser in between.
    // Its next answer comes when it is due.
    let within = silence.max(law::REVOTE_MOST + accused.wait()).min(law::RENEWED + accused.wait());
    if !answer.at.is_recent(seen.db_now, within) {
        return Ok(false);
    }
    need_rows(seen, [answer.hears])?;
    Ok(row(seen, answer.hears).is_some())
}

/// Whether it has just found that it hears nobody.
fn is_looking(seen: &TableSnapshot, row: &ServerRow) -> bool {
    let (Some(since), Some(at)) = (row.alone_since, row.alone_at) else { return false };
    at.is_recent(seen.db_now, law::RENEWED) && since.is_recent(seen.db_now, law::LONE_WORD)
}

/// Whether an agent that cannot answer has a fresh vote against one of those that would remove it.
fn objects(a: &Accusation, seen: &TableSnapshot, chain: &Chain<'_>, place: usize) -> Result<bool, Step> {
    let accused = chain.suspects[place].row;
    let second = accused.vote(a.side).and_then(|vote| row(seen, vote.voter));
    let accusers = [Some(chain.me), chain.far, second];
    for accuser in accusers.into_iter().flatten() {
        for side in Side::BOTH {
            let counter = accuser.vote(side).filter(|vote| {
                vote.voter == accused.id
                    && vote.voter_incarnation == accused.incarnation
                    && vote.at.is_recent(seen.db_now, law::RENEWED)
            });
            let Some(counter) = counter else { continue };
            if counter.since.is_recent(seen.db_now, law::LONE_WORD) || is_seconded(a, seen, accuser, side)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether another server also accuses the accuser, from its other side.
fn is_seconded(a: &Accusation, seen: &TableSnapshot, accuser: &ServerRow, side: Side) -> Result<bool, Step> {
    let (Some(vote), Some(other)) = (accuser.vote(side), accuser.vote(side.opposite())) else { return Ok(false) };
    need_rows(seen, [other.voter])?;
    Ok(other.voter != vote.voter && stands(seen, other, &a.tuning, law::VOTE_LIFETIME))
}
