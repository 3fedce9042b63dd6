//! Printing to a standard output that may go away.

use std::io::{ErrorKind, Write as _};

use anstyle::{AnsiColor, Style};

use super::exit::OutputClosed;
use crate::show::saying::clean;

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

/// A line that is clean, whatever is in it. As a warning if a person should look at it.
pub fn said(text: &str, warns: bool) -> String {
    let style = if warns { WARNING } else { Style::new() };
    format!("{style}{}{style:#}", clean(text))
}

/// A table of such lines. Each row says whether a person should look at it.
pub fn rows<const N: usize>(header: [&str; N], rows: &[(bool, [String; N])]) -> String {
    let mut table = table(&header);
    for (_, cells) in rows {
        // Cleaned, a cell is one line, and so is its row.
        table.add_row(cells.iter().map(|cell| clean(cell)));
    }
    // Whole lines have styles: the table would count those of a cell among its width.
    let warns = std::iter::once(false).chain(rows.iter().map(|(warns, _)| *warns)).chain(std::iter::repeat(false));
    let lines = table.lines().zip(warns).map(|(line, warns)| said(line.trim_end(), warns));
    lines.collect::<Vec<_>>().join("\n")
}

/// A table in the style of all commands.
pub fn table(header: &[&str]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_header(header);
    table
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    #[test]
    fn a_warning_is_a_whole_line_and_nothing_else_has_a_style() {
        assert_eq!(said("calm", false), "calm");
        assert_eq!(said("look", true), format!("{WARNING}look{WARNING:#}"));
        let cells = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        let table = rows(["a", "b"], &[(false, cells("1", "")), (true, cells("long", "2"))]);
        assert_eq!(table, format!(" a     b\n 1\n{WARNING} long  2{WARNING:#}"));
        assert_eq!(strip_str(&table).to_string(), " a     b\n 1\n long  2");
    }

    #[test]
    fn what_comes_from_elsewhere_moves_no_cursor() {
        assert_eq!(said("a\u{1b}[2J\r\u{9b}31mb", false), "a\u{fffd}[2J\u{fffd}\u{fffd}31mb");
        let table = rows(["a"], &[(false, ["b\nc\u{1b}[2J\td".to_owned()])]);
        assert_eq!(table, " a\n b\u{fffd}c\u{fffd}[2J\u{fffd}d");
    }
}
