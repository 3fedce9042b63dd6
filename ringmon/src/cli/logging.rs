//! The log, on stderr.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{Error, Key, LogLevel, Problem, Typed};
use ringmon_core::Word as _;

/// The target under which the datapath logs the lines of the BPF programs.
const TARGET: &str = "ringmon::bpf";

/// Starts the log at the configured level.
///
/// # Errors
/// The level is unknown.
pub fn start(typed: &Typed) -> anyhow::Result<()> {
    let Some(entry) = typed.get(Key::Log) else { return Ok(()) };
    let programs = typed.get(Key::BpfLog).map_or("off", |entry| entry.text.as_str());
    let filter = filter(&entry.text, programs).ok_or_else(|| Error::Bad {
        key: Key::Log,
        text: entry.text.clone(),
        origin: entry.origin.clone(),
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

/// A level is meant for ringmon. Other crates log only warnings and errors, except for the crate that warns of every
/// kernel that is newer than itself. Lines of the BPF programs that were asked for are shown, whatever the level is.
fn filter(text: &str, programs: &str) -> Option<EnvFilter> {
    let level = LogLevel::read(text);
    let mut wanted = match level {
        None if !text.contains('=') => return None,
        None | Some(LogLevel::Off | LogLevel::Error) => text.to_owned(),
        Some(LogLevel::Warn | LogLevel::Info | LogLevel::Debug | LogLevel::Trace) => {
            format!("warn,netlink_packet_route=error,ringmon={text}")
        }
    };
    // An unknown level is reported where the configuration is read.
    let asked = LogLevel::read(programs).is_some_and(|programs| programs != LogLevel::Off);
    if asked && level != Some(LogLevel::Off) {
        wanted = format!("{wanted},{TARGET}={programs}");
    }
    EnvFilter::try_new(wanted).ok()
}

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn lines_of_the_programs_are_shown_when_they_are_asked_for() {
        let shows = |text, programs| filter(text, programs).map(|filter| filter.to_string()).unwrap_or_default();
        assert!(shows("info", "debug").contains("ringmon::bpf=debug"), "{}", shows("info", "debug"));
        assert!(shows("error", "trace").contains("ringmon::bpf=trace"), "{}", shows("error", "trace"));
        assert!(shows("ringmon=warn", "info").contains("ringmon::bpf=info"));
        for (text, programs) in [("info", "off"), ("off", "debug"), ("info", "nonsense")] {
            assert!(!shows(text, programs).contains("ringmon::bpf"), "{text} {programs}");
        }
    }

    #[test]
    fn a_word_that_is_neither_level_nor_filter_is_refused() {
        assert!(filter("loud", "off").is_none());
    }
}
