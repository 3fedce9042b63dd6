//! Shared by the tests.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::pace::Pace;
use super::{CommandLine, Status};
use crate::show::listed;
use ringmon_core::route::{Routes, Standing};

/// Longer than anything here takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(30);

/// Failures are tried again at once.
pub(super) const EAGER: Pace =
    Pace { min_interval: Duration::ZERO, first: Duration::from_millis(20), most: Duration::from_millis(40) };
/// Failures are not tried again within a test.
pub(super) const PATIENT: Pace =
    Pace { min_interval: Duration::ZERO, first: Duration::from_secs(3600), most: Duration::from_secs(3600) };

/// A list of active servers with these names.
pub(super) fn active(names: &[&str]) -> Routes {
    listed(&names.iter().map(|&name| (name, Standing::Active)).collect::<Vec<_>>())
}

pub(super) struct Wires {
    pub lists: watch::Sender<Arc<Routes>>,
    pub status: watch::Receiver<Status>,
}

impl Wires {
    /// With what a target needs.
    pub(super) fn new(first: Routes) -> (Self, watch::Receiver<Arc<Routes>>, watch::Sender<Status>) {
        let (lists, receiver) = watch::channel(Arc::new(first));
        let (report, status) = watch::channel(Status::named("test"));
        (Self { lists, status }, receiver, report)
    }

    pub(super) fn send(&self, list: Routes) {
        self.lists.send_replace(Arc::new(list));
    }

    pub(super) async fn until(&mut self, what: &str, holds: impl FnMut(&Status) -> bool) -> Status {
        let last = self.status.clone();
        match tokio::time::timeout(PATIENCE, self.status.wait_for(holds)).await {
            Ok(status) => status.unwrap().clone(),
            Err(_) => panic!("never {what}: {:?}", *last.borrow()),
        }
    }

    pub(super) async fn in_step(&mut self, applied: u64) -> Status {
        self.until("in step", |status| status.in_step && status.applied == applied).await
    }

    /// Waits for a problem that contains these words.
    pub(super) async fn problem(&mut self, words: &str) -> String {
        let there = |status: &Status| status.problem.as_ref().is_some_and(|problem| problem.contains(words));
        self.until(words, there).await.problem.unwrap()
    }
}

/// Looks again and again, for things that nobody reports, such as a file that a script writes.
pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let looks = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, looks).await.is_ok(), "never {what}");
}

/// A shell script that has its folder in `$D`.
pub(super) fn script(folder: &Path, text: &str) -> CommandLine {
    let text = format!("D='{}'\n{text}", folder.display());
    CommandLine::parse(&shlex::try_join(["sh", "-c", &text, "sh", "{}"]).unwrap()).unwrap()
}

/// The lines of a file; none while it does not exist.
pub(super) fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// The process has ended, and is not a zombie that nobody has waited for.
pub(super) fn is_gone(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .map_or(true, |stat| stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z")))
}
