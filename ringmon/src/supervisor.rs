//! Tells the service manager how this process does, as sd_notify(3) describes: that it is ready, a line for
//! `systemctl status`, and for `WatchdogSec=` that its loop still turns. Without `NOTIFY_SOCKET` nothing happens.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;

/// How often it is told. The loops publish their boards more often than this.
const EVERY: Duration = Duration::from_secs(1);

/// Tells it what this process waits for before its loop runs, and that the start may take as much longer.
pub fn waits(line: &str, longer: Duration) {
    let us = u32::try_from(longer.as_micros()).unwrap_or(u32::MAX);
    if let Err(error) = sd_notify::notify(&[NotifyState::Status(line), NotifyState::ExtendTimeoutUsec(us)]) {
        tracing::warn!("cannot tell the service manager how this process does: {error}");
    }
}

/// Runs until the loop that publishes is gone. What is published is the proof that the loop turns: a loop that hangs
/// feeds no watchdog. `status` makes a line for people.
pub async fn follow<T: Send + Sync>(mut published: watch::Receiver<Arc<T>>, status: impl Fn(&T) -> String) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    // A thread of its own: the manager may be slow to read, and the runtime's threads for what may wait may all wait
    // for a resolver. A loop that turns must not be killed for that.
    let (lines, told) = sync_channel(1);
    let thread = std::thread::Builder::new().name("ringmon-notify".to_owned()).spawn(move || tell(&told));
    if let Err(error) = thread {
        tracing::warn!("cannot tell the service manager how this process does: {error}");
        return;
    }
    while published.changed().await.is_ok() {
        let line = status(&published.borrow_and_update());
        // While one line is on its way, this one is left out.
        let _ = lines.try_send(line);
        tokio::time::sleep(EVERY).await;
    }
}

/// Hands on each line, until there are no more.
fn tell(lines: &Receiver<String>) {
    let mut known: Option<String> = None;
    while let Ok(line) = lines.recv() {
        let mut states = vec![NotifyState::Watchdog];
        states.extend(known.is_none().then_some(NotifyState::Ready));
        states.extend((known.as_ref() != Some(&line)).then_some(NotifyState::Status(&line)));
        match sd_notify::notify(&states) {
            Ok(()) => known = Some(line),
            Err(error) => tracing::warn!("cannot tell the service manager how this process does: {error}"),
        }
    }
}
