//! A proxy on the wire. It counts statements, cuts the connection or kills the server at one of them, and changes their
//! text.
//!
//! It reads what clients send by MySQL's own framing (MySQL Internals, "Protocol Basics"): 3 bytes of length,
//! little-endian; 1 byte of sequence number, which is 0 in a command; then the payload, whose first byte says which
//! command it is. `COM_QUERY` (3: BEGIN, COMMIT) and `COM_STMT_EXECUTE` (23: everything with values) are statements;
//! `COM_STMT_PREPARE` (22) has the text of the latter. The code under test knows nothing of it.

use std::sync::{Arc, Mutex};

use ringmon_tests::engine::Node;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::kit::TestDb;
use crate::store::DatabaseUrl;

/// At which moment a statement is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It never reaches the server.
    Before,
    /// The server has done it, but the answer is lost.
    After,
    /// The server is killed before it gets the statement, and started again.
    Killed,
    /// The server is killed once it has done it and before its answer is passed on, and started again.
    KilledAfter,
}

/// The new text of a statement, if it is to change.
pub type Change = fn(&str) -> Option<String>;

pub struct Wire {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    server: u16,
    /// The server that can be killed.
    node: Option<Arc<Node>>,
    change: Option<Change>,
    state: Mutex<State>,
    line: watch::Sender<Line>,
}

/// Whether anybody gets through. A new number breaks the existing connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    open: bool,
    number: u32,
}

#[derive(Debug, Default)]
struct State {
    statements: Vec<String>,
    cut: Option<(usize, Moment)>,
}

impl State {
    /// What is to happen at this packet of a client.
    fn pass(&mut self, packet: &[u8]) -> Option<Moment> {
        let (command, rest) = command(packet)?;
        // A pool may open another connection at any time. What sets one up belongs to no operation.
        if rest.starts_with(b"SET ") {
            return None;
        }
        self.statements.push(match command {
            3 => String::from_utf8_lossy(rest).into_owned(),
            23 => "(execute)".to_owned(),
            _ => return None,
        });
        let (_, moment) = self.cut.take_if(|(number, _)| *number == self.statements.len())?;
        Some(moment)
    }
}

/// Which command a packet is, and the rest of it.
fn command(packet: &[u8]) -> Option<(u8, &[u8])> {
    let (head, payload) = packet.split_at(4);
    let (command, rest) = payload.split_first().filter(|_| head[3] == 0)?;
    Some((*command, rest))
}

impl Wire {
    /// To this server.
    pub async fn start(server: u16) -> Self {
        Self::new(server, None, None).await
    }

    /// To this server, which can be killed.
    pub async fn killing(node: Arc<Node>) -> Self {
        Self::new(node.port, Some(node), None).await
    }

    /// To this server, with statements changed on their way.
    pub async fn changing(server: u16, change: Change) -> Self {
        Self::new(server, None, Some(change)).await
    }

    async fn new(server: u16, node: Option<Arc<Node>>, change: Option<Change>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (line, _) = watch::channel(Line { open: true, number: 0 });
        let shared = Arc::new(Shared { server, node, change, state: Mutex::default(), line });
        let each = Arc::clone(&shared);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let now = *each.line.borrow();
                // Otherwise it is closed at once.
                if now.open {
                    tokio::spawn(carry(client, Arc::clone(&each), now));
                }
            }
        });
        Self { port, shared }
    }

    /// The same database, over this proxy.
    pub fn way_to(&self, db: &TestDb) -> DatabaseUrl {
        db.by(self.port)
    }

    /// Counts from one on, and cuts once, at the statement with this number.
    pub fn arm(&self, cut: Option<(usize, Moment)>) {
        *self.shared.state.lock().unwrap() = State { statements: Vec::new(), cut };
    }

    /// The statements since then, and whether the cut is still to come.
    pub fn seen(&self) -> (Vec<String>, bool) {
        let state = self.shared.state.lock().unwrap();
        (state.statements.clone(), state.cut.is_some())
    }

    /// Nobody gets through, until [`Wire::back`].
    pub fn away(&self) {
        self.shared.line.send_modify(|line| *line = Line { open: false, number: line.number + 1 });
    }

    /// Ends [`Wire::away`].
    pub fn back(&self) {
        self.shared.line.send_modify(|line| line.open = true);
    }

    /// Breaks the existing connections.
    pub fn cut(&self) {
        self.shared.line.send_modify(|line| line.number += 1);
    }
}

async fn carry(client: TcpStream, shared: Arc<Shared>, line: Line) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", shared.server)).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mute, muted) = watch::channel(None);
    let requests = async {
        while let Some(packet) = packet(&mut from_client).await {
            let moment = shared.state.lock().unwrap().pass(&packet);
            match moment {
                Some(Moment::Before | Moment::Killed) => return moment,
                Some(Moment::After | Moment::KilledAfter) => drop(mute.send_replace(moment)),
                None => {}
            }
            if to_server.write_all(&shared.changed(packet)).await.is_err() {
                return None;
            }
        }
        None
    };
    let answers = async {
        let mut bytes = [0; 16384];
        while let Ok(length @ 1..) = from_server.read(&mut bytes).await {
            // A client waits for the whole answer before it asks again, so these bytes are the answer.
            let moment = *muted.borrow();
            if moment.is_some() || to_client.write_all(&bytes[..length]).await.is_err() {
                return moment;
            }
        }
        None
    };
    let mut watch = shared.line.subscribe();
    // When either ends, both connections close.
    let moment = tokio::select! {
        moment = requests => moment,
        moment = answers => moment,
        _ = watch.wait_for(|now| *now != line) => None,
    };
    drop((from_client, to_client));
    if matches!(moment, Some(Moment::Killed | Moment::KilledAfter)) {
        let node = Arc::clone(shared.node.as_ref().expect("a server to kill"));
        let again = move || node.kill().and_then(|()| node.start_again());
        tokio::task::spawn_blocking(again).await.unwrap().unwrap();
    }
}

impl Shared {
    /// The packet, or its changed form.
    fn changed(&self, packet: Vec<u8>) -> Vec<u8> {
        let Some((number @ (3 | 22), text)) = command(&packet) else { return packet };
        let Some(text) = self.change.and_then(|change| change(std::str::from_utf8(text).ok()?)) else { return packet };
        let length = u32::try_from(text.len() + 1).unwrap().to_le_bytes();
        [&length[..3], &[0, number], text.as_bytes()].concat()
    }
}

/// The next whole packet, with its header; `None` at the end.
async fn packet(from: &mut (impl AsyncReadExt + Unpin)) -> Option<Vec<u8>> {
    let mut packet = vec![0; 4];
    from.read_exact(&mut packet).await.ok()?;
    let length = usize::from(packet[0]) | usize::from(packet[1]) << 8 | usize::from(packet[2]) << 16;
    packet.resize(4 + length, 0);
    from.read_exact(&mut packet[4..]).await.ok()?;
    Some(packet)
}
