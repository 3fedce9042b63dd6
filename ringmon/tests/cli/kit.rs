//! A database to try things on, and the binary.

use std::path::PathBuf;
use std::time::Duration;

use assert_cmd::Command;
use ringmon::store::{DatabaseUrl, Store};
use ringmon_core::card::{Card, Clients};
use ringmon_core::edit::NewRow;
use ringmon_core::op::{Place, TableOp};
use ringmon_core::row::{Health, Quorum};
use ringmon_core::{BootToken, Incarnation, Outcome, Time};
use sea_orm::ConnectionTrait as _;

pub const POOL: &str = "lab";

/// The binary, without any of this machine's configuration.
pub fn ringmon(arguments: &[&str]) -> Command {
    let mut command = clean(Command::new(env!("CARGO_BIN_EXE_ringmon")));
    command.args(arguments);
    command
}

fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("RINGMON_")) {
        command.env_remove(name);
    }
    command.env("RINGMON_CONFIG", "/dev/null");
    command
}

/// The same on a machine with an Ethernet interface `e0`, which has the address 192.0.2.7.
pub fn ringmon_on_e0(arguments: &[&str]) -> Command {
    let script = "ip link set lo up && ip link add e0 type veth peer name e1 && \
                  ip address add 192.0.2.7/24 dev e0 && exec \"$0\" \"$@\"";
    let mut command = clean(Command::new("unshare"));
    command.args(["--net", "sh", "-c", script, env!("CARGO_BIN_EXE_ringmon")]).args(arguments);
    command
}

/// The output of a command that ended, and its exit code.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// Runs `ringmon` with these arguments.
pub fn says(arguments: &[&str]) -> Said {
    run(&mut ringmon(arguments))
}

/// A database in a temporary folder.
pub struct Lab {
    pub dir: tempfile::TempDir,
}

impl Lab {
    /// Without a database.
    pub fn empty() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// With schema and pool.
    pub fn new() -> Self {
        let lab = Self::empty();
        lab.wait(Store::init(&lab.url(), POOL, Quorum::Both)).unwrap();
        lab
    }

    /// With a ring of these servers, in this order.
    pub fn ring(names: &[&str]) -> Self {
        let lab = Self::new();
        for (place, name) in names.iter().enumerate() {
            lab.join(place, name);
        }
        lab
    }

    pub fn file(&self) -> PathBuf {
        self.dir.path().join("ringmon.db")
    }

    pub fn url(&self) -> DatabaseUrl {
        DatabaseUrl::sqlite(self.file())
    }

    /// Runs `ringmon` on this database and pool.
    pub fn says(&self, arguments: &[&str]) -> Said {
        run(&mut self.ringmon(arguments))
    }

    pub fn ringmon(&self, arguments: &[&str]) -> Command {
        let mut command = ringmon(arguments);
        command.env("RINGMON_DATABASE_URL", self.url().to_string()).env("RINGMON_POOL", POOL);
        command
    }

    /// Runs SQL, as an operator would.
    pub fn sql(&self, sql: &str) {
        self.wait(async {
            let db = sea_orm::Database::connect(self.url().to_string()).await.unwrap();
            db.execute_unprepared(sql).await.unwrap();
            db.close().await.unwrap();
        });
    }

    fn join(&self, place: usize, name: &str) {
        self.wait(async {
            let store = Store::open(&self.url(), POOL).await.unwrap();
            let rows = store.servers().await.unwrap();
            let at = rows.iter().max_by_key(|row| row.id);
            let next = at.and_then(|at| rows.iter().find(|row| row.id == at.first_buddy));
            let new = NewRow {
                card: Card {
                    name: name.to_owned(),
                    // On loopback, because a command that sends a notice must not send it to the network.
                    address: format!("127.0.0.{}", place + 1).parse().unwrap(),
                    notice_port: 7464,
                    clients: Clients { address: None, port: None, weight: 100 },
                    boot: BootToken(format!("boot of {name}")),
                },
                incarnation: Incarnation(1),
                pick: i64::try_from(place).unwrap() * 1000,
                health: Health::Unknown,
                wait: Duration::from_millis(60),
                draining: false,
            };
            let op = TableOp::Join { new, place: at.zip(next).map(|(at, next)| Place::between(at, next)) };
            let (outcome, _) = store.run(&op, || Time::ZERO, || true).await;
            assert!(matches!(outcome, Ok(Outcome::Joined { .. })), "{name}: {outcome:?}");
        });
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }
}
