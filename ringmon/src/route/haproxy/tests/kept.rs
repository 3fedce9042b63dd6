//! The code under test, and what a test sends it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::super::{Options, SocketAt, Target, run};
use super::{route, routes};
use crate::route::Status;
use ringmon_core::route::{Route, Routes, Standing};

/// A route to a server on this machine.
pub(super) fn local(id: u8, name: &str, port: u16) -> Route {
    Route { address: [127, 0, 0, 1].into(), port: Some(port), ..route(id, name, Standing::Active) }
}

pub(super) fn stands(route: &Route, standing: Standing) -> Route {
    Route { standing, ..route.clone() }
}

/// Between two looks, for tests that wait for one.
pub(super) const OFTEN: Duration = Duration::from_millis(20);
/// For tests that show what a change alone does.
pub(super) const NEVER: Duration = Duration::from_secs(3600);

/// The code under test, until it is dropped.
pub(super) struct Kept {
    list: watch::Sender<Arc<Routes>>,
    status: watch::Receiver<Status>,
    task: JoinHandle<()>,
}

impl Kept {
    pub(super) fn start(socket: SocketAt, options: Options, servers: impl IntoIterator<Item = Route>) -> Self {
        let (list, listened) = watch::channel(Arc::new(routes(servers)));
        let (report, status) = watch::channel(Status::default());
        let target = Target { socket, backend: "b".to_owned(), options };
        Self { list, status, task: tokio::spawn(run(target, listened, report)) }
    }

    /// Sends other routes, and waits until something was set because of them.
    pub(super) async fn set(&mut self, servers: impl IntoIterator<Item = Route>) -> Status {
        let before = self.status.borrow().applied;
        self.say(servers);
        self.until(|status| status.applied > before).await
    }

    /// Sends other routes, and which servers are dead.
    pub(super) fn set_with_dead(&self, servers: impl IntoIterator<Item = Route>, dead: &[&str]) {
        let dead = dead.iter().map(|name| (*name).to_owned()).collect();
        self.list.send_replace(Arc::new(Routes { dead, ..routes(servers) }));
    }

    pub(super) fn say(&self, servers: impl IntoIterator<Item = Route>) {
        self.list.send_replace(Arc::new(routes(servers)));
    }

    pub(super) async fn until(&mut self, condition: impl Fn(&Status) -> bool) -> Status {
        let found = tokio::time::timeout(Duration::from_secs(20), self.status.wait_for(|s| condition(s))).await;
        let found = found.map(|status| status.expect("it runs").clone());
        found.unwrap_or_else(|_| panic!("for 20 s it was {:?}", self.status.borrow()))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}
