//! What a router is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::error::{Error, Problem};
use super::keys::{Key, Typed};
use super::meaning::{maybe, must, password, path, pool_access, with_password};
use super::{DatabaseUrl, PoolAccess, parse};
use crate::core::route::Policy;

/// Everything a router is told; nothing is left open.
#[derive(Clone, Debug)]
pub struct RouterConfig {
    /// The pool and how it is read.
    pub sight: SightConfig,
    /// Where the last list is kept.
    pub state_dir: PathBuf,
    /// Where the list and metrics are served; `None`: nowhere.
    pub http: Option<SocketAddr>,
    /// The port of servers that say none.
    pub default_port: Option<u16>,
    /// HAProxy's: `SOCKET:BACKEND` each.
    pub haproxy: Vec<String>,
    /// Whether servers are added to it and deleted from it.
    pub haproxy_dynamic: bool,
    /// Further words for those that are added.
    pub haproxy_server: String,
    /// A file for Prometheus.
    pub file_sd: Option<PathBuf>,
    /// A template, and what it makes.
    pub template: Option<TemplateConfig>,
    /// A command that is told of the list.
    pub hook: Option<String>,
}

/// How a pool is read.
#[derive(Clone, Debug)]
pub struct SightConfig {
    /// The pool's name.
    pub pool: String,
    /// Its databases, in the order in which they are asked.
    pub databases: Vec<DatabaseUrl>,
    /// How often everything is read.
    pub poll: Duration,
    /// UDP port for notices; 0: any.
    pub port: u16,
    /// Who is routed.
    pub policy: Policy,
}

/// A template, and what it makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateConfig {
    /// The template.
    pub source: PathBuf,
    /// The file that it makes.
    pub target: PathBuf,
    /// A command that says whether it is good.
    pub check: Option<String>,
    /// A command that makes its reader read it.
    pub reload: Option<String>,
}

/// How a pool is read.
///
/// # Errors
/// A key is missing or means nothing.
pub fn sight(typed: &Typed) -> Result<SightConfig, Error> {
    let PoolAccess { pool, database } = pool_access(typed)?;
    // Readers have one user everywhere.
    let secret = password(typed)?;
    let replica = |text: &str| Ok(with_password(parse::database(text)?, secret.as_deref()));
    let replicas = maybe(typed, Key::Replicas, |text| parse::list(text).map(replica).collect::<Result<Vec<_>, _>>())?;
    let databases = std::iter::once(database).chain(replicas.unwrap_or_default()).collect();
    let (ms, s) = (Duration::from_millis, Duration::from_secs);
    let policy = Policy {
        panic_permille: must(typed, Key::Panic, "", parse::share)?,
        panic_window: must(typed, Key::PanicWindow, "", |text| {
            parse::span_in(text, s(1)..=s(86_400), "a length of time from 1s to 1d")
        })?,
        slow_start: must(typed, Key::SlowStart, "", |text| {
            parse::span_in(text, s(0)..=s(3600), "a length of time up to 1h, or 0s")
        })?,
        ..Policy::default()
    };
    Ok(SightConfig {
        pool,
        databases,
        poll: must(typed, Key::Poll, "", |text| {
            parse::span_in(text, ms(50)..=s(60), "a length of time from 50ms to 1m")
        })?,
        port: must(typed, Key::RouterPort, "", |text| parse::number(text, 0u16, u16::MAX))?,
        policy,
    })
}

/// Everything a router is told.
///
/// # Errors
/// A key is missing or means nothing.
pub fn router(typed: &Typed) -> Result<RouterConfig, Error> {
    let template = maybe(typed, Key::Template, template)?;
    let command = |key| maybe(typed, key, command);
    let (check, reload) = (command(Key::TemplateCheck)?, command(Key::TemplateReload)?);
    Ok(RouterConfig {
        sight: sight(typed)?,
        state_dir: must(typed, Key::StateDir, "", path)?,
        http: must(typed, Key::RouterHttp, "", parse::listen)?,
        default_port: maybe(typed, Key::DefaultPort, |text| parse::number(text, 1u16, u16::MAX))?,
        haproxy: maybe(typed, Key::Haproxy, |text| Ok(parse::list(text).map(str::to_owned).collect()))?
            .unwrap_or_default(),
        haproxy_dynamic: must(typed, Key::HaproxyDynamic, "", parse::switch)?,
        haproxy_server: must(typed, Key::HaproxyServer, "", |text| Ok(text.to_owned()))?,
        file_sd: maybe(typed, Key::FileSd, path)?,
        template: template.map(|(source, target)| TemplateConfig { source, target, check, reload }),
        hook: command(Key::Hook)?,
    })
}

/// `SOURCE:TARGET`.
fn template(text: &str) -> Result<(PathBuf, PathBuf), Problem> {
    let parts = text.split_once(':').filter(|(source, target)| !source.is_empty() && !target.is_empty());
    let (source, target) =
        parts.ok_or(Problem::NotA("TEMPLATE:FILE, like /etc/ringmon/pool.conf.j2:/etc/nginx/conf.d/pool.conf"))?;
    Ok((PathBuf::from(source), PathBuf::from(target)))
}

fn command(text: &str) -> Result<String, Problem> {
    if text.trim().is_empty() { Err(Problem::NotA("a command")) } else { Ok(text.to_owned()) }
}
