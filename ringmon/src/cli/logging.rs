//! The log, on stderr.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{Error, Key, Problem, Typed};

/// Starts the log at the level that was asked for.
///
/// # Errors
/// The level means nothing.
pub fn start(typed: &Typed) -> anyhow::Result<()> {
    let Some(word) = typed.get(Key::Log) else { return Ok(()) };
    let filter = filter(&word.text).ok_or_else(|| Error::Bad {
        key: Key::Log,
        text: word.text.clone(),
        origin: word.origin.clone(),
        problem: Problem::NotA("error, warn, info, debug, trace, off, or a filter like ringmon=debug"),
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
    Ok(())
}

/// A level is meant for ringmon; what it is built on speaks up from warnings on, but for the crate that warns of every kernel newer
/// than itself.
fn filter(text: &str) -> Option<EnvFilter> {
    let levels = ["error", "warn", "info", "debug", "trace", "off"];
    let known = levels.contains(&text);
    if !known && !text.contains('=') {
        return None;
    }
    EnvFilter::try_new(if known && text != "error" && text != "off" {
        format!("warn,netlink_packet_route=error,ringmon={text}")
    } else {
        text.to_owned()
    })
    .ok()
}
