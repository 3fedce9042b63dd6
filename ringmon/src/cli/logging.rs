//! The log, on stderr.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{Error, Key, Problem, Typed};

/// The target under which the datapath logs the lines of the BPF programs.
const TARGET: &str = "ringmon::bpf";

/// Starts the log at the configured level.
///
/// # Errors
/// The level is unknown.
pub fn start(typed: &Typed) -> anyhow::Result<()> {
    let Some(word) = typed.get(Key::Log) else { return Ok(()) };
    let programs = typed.get(Key::BpfLog).map_or("off", |word| word.text.as_str());
    let filter = filter(&word.text, programs).ok_or_else(|| Error::Bad {
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

/// A level is meant for ringmon. Other crates log only warnings and errors, except for the crate that warns of every
/// kernel that is newer than itself. Lines of the BPF programs that were asked for are shown, whatever the level is.
fn filter(text: &str, programs: &str) -> Option<EnvFilter> {
    let levels = ["error", "warn", "info", "debug", "trace", "off"];
    let known = levels.contains(&text);
    if !known && !text.contains('=') {
        return None;
    }
    let mut wanted = if known && text != "error" && text != "off" {
        format!("warn,netlink_packet_route=error,ringmon={text}")
    } else {
        text.to_owned()
    };
    // An unknown level is reported where the configuration is read.
    if levels.contains(&programs) && programs != "off" && text != "off" {
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
