//! The table is written by the test, and agents are sockets.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Mutex;

use super::*;
use crate::notice::Notices;
use ringmon_core::card::{Card, Clients};
use ringmon_core::route::Standing;
use ringmon_core::{
    BootToken, DbTime, Health, Incarnation, Notice, NoticeBody, PoolId, PoolKey, PoolRow, Rules, ServerRow,
    TableSnapshot,
};

const OLD: PoolKey = PoolKey { id: 1, secret: [1; 16] };
const NEW: PoolKey = PoolKey { id: 2, secret: [2; 16] };
/// No test waits for the regular look.
const NEVER: Duration = Duration::from_secs(3600);

/// What a database answers: the version of the pool's row, its keys, and servers.
#[derive(Clone)]
struct Content(i64, Vec<PoolKey>, Vec<ServerRow>);

/// What the next looks find, one after the other. The last one stays.
type Script = Arc<Mutex<VecDeque<Content>>>;

struct World {
    script: Script,
    asked: mpsc::UnboundedReceiver<Ask>,
    routes: watch::Receiver<Shared>,
}

/// Fails instead of hanging; the time is long enough for any busy machine.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.unwrap_or_else(|_| panic!("{what}: not within 20 s"))
}

fn agent(keys: &[PoolKey]) -> Notices {
    Notices::bind(([127, 0, 0, 1], 0).into(), keys.to_vec()).unwrap()
}

fn row(id: i64, version: i64, at: SocketAddr) -> ServerRow {
    ServerRow {
        id: ServerId(id),
        card: Card {
            name: format!("s{id}"),
            address: at.ip(),
            notice_port: at.port(),
            clients: Clients { address: None, port: Some(80), weight: 100 },
            boot: BootToken(id.to_string()),
        },
        first_buddy: ServerId(id),
        second_buddy: ServerId(id),
        incarnation: Incarnation(1),
        pick: id,
        draining: false,
        health: Health::Passing,
        vote_first: None,
        vote_second: None,
        alone_since: None,
        alone_at: None,
        alone_kind: None,
        answering: None,
        version,
    }
}

fn answer(ask: Ask, content: Content) -> Answer {
    let Content(version, keys, rows) = content;
    let name = "web".to_owned();
    let pool = PoolRow { id: PoolId(1), name, rules: Rules::default(), frozen: None, keys, version };
    let mut seen = TableSnapshot {
        read_at: clock::now(),
        db_now: DbTime::from_us(1),
        pool: Some(pool),
        ..TableSnapshot::default()
    };
    let mut all = Vec::new();
    match &ask {
        Ask::All(_) => all = rows,
        Ask::Some(ids) => {
            let there = |id: &ServerId| rows.iter().find(|row| row.id == *id).cloned();
            seen.rows = ids.iter().filter_map(there).map(|row| (row.id, row)).collect();
            seen.events = ids.iter().filter(|id| !seen.rows.contains_key(id)).map(|id| (*id, None)).collect();
        }
    }
    Answer { ask, look: Ok(Look { rows: all, seen }), place: "a replica".to_owned() }
}

impl World {
    /// A router that follows these agents, after its second look.
    async fn new(first: Content, agents: &[&Notices]) -> (Self, Vec<SocketAddr>) {
        let script: Script = Arc::new(Mutex::new([first].into()));
        let (asks, mut asked) = mpsc::channel::<Ask>(1);
        let (answers, answered) = mpsc::channel(1);
        let (log, logged) = mpsc::unbounded_channel();
        let table = Arc::clone(&script);
        tokio::spawn(async move {
            while let Some(ask) = asked.recv().await {
                let content = {
                    let mut script = table.lock().unwrap();
                    if script.len() > 1 { script.pop_front() } else { script.front().cloned() }
                };
                let _ = log.send(ask.clone());
                if answers.send(answer(ask, content.unwrap())).await.is_err() {
                    return;
                }
            }
        });
        let parts = Parts {
            policy: Policy::default(),
            poll: NEVER,
            kept: None,
            follow: Follow::start(0),
            looker: (asks, answered, watch::Sender::default().subscribe()),
        };
        let (turn, routes, _) = Turn::new(parts);
        tokio::spawn(turn.run());
        let mut world = Self { script, asked: logged, routes };
        let mut routers = Vec::new();
        for agent in agents {
            routers.push(soon("a router that follows", follower(agent)).await);
        }
        for look in ["the first look", "the look after everybody was asked"] {
            assert!(matches!(soon(look, world.asked.recv()).await, Some(Ask::All(_))), "{look}");
        }
        (world, routers)
    }

    fn next(&self, contents: impl IntoIterator<Item = Content>) {
        *self.script.lock().unwrap() = contents.into_iter().collect();
    }
}

/// Waits until a router follows this agent, and returns the router's address.
async fn follower(agent: &Notices) -> SocketAddr {
    loop {
        if let (from, Notice { body: NoticeBody::Follow { .. }, .. }) = agent.recv().await {
            return from;
        }
    }
}

fn tell(agent: &Notices, router: SocketAddr, id: i64) {
    let body = NoticeBody::Changed { subject: ServerId(id) };
    agent.send(router, Notice { from: ServerId(1), incarnation: Incarnation(1), body });
}

/// After a notice, a replica that lags still has the row from before. The router must go on asking.
#[tokio::test]
async fn an_older_row_is_not_what_a_notice_meant() {
    let one = agent(&[OLD]);
    let at = one.local_addr();
    let (mut world, routers) = World::new(Content(1, vec![OLD], vec![row(1, 5, at)]), &[&one]).await;
    let draining = ServerRow { draining: true, ..row(1, 6, at) };
    world.next([row(1, 4, at), draining].map(|row| Content(1, vec![OLD], vec![row])));
    tell(&one, routers[0], 1);
    let drains = |list: &Shared| list.servers.iter().any(|route| route.standing == Standing::Draining);
    soon("the row that was meant", world.routes.wait_for(drains)).await.unwrap();
}

/// A replica that lags still has the old key. An agent that was started since does not know it.
#[tokio::test]
async fn an_older_pool_row_brings_no_key_back() {
    let (one, two) = (agent(&[NEW]), agent(&[NEW]));
    let first = row(1, 1, one.local_addr());
    let (world, routers) = World::new(Content(7, vec![NEW, OLD], vec![first.clone()]), &[&one]).await;
    world.next([Content(6, vec![OLD], vec![first, row(2, 1, two.local_addr())])]);
    tell(&one, routers[0], 2);
    soon("an agent that only knows the new key", follower(&two)).await;
}

/// An agent has moved. A replica that lags still has the old address.
#[tokio::test]
async fn an_older_row_does_not_say_whom_to_follow() {
    let (here, before, third) = (agent(&[OLD]), agent(&[OLD]), agent(&[OLD]));
    let newest = row(1, 5, here.local_addr());
    let (mut world, routers) = World::new(Content(1, vec![OLD], vec![newest.clone()]), &[&here]).await;
    world.next([Content(1, vec![OLD], vec![row(1, 4, before.local_addr())])]);
    tell(&here, routers[0], 1);
    soon("the older row", world.asked.recv()).await;
    world.next([Content(1, vec![OLD], vec![newest, row(3, 1, third.local_addr())])]);
    tell(&here, routers[0], 3);
    soon("the third agent", follower(&third)).await;
    assert_eq!(before.stats().received, 0, "the place where nobody is any more was asked");
}
