//! The files that a configuration names: are they there, and may this user use them? Nothing is changed. (Where a
//! router will write, a file is made beside the one that it would replace, and deleted.)

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, eaccess};

use super::error::{Error, Problem};
use super::keys::{Key, Typed};
use super::parse::bad;
use super::{AgentConfig, DatabaseUrl, EventTarget, Machine, RouterConfig};
use crate::route::haproxy::SocketAt;
use crate::route::{CommandLine, file, template};

/// Where the shell looks for a program, if the environment does not say.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// With this it does not start, or does not do what it is told.
    pub problems: Vec<Error>,
    /// This may be right, or may become right by itself.
    pub notes: Vec<Error>,
}

impl Findings {
    /// The files of an agent on this machine.
    #[must_use]
    pub fn of_agent(typed: &Typed, config: &AgentConfig, machine: &Machine) -> Self {
        let mut found = Self::default();
        found.database(typed, Key::DatabaseUrl, &config.database, true);
        found.folder(typed, Key::StateDir, &config.state_dir, &[&config.pool, &config.name]);
        if machine.interfaces.get(&config.interface).is_some_and(|interface| interface.loopback) {
            let why = "it is the loopback, and only an Ethernet interface can be probed".to_owned();
            found.problem(typed, Key::Interface, Err(why));
        }
        if config.http.zip(config.agent_check).is_some_and(|(one, other)| meet(one, other)) {
            let why = format!("{} is there too, and only one of them can be", Key::Http);
            found.problem(typed, Key::AgentCheck, Err(why));
        }
        found.note(typed, Key::Http, machine.has(config.http));
        found.note(typed, Key::AgentCheck, machine.has(config.agent_check));
        if let Some(EventTarget::File(path)) = &config.events {
            found.problem(typed, Key::Events, appendable(path));
        }
        if let Some(path) = &config.record {
            found.folder(typed, Key::Record, path, &[]);
        }
        for check in &config.service.checks {
            let runs = check.program().map_or(Ok(()), runnable);
            found.problem(typed, Key::Check, runs);
        }
        found
    }

    /// The files of a router on this machine.
    #[must_use]
    pub fn of_router(typed: &Typed, config: &RouterConfig, machine: &Machine) -> Self {
        let mut found = Self::default();
        for (number, database) in config.sight.databases.iter().enumerate() {
            found.database(typed, if number == 0 { Key::DatabaseUrl } else { Key::Replicas }, database, false);
        }
        found.folder(typed, Key::StateDir, &config.state_dir, &[]);
        found.note(typed, Key::RouterHttp, machine.has(config.http));
        for target in &config.haproxy {
            if let SocketAt::Path(path) = &target.socket {
                match path.symlink_metadata() {
                    Ok(_) => found.problem(typed, Key::Haproxy, socket(path)),
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        let why = format!("{}: {error}; it is there while HAProxy runs", path.display());
                        found.note(typed, Key::Haproxy, Err(why));
                    }
                    Err(error) => found.problem(typed, Key::Haproxy, Err(format!("{}: {error}", path.display()))),
                }
            }
        }
        if let Some(path) = &config.file_sd {
            found.problem(typed, Key::FileSd, replaceable(path));
        }
        if let Some(made) = &config.template {
            let rehearsal = template::rehearse(&made.source, &config.sight.pool)
                .map_err(|error| format!("with two invented servers, example1 and example2: {error}"));
            found.problem(typed, Key::Template, rehearsal);
            found.problem(typed, Key::Template, replaceable(&made.target));
            found.command(typed, Key::TemplateCheck, made.check.as_ref());
            found.command(typed, Key::TemplateReload, made.reload.as_ref());
        } else {
            for key in [Key::TemplateCheck, Key::TemplateReload] {
                found.note(typed, key, Err("there is no template, so it never runs".to_owned()));
            }
        }
        found.command(typed, Key::Hook, config.hook.as_ref());
        found
    }

    fn database(&mut self, typed: &Typed, key: Key, database: &DatabaseUrl, writes: bool) {
        let Some(entry) = typed.get(key) else { return };
        self.problems.extend(
            database.check_files(writes).err().map(|error| bad(key, entry, Problem::DatabaseUrl(Box::new(error)))),
        );
    }

    /// A folder that the program makes if it may, and folders of its own in it. At a first start the service manager
    /// may make it, as another user.
    fn folder(&mut self, typed: &Typed, key: Key, path: &Path, own: &[&str]) {
        let inner = own.iter().fold(path.to_owned(), |folder, name| folder.join(name));
        let there = inner.ancestors().find(|folder| !is_missing(folder)).unwrap_or(Path::new("."));
        let found = enterable(there);
        if there.starts_with(path) || !there.is_dir() {
            self.problem(typed, key, found);
        } else {
            self.note(typed, key, found.map_err(|why| format!("it is not there yet, and cannot be made: {why}")));
        }
    }

    fn command(&mut self, typed: &Typed, key: Key, line: Option<&CommandLine>) {
        self.problem(typed, key, line.map_or(Ok(()), |line| runnable(Path::new(line.program()))));
    }

    fn problem(&mut self, typed: &Typed, key: Key, found: Result<(), String>) {
        self.problems.extend(said(typed, key, found));
    }

    fn note(&mut self, typed: &Typed, key: Key, found: Result<(), String>) {
        self.notes.extend(said(typed, key, found));
    }
}

/// Whether only one of two listeners can have its address.
fn meet(one: SocketAddr, other: SocketAddr) -> bool {
    let all = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && (all || one.ip() == other.ip())
}

fn said(typed: &Typed, key: Key, found: Result<(), String>) -> Option<Error> {
    found.err().zip(typed.get(key)).map(|(why, entry)| bad(key, entry, Problem::Unfit(why)))
}

/// Whether this user may do that with it.
fn may(path: &Path, flags: AccessFlags, what: &str) -> Result<(), String> {
    eaccess(path, flags).map_err(|error| format!("this user may not {what} {}: {}", path.display(), error.desc()))
}

/// Whether nothing has this name, not even a link. Where that cannot be seen, something may.
fn is_missing(path: &Path) -> bool {
    let missing = |error: std::io::Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
    path.symlink_metadata().err().is_some_and(missing)
}

/// A folder in which files can be made.
fn enterable(path: &Path) -> Result<(), String> {
    if !path.metadata().map_err(|error| format!("{}: {error}", path.display()))?.is_dir() {
        return Err(format!("{} is no folder", path.display()));
    }
    may(path, AccessFlags::W_OK | AccessFlags::X_OK, "write into")
}

/// A file that takes the place of an old one.
fn replaceable(path: &Path) -> Result<(), String> {
    file::rehearse(path).map_err(|error| error.to_string())
}

/// A file to which lines are added. A pipe that nobody reads is an error, and nothing to wait for.
fn appendable(path: &Path) -> Result<(), String> {
    if let Ok(to) = path.read_link()
        && is_missing(&parent(path).join(&to))
    {
        return appendable(&parent(path).join(to));
    }
    if !is_missing(path) {
        let open = OpenOptions::new().append(true).custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits()).open(path);
        return open.map(drop).map_err(|error| format!("cannot write to it: {error}"));
    }
    if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err("it is a folder, and a file is to be written there".to_owned());
    }
    enterable(parent(path))
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn socket(path: &Path) -> Result<(), String> {
    if !path.metadata().is_ok_and(|there| there.file_type().is_socket()) {
        return Err(format!("{} is no socket", path.display()));
    }
    may(path, AccessFlags::W_OK, "talk to")
}

/// A program as the kernel and the shell find it: with a slash it is a path, without one it is looked for.
fn runnable(program: &Path) -> Result<(), String> {
    let search = std::env::var_os("PATH").unwrap_or_else(|| PATH.into());
    let places: Vec<PathBuf> = if program.as_os_str().as_encoded_bytes().contains(&b'/') {
        vec![program.to_owned()]
    } else {
        std::env::split_paths(&search).map(|folder| folder.join(program)).collect()
    };
    // As execvp(3): one that may not be run is passed over.
    let runs = |place: &&PathBuf| place.is_file() && eaccess(place.as_path(), AccessFlags::X_OK).is_ok();
    match (places.iter().find(runs), places.iter().find(|place| place.is_file())) {
        (Some(_), _) => Ok(()),
        (None, Some(place)) => may(place, AccessFlags::X_OK, "run"),
        (None, None) if places.len() == 1 => Err(format!("there is no program {}", program.display())),
        (None, None) => Err(format!("there is no program {} in {}", program.display(), search.display())),
    }
}

#[cfg(test)]
mod tests;
