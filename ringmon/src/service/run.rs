//! The tasks: one for each check, and one that judges their results.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::MissedTickBehavior;

use super::check::{Check, Kind};
use super::lookout::Lookout;
use super::verdict::{Steps, Track, health};
use super::{Options, exec, http, systemd, tcp};
use crate::show::{CheckView, Watched};
use ringmon_core::Time;
use ringmon_core::row::Health;

pub(super) struct Told {
    /// Hears of changes.
    pub health: watch::Sender<Health>,
    /// Gets the state of every check.
    pub show: watch::Sender<Arc<Vec<CheckView>>>,
}

/// What a check's task says, with the check's number.
struct Said(usize, News);

enum News {
    Found(Found),
    Watched(Watched),
}

struct Found {
    at: Time,
    took: Duration,
    result: Result<(), String>,
    /// It is certain: the service does not listen any more.
    proved: bool,
}

/// Checks until `end`, or until no check runs any more.
pub(super) async fn run(
    options: Options,
    known: Vec<CheckView>,
    clock: fn() -> Time,
    told: Told,
    mut end: oneshot::Receiver<()>,
) {
    let (say, mut said) = mpsc::channel(options.checks.len());
    let mut tasks = JoinSet::new();
    let mut names: HashMap<Id, String> = HashMap::new();
    for (number, check) in options.checks.iter().enumerate() {
        let task = tasks.spawn(repeat(number, check.clone(), (options.interval, options.timeout), clock, say.clone()));
        names.insert(task.id(), check.to_string());
    }
    drop(say);
    let mut judge = Judge::new(options, &known, told);
    loop {
        tokio::select! {
            biased;
            // This also happens when the sender is gone.
            _ = &mut end => break,
            Some(Said(number, news)) = said.recv() => judge.take(number, news),
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

/// Makes one check again and again, never twice at the same time: at each interval, and when something that it asks is
/// gone.
async fn repeat(
    number: usize,
    check: Check,
    (interval, timeout): (Duration, Duration),
    clock: fn() -> Time,
    say: mpsc::Sender<Said>,
) {
    let mut lookout = Lookout::of(&check.kind);
    let mut shown = Watched::default();
    // Several workers that end one after the other are one failure, not as many as it takes to fail.
    let mut failed_between = false;
    let mut bus = systemd::Bus::default();
    let mut tick = tokio::time::interval(interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let regular = tokio::select! {
            () = lookout.event() => false,
            _ = tick.tick() => true,
        };
        let began = clock();
        let (result, proved) = judged(&check.kind, timeout, &mut lookout, &mut bus).await;
        let (at, failed) = (clock(), result.is_err());
        // Between two checks only the first failure counts, and no success: anybody may cause events.
        let counts = regular || failed && (proved || !failed_between);
        failed_between = !regular && (failed_between || failed);
        let found = Found { at, took: at.since(began), result, proved };
        if counts && say.send(Said(number, News::Found(found))).await.is_err() {
            return;
        }
        // What hangs here is looked for again at the next check.
        let _ = tokio::time::timeout(timeout, lookout.look(&mut bus, regular)).await;
        if *lookout.watched() != shown {
            shown = lookout.watched().clone();
            if say.send(Said(number, News::Watched(shown.clone()))).await.is_err() {
                return;
            }
        }
    }
}

/// The result of a check, and whether it proves that the service is gone.
async fn judged(
    kind: &Kind,
    timeout: Duration,
    lookout: &mut Lookout,
    bus: &mut systemd::Bus,
) -> (Result<(), String>, bool) {
    if lookout.unit_is_gone() {
        return (Err("its process has ended, and nobody listens on its ports any more".to_owned()), true);
    }
    let result = tokio::time::timeout(timeout, once(kind, bus)).await;
    let result = result.unwrap_or_else(|_| Err(format!("no result within {timeout:?}")));
    let proved = result.is_err() && lookout.port_is_left();
    (result, proved)
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

    fn take(&mut self, number: usize, news: News) {
        let (Some(track), Some(view)) = (self.tracks.get_mut(number), self.views.get_mut(number)) else { return };
        let Found { at, took, result, proved } = match news {
            News::Found(found) => found,
            News::Watched(watched) => {
                view.watched = watched;
                self.told.show.send_replace(Arc::new(self.views.clone()));
                return;
            }
        };
        // What is proved needs no second result.
        let steps = if proved { Steps::default() } else { self.options.steps };
        let turned = track.result(at, result.is_ok(), steps);
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
