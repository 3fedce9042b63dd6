//! `ringmon config check|show`

use serde_json::{Map, Value, json};

use super::args::{ConfigCommand, Program};
use super::exit::Verdict;
use super::{out, pages};
use crate::config::{self, AgentConfig, Entry, Findings, Key, Machine, Origin, RouterConfig, Typed};
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

/// Judges it for one program, or for each that its keys are for. All problems are told, not only the first.
fn check(typed: &Typed, program: Option<Program>) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::Ok;
    for program in program.map_or_else(|| meant_for(typed), |one| vec![one]) {
        let (good, Findings { problems, notes }) = match program {
            Program::Agent => {
                let config = config::agent(typed, &Machine::this()?)?;
                let AgentConfig { pool, name, address, interface, .. } = &config;
                let good = format!("for an agent: server {name} of pool {pool}, {address} on {interface}");
                (good, Findings::of_agent(typed, &config))
            }
            Program::Router => {
                let config = config::router(typed)?;
                let good = format!("for a router: pool {}, {}", config.sight.pool, tells(&config));
                (good, Findings::of_router(typed, &config))
            }
        };
        for note in notes {
            out::line(&format!("note: {note}"))?;
        }
        if problems.is_empty() {
            out::line(&format!("the configuration is good {good}"))?;
            continue;
        }
        verdict = Verdict::Configuration;
        for problem in problems {
            eprintln!("ringmon: {problem}");
        }
    }
    if verdict == Verdict::Ok {
        let said = Key::ALL.iter().filter_map(|&key| Some((key, typed.get(key)?)));
        for (key, entry) in said.filter(|(_, entry)| entry.origin != Origin::Default) {
            out::line(&shown(key, Some(entry), true))?;
        }
    }
    Ok(verdict)
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
