//! A file made from a template: checked before it replaces the old one, and its reader is told afterwards.
//!
//! ```text
//!   render -- same as what is there? --> nothing
//!      +----> candidate --> check --> rename --> reload --> in step
//!                             |                    +--> fails: the file stays (it was found good), reload is owed
//!                             +--> fails: the candidate goes, the old file stays
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use tokio::sync::watch;

use super::command::{CommandLine, Run};
use super::error::READ;
use super::file::Candidate;
use super::pace::{self, Pace, Target};
use super::view::View;
use super::{Error, Status};
use crate::disk;
use ringmon_core::route::{Route, Routes, Standing};
use ringmon_core::row::Address;
use ringmon_core::{Incarnation, ServerId};

/// The variable that gives the check the candidate's path, as `{}` in its command line does.
const CANDIDATE: &str = "RINGMON_CANDIDATE";

/// A template, its file, and the commands around the replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateTarget {
    /// The template (Jinja). It is read again each time.
    pub template: PathBuf,
    /// The file that it makes.
    pub path: PathBuf,
    /// Must succeed before the file is replaced; `{}` is the candidate's path.
    pub check: Option<CommandLine>,
    /// Runs after the file was replaced.
    pub reload: Option<CommandLine>,
    /// The least time from one reload to the next.
    pub min_interval: Duration,
    /// The limit for each of the two commands.
    pub limit: Duration,
}

impl TemplateTarget {
    /// Without commands, at most once a second.
    #[must_use]
    pub const fn new(template: PathBuf, path: PathBuf) -> Self {
        let (min_interval, limit) = (Duration::from_secs(1), super::LIMIT);
        Self { template, path, check: None, reload: None, min_interval, limit }
    }
}

/// Keeps the file in step, until nobody makes lists any more. The target's name is in `report` already
/// ([`Status::named`]).
pub async fn run(
    target: TemplateTarget,
    routes: watch::Receiver<Arc<Routes>>,
    pool: String,
    report: watch::Sender<Status>,
) {
    let pace = Pace::every(target.min_interval);
    paced(target, pace, routes, pool, report).await;
}

async fn paced(
    target: TemplateTarget,
    pace: Pace,
    routes: watch::Receiver<Arc<Routes>>,
    pool: String,
    report: watch::Sender<Status>,
) {
    // The last router may have ended before it told the reader of a file that is there already.
    let owed = target.reload.is_some();
    pace::run(Template { target, pool, owed }, pace, routes, report).await;
}

/// Renders a template with a list.
///
/// # Errors
/// [`Error::File`], [`Error::Template`].
pub async fn render(template: &Path, pool: &str, routes: &Routes) -> Result<String, Error> {
    let (path, pool, routes) = (template.to_owned(), pool.to_owned(), routes.clone());
    // Both may take their time.
    let made = tokio::task::spawn_blocking(move || filled_in(&path, &pool, &routes));
    made.await.unwrap_or_else(|_| Err(Error::CutShort(template.to_owned())))
}

/// Fills a template in with two invented servers, for who wants to know whether it can be used.
///
/// # Errors
/// As [`render`].
pub fn rehearse(template: &Path, pool: &str) -> Result<(), Error> {
    let server = |id: i64| Route {
        id: ServerId(id),
        name: format!("example{id}"),
        incarnation: Incarnation(1),
        address: Address::from([192, 0, 2, 1]),
        port: Some(80),
        weight: 100,
        standing: Standing::Active,
    };
    filled_in(template, pool, &Routes { servers: vec![server(1), server(2)], ..Routes::default() }).map(drop)
}

/// How long a template may run, in minijinja's instructions: enough for a hundred for each pair of servers.
fn fuel(routes: &Routes) -> u64 {
    let servers = u64::try_from(routes.servers.len()).unwrap_or(u64::MAX);
    servers.saturating_mul(servers).saturating_mul(100).saturating_add(10_000_000)
}

fn filled_in(template: &Path, pool: &str, routes: &Routes) -> Result<String, Error> {
    let unread = |source| Error::File { step: READ, path: template.to_owned(), source };
    let source = disk::read_plain(template).map_err(unread)?;
    let source = String::from_utf8(source).map_err(|error| unread(std::io::Error::other(error)))?;
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    // A typing error must not become an empty word in a configuration.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(true);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    let name = template.file_name().unwrap_or_default().to_string_lossy();
    environment.set_fuel(Some(fuel(routes)));
    let rendered = environment.render_named_str(&name, &source, View::new(pool, routes));
    rendered.map_err(|source| Error::Template { path: template.to_owned(), source: Box::new(source) })
}

struct Template {
    target: TemplateTarget,
    pool: String,
    /// The file's reader has to be told, also if the file stays as it is.
    owed: bool,
}

impl Target for Template {
    async fn apply(&mut self, routes: &Routes) -> Result<bool, Error> {
        let text = render(&self.target.template, &self.pool, routes).await?;
        let path = self.target.path.clone();
        if let Some(candidate) = self.on_disk(move || Candidate::write(&path, text.as_bytes())).await? {
            self.check(&candidate).await?;
            // Set before it is true: an error may come after the rename.
            self.owed = true;
            self.on_disk(move || candidate.commit()).await?;
        }
        if !self.owed {
            return Ok(false);
        }
        if let Some(line) = &self.target.reload {
            let limit = self.target.limit;
            Run { what: "reload", line, input: String::new(), set: Vec::new(), limit }.finish().await?;
        }
        self.owed = false;
        Ok(true)
    }
}

impl Template {
    /// The disk may take its time.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Error::CutShort(self.target.path.clone())))
    }

    async fn check(&self, candidate: &Candidate) -> Result<(), Error> {
        let Some(check) = &self.target.check else { return Ok(()) };
        let (line, limit) = (&check.with(candidate.path()), self.target.limit);
        let set = vec![(CANDIDATE, candidate.path().to_string_lossy().into_owned())];
        let run = Run { what: "check", line, input: String::new(), set, limit };
        run.finish().await.map_err(|error| self.in_words(error, candidate.path()))
    }

    /// The candidate has another name each time, and is gone by the time that somebody reads the error.
    fn in_words(&self, mut error: Error, candidate: &Path) -> Error {
        if let Error::Failed { said, .. } | Error::TimedOut { said, .. } = &mut error {
            *said = said.replace(&*candidate.to_string_lossy(), &self.target.path.to_string_lossy());
        }
        error
    }
}

#[cfg(test)]
mod tests;
