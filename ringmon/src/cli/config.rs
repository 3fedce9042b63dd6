//! `ringmon config check|show`

use serde_json::{Map, Value, json};

use super::args::ConfigCommand;
use super::exit::Verdict;
use super::out;
use crate::config::{Key, Machine, Typed};

/// Checks or shows the result of all layers.
pub fn run(typed: &Typed, command: &ConfigCommand) -> anyhow::Result<Verdict> {
    match *command {
        ConfigCommand::Check(_) => check(typed)?,
        ConfigCommand::Show { origin, json: true, .. } => out::json(&as_json(typed, origin))?,
        ConfigCommand::Show { origin, json: false, .. } => out::line(as_text(typed, origin).trim_end())?,
        ConfigCommand::Example => return super::pages::example(),
    }
    Ok(Verdict::Ok)
}

fn check(typed: &Typed) -> anyhow::Result<()> {
    let config = crate::config::agent(typed, &Machine::this()?)?;
    out::line(&format!(
        "the configuration is good: server {} of pool {}, {} on {}",
        config.name, config.pool, config.address, config.interface
    ))
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
    let mut text = String::new();
    for &key in Key::ALL.iter() {
        let line = match typed.get(key) {
            Some(entry) if key.in_file() => format!("{key} = {:?}", entry.shown(key)),
            Some(entry) => format!("# {key} = {:?}", entry.shown(key)),
            None => format!("# {key} is not set"),
        };
        match typed.get(key) {
            Some(entry) if origin => text.push_str(&format!("{line:<60} # {}\n", entry.origin)),
            Some(_) | None => text.push_str(&format!("{line}\n")),
        }
    }
    text
}
