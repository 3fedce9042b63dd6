//! `ringmon config check|show`

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::args::{ConfigCommand, Program};
use super::exit::{Verdict, complain};
use super::{out, pages};
use crate::config::{self, AgentConfig, Entry, Error, Findings, Key, Machine, Origin, RouterConfig, Typed};
use crate::show::saying::clean;
use crate::show::{ErrorKind, HasKind as _};
use ringmon_core::Word as _;

/// Checks or shows the result of all layers.
pub fn run(typed: &Typed, command: &ConfigCommand) -> anyhow::Result<Verdict> {
    match *command {
        ConfigCommand::Check { program, .. } => return check(typed, program),
        ConfigCommand::Show { origin, json: true, .. } => out::json(&as_json(typed, origin))?,
        ConfigCommand::Show { origin, json: false, .. } => out::line(as_text(typed, origin).trim_end())?,
        ConfigCommand::Example => return super::pages::example(),
    }
    Ok(Verdict::Ok)
}

/// Judges it for one program, or for each that its keys are for. All problems are told, not only the
/// first, unless something is missing without which nothing can be read.
fn check(typed: &Typed, program: Option<Program>) -> anyhow::Result<Verdict> {
    let machine = Machine::this()?;
    let (mut worst, mut told) = (Verdict::Ok, BTreeSet::new());
    for program in program.map_or_else(|| meant_for(typed), |one| vec![one]) {
        let Judged { good, problems, notes } = match program {
            Program::Agent => judge(
                typed,
                |typed| config::agent(typed, &machine),
                |typed, config| {
                    let AgentConfig { pool, name, address, interface, .. } = config;
                    let good = format!("for an agent: server {name} of pool {pool}, {address} on {interface}");
                    (good, Findings::of_agent(typed, config, &machine))
                },
            ),
            Program::Router => judge(typed, config::router, |typed, config| {
                let good = format!("for a router: pool {}, {}", config.sight.pool, tells(config));
                (good, Findings::of_router(typed, config, &machine))
            }),
        };
        // What both read is told once.
        for note in notes.iter().map(|note| format!("note: {note}")).filter(|note| told.insert(note.clone())) {
            out::line(&clean(&note))?;
        }
        if let (Some(good), true) = (good, problems.is_empty()) {
            out::line(&format!("the configuration is good {}", clean(&good)))?;
        }
        for problem in problems {
            let text = problem.to_string();
            if told.insert(text.clone()) {
                complain(&text);
            }
            let waits = problem.kind() == ErrorKind::Unavailable && worst != Verdict::Configuration;
            worst = if waits { Verdict::Unavailable } else { Verdict::Configuration };
        }
    }
    if worst == Verdict::Ok {
        let said = Key::ALL.iter().filter_map(|&key| Some((key, typed.get(key)?)));
        for (key, entry) in said.filter(|(_, entry)| entry.origin != Origin::Default) {
            out::line(&shown(key, Some(entry), true))?;
        }
    }
    Ok(worst)
}

/// What came of it for one program.
struct Judged {
    /// What it is good for; `None`: not all of its values could be read.
    good: Option<String>,
    problems: Vec<Error>,
    notes: Vec<Error>,
}

/// Reads it again without each value that is wrong, so that the next wrong one is found as well.
fn judge<C>(
    typed: &Typed,
    read: impl Fn(&Typed) -> Result<C, Error>,
    look: impl Fn(&Typed, &C) -> (String, Findings),
) -> Judged {
    let (mut left, mut problems) = (typed.clone(), Vec::<Error>::new());
    let found = |problems: &[Error], error: &Error| {
        error.key().is_some_and(|key| problems.iter().any(|problem| problem.key() == Some(key)))
    };
    let config = loop {
        let wrong = match read(&left) {
            Ok(config) => break config,
            Err(wrong) => wrong,
        };
        let (known, key) = (found(&problems, &wrong), wrong.key().filter(|key| left.get(*key).is_some()));
        problems.extend((!known).then_some(wrong));
        match key {
            Some(key) if !known => left.unset(key),
            // Without this value, nothing more can be said.
            Some(_) | None => return Judged { good: None, problems, notes: Vec::new() },
        }
    };
    let (good, findings) = look(&left, &config);
    // What stands in for a wrong value is nobody's word.
    let notes = findings.notes.into_iter().filter(|note| !found(&problems, note)).collect();
    let new: Vec<Error> = findings.problems.into_iter().filter(|problem| !found(&problems, problem)).collect();
    problems.extend(new);
    Judged { good: Some(good), problems, notes }
}

/// Whom a configuration is for: who alone reads something that it sets; an agent, if all of it is for both.
fn meant_for(typed: &Typed) -> Vec<Program> {
    let is_set = |key: &Key| typed.get(*key).is_some_and(|entry| entry.origin != Origin::Default);
    let [agent, router] = [Program::Agent, Program::Router].map(|program| pages::keys_of(program.word()));
    let one_alone = |own: &[Key], other: &[Key]| own.iter().any(|key| !other.contains(key) && is_set(key));
    match (one_alone(&agent, &router), one_alone(&router, &agent)) {
        (true, true) => Program::ALL.to_vec(),
        (false, true) => vec![Program::Router],
        (_, false) => vec![Program::Agent],
    }
}

/// Whom a router tells.
fn tells(config: &RouterConfig) -> String {
    let mut told: Vec<String> = config.haproxy.iter().map(|target| format!("HAProxy's {target}")).collect();
    told.extend(config.file_sd.iter().map(|path| path.display().to_string()));
    told.extend(config.template.iter().map(|made| made.target.display().to_string()));
    told.extend(config.hook.iter().map(|hook| format!("the hook {}", hook.program())));
    told.extend(config.http.iter().map(|http| format!("who asks http://{http}/")));
    if told.is_empty() { "which tells nobody".to_owned() } else { format!("which tells {}", told.join(", ")) }
}

fn as_json(typed: &Typed, origin: bool) -> Value {
    let entry = |key: Key| {
        let entry = typed.get(key);
        let value = entry.map(|entry| entry.shown(key));
        if origin {
            json!({ "value": value, "origin": entry.map(|entry| entry.origin.to_string()) })
        } else {
            json!(value)
        }
    };
    Value::Object(Key::ALL.iter().map(|&key| (key.name().to_owned(), entry(key))).collect::<Map<_, _>>())
}

/// TOML that could be a configuration file. A value that nobody set is a comment.
fn as_text(typed: &Typed, origin: bool) -> String {
    Key::ALL.iter().map(|&key| shown(key, typed.get(key), origin) + "\n").collect()
}

/// A line of that file.
fn shown(key: Key, entry: Option<&Entry>, origin: bool) -> String {
    let line = match entry {
        Some(entry) if key.in_file() => format!("{key} = {:?}", entry.shown(key)),
        Some(entry) => format!("# {key} = {:?}", entry.shown(key)),
        None => format!("# {key} is not set"),
    };
    match entry {
        Some(entry) if origin => format!("{line:<60} # {}", entry.origin),
        Some(_) | None => line,
    }
}
