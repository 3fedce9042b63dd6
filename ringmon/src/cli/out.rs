//! Printing to a standard output that may go away.

use std::io::{ErrorKind, Write as _};

use anstyle::{AnsiColor, Style};

use super::exit::OutputClosed;

/// The style of what a person should look at.
pub const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// The style of what is of less interest.
pub const ASIDE: Style = Style::new().dimmed();

/// Prints a line and flushes it. Styles reach only a terminal, and none where `NO_COLOR` is set.
///
/// # Errors
/// [`OutputClosed`] if nobody reads any more (`| head`); otherwise the operating system's error.
pub fn line(text: &str) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(OutputClosed.into()),
        Err(error) => Err(anyhow::Error::new(error).context("cannot write to the standard output")),
    }
}

/// Prints a value as indented JSON.
///
/// # Errors
/// As [`line`].
pub fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}

/// A table in the style of all commands.
pub fn table(header: &[&str]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_header(header);
    table
}
