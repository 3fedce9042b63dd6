//! Three MariaDB nodes that replicate to each other: Debian's `mariadb-server`, `galera-4` and `rsync`.
//!
//! They run as user mysql, because the state transfer to a joining node fails as root.
//! (<https://mariadb.com/kb/en/galera-cluster/>)

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

use super::node::{self, Node};

const NODES: usize = 3;
const USER: &str = "mysql";
const PROVIDER: &str = "/usr/lib/galera/libgalera_smm.so";

pub fn version() -> anyhow::Result<String> {
    ensure!(
        Path::new(PROVIDER).exists(),
        "galera-4 is not installed: run `cargo xtask test --engines galera`, which installs it"
    );
    Ok(format!("{}, {NODES} nodes", super::mariadb::version()?))
}

/// Where one node goes.
struct Place {
    folder: TempDir,
    port: u16,
    group: u16,
    increment: u16,
    snapshot: u16,
}

pub fn start(more: &[String]) -> anyhow::Result<Vec<Node>> {
    version()?;
    super::find("rsync")?;
    node::three_times(|| {
        let places: Vec<Place> = (0..NODES).map(|_| place()).collect::<anyhow::Result<_>>()?;
        let group: Vec<String> = places.iter().map(|p| format!("127.0.0.1:{}", p.group)).collect();
        let group = group.join(",");
        let mut nodes = Vec::with_capacity(NODES);
        for place in places {
            nodes.push(start_node(place, &group, nodes.is_empty(), more)?);
        }
        Ok(nodes)
    })
}

fn place() -> anyhow::Result<Place> {
    let mut ports = [0; 4];
    for port in &mut ports {
        *port = node::free_port()?;
    }
    let [port, group, increment, snapshot] = ports;
    Ok(Place { folder: node::folder("ringmon-galera-")?, port, group, increment, snapshot })
}

/// The first node makes the cluster and its account. The others get everything from the nodes that are there.
fn start_node(place: Place, group: &str, first: bool, more: &[String]) -> anyhow::Result<Node> {
    let Place { folder, port, group: own_group, increment, snapshot } = place;
    if first {
        super::mariadb::install(folder.path(), USER)?;
    } else {
        std::fs::create_dir(folder.path().join("data")).context("cannot make a data folder")?;
    }
    super::mariadb::own(folder.path(), USER)?;
    let mut program = super::mariadb::program(folder.path(), port, USER)?;
    let options =
        format!("gmcast.listen_addr=tcp://127.0.0.1:{own_group};ist.recv_addr=127.0.0.1:{increment};gcache.size=32M");
    let cluster = [
        "--binlog-format=ROW".to_owned(),
        "--innodb-autoinc-lock-mode=2".to_owned(),
        "--wsrep-on=ON".to_owned(),
        format!("--wsrep-provider={PROVIDER}"),
        "--wsrep-cluster-name=ringmon-tests".to_owned(),
        format!("--wsrep-cluster-address=gcomm://{group}"),
        format!("--wsrep-node-name=n{port}"),
        format!("--wsrep-node-address=127.0.0.1:{own_group}"),
        "--wsrep-sst-method=rsync".to_owned(),
        format!("--wsrep-sst-receive-address=127.0.0.1:{snapshot}"),
        format!("--wsrep-provider-options={options}"),
    ];
    program.extend(cluster.into_iter().map(Into::into));
    program.extend(more.iter().map(Into::into));
    let node = if first {
        Node::start_once_with(folder, port, program, &["--wsrep-new-cluster"])?
    } else {
        Node::start(folder, port, program)?
    };
    synced(&node)?;
    if first {
        node.sql(&super::account())?;
    }
    Ok(node)
}

/// Waits until the node takes writes.
///
/// # Errors
/// It does not within a minute. The error has its last words.
pub fn synced(node: &Node) -> anyhow::Result<()> {
    let end = Instant::now() + Duration::from_secs(60);
    let sql =
        "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'wsrep_local_state_comment'";
    while Instant::now() < end {
        if node.sql(sql).is_ok_and(|state| state == "Synced") {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("a Galera node does not become synced; its last words:\n{}", node.words())
}
