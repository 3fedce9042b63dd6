//! A stand-in for systemd, over a pair of sockets and, where there is a `dbus-daemon`, over a real bus. The test
//! machine has no systemd.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use zbus::zvariant::{ObjectPath, OwnedObjectPath};
use zbus::{Connection, Guid, connection};

use super::super::systemd::Bus;

struct Manager;

/// Errors of the manager.
#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.freedesktop.systemd1")]
enum Error {
    #[zbus(error)]
    ZBus(zbus::Error),
    NoSuchUnit(String),
}

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl Manager {
    #[expect(clippy::unused_self, reason = "the interface asks for it")]
    fn get_unit(&self, name: &str) -> Result<OwnedObjectPath, Error> {
        let path = units().remove(name).map(|(path, _)| ObjectPath::try_from(path).unwrap().into());
        path.ok_or_else(|| Error::NoSuchUnit(format!("Unit {name} not loaded.")))
    }
}

struct Unit(&'static str);

#[zbus::interface(name = "org.freedesktop.systemd1.Unit")]
impl Unit {
    #[zbus(property)]
    fn active_state(&self) -> &str {
        self.0
    }
}

struct Process(u32);

#[zbus::interface(name = "org.freedesktop.systemd1.Service")]
impl Process {
    #[zbus(property, name = "MainPID")]
    fn main_pid(&self) -> u32 {
        self.0
    }
}

fn units() -> BTreeMap<&'static str, (&'static str, &'static str)> {
    BTreeMap::from([
        ("good.service", ("/org/freedesktop/systemd1/unit/good_2eservice", "active")),
        ("busy.service", ("/org/freedesktop/systemd1/unit/busy_2eservice", "reloading")),
        ("bad.service", ("/org/freedesktop/systemd1/unit/bad_2eservice", "failed")),
    ])
}

/// What systemd offers on a bus, as far as the check asks for it. Every unit has this main process.
fn serving(mut builder: connection::Builder<'_>, pid: u32) -> connection::Builder<'_> {
    builder = builder.serve_at("/org/freedesktop/systemd1", Manager).unwrap();
    for (path, state) in units().into_values() {
        builder = builder.serve_at(path, Unit(state)).unwrap().serve_at(path, Process(pid)).unwrap();
    }
    builder
}

pub(super) async fn pair(pid: u32) -> (Bus, Connection) {
    let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
    let server = serving(connection::Builder::unix_stream(theirs).server(Guid::generate()).unwrap().p2p(), pid);
    let client = connection::Builder::unix_stream(ours).p2p();
    let (client, server) = tokio::join!(client.build(), server.build());
    (Bus::of(client.unwrap()), server.unwrap())
}

async fn says_what_systemd_says(bus: &mut Bus) {
    for (unit, result) in [
        ("good.service", Ok(())),
        ("busy.service", Ok(())),
        ("bad.service", Err("bad.service is failed")),
        ("none.service", Err("none.service is not loaded")),
        ("good.service", Ok(())),
    ] {
        assert_eq!(bus.active(unit).await, result.map_err(str::to_owned), "{unit}");
    }
    assert_eq!(bus.main_pid("none.service").await, Err("none.service is not loaded".to_owned()));
}

#[tokio::test]
async fn a_unit_is_what_systemd_says_of_it() {
    let (mut bus, _systemd) = pair(0).await;
    says_what_systemd_says(&mut bus).await;
}

#[tokio::test]
async fn a_bus_that_ends_is_a_failure_with_a_reason() {
    let (mut bus, systemd) = pair(7).await;
    systemd.close().await.unwrap();
    let why = tokio::time::timeout(Duration::from_secs(10), bus.active("good.service")).await.expect("an answer");
    assert!(why.as_ref().is_err_and(|why| why.starts_with("systemd does not say: ")), "{why:?}");
}

/// A message bus of its own, until it is dropped.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn over_a_real_bus_too() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("bus");
    let config = dir.path().join("bus.conf");
    let text = format!(
        "<busconfig><type>custom</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>\
         <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
         <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
        socket.display()
    );
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(ringmon_tests::engine::find("dbus-daemon").unwrap());
    command.args(["--nofork", "--nopidfile", "--config-file"]).arg(&config).stdin(Stdio::null()).stderr(Stdio::null());
    let _daemon = Daemon(command.spawn().unwrap());
    let address = format!("unix:path={}", socket.display());
    let ready = async {
        while tokio::net::UnixStream::connect(&socket).await.is_err() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), ready).await.expect("the bus is there");
    let builder = serving(connection::Builder::address(address.as_str()).unwrap(), 0);
    let _systemd = builder.name("org.freedesktop.systemd1").unwrap().build().await.unwrap();
    let client = connection::Builder::address(address.as_str()).unwrap().build().await.unwrap();
    says_what_systemd_says(&mut Bus::of(client)).await;
}
