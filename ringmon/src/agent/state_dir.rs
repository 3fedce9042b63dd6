//! What an agent keeps on disk: who it is, its buddy list, and the pool's keys.
//!
//! ```text
//! STATE_DIR/POOL/NAME/lock     held while an agent runs: two with one name on a machine would fight for one row
//! STATE_DIR/POOL/NAME/boot     the boot token, drawn once (R8)
//! STATE_DIR/POOL/NAME/address  the last one: of several on the interface, an agent takes it again
//! STATE_DIR/POOL/NAME/kept     buddy list and pool keys, mode 0600: for a start while the database is away
//! ```
//!
//! `kept` is one line of JSON after a line with its SipHash, written to a temporary file, synced and renamed. A reader
//! finds the old one or the new one, and notices and ignores a torn or edited one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use ringmon_common::siphash::SipHash24;
use serde::{Deserialize, Serialize};

use crate::disk;
use crate::show::{ErrorKind, HasKind};
use ringmon_core::buddy::BuddyList;
use ringmon_core::row::Address;
use ringmon_core::{BootToken, PoolKey};

/// What failed with the state directory.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was changed.
    #[error("cannot make the state directory {path}: {source} (choose another with --state-dir)")]
    Make {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Nothing was changed.
    #[error("another agent for this name already runs on this machine: it holds {path}")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The old content is still there.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Nothing was changed.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl HasKind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Make { source, .. } | Self::Write { source, .. } | Self::Read { source, .. } => {
                ErrorKind::of_named(source)
            }
            // The other agent may just be ending, so asking again can help.
            Self::Locked { .. } => ErrorKind::Unavailable,
        }
    }
}

/// What is kept for a start without a database.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The server's own place and both buddies.
    pub buddies: BuddyList,
    /// The pool's keys, the one in use first.
    pub keys: Vec<PoolKey>,
}

#[derive(Serialize, Deserialize)]
struct KeptOnDisk {
    format: u32,
    buddies: BuddyList,
    keys: Vec<(u8, [u8; 16])>,
}

/// The format of `kept` that this agent writes and reads.
const FORMAT: u32 = 1;

#[derive(Debug)]
pub struct StateDir {
    dir: PathBuf,
    boot: BootToken,
    _lock: Flock<File>,
}

impl StateDir {
    /// Makes the directory if it is missing, locks it, and reads the boot token or makes one.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn open(base: &Path, pool: &str, name: &str) -> Result<Self, Error> {
        let dir = base.join(file_name(pool)).join(file_name(name));
        let make = |source| Error::Make { path: dir.clone(), source };
        disk::make(&dir).map_err(make)?;
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).map_err(make)?;
        let path = dir.join("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(|source| Error::Write { path: path.clone(), source })?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| Error::Locked { path })?;
        let boot = boot_token(&dir)?;
        Ok(Self { dir, boot, _lock: lock })
    }

    /// The boot token.
    #[must_use]
    pub fn boot(&self) -> &BootToken {
        &self.boot
    }

    /// The address of the last run, if it is known.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        fs::read_to_string(self.dir.join("address")).ok()?.trim().parse().ok()
    }

    /// Keeps the address of this run.
    ///
    /// # Errors
    /// [`Error::Write`]: what was kept before is still there.
    pub fn keep_address(&self, address: Address) -> Result<(), Error> {
        if self.address() == Some(address) {
            return Ok(());
        }
        write(self.dir.join("address"), &format!("{address}\n"))
    }

    /// What was kept; `None` if nothing was, or if it is damaged (which is logged).
    ///
    /// # Errors
    /// [`Error::Read`]: it is there and cannot be read. It may say that an operator wants no clients here.
    pub fn kept(&self) -> Result<Option<Kept>, Error> {
        let path = self.dir.join("kept");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            // What is no text is damaged too.
            Err(e) if e.kind() == io::ErrorKind::InvalidData => String::new(),
            Err(source) => return Err(Error::Read { path, source }),
        };
        let kept = parse(&text);
        if kept.is_none() {
            tracing::warn!("{} is damaged or of another format; starting without it", path.display());
        }
        Ok(kept)
    }

    /// Keeps this, and replaces what was kept before.
    ///
    /// # Errors
    /// [`Error::Write`]: what was kept before is still there.
    pub fn keep(&self, kept: &Kept) -> Result<(), Error> {
        write(self.dir.join("kept"), &format(kept))
    }
}

/// Makes a file's name from a name: everything but letters, digits, `-`, `_` and `.` becomes `%XX`, and so does a
/// leading dot.
fn file_name(name: &str) -> String {
    let plain = |i: usize, b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_' || (b == b'.' && i > 0);
    name.bytes()
        .enumerate()
        .map(|(i, b)| if plain(i, b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

fn boot_token(dir: &Path) -> Result<BootToken, Error> {
    let path = dir.join("boot");
    match fs::read_to_string(&path) {
        Ok(token) if !token.trim().is_empty() => Ok(BootToken(token.trim().to_owned())),
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::Read { path, source }),
        Ok(_) | Err(_) => {
            let token = format!("{:032x}", rand::random::<u128>());
            write(path, &format!("{token}\n"))?;
            Ok(BootToken(token))
        }
    }
}

fn write(path: PathBuf, text: &str) -> Result<(), Error> {
    disk::write(&path, text.as_bytes()).map_err(|source| Error::Write { path, source })
}

/// A checksum against torn and hand-edited files, not against attackers: whoever can write here controls the agent.
fn checksum(line: &str) -> String {
    format!("{:016x}", SipHash24::of(&[0; 16], line.as_bytes()))
}

fn format(kept: &Kept) -> String {
    let keys = kept.keys.iter().map(|k| (k.id, k.secret)).collect();
    let disk = KeptOnDisk { format: FORMAT, buddies: kept.buddies.clone(), keys };
    let line = serde_json::to_string(&disk).unwrap_or_default();
    format!("{}\n{line}\n", checksum(&line))
}

fn parse(text: &str) -> Option<Kept> {
    let (sum, line) = text.split_once('\n')?;
    let line = line.strip_suffix('\n')?;
    if sum != checksum(line) {
        return None;
    }
    let disk: KeptOnDisk = serde_json::from_str(line).ok()?;
    let keys = disk.keys.into_iter().map(|(id, secret)| PoolKey { id, secret }).collect();
    (disk.format == FORMAT).then_some(Kept { buddies: disk.buddies, keys })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::tests::seen_in;
    use ringmon_core::buddy::Buddy;
    use ringmon_core::{Incarnation, ServerId};

    fn kept() -> Kept {
        let buddy = |id: i64| Buddy {
            id: ServerId(id),
            name: format!("n{id}"),
            address: [10, 0, 0, u8::try_from(id).unwrap()].into(),
            notice_port: 7464,
            incarnation: Incarnation(id),
            wire: 2,
            proves: false,
        };
        Kept {
            buddies: BuddyList {
                id: ServerId(1),
                incarnation: Incarnation(7),
                first: Some(buddy(2)),
                second: Some(buddy(3)),
                drained: true,
            },
            keys: vec![PoolKey { id: 1, secret: [9; 16] }],
        }
    }

    #[test]
    fn what_was_kept_comes_back() {
        let base = tempfile::tempdir().unwrap();
        let state = StateDir::open(base.path(), "web", "n1").unwrap();
        assert_eq!(state.kept().unwrap(), None);
        state.keep(&kept()).unwrap();
        assert_eq!(state.kept().unwrap(), Some(kept()));
        let mode = fs::metadata(state.dir.join("kept")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "the file has the pool's keys in it");
    }

    #[test]
    fn the_address_comes_back_and_nonsense_does_not() {
        let base = tempfile::tempdir().unwrap();
        let state = StateDir::open(base.path(), "web", "n1").unwrap();
        assert_eq!(state.address(), None);
        for address in ["192.0.2.7", "192.0.2.8"] {
            state.keep_address(address.parse().unwrap()).unwrap();
            assert_eq!(state.address().map(|kept| kept.to_string()).as_deref(), Some(address));
        }
        fs::write(state.dir.join("address"), "192.0.2").unwrap();
        assert_eq!(state.address(), None);
    }

    /// Root can read everything, so a folder stands for a file that this user may not read.
    #[test]
    fn what_is_kept_and_cannot_be_read_is_not_ignored() {
        let base = tempfile::tempdir().unwrap();
        let state = StateDir::open(base.path(), "web", "n1").unwrap();
        fs::create_dir(state.dir.join("kept")).unwrap();
        let error = state.kept().unwrap_err().to_string();
        assert!(error.contains("kept: ") && error.starts_with("cannot read "), "{error}");
        fs::remove_dir(state.dir.join("kept")).unwrap();
        fs::write(state.dir.join("kept"), [0xff, 0xfe]).unwrap();
        assert_eq!(state.kept().unwrap(), None, "damaged");
    }

    #[test]
    fn the_names_of_what_was_kept_are_on_the_disk_too() {
        let base = tempfile::tempdir().unwrap();
        let open = || drop(StateDir::open(base.path(), "web", "n1").unwrap());
        assert_eq!(seen_in(base.path(), open), ["web", "."]);
        let state = StateDir::open(base.path(), "web", "n1").unwrap();
        let seen = seen_in(&state.dir, || state.keep(&kept()).unwrap());
        assert_eq!(seen[1..], ["kept", "."], "{seen:?}");
    }

    #[test]
    fn a_damaged_file_is_not_used() {
        let text = format(&kept());
        assert_eq!(parse(&text), Some(kept()));
        for cut in 0..text.len() {
            assert_eq!(parse(&text[..cut]), None, "cut after {cut} bytes");
        }
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            if let Ok(changed) = String::from_utf8(bytes) {
                assert_eq!(parse(&changed), None, "bit flipped at {at}");
            }
        }
    }

    #[test]
    fn the_boot_token_is_drawn_once() {
        let base = tempfile::tempdir().unwrap();
        let first = StateDir::open(base.path(), "web", "n1").unwrap().boot().clone();
        let again = StateDir::open(base.path(), "web", "n1").unwrap().boot().clone();
        let other = StateDir::open(base.path(), "web", "n2").unwrap().boot().clone();
        assert_eq!(first, again);
        assert_ne!(first, other);
    }

    #[test]
    fn one_name_runs_once() {
        let base = tempfile::tempdir().unwrap();
        let _first = StateDir::open(base.path(), "web", "n1").unwrap();
        assert!(matches!(StateDir::open(base.path(), "web", "n1"), Err(Error::Locked { .. })));
    }

    #[test]
    fn names_are_safe_as_files() {
        assert_eq!(file_name("../a b"), "%2E.%2Fa%20b");
        assert_eq!(file_name("web-1.example"), "web-1.example");
    }
}
