//! What of a row is compared when a plan is written.

use crate::row::{Answering, ServerRow};
use crate::{DbTime, Incarnation, ServerId};

/// A row as it was read. The WHERE clause compares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Id of the row.
    pub id: ServerId,
    /// First buddy, as read.
    pub first_buddy: ServerId,
    /// Second buddy, as read.
    pub second_buddy: ServerId,
    /// Incarnation, as read.
    pub incarnation: Incarnation,
    /// What of the other columns is compared.
    pub same: Same,
}

/// What of a row must be as it was read, besides its links and its incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Same {
    /// Every column: its version, which grows with each change.
    All(i64),
    /// What an accusation relies on. Everybody who accuses and everybody who is accused writes twice a second. If
    /// that changed what a removal compares, none would ever succeed where the database is far.
    Accusation {
        /// Who voted on either side, and when. A vote that is renewed says the same.
        votes: [Option<(ServerId, DbTime)>; 2],
        /// What the server says of itself (R4). `None`: it is not among those who may be removed, so its own word
        /// makes no removal wrong.
        word: Option<OwnWord>,
    },
}

/// What a server says of itself: its answer, and since when and as of when it is alone.
pub type OwnWord = (Option<Answering>, [Option<DbTime>; 2]);

impl From<&ServerRow> for Guard {
    /// Compares every column.
    fn from(row: &ServerRow) -> Self {
        Self::of(row, Same::All(row.version))
    }
}

impl Guard {
    /// Compares what an accusation relies on. `word`: what the server says of itself, too.
    #[must_use]
    pub fn accusation(row: &ServerRow, word: bool) -> Self {
        // Every field is named, so that a new one is not forgotten.
        let ServerRow {
            vote_first,
            vote_second,
            answering,
            alone_since,
            alone_at,
            // These are compared in every guard.
            id: _,
            first_buddy: _,
            second_buddy: _,
            incarnation: _,
            // These make no removal wrong.
            card: _,
            pick: _,
            draining: _,
            health: _,
            alone_kind: _,
            version: _,
        } = row;
        let votes = [vote_first, vote_second].map(|vote| vote.as_ref().map(|vote| (vote.voter, vote.since)));
        let word = word.then_some((*answering, [*alone_since, *alone_at]));
        Self::of(row, Same::Accusation { votes, word })
    }

    /// Compares the same of that row as it is now.
    #[must_use]
    pub fn again(&self, row: &ServerRow) -> Self {
        match self.same {
            Same::All(_) => row.into(),
            Same::Accusation { word, .. } => Self::accusation(row, word.is_some()),
        }
    }

    const fn of(row: &ServerRow, same: Same) -> Self {
        let (first_buddy, second_buddy) = (row.first_buddy, row.second_buddy);
        Self { id: row.id, first_buddy, second_buddy, incarnation: row.incarnation, same }
    }
}
