//! `ringmon events`: what happened in the pool, from the table.

use std::time::{Duration, Instant};

use anstyle::Style;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::exit::Verdict;
use super::{database, out, when};
use crate::config::Typed;
use crate::show::saying;
use crate::store::{Events, PastEvent};
use ringmon_core::{DbTime, Word as _};

/// How often `--follow` looks.
const EVERY: Duration = Duration::from_millis(500);
/// How often `--keep` says how far it is.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// How many events `--follow` reads at a time.
const BATCH: u32 = 500;

/// Prints the newest events, and with `follow` the following ones, until interrupted.
pub fn run(typed: &Typed, limit: u32, follow: bool, json: bool) -> anyhow::Result<Verdict> {
    database::wait(async {
        let store = database::open(typed).await?;
        let mut batch = store.events(Events::Newest(limit)).await?;
        let mut last = batch.last().map(|event| event.stored.id);
        if last.is_none() && follow {
            // Nothing is to be shown at first: begin after the newest event.
            last = store.events(Events::Newest(1)).await?.last().map(|event| event.stored.id);
        }
        loop {
            for event in &batch {
                out::line(&if json { as_json(event).to_string() } else { as_text(event) })?;
            }
            if !follow {
                return Ok(Verdict::Ok);
            }
            last = batch.last().map(|event| event.stored.id).or(last);
            tokio::time::sleep(EVERY).await;
            batch = match store.events(Events::After { id: last.unwrap_or(0), limit: BATCH }).await {
                Ok(events) => events,
                Err(error) if error.is_transient() => {
                    tracing::warn!("{error}; still trying");
                    Vec::new()
                }
                Err(error) => return Err(error.into()),
            };
        }
    })
}

/// Deletes events that are older than this.
pub fn keep(typed: &Typed, keep: Duration) -> anyhow::Result<Verdict> {
    database::wait(async {
        let store = database::open(typed).await?;
        let mut told = Instant::now();
        let mut progress = |gone: u64| {
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                tracing::info!("{gone} events forgotten so far");
            }
        };
        let gone = store.forget_events(keep, &mut progress).await?;
        let keep = jiff::SignedDuration::try_from(keep).unwrap_or_default();
        out::line(&format!("forgot {gone} events of pool {} that were older than {keep:#}", store.pool_name()))?;
        Ok(Verdict::Ok)
    })
}

/// A time of the database's clock as RFC 3339 in UTC, with microseconds.
fn moment(at: DbTime) -> String {
    Timestamp::from_microsecond(at.as_us()).map_or_else(|_| at.to_string(), |at| format!("{at:.6}"))
}

/// With the same field names as in an agent's event log.
fn as_json(past: &PastEvent) -> Value {
    let event = &past.stored;
    json!({
        "id": event.id,
        "at": moment(event.at),
        "server": event.by,
        "event": event.kind(),
        "subject": event.subject_name,
        "subject_id": event.subject,
        "detail": past.detail,
    })
}

fn as_text(past: &PastEvent) -> String {
    let event = &past.stored;
    let style = if saying::is_warning(&event.body) { out::WARNING } else { Style::new() };
    let said = saying::sentence(&event.subject_name, &event.body);
    let (at, kind, by) =
        (when::full(&when::at(event.at, &TimeZone::system())), event.kind().word(), saying::clean(&event.by));
    format!("{at}  {style}{kind:<13}{style:#} {said}  {ASIDE}by {by}{ASIDE:#}", ASIDE = out::ASIDE)
}
