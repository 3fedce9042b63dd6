//! A MariaDB that is thrown away afterwards.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::engine::find;
use crate::namespace::Namespace;
use crate::network::HUB;
use crate::process::{Launch, Process, tail};

pub(super) const PORT: u16 = 3306;
const USER: &str = "ringmon";
/// The server lives for seconds, and nobody outside the lab can reach it.
const PASSWORD: &str = "lab-secret";

/// A running server, until this is dropped.
#[derive(Debug)]
pub struct MariaDb {
    process: Process,
    socket: PathBuf,
    hub: Namespace,
}

impl MariaDb {
    /// Makes its tables in `folder` and starts it on the hub's address.
    ///
    /// # Errors
    /// It is not installed, or does not start within 30 seconds. The error has its last words.
    pub fn start(hub: &Namespace, folder: &Path) -> anyhow::Result<Self> {
        let (data, temporary) = (folder.join("data"), folder.join("tmp"));
        for path in [&data, &temporary] {
            std::fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        let datadir = format!("--datadir={}", data.display());
        let install = [
            "--no-defaults",
            &datadir,
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
            "--user=root",
            // For machines whose own name does not resolve.
            "--force",
        ];
        hub.command("mariadb-install-db", &install, "").context("cannot make MariaDB's own tables")?;
        let socket = folder.join("sock");
        let args = [
            "--no-defaults".to_owned(),
            datadir,
            format!("--socket={}", socket.display()),
            format!("--pid-file={}", folder.join("pid").display()),
            format!("--tmpdir={}", temporary.display()),
            format!("--bind-address={HUB}"),
            format!("--port={PORT}"),
            "--skip-name-resolve".to_owned(),
            "--user=root".to_owned(),
            // It is thrown away: nothing has to survive a power failure, and small labs need no gigabytes.
            "--innodb-flush-log-at-trx-commit=2".to_owned(),
            "--innodb-buffer-pool-size=32M".to_owned(),
        ];
        let launch = Launch {
            program: find("mariadbd")?,
            args: args.iter().map(Into::into).collect(),
            env: Vec::new(),
            log: folder.join("mariadb.log"),
        };
        let process = Process::start(hub, launch)?;
        let server = Self { process, socket, hub: hub.clone() };
        server.wait_until_it_answers()?;
        server.sql(&format!(
            "CREATE DATABASE ringmon; CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}'; \
             GRANT ALL ON ringmon.* TO '{USER}'@'%';"
        ))?;
        Ok(server)
    }

    fn wait_until_it_answers(&self) -> anyhow::Result<()> {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let Err(error) = self.sql("SELECT 1") else { return Ok(()) };
            if self.process.ended().is_some() || Instant::now() > end {
                bail!("MariaDB did not start: {error:#}\n{}", tail(self.process.log(), 20));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Without the password.
    pub fn url(&self) -> String {
        format!("mysql://{USER}@{HUB}:{PORT}/ringmon")
    }

    /// For URLs that need one; the same in every lab.
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// Its process, for example to be frozen.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Runs SQL as its root, in the pool's database if that exists.
    ///
    /// # Errors
    /// The statement failed.
    pub fn sql(&self, statement: &str) -> anyhow::Result<String> {
        let socket = format!("--socket={}", self.socket.display());
        let args = ["--no-defaults", "--user=root", &socket, "--batch", "--skip-column-names"];
        // `USE` of a database that does not exist yet is the only statement that may fail without harm.
        let there = self.data_dir_has_pool();
        let statement = if there { format!("USE ringmon; {statement}") } else { statement.to_owned() };
        self.hub.command("mariadb", &args, &statement)
    }

    /// Starts a client that runs this SQL as root in the pool's database. It stays until the SQL is done or the
    /// returned process is dropped.
    ///
    /// # Errors
    /// Debian's client is not installed.
    pub fn client(&self, statements: &str) -> anyhow::Result<Process> {
        let socket = format!("--socket={}", self.socket.display());
        let args = ["--no-defaults", "--user=root", &socket, "--execute", statements, "ringmon"];
        let launch = Launch {
            program: find("mariadb")?,
            args: args.iter().map(Into::into).collect(),
            env: Vec::new(),
            log: self.socket.with_file_name("client.log"),
        };
        Process::start(&self.hub, launch)
    }

    fn data_dir_has_pool(&self) -> bool {
        self.socket.with_file_name("data").join("ringmon").is_dir()
    }
}
