//! A proxy on the wire that counts statements, and cuts the connection at one of them.
//!
//! It reads what clients send by MySQL's own framing (MySQL Internals, "Protocol Basics"): 3 bytes length, little-endian; 1 byte
//! sequence number, which is 0 in a command; the payload, whose first byte says which command. `COM_QUERY` (3: BEGIN, COMMIT) and
//! `COM_STMT_EXECUTE` (23: everything with values) are statements. Nothing in the code under test knows of it.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::kit::TestDb;
use crate::store::DatabaseUrl;

/// When a statement is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It never reaches the server.
    Before,
    /// The server has done it, and the answer is lost.
    After,
}

/// See the module.
pub struct Wire {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    statements: Vec<String>,
    cut: Option<(usize, Moment)>,
}

impl State {
    /// What is to happen at this packet of a client.
    fn pass(&mut self, packet: &[u8]) -> Option<Moment> {
        let (head, payload) = packet.split_at(4);
        let (command, rest) = payload.split_first().filter(|_| head[3] == 0)?;
        // A pool opens another connection when it likes: what sets one up belongs to no operation.
        if rest.starts_with(b"SET ") {
            return None;
        }
        self.statements.push(match *command {
            3 => String::from_utf8_lossy(rest).into_owned(),
            23 => "(execute)".to_owned(),
            _ => return None,
        });
        let (_, moment) = self.cut.take_if(|(number, _)| *number == self.statements.len())?;
        Some(moment)
    }
}

impl Wire {
    /// To this server.
    pub async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(carry(client, server, Arc::clone(&shared)));
            }
        });
        Self { port, state }
    }

    /// The same database, by this way.
    pub fn way_to(&self, db: &TestDb) -> DatabaseUrl {
        db.by(self.port)
    }

    /// Counts from one on, and cuts once, at the statement with this number.
    pub fn arm(&self, cut: Option<(usize, Moment)>) {
        *self.state.lock().unwrap() = State { statements: Vec::new(), cut };
    }

    /// The statements since then; and whether the cut is still to come.
    pub fn seen(&self) -> (Vec<String>, bool) {
        let state = self.state.lock().unwrap();
        (state.statements.clone(), state.cut.is_some())
    }
}

async fn carry(client: TcpStream, server: u16, state: Arc<Mutex<State>>) {
    let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mute, muted) = watch::channel(false);
    let requests = async {
        while let Some(packet) = packet(&mut from_client).await {
            let moment = state.lock().unwrap().pass(&packet);
            if moment == Some(Moment::Before) {
                return;
            }
            if moment == Some(Moment::After) {
                mute.send_replace(true);
            }
            if to_server.write_all(&packet).await.is_err() {
                return;
            }
        }
    };
    let answers = async {
        let mut bytes = [0; 16384];
        while let Ok(length @ 1..) = from_server.read(&mut bytes).await {
            // A client waits for the whole answer before it asks again, so these bytes are the answer.
            if *muted.borrow() || to_client.write_all(&bytes[..length]).await.is_err() {
                return;
            }
        }
    };
    // Whichever ends, both connections close.
    tokio::select! {
        () = requests => {}
        () = answers => {}
    }
}

/// The next one whole, header included; `None` at the end.
async fn packet(from: &mut (impl AsyncReadExt + Unpin)) -> Option<Vec<u8>> {
    let mut packet = vec![0; 4];
    from.read_exact(&mut packet).await.ok()?;
    let length = usize::from(packet[0]) | usize::from(packet[1]) << 8 | usize::from(packet[2]) << 16;
    packet.resize(4 + length, 0);
    from.read_exact(&mut packet[4..]).await.ok()?;
    Some(packet)
}
