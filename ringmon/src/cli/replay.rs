//! `ringmon replay`: what a recorded agent decided, and from what evidence.

mod describe;
mod files;
mod filter;
mod op;
mod play;
mod why;

#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use super::args::ReplayArgs;
use super::exit::{Error, Verdict, complain};
use super::out;
use describe::Shown;
use filter::Span;
use play::{Line, Note};
use ringmon_sim::replay::Decisions;

/// Replays the files and prints the decisions.
pub fn run(args: &ReplayArgs) -> anyhow::Result<Verdict> {
    let (files, notes) = files::read(&args.files)?;
    let span = Span::of(args, files.first().map(|file| file.wall_us()))?;
    let mut teller = Teller { args, span, kept: Vec::new(), before: None };
    let mut decisions = Decisions::default();
    let ended = play::play(&files, &mut decisions, &mut |decisions, item| teller.take(decisions, item))?;
    teller.end(&decisions)?;
    for note in notes.iter().chain(&ended.notes) {
        complain(note);
    }
    if let Some(parted) = &ended.parted {
        complain(&parted.to_string());
        if args.check {
            return Ok(Verdict::NotHealthy);
        }
    } else if args.check {
        let calls = ended.calls;
        eprintln!("ringmon: all {calls} recorded calls came to the same again");
    }
    match ended.damage {
        Some((damage, true)) => Err(Error::OtherVersion(damage).into()),
        Some((damage, false)) => Err(Error::Damaged(damage).into()),
        None => Ok(Verdict::Ok),
    }
}

/// Prints what is found, or keeps it for `--why`.
struct Teller<'a> {
    args: &'a ReplayArgs,
    span: Span,
    kept: Vec<Line>,
    /// The wall clock at the first printed line.
    before: Option<i64>,
}

impl Teller<'_> {
    fn take(&mut self, decisions: &Decisions, item: Result<Line, Note>) -> anyhow::Result<()> {
        match item {
            Ok(line) if !self.span.has(line.wall_us) => Ok(()),
            Ok(line) if self.args.why.is_some() => {
                self.kept.push(line);
                Ok(())
            }
            Ok(line) => self.print(decisions, &line),
            Err(note) if self.args.json || self.args.why.is_some() => {
                tracing::debug!("{}", note.text);
                Ok(())
            }
            Err(note) => out::line(&format!("--- {}", note.text)),
        }
    }

    fn print(&mut self, decisions: &Decisions, line: &Line) -> anyhow::Result<()> {
        let Some(shown) = describe::describe(line, decisions, self.args.all) else { return Ok(()) };
        let first = *self.before.get_or_insert(line.wall_us);
        out::line(&if self.args.json { as_json(line, &shown).to_string() } else { as_text(line, &shown, first) })
    }

    fn end(&mut self, decisions: &Decisions) -> anyhow::Result<()> {
        let Some(name) = &self.args.why else { return Ok(()) };
        let lines = std::mem::take(&mut self.kept);
        let why = why::why(name, &lines, decisions)?;
        for line in &why.chain {
            self.print(decisions, line)?;
        }
        if self.args.json {
            out::line(&json!({ "why": name, "text": why.text }).to_string())
        } else {
            out::line("")?;
            why.text.split('\n').try_for_each(|paragraph| out::line(&wrapped(paragraph)))
        }
    }
}

fn as_json(line: &Line, shown: &Shown) -> Value {
    json!({
        "at": files::moment(line.wall_us),
        "mono_ns": line.decision.at.as_ns(),
        "call": line.decision.number,
        "server": line.server,
        "what": shown.word,
        "subject": shown.subject,
        "text": shown.text,
        "detail": shown.detail,
    })
}

fn as_text(line: &Line, shown: &Shown, first: i64) -> String {
    let at = files::moment(line.wall_us);
    let since = files::ms_between(first, line.wall_us);
    format!("{at} {since:>+10.1} ms  {:<13} {:<8} {}", shown.word, shown.subject, shown.text).trim_end().to_owned()
}

/// In lines that fit on a terminal.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let long = lines.last().is_some_and(|line| !line.is_empty() && line.len() + word.len() >= 100);
        if long {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}
