//! The log: on stderr, or in the journal where systemd takes it.

use std::sync::OnceLock;

use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::config::{Entry, Error, Key, LogLevel, Problem, Typed};
use ringmon_core::{Word as _, words};

/// The target under which the datapath logs the lines of the BPF programs.
const TARGET: &str = "ringmon::bpf";

/// How lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// As text; with fields of their own where systemd's journal takes stderr.
    #[default]
    Auto,
    /// As text.
    Text,
    /// One JSON object a line.
    Json,
}

words!(Format: Auto = "auto", Text = "text", Json = "json");

/// Changes what is shown while the program runs.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Starts the log at the configured level.
///
/// # Errors
/// The level or the format is unknown.
pub fn start(typed: &Typed) -> anyhow::Result<()> {
    let Some(filter) = filter_of(typed)? else { return Ok(()) };
    let format = match typed.get(Key::LogFormat) {
        Some(entry) => Format::read(&entry.text).ok_or_else(|| bad(Key::LogFormat, entry, "auto, text or json"))?,
        None => Format::Auto,
    };
    let (filter, handle) = reload::Layer::new(filter);
    // A second start in one process (which only tests do) leaves the first log as it is.
    let _ = FILTER.set(handle);
    let _ = tracing_subscriber::registry().with(filter).with(lines(format)).try_init();
    Ok(())
}

/// From now on shows what this configuration asks for.
///
/// # Errors
/// The level is unknown; then nothing was changed.
pub fn change(typed: &Typed) -> anyhow::Result<()> {
    if let (Some(filter), Some(handle)) = (filter_of(typed)?, FILTER.get()) {
        handle.reload(filter)?;
    }
    Ok(())
}

type Filtered = tracing_subscriber::layer::Layered<reload::Layer<EnvFilter, Registry>, Registry>;

fn lines(format: Format) -> Box<dyn Layer<Filtered> + Send + Sync> {
    let text = fmt::layer().with_writer(std::io::stderr).with_target(false);
    match format {
        Format::Json => text.json().flatten_event(true).boxed(),
        // A field becomes RINGMON_SUBJECT=..., to be found with `journalctl RINGMON_EVENT=down`.
        Format::Auto if is_journal() => match tracing_journald::layer() {
            Ok(journal) => journal
                .with_field_prefix(Some("RINGMON".to_owned()))
                .with_priority_mappings(PriorityMappings {
                    info: Priority::Informational,
                    debug: Priority::Debug,
                    ..PriorityMappings::new()
                })
                .boxed(),
            Err(_) => text.with_ansi(false).without_time().boxed(),
        },
        Format::Auto | Format::Text => {
            let choice = anstream::AutoStream::choice(&std::io::stderr());
            text.with_ansi(choice != anstream::ColorChoice::Never).boxed()
        }
    }
}

/// Whether stderr is the journal (systemd.exec(5), `JOURNAL_STREAM`).
fn is_journal() -> bool {
    let Ok(said) = std::env::var("JOURNAL_STREAM") else { return false };
    let stderr = nix::sys::stat::fstat(std::io::stderr());
    stderr.is_ok_and(|it| said == format!("{}:{}", it.st_dev, it.st_ino))
}

fn bad(key: Key, entry: &Entry, wanted: &'static str) -> Error {
    Error::Bad { key, text: entry.text.clone(), origin: entry.origin.clone(), problem: Problem::NotA(wanted) }
}

fn filter_of(typed: &Typed) -> Result<Option<EnvFilter>, Error> {
    const WANTED: &str = "error, warn, info, debug, trace, off, or a filter like ringmon=debug";
    let Some(entry) = typed.get(Key::Log) else { return Ok(None) };
    let programs = typed.get(Key::BpfLog).map_or("off", |entry| entry.text.as_str());
    filter(&entry.text, programs).ok_or_else(|| bad(Key::Log, entry, WANTED)).map(Some)
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
