//! What the help says of a flag, held against the keys of the configuration.

use clap::builder::PossibleValue;
use clap::{Arg, Command, CommandFactory as _, Parser as _};

use super::Cli;
use super::flags::KEYS;
use crate::config::{Key, Origin};

/// Every command that does something, with the words that lead to it.
fn commands(command: &Command, path: &[String], found: &mut Vec<(Vec<String>, Command)>) {
    let path = [path, &[command.get_name().to_owned()]].concat();
    let mut inner = command.get_subcommands().filter(|inner| inner.get_name() != "help").peekable();
    if inner.peek().is_none() {
        found.push((path.clone(), command.clone()));
    }
    inner.for_each(|inner| commands(inner, &path, found));
}

/// Every flag of every command, with the words that lead to it.
fn flags() -> Vec<(Vec<String>, Arg)> {
    let mut cli = Cli::command();
    cli.build();
    let mut found = Vec::new();
    commands(&cli, &[], &mut found);
    let flags = found.iter().flat_map(|(path, command)| {
        let word = |arg: &Arg| arg.get_possible_values().first().map_or("x", PossibleValue::get_name).to_owned();
        let needed = command.get_positionals().filter(|arg| arg.is_required_set()).map(word);
        let path: Vec<String> = path.iter().cloned().chain(needed).collect();
        let named = command.get_arguments().filter(|arg| !matches!(arg.get_long(), None | Some("help" | "version")));
        named.map(move |arg| (path.clone(), arg.clone())).collect::<Vec<_>>()
    });
    flags.collect()
}

/// The key that this flag sets, if it sets one.
fn key_of(path: &[String], flag: &str, arg: &Arg) -> Option<Key> {
    let key = Key::ALL.iter().copied().find(|key| key.flag() == flag)?;
    let value = arg.get_possible_values().first().map_or("10", PossibleValue::get_name).to_owned();
    let said = Cli::try_parse_from(path.iter().cloned().chain([flag.to_owned(), value.clone()])).ok()?.typed();
    said.get(key).filter(|said| said.text == value && said.origin == Origin::Flag(flag.to_owned())).map(|_| key)
}

#[test]
fn the_help_says_of_a_flag_that_it_is_a_key_if_it_is_one_and_only_then() {
    let mut wrong = Vec::new();
    let mut keys = std::collections::BTreeSet::new();
    for (path, arg) in flags() {
        let flag = format!("--{}", arg.get_long().unwrap());
        let (said, key) = (arg.get_help_heading() == Some(KEYS), key_of(&path, &flag, &arg));
        if said != key.is_some() {
            wrong.push(format!("{} {flag}: said to be a key: {said}; is {key:?}", path.join(" ")));
        }
        let default = key.and_then(Key::default_text).filter(|text| !text.is_empty());
        let help = arg.get_help().unwrap_or_default().to_string();
        if default.is_some_and(|default| !help.contains(&format!("[default: {default}"))) {
            wrong.push(format!("{} {flag}: nothing says that the default is {}", path.join(" "), default.unwrap()));
        }
        keys.extend(key);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let flagless: Vec<_> = Key::ALL.iter().filter(|key| !keys.contains(key)).collect();
    assert_eq!(flagless, [&Key::DatabasePassword], "keys that no flag sets");
}

#[test]
fn the_help_says_where_else_keys_can_be_said() {
    let help = Cli::command().render_long_help().to_string();
    assert!(help.contains(KEYS) && help.contains("database_url") && help.contains("RINGMON_DATABASE_URL"), "{help}");
}
