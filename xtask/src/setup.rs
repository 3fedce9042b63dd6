//! Says what is missing before it installs it.

mod apt;
mod mysql;
mod tools;

use std::path::{Path, PathBuf};

use crate::progress;
use crate::refusal::Refusal;

pub use tools::linker;

/// What something is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// Building the BPF objects and the binary.
    Build,
    /// Namespaces, bridges and faults.
    Lab,
    /// A database server that the tests start.
    MariaDb,
    /// Oracle's MySQL.
    MySql,
    /// Three MariaDB servers that replicate to each other.
    Galera,
    /// Format, lints, and tools that tests use.
    Test,
    Haproxy,
    /// It discovers servers.
    Prometheus,
    /// Other failure detectors, to be measured beside ringmon.
    Peers,
}

/// What the tests need, not counting databases that are asked for.
pub const TESTS: [For; 6] = [For::Build, For::Lab, For::MariaDb, For::Haproxy, For::Prometheus, For::Test];

/// Whether anything may be installed.
#[derive(Clone, Copy, Debug)]
pub struct Install {
    /// `false` with `--no-install`.
    pub allowed: bool,
}

/// Something that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Missing {
    /// A Debian package.
    Package(&'static str),
    /// A component of the pinned toolchain.
    Component(&'static str),
    /// The linker of BPF objects, in the target folder.
    Linker,
    /// Oracle's MySQL, in the target folder.
    MySql,
}

impl Missing {
    /// The command that installs it, as a person would type it.
    fn remedy(&self) -> String {
        match self {
            Self::Package(name) => format!("Debian package {name}: apt-get install {name}"),
            Self::Component(name) => format!("toolchain component {name}: rustup component add {name}"),
            Self::Linker => format!("bpf-linker {}: {}", tools::LINKER_VERSION, tools::linker_command()),
            Self::MySql => mysql::remedy(),
        }
    }
}

/// Makes sure that everything for these purposes is there.
///
/// # Errors
/// [`Refusal::Unavailable`] with the exact list when nothing may be installed, or when something cannot be had. Other
/// errors when an installation failed.
pub fn ensure(root: &Path, purposes: &[For], install: Install) -> anyhow::Result<()> {
    let missing = missing(root, purposes)?;
    if missing.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = missing.iter().map(|one| format!("  {}", one.remedy())).collect();
    if !install.allowed {
        return Err(Refusal::Unavailable(format!(
            "these are missing, and --no-install forbids installing them:\n{}",
            list.join("\n")
        ))
        .into());
    }
    progress::say(&format!("installing what is missing:\n{}", list.join("\n")));
    let packages: Vec<&str> = missing
        .iter()
        .filter_map(|one| match one {
            Missing::Package(name) => Some(*name),
            Missing::Component(_) | Missing::Linker | Missing::MySql => None,
        })
        .collect();
    apt::install(root, &packages)?;
    for one in &missing {
        match one {
            Missing::Package(_) => {}
            Missing::Component(name) => tools::add_component(root, name)?,
            Missing::Linker => tools::install_linker(root)?,
            Missing::MySql => mysql::install(root)?,
        }
    }
    Ok(())
}

fn missing(root: &Path, purposes: &[For]) -> anyhow::Result<Vec<Missing>> {
    let wanted = |purpose: For| purposes.contains(&purpose);
    let mut missing = Vec::new();
    let mut component = |name: &'static str| -> anyhow::Result<()> {
        if !tools::has_component(root, name)? {
            missing.push(Missing::Component(name));
        }
        Ok(())
    };
    if wanted(For::Build) {
        component("rust-src")?;
    }
    if wanted(For::Test) {
        component("rustfmt")?;
        component("clippy")?;
    }
    let mut package = |program: &str, name: &'static str| {
        if find(program).is_none() {
            missing.push(Missing::Package(name));
        }
    };
    if wanted(For::Lab) {
        package("ip", "iproute2");
        package("nft", "nftables");
        package("setpriv", "util-linux");
    }
    if wanted(For::MariaDb) || wanted(For::Galera) {
        package("mariadbd", "mariadb-server");
    }
    if wanted(For::Galera) {
        package("rsync", "rsync");
        // A node gets its first copy with this; the server itself is in another package.
        package("wsrep_sst_rsync", "mariadb-server");
    }
    if wanted(For::Haproxy) {
        package("haproxy", "haproxy");
    }
    if wanted(For::Prometheus) {
        package("prometheus", "prometheus");
    }
    if wanted(For::Peers) {
        package("bird", "bird2");
        package("bfdd", "frr");
        package("keepalived", "keepalived");
    }
    if wanted(For::Test) {
        package("ping", "iputils-ping");
        package("sqlite3", "sqlite3");
        package("curl", "curl");
        package("python3", "python3");
        package("dbus-daemon", "dbus-daemon");
    }
    // It has no program that could be looked for.
    if wanted(For::Galera) && !Path::new("/usr/lib/galera/libgalera_smm.so").exists() {
        missing.push(Missing::Package("galera-4"));
    }
    if wanted(For::MySql) && !mysql::is_there(root) {
        missing.push(Missing::MySql);
    }
    if wanted(For::Build) && !tools::has_linker(root) {
        if !Path::new(tools::LLVM).join("bin/llvm-config").exists() {
            missing.push(Missing::Package(tools::LLVM_PACKAGE));
        }
        missing.push(Missing::Linker);
    }
    Ok(missing)
}

/// The program's path. It also looks where root's programs and FRRouting's are, even if PATH does not have them.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/lib/frr"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}
