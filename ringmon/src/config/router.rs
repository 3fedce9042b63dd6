//! The configuration of a router.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::{Error, Problem};
use super::keys::{Key, Typed};
use super::meaning::{maybe, must, password, path, pool_access, with_password};
use super::{DatabaseUrl, PoolAccess, parse};
use crate::route::CommandLine;
use crate::route::haproxy::{self, Target};
use ringmon_core::route::Policy;

/// The configuration of a router; nothing is left open.
#[derive(Clone, Debug)]
pub struct RouterConfig {
    /// The pool, and how it is read.
    pub sight: SightConfig,
    /// The folder of the kept list.
    pub state_dir: PathBuf,
    /// The address of the list and the metrics; `None`: they are not served.
    pub http: Option<SocketAddr>,
    /// The port of servers without one.
    pub default_port: Option<u16>,
    /// The backends of HAProxy that are kept in step.
    pub haproxy: Vec<Target>,
    /// A file for Prometheus.
    pub file_sd: Option<PathBuf>,
    /// A template, and the file that it makes.
    pub template: Option<TemplateConfig>,
    /// A command that gets each new list.
    pub hook: Option<CommandLine>,
}

/// How a pool is read.
#[derive(Clone, Debug)]
pub struct SightConfig {
    /// The pool's name.
    pub pool: String,
    /// Its databases, in the order in which they are asked.
    pub databases: Vec<DatabaseUrl>,
    /// How often the whole pool is read.
    pub poll: Duration,
    /// The UDP port for notices; 0: any.
    pub port: u16,
    /// Decides which servers are routed.
    pub policy: Policy,
}

/// A template, and the file that it makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateConfig {
    /// The path of the template.
    pub source: PathBuf,
    /// The path of the file that it makes.
    pub target: PathBuf,
    /// A command that says whether the file is good.
    pub check: Option<CommandLine>,
    /// A command that makes its reader read it.
    pub reload: Option<CommandLine>,
}

/// How a pool is read.
///
/// # Errors
/// A key is missing or has an unknown value.
pub fn sight(typed: &Typed) -> Result<SightConfig, Error> {
    let PoolAccess { pool, database } = pool_access(typed)?;
    // Readers have the same user everywhere.
    let secret = password(typed)?;
    let replica = |text: &str| Ok(with_password(parse::database(text)?, secret.as_ref()));
    let replicas = maybe(typed, Key::Replicas, |text| parse::list(text).map(replica).collect::<Result<Vec<_>, _>>())?;
    let databases = std::iter::once(database).chain(replicas.unwrap_or_default()).collect();
    let (ms, s) = (Duration::from_millis, Duration::from_secs);
    let policy = Policy {
        panic_permille: must(typed, Key::Panic, |text| parse::share(text, "a share from 0 to 1, like 0.5"))?,
        panic_window: must(typed, Key::PanicWindow, |text| {
            parse::span_in(text, s(1)..=s(86_400), "a length of time from 1s to 1d")
        })?,
        slow_start: must(typed, Key::SlowStart, |text| {
            parse::span_in(text, s(0)..=s(3600), "a length of time up to 1h, or 0s")
        })?,
        ..Policy::default()
    };
    Ok(SightConfig {
        pool,
        databases,
        poll: must(typed, Key::Poll, |text| parse::span_in(text, ms(50)..=s(60), "a length of time from 50ms to 1m"))?,
        port: must(typed, Key::RouterPort, |text| parse::number(text, 0u16, u16::MAX))?,
        policy,
    })
}

/// The whole configuration of a router.
///
/// # Errors
/// A key is missing or has an unknown value.
pub fn router(typed: &Typed) -> Result<RouterConfig, Error> {
    let template = maybe(typed, Key::Template, template)?;
    let command = |key| maybe(typed, key, command);
    let (check, reload) = (command(Key::TemplateCheck)?, command(Key::TemplateReload)?);
    let default_port = maybe(typed, Key::DefaultPort, |text| parse::number(text, 1u16, u16::MAX))?;
    Ok(RouterConfig {
        sight: sight(typed)?,
        state_dir: must(typed, Key::StateDir, path)?,
        http: must(typed, Key::RouterHttp, parse::listen)?,
        default_port,
        haproxy: haproxies(typed, default_port)?,
        file_sd: file_sd(typed, template.as_ref())?,
        template: template.map(|(source, target)| TemplateConfig { source, target, check, reload }),
        hook: command(Key::Hook)?,
    })
}

/// `SOURCE:TARGET`.
fn template(text: &str) -> Result<(PathBuf, PathBuf), Problem> {
    let parts = text.split_once(':').filter(|(source, target)| !source.is_empty() && !target.is_empty());
    let (source, target) =
        parts.ok_or(Problem::NotA("TEMPLATE:FILE, like /etc/ringmon/pool.conf.j2:/etc/nginx/conf.d/pool.conf"))?;
    let (source, target) = (PathBuf::from(source), PathBuf::from(target));
    if is_one_file(&source, &target) {
        return Err(Problem::Unfit("the file that it makes would take the place of the template itself".to_owned()));
    }
    Ok((source, target))
}

/// Whether two paths lead to one file, also by links.
fn is_one_file(one: &Path, other: &Path) -> bool {
    one == other || std::fs::canonicalize(one).ok().zip(std::fs::canonicalize(other).ok()).is_some_and(|(a, b)| a == b)
}

/// Two writers of one file would take it from each other for ever.
fn file_sd(typed: &Typed, template: Option<&(PathBuf, PathBuf)>) -> Result<Option<PathBuf>, Error> {
    let fits = |text: &str| {
        let file = path(text)?;
        match template {
            Some((source, target)) if is_one_file(&file, target) || is_one_file(&file, source) => {
                Err(Problem::Unfit("the template is, or makes, this file too".to_owned()))
            }
            Some(_) | None => Ok(file),
        }
    };
    maybe(typed, Key::FileSd, fits)
}

fn command(text: &str) -> Result<CommandLine, Problem> {
    CommandLine::parse(text).map_err(|why| Problem::Unfit(why.to_string()))
}

/// How often a HAProxy is asked what it has.
const RECONCILE: Duration = Duration::from_secs(1);

fn haproxies(typed: &Typed, default_port: Option<u16>) -> Result<Vec<Target>, Error> {
    let options = haproxy::Options {
        dynamic: must(typed, Key::HaproxyDynamic, parse::switch)?,
        kill_sessions: must(typed, Key::HaproxyShutdown, parse::switch)?,
        add_options: must(typed, Key::HaproxyServer, |text| Ok(text.to_owned()))?,
        default_port,
        every: RECONCILE,
    };
    let target = |word: &str| {
        let target: Target = word.parse().map_err(|why: haproxy::NoTarget| Problem::Unfit(why.to_string()))?;
        Ok(Target { options: options.clone(), ..target })
    };
    let targets = maybe(typed, Key::Haproxy, |text| parse::list(text).map(target).collect::<Result<Vec<_>, _>>())?;
    Ok(targets.unwrap_or_default())
}
