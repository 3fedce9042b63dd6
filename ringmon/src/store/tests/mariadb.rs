//! A MariaDB of the tests' own: one a process, thrown away with it.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub const USER: &str = "tester";
pub const PASSWORD: &str = "p@ss:w/rd";

/// Where it listens.
pub struct MariaDb {
    pub port: u16,
    /// Its files.
    pub dir: PathBuf,
    /// Its standard input is our lifeline: the shell behind it ends the server and removes its files when this process
    /// ends, in whatever way.
    shell: Child,
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// `$1` the directory, `$2` the port, `$3` more arguments. Waits for the end of its own input, that is of the tests.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
TMPDIR="$1/tmp" mariadb-install-db --no-defaults --datadir="$1/data" --auth-root-authentication-method=normal --skip-test-db \
    --skip-name-resolve --user=root >"$1/install.log" 2>&1 </dev/null || exit 1
mariadbd --no-defaults --datadir="$1/data" --socket="$1/sock" --pid-file="$1/pid" --tmpdir="$1/tmp" \
    --bind-address=127.0.0.1 --port="$2" --skip-name-resolve --user=root --init-file="$1/init.sql" \
    --innodb-flush-log-at-trx-commit=0 --innodb-buffer-pool-size=64M --max-connections=1000 $3 \
    >"$1/server.log" 2>&1 </dev/null &
server=$!
cat >/dev/null
kill -KILL $server
wait $server 2>/dev/null
rm -rf "$1"
"#;

/// The one of this process, started by whoever asks first.
pub fn server() -> &'static MariaDb {
    static SERVER: OnceLock<MariaDb> = OnceLock::new();
    SERVER.get_or_init(|| start(&|_| String::new()))
}

/// One of the caller's own, with the arguments that are made for its directory; blanks part them.
pub fn start(arguments: &dyn Fn(&Path) -> String) -> MariaDb {
    for program in ["mariadbd", "mariadb-install-db"] {
        assert!(in_path(program), "{program} is not here, and these tests need it: apt-get install mariadb-server");
    }
    // The port is free now and may be taken a moment later: then another one is tried.
    for _ in 0..3 {
        if let Some(server) = try_start(arguments) {
            return server;
        }
    }
    panic!("MariaDB did not start three times; its last log is above");
}

fn try_start(arguments: &dyn Fn(&Path) -> String) -> Option<MariaDb> {
    let dir = tempfile::Builder::new().prefix("ringmon-store-mariadb-").tempdir().unwrap().keep();
    std::fs::create_dir(dir.join("tmp")).unwrap();
    let init = format!(
        "CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\nGRANT ALL PRIVILEGES ON *.* TO '{USER}'@'%' WITH GRANT OPTION;\n"
    );
    std::fs::write(dir.join("init.sql"), init).unwrap();
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let path = format!("{}:/usr/sbin:/usr/local/sbin", std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("/bin/sh")
        .args(["-c", SCRIPT, "mariadb-for-tests"])
        .arg(&dir)
        .arg(port.to_string())
        .arg(arguments(&dir))
        .env("PATH", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0) // Ctrl-C at the tests must not reach it before its clean-up does
        .spawn()
        .unwrap();
    if ready(port, &mut shell) {
        return Some(MariaDb { port, dir, shell });
    }
    for log in ["install.log", "server.log"] {
        eprintln!("{log}:\n{}", std::fs::read_to_string(dir.join(log)).unwrap_or_default());
    }
    drop(shell.stdin.take());
    let _ = shell.wait();
    let _ = std::fs::remove_dir_all(&dir);
    None
}

/// It greets whoever connects, once it has run its init file.
fn ready(port: u16, shell: &mut Child) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline && shell.try_wait().unwrap().is_none() {
        if let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
            let mut greeting = [0_u8; 5];
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            if stream.read_exact(&mut greeting).is_ok() && greeting[4] == 10 {
                return true;
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(more).any(|dir| Path::new(&dir).join(program).is_file())
}
