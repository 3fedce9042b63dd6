//! The tasks: one for each check, and one that judges their results.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::MissedTickBehavior;

use super::check::{Check, Kind};
use super::verdict::{Track, health};
use super::{Options, exec, http, systemd, tcp};
use crate::show::CheckView;
use ringmon_core::Time;
use ringmon_core::row::Health;

pub(super) struct Told {
    /// Hears of changes.
    pub health: watch::Sender<Health>,
    /// Gets the state of every check.
    pub show: watch::Sender<Arc<Vec<CheckView>>>,
}

struct Found {
    number: usize,
    at: Time,
    took: Duration,
    result: Result<(), String>,
}

/// Checks until `end`, or until no check runs any more.
pub(super) async fn run(
    options: Options,
    known: Vec<CheckView>,
    clock: fn() -> Time,
    told: Told,
    mut end: oneshot::Receiver<()>,
) {
    let (found, mut results) = mpsc::channel(options.checks.len());
    let mut tasks = JoinSet::new();
    let mut names: HashMap<Id, String> = HashMap::new();
    for (number, check) in options.checks.iter().enumerate() {
        let task =
            tasks.spawn(repeat(number, check.clone(), (options.interval, options.timeout), clock, found.clone()));
        names.insert(task.id(), check.to_string());
    }
    drop(found);
    let mut judge = Judge::new(options, &known, told);
    loop {
        tokio::select! {
            biased;
            // This also happens when the sender is gone.
            _ = &mut end => break,
            Some(found) = results.recv() => judge.take(found),
            Some(ended) = tasks.join_next() => {
                lost(&names, ended.err().as_ref());
                // No result will come any more.
                if tasks.is_empty() {
                    break;
                }
            }
            else => break,
        }
    }
    // Waits for them: what they have started is killed as they are dropped.
    tasks.shutdown().await;
}

/// A check's task that ends is a bug in this program. It says nothing about the service, so nothing follows from it.
fn lost(names: &HashMap<Id, String>, error: Option<&JoinError>) {
    let why = error.map(ToString::to_string).unwrap_or_default();
    let check = error.and_then(|error| names.get(&error.id())).map_or("a service check", String::as_str);
    tracing::error!(check, why, "this check has broken off and is made no more: its last result stands");
}

/// Makes one check again and again, never twice at the same time.
async fn repeat(
    number: usize,
    check: Check,
    (interval, timeout): (Duration, Duration),
    clock: fn() -> Time,
    found: mpsc::Sender<Found>,
) {
    let mut bus = systemd::Bus::default();
    let mut tick = tokio::time::interval(interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let began = clock();
        let result = tokio::time::timeout(timeout, once(&check.kind, &mut bus)).await;
        let result = result.unwrap_or_else(|_| Err(format!("no result within {timeout:?}")));
        let at = clock();
        if found.send(Found { number, at, took: at.since(began), result }).await.is_err() {
            return;
        }
    }
}

async fn once(kind: &Kind, bus: &mut systemd::Bus) -> Result<(), String> {
    match kind {
        Kind::Tcp(at) => tcp::connect(*at).await.map(drop),
        Kind::Http(target) => http::get(target).await,
        Kind::Exec(words) => exec::run(words).await,
        Kind::Systemd(unit) => bus.active(unit).await,
    }
}

struct Judge {
    options: Options,
    tracks: Vec<Track>,
    views: Vec<CheckView>,
    told: Told,
}

impl Judge {
    fn new(options: Options, known: &[CheckView], told: Told) -> Self {
        let view = |check: &Check| {
            let check = check.to_string();
            let before = known.iter().find(|view| view.check == check).cloned();
            before.unwrap_or(CheckView { check, ..CheckView::default() })
        };
        let views: Vec<CheckView> = options.checks.iter().map(view).collect();
        told.show.send_replace(Arc::new(views.clone()));
        let tracks = views.iter().map(|view| Track::known(view.passing, view.since)).collect();
        Self { tracks, options, views, told }
    }

    fn take(&mut self, found: Found) {
        let Found { number, at, took, result } = found;
        let (Some(track), Some(view)) = (self.tracks.get_mut(number), self.views.get_mut(number)) else { return };
        let turned = track.result(at, result.is_ok(), self.options.steps);
        (view.passing, view.since, view.took, view.why) = (track.passing(), track.since(), took, result.err());
        if turned {
            match &view.why {
                None => tracing::info!(check = view.check, "the service check passes"),
                Some(why) => tracing::warn!(check = view.check, why, "the service check fails"),
            }
        }
        // Before the health: whoever hears of the health looks here for the reason.
        self.told.show.send_replace(Arc::new(self.views.clone()));
        let now = health(&self.tracks, self.options.need);
        self.told.health.send_if_modified(|known| std::mem::replace(known, now) != now);
    }
}
