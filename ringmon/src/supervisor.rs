//! Tells the service manager how this process does, as sd_notify(3) describes: that it is ready, a line for
//! `systemctl status`, and for `WatchdogSec=` that its loop still turns. Without `NOTIFY_SOCKET` nothing happens.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;

/// How often it is told. The loops publish their boards more often than this.
const EVERY: Duration = Duration::from_secs(1);

/// Runs until the loop that publishes is gone. What is published is the proof that the loop turns: a loop that hangs
/// feeds no watchdog. `status` makes a line for people.
pub async fn follow<T: Send + Sync>(mut published: watch::Receiver<Arc<T>>, status: impl Fn(&T) -> String) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let (mut ready, mut told) = (false, String::new());
    while published.changed().await.is_ok() {
        let now = status(&published.borrow_and_update());
        let (first, news) = (!std::mem::replace(&mut ready, true), (now != told).then(|| now.clone()));
        // The manager may be slow to read, and then this waits.
        let sent = tokio::task::spawn_blocking(move || tell(first, news.as_deref())).await;
        match sent {
            Ok(Ok(())) => told = now,
            Ok(Err(error)) => tracing::warn!("cannot tell the service manager how this process does: {error}"),
            Err(_) => return,
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn tell(ready: bool, status: Option<&str>) -> std::io::Result<()> {
    let mut states = vec![NotifyState::Watchdog];
    states.extend(ready.then_some(NotifyState::Ready));
    states.extend(status.map(NotifyState::Status));
    sd_notify::notify(&states)
}
