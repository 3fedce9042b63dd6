//! The results as one Markdown table: ringmon beside the naive design, and how both grow with the pool.

use std::fmt::Write;

use ringmon_tests::bench::machine::Machine;
use ringmon_tests::bench::store::{Design, Numbers, StoreLine, What};

/// Growth counts from this size on. In smaller pools the database's caches hide the difference between a million and a
/// few.
const GROWTH_FROM: u32 = 10_000;

/// One row: ringmon's result, and the other design's beside it.
struct Row<'a> {
    ours: Option<&'a StoreLine>,
    other: Option<&'a StoreLine>,
}

/// The table and the notes below it.
pub fn text(machine: &Machine, all: &[StoreLine]) -> String {
    let heads = [
        "database",
        "servers",
        "what",
        "ringmon: ops/s (slowest to fastest fifth)",
        "p50 / p99 / max ms",
        "attempts an op (most)",
        "server ms an op",
        "beside it",
        "ops/s (slowest to fastest fifth)",
        "p50 / p99 / max ms",
        "attempts an op (most)",
        "server ms an op",
        "ratio",
        "growth since 10,000 (beside it)",
        "remarks",
    ];
    let mut text = format!("{machine}.\n\n| {} |\n|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
    for row in rows(all) {
        let _ = writeln!(text, "{}", row.line(all));
    }
    let _ = write!(text, "\n{}", notes(all));
    for line in all {
        if let Some(problem) = &line.problem {
            let _ = write!(text, "\n- FAILED: {}: {problem}", name(line));
        }
    }
    text
}

/// The result in one line.
pub fn summary(line: &StoreLine) -> String {
    let mut text = line
        .numbers
        .as_ref()
        .map_or_else(String::new, |n| format!("{} ops/s, {} ms, {} attempts", rate(n), times(n), attempts(n)));
    if let Some(problem) = &line.problem {
        let _ = write!(text, " FAILED: {problem}");
    }
    text.trim_start().to_owned()
}

fn name(line: &StoreLine) -> String {
    format!("{}, {} servers, {}, {}", line.engine, thousands(line.servers), line.what, line.design.name())
}

/// In the order of measurement.
fn rows(all: &[StoreLine]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for line in all {
        if line.design == Design::Ringmon {
            rows.push(Row { ours: Some(line), other: None });
        } else if let Some(row) = rows.iter_mut().find(|row| row.ours.is_some_and(|ours| is_beside(ours, line))) {
            row.other = Some(line);
        } else {
            rows.push(Row { ours: None, other: Some(line) });
        }
    }
    rows
}

fn is_beside(one: &StoreLine, other: &StoreLine) -> bool {
    (&one.engine, one.servers, one.what) == (&other.engine, other.servers, other.what)
}

impl Row<'_> {
    fn line(&self, all: &[StoreLine]) -> String {
        let Some(line) = self.ours.or(self.other) else { return String::new() };
        let mut cells = vec![line.engine.clone(), thousands(line.servers), line.what.to_string()];
        cells.extend(cells_of(self.ours));
        cells.push(self.other.map_or_else(nothing, |other| other.design.name().to_owned()));
        cells.extend(cells_of(self.other));
        cells.push(ratio(self.ours, self.other).map_or_else(nothing, |ratio| format!("{ratio:.2}")));
        let grown = |line: Option<&StoreLine>| line.and_then(|line| growth(line, all));
        cells.push(match (grown(self.ours), grown(self.other)) {
            (None, None) => nothing(),
            (Some(ours), None) => format!("{ours:.2}"),
            (ours, Some(other)) => format!("{} ({other:.2})", ours.map_or_else(nothing, |ours| format!("{ours:.2}"))),
        });
        cells.push(self.remarks());
        format!("| {} |", cells.join(" | "))
    }

    fn remarks(&self) -> String {
        let mut remarks = Vec::new();
        for line in [self.ours, self.other].into_iter().flatten() {
            let mut say = |text: String| {
                remarks.push(format!("{text}{}", if line.design == Design::Ringmon { "" } else { " (beside it)" }))
            };
            if line.problem.is_some() {
                say("**FAILED**".to_owned());
            }
            let Some(numbers) = &line.numbers else { continue };
            if let Some(needed) = numbers.needed_per_s {
                say(format!("needed {needed:.0}/s"));
            }
            if line.what.only_looks() {
                if let Some(percent) = numbers.core_percent {
                    say(format!("{percent:.0} % of a core"));
                }
                say(match numbers.rows_written {
                    Some(0) => "no row written".to_owned(),
                    Some(rows) => format!("**{rows} rows written**"),
                    None => "rows not counted".to_owned(),
                });
            }
            if numbers.errors > 0 {
                say(format!("asked again {} times", numbers.errors));
            }
        }
        remarks.join(", ")
    }
}

fn nothing() -> String {
    "-".to_owned()
}

fn cells_of(line: Option<&StoreLine>) -> [String; 4] {
    let of = |cell: fn(&Numbers) -> String| line.and_then(|line| line.numbers.as_ref()).map_or_else(nothing, cell);
    [of(rate), of(times), of(attempts), of(cost)]
}

fn rate(numbers: &Numbers) -> String {
    format!("{:.0} ({:.0} to {:.0})", numbers.ops_per_s, numbers.ops_least, numbers.ops_most)
}

fn times(numbers: &Numbers) -> String {
    let ms =
        |ms: Option<f64>| ms.map_or_else(nothing, |ms| if ms < 10.0 { format!("{ms:.2}") } else { format!("{ms:.0}") });
    format!("{} / {} / {}", ms(numbers.p50_ms), ms(numbers.p99_ms), ms(numbers.max_ms))
}

fn attempts(numbers: &Numbers) -> String {
    let mean = numbers.attempts_per_op.map_or_else(nothing, |mean| format!("{mean:.2}"));
    format!("{mean} ({})", numbers.max_attempts.map_or_else(nothing, |most| most.to_string()))
}

fn cost(numbers: &Numbers) -> String {
    let percent = numbers.core_percent.filter(|_| numbers.ops_per_s > 0.0);
    percent.map_or_else(nothing, |percent| format!("{:.2}", percent * 10.0 / numbers.ops_per_s))
}

fn speed(line: &StoreLine) -> Option<f64> {
    line.numbers.as_ref().map(|numbers| numbers.ops_per_s).filter(|speed| *speed > 0.0)
}

fn ratio(one: Option<&StoreLine>, other: Option<&StoreLine>) -> Option<f64> {
    Some(speed(one?)? / speed(other?)?)
}

/// The speed compared with a pool of [`GROWTH_FROM`]: 1 is flat.
fn growth(line: &StoreLine, all: &[StoreLine]) -> Option<f64> {
    let is_base = |base: &&StoreLine| {
        (&base.engine, base.what, base.design, base.servers) == (&line.engine, line.what, line.design, GROWTH_FROM)
    };
    let base = all.iter().find(is_base).filter(|_| line.servers > GROWTH_FROM && line.what != What::Idle);
    ratio(Some(line), base)
}

fn thousands(number: u32) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn notes(all: &[StoreLine]) -> String {
    let mut engines: Vec<String> = all
        .iter()
        .map(|line| {
            let memory = line.buffer_pool_mib.map_or_else(String::new, |mib| format!(", buffer pool {mib} MiB"));
            let away = line.round_trip_ms.filter(|ms| *ms > 0).map_or_else(String::new, |ms| format!(", {ms} ms away"));
            format!("{} {}{memory}{away}", line.engine, line.version)
        })
        .collect();
    engines.dedup();
    let mut notes = vec![
        format!(
            "Databases: {}; a COMMIT is in the kernel's hands, not on the disk. \
             Writers and database share the machine.",
            engines.join("; ")
        ),
        "An operation's time includes all its attempts and pauses; p99 by nearest rank, of at least 100 operations. \
         Server ms: processor time of the database's servers for each operation; for SQLite, of the whole process that \
         measures. Ratio and growth are of ops/s."
            .to_owned(),
        "splice: a server leaves or joins at a random place, each is one. \
         removal: from the first buddy's vote to the COMMIT of the other's; the joins that keep the pool's size load \
         the database and are not counted, so its ops/s are less than it could do. vote: cast or withdrawn."
            .to_owned(),
        "lock-everything: one transaction that locks the pool's row first (SQLite: BEGIN IMMEDIATE; \
         Galera: UPDATE of its version, because SELECT FOR UPDATE locks nothing on the other nodes), \
         then reads and writes without conditions, deadlines or checks of names."
            .to_owned(),
        "idle: what 10,000 agents ask of a healthy pool: a look at their own row and both buddies' rows every 30 s, \
         over a new connection each time (SQLite: over the open file). \
         poll: the same as fast as it goes, over open connections."
            .to_owned(),
    ];
    for line in all.iter().filter(|line| line.what == What::Connect) {
        let median = |line: &StoreLine| line.numbers.as_ref().and_then(|numbers| numbers.p50_ms);
        let open = all
            .iter()
            .find(|open| open.what == What::Connected && (&open.engine, open.servers) == (&line.engine, line.servers));
        if let (Some(anew), Some(open)) = (median(line), open.and_then(median)) {
            notes.push(format!(
                "{}, {} servers: new connections make a look {:.2} ms longer \
                 (first look {anew:.2}, next look {open:.2}; medians).",
                line.engine,
                thousands(line.servers),
                anew - open
            ));
        }
    }
    notes.iter().map(|note| format!("- {note}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
