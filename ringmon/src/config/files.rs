//! The files that a configuration names: are they there, and may this user use them? Nothing is made or changed.

use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, eaccess};

use super::error::{Error, Problem};
use super::keys::{Key, Typed};
use super::parse::bad;
use super::{AgentConfig, DatabaseUrl, EventTarget, RouterConfig};
use crate::route::haproxy::SocketAt;
use crate::route::{CommandLine, template};

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
    /// The files of an agent.
    #[must_use]
    pub fn of_agent(typed: &Typed, config: &AgentConfig) -> Self {
        let mut found = Self::default();
        found.database(typed, Key::DatabaseUrl, &config.database);
        found.folder(typed, Key::StateDir, &config.state_dir);
        if let Some(EventTarget::File(path)) = &config.events {
            found.problem(typed, Key::Events, writable(path));
        }
        if let Some(path) = &config.record {
            found.folder(typed, Key::Record, path);
        }
        for check in &config.service.checks {
            let runs = check.program().map_or(Ok(()), runnable);
            found.problem(typed, Key::Check, runs);
        }
        found
    }

    /// The files of a router.
    #[must_use]
    pub fn of_router(typed: &Typed, config: &RouterConfig) -> Self {
        let mut found = Self::default();
        for (number, database) in config.sight.databases.iter().enumerate() {
            found.database(typed, if number == 0 { Key::DatabaseUrl } else { Key::Replicas }, database);
        }
        found.folder(typed, Key::StateDir, &config.state_dir);
        for target in &config.haproxy {
            if let SocketAt::Path(path) = &target.socket {
                // It is there while HAProxy runs.
                found.note(typed, Key::Haproxy, socket(path));
            }
        }
        if let Some(path) = &config.file_sd {
            found.problem(typed, Key::FileSd, replaceable(path));
        }
        if let Some(made) = &config.template {
            let rehearsal = template::rehearse(&made.source, &config.sight.pool).map_err(|error| error.to_string());
            found.problem(typed, Key::Template, rehearsal);
            found.problem(typed, Key::Template, replaceable(&made.target));
            found.command(typed, Key::TemplateCheck, made.check.as_ref());
            found.command(typed, Key::TemplateReload, made.reload.as_ref());
        }
        found.command(typed, Key::Hook, config.hook.as_ref());
        found
    }

    fn database(&mut self, typed: &Typed, key: Key, database: &DatabaseUrl) {
        let Some(entry) = typed.get(key) else { return };
        self.problems
            .extend(database.check_files().err().map(|error| bad(key, entry, Problem::DatabaseUrl(Box::new(error)))));
    }

    /// A folder that the program makes, if it may. At a first start the service manager may make it, as another user.
    fn folder(&mut self, typed: &Typed, key: Key, path: &Path) {
        let there = path.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
        let found = enterable(there);
        if there == path {
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

fn said(typed: &Typed, key: Key, found: Result<(), String>) -> Option<Error> {
    found.err().zip(typed.get(key)).map(|(why, entry)| bad(key, entry, Problem::Unfit(why)))
}

/// Whether this user may do that with it.
fn may(path: &Path, flags: AccessFlags, what: &str) -> Result<(), String> {
    eaccess(path, flags).map_err(|error| format!("this user may not {what} {}: {}", path.display(), error.desc()))
}

/// A folder in which files can be made.
fn enterable(path: &Path) -> Result<(), String> {
    if !path.is_dir() {
        return Err(format!("{} is no folder", path.display()));
    }
    may(path, AccessFlags::W_OK | AccessFlags::X_OK, "write into")
}

/// The folder of a file, which is written beside the old one and takes its place.
fn replaceable(path: &Path) -> Result<(), String> {
    if path.is_dir() {
        return Err(format!("{} is a folder, and a file is to be written there", path.display()));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.exists() {
        return Err(format!("there is no folder {}", folder.display()));
    }
    enterable(folder)
}

/// A file to which lines are added.
fn writable(path: &Path) -> Result<(), String> {
    if path.exists() && !path.is_dir() { may(path, AccessFlags::W_OK, "write to") } else { replaceable(path) }
}

fn socket(path: &Path) -> Result<(), String> {
    if !path.exists() {
        return Err(format!("there is no socket {}; it is there while HAProxy runs", path.display()));
    }
    may(path, AccessFlags::R_OK | AccessFlags::W_OK, "talk to")
}

/// A program as the kernel and the shell find it: with a slash it is a path, without one it is looked for.
fn runnable(program: &Path) -> Result<(), String> {
    let search = std::env::var_os("PATH").unwrap_or_else(|| PATH.into());
    let places: Vec<PathBuf> = if program.components().count() > 1 {
        vec![program.to_owned()]
    } else {
        std::env::split_paths(&search).map(|folder| folder.join(program)).collect()
    };
    match places.iter().find(|place| place.is_file()) {
        Some(place) => may(place, AccessFlags::X_OK, "run"),
        None if places.len() == 1 => Err(format!("there is no program {}", program.display())),
        None => Err(format!("there is no program {} in {}", program.display(), search.display())),
    }
}

#[cfg(test)]
mod tests;
