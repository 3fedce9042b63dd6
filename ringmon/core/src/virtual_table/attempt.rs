//! An operation under way, one statement at a time, so that other operations can come in between.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;

use super::{ATTEMPTS, Commit, VirtualTable};
use crate::Time;
use crate::edit::{Lookup, Outcome, Plan, Step, TableSnapshot};
use crate::engine::TableFailure;
use crate::op::TableOp;

/// It is unknown whether something was written.
const UNANSWERED: &str = "no answer to COMMIT";

/// What one statement led to.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// There is more to do.
    Busy,
    /// The operation ended.
    Ended(Result<Outcome, TableFailure>),
}

#[derive(Clone, Debug)]
enum Next {
    /// Read the clock and the pool's row.
    Begin,
    /// Make these reads, then call the operation.
    Read(VecDeque<Lookup>),
    /// Run this transaction.
    Commit(Box<Plan>),
}

/// One operation between its first statement and its end. [`Self::advance`] executes one statement (a transaction
/// counts as one: it is atomic) and evaluates what it saw, so any two attempts can be interleaved in every order.
#[derive(Clone, Debug)]
pub struct Attempt {
    op: Arc<TableOp>,
    read_at: Time,
    seen: TableSnapshot,
    next: Next,
    left: u32,
}

impl Attempt {
    /// An attempt that has done nothing yet. `read_at` is the caller's own clock when it begins.
    #[must_use]
    pub fn new(op: impl Into<Arc<TableOp>>, read_at: Time) -> Self {
        Self { op: op.into(), read_at, seen: TableSnapshot::default(), next: Next::Begin, left: ATTEMPTS }
    }

    /// Sets the caller's own clock for the next statement. If the operation starts again, it counts from there.
    pub fn clock(&mut self, now: Time) {
        self.read_at = now;
    }

    /// Whether the next statement is the transaction.
    #[must_use]
    pub const fn is_writing(&self) -> bool {
        self.transaction().is_some()
    }

    /// The transaction, if it is the next statement.
    #[must_use]
    pub const fn transaction(&self) -> Option<&Plan> {
        if let Next::Commit(plan) = &self.next { Some(plan) } else { None }
    }

    /// What was read in the last attempt.
    #[must_use]
    pub fn into_snapshot(self) -> TableSnapshot {
        self.seen
    }

    /// Executes the next statement.
    pub fn advance(&mut self, table: &mut VirtualTable, check: &mut dyn FnMut() -> bool) -> Progress {
        match core::mem::replace(&mut self.next, Next::Begin) {
            Next::Begin => {
                let again = self.left < ATTEMPTS;
                self.seen = TableSnapshot { again, ..table.begin(self.read_at) };
                self.think()
            }
            Next::Read(mut lookups) => {
                if let Some(lookup) = lookups.pop_front() {
                    table.read(&mut self.seen, &lookup);
                }
                if lookups.is_empty() {
                    return self.think();
                }
                self.next = Next::Read(lookups);
                Progress::Busy
            }
            Next::Commit(plan) => {
                match table.commit(&plan, &mut || self.seen.is_of_now(self.read_at, plan.deadline) && check()) {
                    Commit::Done(outcome) => {
                        self.seen.wrote = !plan.is_empty();
                        Progress::Ended(Ok(outcome))
                    }
                    Commit::Overtaken => Progress::Ended(Ok(Outcome::Overtaken)),
                    // It compares nothing that another attempt would find changed: its row is gone, or of another life.
                    Commit::Conflict if plan.is_answer() => Progress::Ended(Ok(Outcome::Stale)),
                    Commit::Conflict | Commit::Late => self.again(),
                    Commit::Unanswered => failed(UNANSWERED),
                    Commit::Away => failed("the database does not answer"),
                }
            }
        }
    }

    fn think(&mut self) -> Progress {
        match self.op.step(&self.seen) {
            Step::Read(lookups) => {
                debug_assert!(lookups.iter().all(|l| !self.seen.asked(l)), "{:?} asks twice: {lookups:?}", self.op);
                self.next = Next::Read(lookups.into());
                Progress::Busy
            }
            Step::Apply(plan) => {
                self.next = Next::Commit(plan);
                Progress::Busy
            }
            Step::Done(outcome) => Progress::Ended(Ok(outcome)),
        }
    }

    fn again(&mut self) -> Progress {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            return Progress::Ended(Err(TableFailure {
                overtaken: true,
                ..failure("every attempt met another's change")
            }));
        }
        self.next = Next::Begin;
        Progress::Busy
    }
}

fn failed(cause: &str) -> Progress {
    Progress::Ended(Err(failure(cause)))
}

fn failure(cause: &str) -> TableFailure {
    TableFailure { cause: cause.to_owned(), transient: true, readable: false, overtaken: false }
}

impl VirtualTable {
    /// Runs a whole operation with no other one in between, as the store's executor does.
    ///
    /// # Errors
    /// The database did not answer, or every attempt conflicted. After
    /// [`Mishap::LostAnswer`](super::Mishap::LostAnswer) it asks again, and so does not fail.
    pub fn run(
        &mut self,
        op: &TableOp,
        read_at: Time,
        check: &mut dyn FnMut() -> bool,
    ) -> Result<(Outcome, TableSnapshot), TableFailure> {
        let mut attempt = Attempt::new(op.clone(), read_at);
        let began = self.now();
        loop {
            // The caller's clock runs with the database's clock.
            attempt.clock(read_at + self.now().since(began).unwrap_or_default());
            match attempt.advance(self, check) {
                Progress::Busy => {}
                Progress::Ended(Err(failure)) if failure.cause == UNANSWERED => {
                    attempt = Attempt::new(op.clone(), read_at);
                }
                Progress::Ended(result) => return result.map(|outcome| (outcome, attempt.into_snapshot())),
            }
        }
    }

    /// [`Self::run`] for operations that rest on no silence.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_plain(&mut self, op: &TableOp) -> Result<Outcome, TableFailure> {
        self.run(op, Time::ZERO, &mut || true).map(|(outcome, _)| outcome)
    }
}
