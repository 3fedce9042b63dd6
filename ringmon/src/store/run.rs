//! One operation, from its first look at the clock to its end: attempts, conflicts, pauses.

use std::time::{Duration, Instant};

use super::error::Fault;
use super::write::Written;
use super::{Error, Store};
use ringmon_core::op::TableOp;
use ringmon_core::{DbTime, Outcome, Plan, ServerRow, Step, TableSnapshot, Time};

/// How often an operation is tried when others are faster.
const ATTEMPTS: u32 = 20;

/// How long an operation is tried.
const PATIENCE: Duration = Duration::from_secs(2);

/// The longest pause after the first conflict. It doubles with each conflict, up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(10);

const PAUSE_MAX: Duration = Duration::from_millis(250);

impl Store {
    /// Runs an operation to its end: read, decide, write. If somebody else was faster, it starts again.
    ///
    /// `clock` is this machine's monotonic clock. `check` is asked before the last statement and before the COMMIT of a
    /// plan that wants it, and says whether the operation is still justified (R7). The snapshot is the last attempt's,
    /// as it was read before the write. Dropping the future ends the operation: a transaction that has not committed is
    /// rolled back.
    ///
    /// # Errors
    /// The true cause. Nothing was written. If a connection broke or was silent at COMMIT, it is unknown whether
    /// something was: run it again.
    pub async fn run<C, K>(&self, op: &TableOp, clock: C, check: K) -> (Result<Outcome, Error>, TableSnapshot)
    where
        C: Fn() -> Time + Send + Sync,
        K: Fn() -> bool + Send + Sync,
    {
        self.run_steps(|seen| op.step(seen), clock, check).await
    }

    /// [`Store::run`] for anything that says what to do next.
    pub(super) async fn run_steps<S, C, K>(
        &self,
        step: S,
        clock: C,
        check: K,
    ) -> (Result<Outcome, Error>, TableSnapshot)
    where
        S: Fn(&TableSnapshot) -> Step + Send + Sync,
        C: Fn() -> Time + Send + Sync,
        K: Fn() -> bool + Send + Sync,
    {
        let begun = Instant::now();
        let mut reconnected = false;
        let (mut attempt, mut again) = (0, false);
        loop {
            attempt += 1;
            let mut seen = TableSnapshot { again, ..TableSnapshot::default() };
            let fault = match self.attempt(&step, &clock, &check, &mut seen).await {
                Ok(outcome) => return (Ok(outcome), seen),
                Err(fault) => fault,
            };
            match fault {
                // A connection that the server closed while it was idle shows this only when it is used.
                Fault::Failed(Error::Lost { doing, .. }) if doing != super::write::COMMITTING && !reconnected => {
                    reconnected = true;
                }
                Fault::Failed(error) => return (Err(error), seen),
                met @ (Fault::Conflict(_) | Fault::Locked(_)) => {
                    let within = begun.elapsed();
                    if attempt >= ATTEMPTS || within >= PATIENCE {
                        return (Err(met.after(attempt, within)), seen);
                    }
                    tracing::debug!(attempt, ?met, "gave way to another writer");
                    again = true;
                    tokio::time::sleep(pause(attempt)).await;
                }
            }
        }
    }

    /// Reads every row of the pool and writes what `plan` makes of them. If somebody else was faster, it starts again.
    /// Returns what was written; `None`: there was nothing to write. Its cost grows with the pool: it is for operators,
    /// not for agents.
    ///
    /// # Errors
    /// As [`Store::run`]; [`Error::Damaged`] names a row with an unknown value.
    pub async fn rewrite<F>(&self, plan: F) -> Result<Option<Plan>, Error>
    where
        F: Fn(&[ServerRow], DbTime) -> Option<Plan> + Send + Sync,
    {
        let begun = Instant::now();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let mut seen = TableSnapshot::default();
            let begun_attempt = async {
                let session = self.session().await?;
                self.read_clock(&session, Time::ZERO, &mut seen).await.map(|()| session)
            };
            let met = match begun_attempt.await {
                Err(met) => met,
                Ok(session) => {
                    let Some(plan) = plan(&self.servers().await?, seen.db_now) else { return Ok(None) };
                    match self.write(session, &plan, &|| true).await {
                        Ok(_) => return Ok(Some(plan)),
                        Err(met) => met,
                    }
                }
            };
            if attempt >= ATTEMPTS || matches!(met, Fault::Failed(_)) {
                return Err(met.after(attempt, begun.elapsed()));
            }
            tokio::time::sleep(pause(attempt)).await;
        }
    }

    /// One attempt, from an empty snapshot.
    pub(super) async fn attempt<S, C, K>(
        &self,
        step: &S,
        clock: &C,
        check: &K,
        seen: &mut TableSnapshot,
    ) -> Result<Outcome, Fault>
    where
        S: Fn(&TableSnapshot) -> Step + Send + Sync,
        C: Fn() -> Time + Send + Sync,
        K: Fn() -> bool + Send + Sync,
    {
        let session = self.session().await?;
        self.read_clock(&session, clock(), seen).await?;
        loop {
            match step(seen) {
                Step::Done(outcome) => return Ok(outcome),
                Step::Read(mut lookups) => {
                    lookups.retain(|lookup| !seen.asked(lookup));
                    if lookups.is_empty() {
                        // It would ask for ever. No operation means to do that.
                        return Err(Fault::Conflict("the operation asked twice for the same rows".to_owned()));
                    }
                    self.read(&session, &lookups, seen).await?;
                }
                Step::Apply(plan) => {
                    let check = || seen.is_of_now(clock(), plan.deadline) && check();
                    return Ok(match self.write(session, &plan, &check).await? {
                        Written::Overtaken => Outcome::Overtaken,
                        Written::Stale => Outcome::Stale,
                        Written::Committed { inserted, wrote } => {
                            seen.wrote = wrote;
                            named(plan.outcome, inserted)
                        }
                    });
                }
            }
        }
    }
}

/// The outcome, with the id of the inserted row.
fn named(outcome: Outcome, inserted: Option<ringmon_core::ServerId>) -> Outcome {
    use ringmon_core::ServerId;
    match (outcome, inserted) {
        (Outcome::Joined { id: ServerId::NEW, incarnation, kept_place }, Some(id)) => {
            Outcome::Joined { id, incarnation, kept_place }
        }
        (outcome, _) => outcome,
    }
}

/// Jitter keeps two that met from meeting again.
fn pause(conflicts: u32) -> Duration {
    let longest = PAUSE.saturating_mul(1 << (conflicts - 1).min(8)).min(PAUSE_MAX);
    longest.mul_f64(rand::random::<f64>())
}
