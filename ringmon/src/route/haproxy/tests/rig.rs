//! A real HAProxy in its own folder, servers behind it, and a client.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};

use super::super::SocketAt;
use super::super::socket::ask;
use super::super::state::{Server, Servers, parse};

/// Fails loudly instead of hanging; the time is long enough for any busy machine.
pub(super) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("nothing happened for 20 s")
}

/// A server that answers with its name. It never answers a request for `/hang`.
pub(super) async fn origin(name: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let read = stream.read(&mut request).await.unwrap_or_default();
                if request[..read].starts_with(b"GET /hang") {
                    while stream.read(&mut request).await.is_ok_and(|read| read > 0) {}
                    return;
                }
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", name.len());
                let _ = stream.write_all(format!("{head}{name}").as_bytes()).await;
            });
        }
    });
    port
}

/// HAProxy, until it is dropped.
pub(super) struct HaProxy {
    dir: tempfile::TempDir,
    child: Option<Child>,
    /// `-db`: one process; `-W`: a master and a worker, as in a service.
    mode: &'static str,
}

impl HaProxy {
    /// With these lines in its backend `b`, and more in `global`.
    pub(super) async fn start(backend: &str, global: &str) -> Self {
        Self::start_as("-db", backend, global).await
    }

    /// With a master, so that it can be reloaded.
    pub(super) async fn start_with_master(backend: &str) -> Self {
        Self::start_as("-W", backend, "").await
    }

    async fn start_as(mode: &'static str, backend: &str, global: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().display();
        let config = format!(
            "global
  nbthread 1
  stats socket {at}/admin level admin
  stats socket {at}/user level user
  stats socket {at}/operator level operator
  {global}
defaults
  mode http
  retries 0
  option abortonclose
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend f
  bind unix@{at}/front
  default_backend b
backend b
  balance roundrobin
  cookie S insert indirect nocache
{backend}
"
        );
        fs::write(dir.path().join("cfg"), config).unwrap();
        let mut haproxy = Self { dir, child: None, mode };
        haproxy.again().await;
        haproxy
    }

    pub(super) async fn again(&mut self) {
        let log = File::create(self.path("log")).unwrap();
        // The master and its workers are one group, so that all of them can be ended.
        let child = Command::new(ringmon_tests::engine::find("haproxy").unwrap())
            .args([self.mode, "-f"])
            .arg(self.path("cfg"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .expect("HAProxy starts");
        self.child = Some(child);
        soon(async {
            while ask(&self.at("admin"), &["show info".into()]).await.is_err() {
                let ended = self.child.as_mut().and_then(|child| child.try_wait().unwrap());
                assert!(ended.is_none(), "haproxy: {}", fs::read_to_string(self.path("log")).unwrap());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// As `systemctl reload haproxy` does. A master that has only just begun to serve loses the signal.
    pub(super) async fn reload(&self) {
        let master = Pid::from_raw(self.child.as_ref().expect("it runs").id().try_into().unwrap());
        soon(async {
            while !fs::read_to_string(self.path("log")).unwrap().contains("Reloading HAProxy") {
                kill(master, Signal::SIGUSR2).unwrap();
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        })
        .await;
    }

    /// Kills it at once.
    pub(super) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let master = Pid::from_raw(child.id().try_into().expect("a pid"));
            // So that the master waits for its worker. If they hang, nothing of them stays.
            let _ = kill(master, Signal::SIGTERM);
            let patience = Instant::now() + Duration::from_secs(2);
            while Instant::now() < patience && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(2));
            }
            let _ = killpg(master, Signal::SIGKILL);
            let _ = child.wait();
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Its socket with this level.
    pub(super) fn at(&self, level: &str) -> SocketAt {
        SocketAt::Path(self.path(level))
    }

    /// A change by hand.
    pub(super) async fn hand(&self, command: &str) -> String {
        ask(&self.at("admin"), &[command.to_owned()]).await.unwrap().remove(0)
    }

    pub(super) async fn servers(&self) -> Servers {
        parse(&self.hand("show servers state b").await, "b").unwrap()
    }

    /// Waits until HAProxy has the server as `condition` wants it. HAProxy may be away at times.
    pub(super) async fn until(&self, name: &str, condition: impl Fn(Option<&Server>) -> bool) {
        soon(async {
            loop {
                let answers = ask(&self.at("admin"), &["show servers state b".to_owned()]).await;
                let servers = answers.ok().and_then(|answers| parse(&answers[0], "b").ok());
                if servers.is_some_and(|servers| condition(servers.get(name))) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }

    /// Waits until a server has this many sessions.
    pub(super) async fn until_sessions(&self, name: &str, sessions: u32) {
        let prefix = format!("b,{name},");
        soon(async {
            loop {
                let stat = self.hand("show stat b 4 -1").await;
                let line = stat.lines().find(|line| line.starts_with(&prefix)).expect("HAProxy has the server");
                if line.split(',').nth(4) == Some(sessions.to_string().as_str()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }

    /// Waits until a server has this value in a column of `show servers state`.
    pub(super) async fn until_column(&self, name: &str, column: &str, wanted: &str) {
        soon(async {
            loop {
                let state = self.hand("show servers state b").await;
                let mut lines = state.lines().skip(1).map(|line| line.trim_start_matches("# ").split(' '));
                let at = lines.next().and_then(|mut names| names.position(|name| name == column)).expect("a column");
                if lines.any(|mut line| line.clone().any(|word| word == name) && line.nth(at) == Some(wanted)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }

    /// The process that serves.
    pub(super) async fn pid(&self) -> String {
        let info = self.hand("show info").await;
        info.lines().find(|line| line.starts_with("Pid: ")).unwrap().to_owned()
    }

    /// Makes one request. Returns the answer after the head.
    pub(super) async fn get(&self, path: &str, cookie: &str) -> String {
        let mut stream = UnixStream::connect(self.path("front")).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nCookie: S={cookie}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _ = soon(stream.read_to_string(&mut answer)).await;
        answer.split_once("\r\n\r\n").map_or(answer.as_str(), |(_, body)| body).to_owned()
    }

    /// How many of 40 requests each server answered.
    pub(super) async fn forty(&self) -> BTreeMap<String, u32> {
        let mut answered = BTreeMap::new();
        for _ in 0..40 {
            *answered.entry(self.get("/", "").await).or_default() += 1;
        }
        answered
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        self.stop();
    }
}
