//! Hears of changes from agents. It asks each agent to tell when the table changes, again and again, because agents
//! forget that after a minute.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::notice::{Notices, towards};
use ringmon_core::row::PoolKey;
use ringmon_core::{Incarnation, Notice, NoticeBody, ServerId, ServerRow};

/// How long an agent is asked to tell.
const LEASE: Duration = Duration::from_secs(60);
/// How often it is asked again: two of the notices that ask may be lost.
const AGAIN: Duration = Duration::from_secs(20);
/// How many are asked at a time: the notice room has room for 256 under way.
const AT_A_TIME: usize = 100;
/// Longer than a notice takes to be acknowledged or given up.
const SETTLE: Duration = Duration::from_secs(1);

/// The agents to ask, and the keys to do so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agents {
    /// The address for notices of each, with its incarnation: a new life has forgotten who follows it.
    pub at: BTreeMap<SocketAddr, Incarnation>,
    /// The pool's keys.
    pub keys: Vec<PoolKey>,
}

impl Agents {
    /// The agents of these rows.
    pub fn of<'a>(rows: impl Iterator<Item = &'a ServerRow>, keys: &[PoolKey]) -> Self {
        let at = rows.map(|row| (SocketAddr::new(row.card.address, row.card.notice_port), row.incarnation)).collect();
        Self { at, keys: keys.to_vec() }
    }
}

/// Asks, and collects what agents tell. It ends when dropped.
#[derive(Debug)]
pub struct Follow {
    agents: watch::Sender<Agents>,
    changed: mpsc::Receiver<ServerId>,
    task: JoinHandle<()>,
}

impl Follow {
    /// Asks no agent yet.
    #[must_use]
    pub fn start(port: u16) -> Self {
        let (agents, wanted) = watch::channel(Agents::default());
        let (tell, changed) = mpsc::channel(256);
        let asking = Asking { port, sockets: BTreeMap::new(), asked: BTreeMap::new(), tell };
        Self { agents, changed, task: tokio::spawn(asking.run(wanted)) }
    }

    /// From now on follows these agents. True if there is one that does not know of it yet.
    pub fn set(&self, agents: Agents) -> bool {
        self.agents.send_if_modified(|known| {
            let new = *known != agents;
            *known = agents;
            new
        })
    }

    /// The next server whose row has changed. Cancel-safe.
    pub async fn changed(&mut self) -> ServerId {
        match self.changed.recv().await {
            Some(id) => id,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Asking {
    port: u16,
    /// One for each address of this machine: the address is part of every tag.
    sockets: BTreeMap<IpAddr, Arc<Notices>>,
    asked: BTreeMap<SocketAddr, (Incarnation, Instant)>,
    tell: mpsc::Sender<ServerId>,
}

impl Asking {
    async fn run(mut self, mut wanted: watch::Receiver<Agents>) {
        loop {
            let agents = wanted.borrow_and_update().clone();
            for socket in self.sockets.values() {
                socket.set_keys(agents.keys.clone());
            }
            self.asked.retain(|at, _| agents.at.contains_key(at));
            self.ask(&agents).await;
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(AGAIN / 4) => {}
            }
        }
    }

    async fn ask(&mut self, agents: &Agents) {
        let due = |asked: Option<&(Incarnation, Instant)>, life: Incarnation| {
            asked.is_none_or(|(known, at)| *known != life || at.elapsed() >= AGAIN)
        };
        let due: Vec<(SocketAddr, Incarnation)> = agents
            .at
            .iter()
            .map(|(at, life)| (*at, *life))
            .filter(|(at, life)| due(self.asked.get(at), *life))
            .collect();
        for some in due.chunks(AT_A_TIME) {
            for (at, life) in some {
                if let Some(socket) = self.socket(*at, &agents.keys) {
                    socket.send(*at, follow(LEASE));
                }
                self.asked.insert(*at, (*life, Instant::now()));
            }
            if due.len() > AT_A_TIME {
                for socket in self.sockets.values() {
                    let _ = tokio::time::timeout(SETTLE, socket.settle()).await;
                }
            }
        }
    }

    /// The socket for datagrams to this agent. None: there is no route, and the regular look has to do.
    fn socket(&mut self, to: SocketAddr, keys: &[PoolKey]) -> Option<Arc<Notices>> {
        let own = towards(to).inspect_err(|error| tracing::debug!("no way to {to}: {error}")).ok()?;
        if let Some(socket) = self.sockets.get(&own) {
            return Some(Arc::clone(socket));
        }
        let bound = Notices::bind(SocketAddr::new(own, self.port), keys.to_vec());
        let socket =
            Arc::new(bound.inspect_err(|error| tracing::warn!("{error}: changes are found by looking only")).ok()?);
        self.sockets.insert(own, Arc::clone(&socket));
        let (hear, tell) = (Arc::clone(&socket), self.tell.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    (_, notice) = hear.recv() => {
                        // If it does not fit, many wait already, and the table is about to be read.
                        if let Some(subject) = subject(&notice) && tell.try_send(subject).is_err() && tell.is_closed() {
                            return;
                        }
                    }
                    () = tell.closed() => return,
                }
            }
        });
        Some(socket)
    }
}

fn follow(span: Duration) -> Notice {
    let seconds = u32::try_from(span.as_secs()).unwrap_or(u32::MAX);
    Notice { from: ServerId::NEW, incarnation: Incarnation::default(), body: NoticeBody::Follow { seconds } }
}

/// The server whose row has changed, if the notice says so.
fn subject(notice: &Notice) -> Option<ServerId> {
    match notice.body {
        NoticeBody::Voted { subject }
        | NoticeBody::Spliced { subject }
        | NoticeBody::Removed { subject }
        | NoticeBody::Changed { subject } => Some(subject).filter(|id| *id != ServerId::NEW),
        NoticeBody::ProbeMe { .. }
        | NoticeBody::Ask { .. }
        | NoticeBody::Proof { .. }
        | NoticeBody::Outage { .. }
        | NoticeBody::Follow { .. } => None,
    }
}
