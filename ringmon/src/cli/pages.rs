//! What a package is made of besides the program: manual pages, completions, a configuration file to fill in. All of it
//! is made from the same definitions as `--help`.

use std::path::Path;

use anyhow::Context;
use clap::builder::StyledStr;
use clap::{Arg, Command, CommandFactory};
use clap_complete::Shell;

use super::args::Cli;
use super::exit::Verdict;
use super::out;
use crate::config::Key;

/// How wide the comments of the configuration file are.
const WIDTH: usize = 100;

/// `ringmon completions SHELL`
pub fn completions(shell: Shell) -> anyhow::Result<Verdict> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ringmon", &mut text);
    out::line(String::from_utf8_lossy(&text).trim_end())?;
    Ok(Verdict::Ok)
}

/// `ringmon man DIR`: one page for each command.
pub fn man(dir: &Path) -> anyhow::Result<Verdict> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let command = Cli::command().disable_help_subcommand(true);
    clap_mangen::generate_to(command, dir).with_context(|| format!("cannot write into {}", dir.display()))?;
    Ok(Verdict::Ok)
}

/// `ringmon config example`: every key, what it means, and its default, as comments.
pub fn example() -> anyhow::Result<Verdict> {
    out::line(text().trim_end())?;
    Ok(Verdict::Ok)
}

/// The keys of a file, each with what it means, by who reads them.
fn sections() -> [(&'static str, Vec<(Key, String)>); 3] {
    let (agent, router, init) = (of("agent"), of("router"), of("init"));
    let without = |keys: Vec<(Key, String)>, known: &[(Key, String)]| -> Vec<(Key, String)> {
        keys.into_iter().filter(|(key, _)| !known.iter().any(|(other, _)| other == key)).collect()
    };
    let agent = without(agent, &init);
    let router = without(without(router, &init), &agent);
    let log = (Key::Log, "Log to stderr from this level on: error, warn, info, debug, trace".to_owned());
    let format =
        (Key::LogFormat, "How log lines are written: auto (under systemd the journal's fields), text, json".to_owned());
    [
        ("For every command", init.into_iter().chain([log, format]).collect()),
        ("For `ringmon agent`", agent),
        ("For `ringmon router`", router),
    ]
}

fn text() -> String {
    let mut text = String::from(
        "# ringmon's configuration. A line that begins with \"#\" changes nothing: what it says is the default.\n\
         # A flag wins over the environment (RINGMON_POOL), and the environment over this file. Every value may be in\n\
         # quotes. `ringmon config check` says whether agent and router can start with it.\n",
    );
    for (title, keys) in sections() {
        text.push_str(&format!("\n\n# {title}\n# {}\n", "-".repeat(title.len())));
        for (key, about) in keys {
            text.push('\n');
            text.push_str(&wrapped(&about));
            text.push_str(&value(key));
        }
    }
    text
}

/// The line to change.
fn value(key: Key) -> String {
    match key.default_text() {
        Some(default) => format!("# {key} = {default:?}\n"),
        None => format!("# {key} = \"...\"     # not set\n"),
    }
}

/// The keys that a command reads. Every command has a log, and perhaps a password.
pub fn keys_of(command: &str) -> Vec<Key> {
    let common = [Key::Log, Key::LogFormat, Key::DatabasePassword];
    of(command).into_iter().map(|(key, _)| key).chain(common).collect()
}

fn of(command: &str) -> Vec<(Key, String)> {
    Cli::command().find_subcommand(command).map(of_command).unwrap_or_default()
}

/// The keys that a command takes as flags, each with its help.
fn of_command(command: &Command) -> Vec<(Key, String)> {
    let about = |arg: &Arg| {
        // A router and an agent on one machine need two addresses.
        let name = match (command.get_name(), arg.get_long()?) {
            ("router", "http") => Key::RouterHttp.name().to_owned(),
            (_, long) => long.replace('-', "_"),
        };
        let key = Key::from_name(&name)?;
        Some((key, plain(key, arg.get_help()?) + &choice(arg)))
    };
    command.get_arguments().filter_map(about).filter(|(key, _)| key.in_file()).collect()
}

fn choice(arg: &Arg) -> String {
    let words: Vec<String> = arg.get_possible_values().iter().map(|word| word.get_name().to_owned()).collect();
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
}

/// A default is the value of the line itself, unless it is found out. In a file, several values are one text.
fn plain(key: Key, help: &StyledStr) -> String {
    let text = help.to_string();
    let text = match text.split_once(" [default: ") {
        Some((about, _)) if key.default_text().is_some() => about.to_owned(),
        Some(_) | None => text,
    };
    match key.separator() {
        Some(mark) => text.replace("may be given several times", &format!("several with \"{mark}\" between")),
        None => text,
    }
}

fn wrapped(text: &str) -> String {
    let mut lines = vec![String::from("#")];
    for word in text.split_whitespace() {
        let fits = lines.last().is_some_and(|line| line.len() + 1 + word.len() <= WIDTH);
        if !fits {
            lines.push(String::from("#"));
        }
        if let Some(line) = lines.last_mut() {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const PAGE: &str = "../docs/configuration.md";

    /// The page is made from the flags: `RINGMON_WRITE=1 cargo test -p ringmon reference` writes it anew.
    #[test]
    fn the_reference_of_the_configuration_is_as_the_flags_are() {
        let mut page = String::from(include_str!("pages/configuration.md"));
        for (title, keys) in sections() {
            write!(page, "\n## {title}\n\n| key | default | what it means | |\n|---|---|---|---|\n").unwrap();
            for (key, about) in keys {
                let default =
                    key.default_text().map_or_else(String::new, |text| format!("`{text}`")).replace("``", "empty");
                let at_once = if crate::agent::AT_ONCE.contains(&key) { "at once" } else { "" };
                writeln!(page, "| `{key}` | {default} | {} | {at_once} |", about.replace('|', "\\|")).unwrap();
            }
        }
        if std::env::var_os("RINGMON_WRITE").is_some() {
            std::fs::write(PAGE, &page).unwrap();
        }
        let kept = std::fs::read_to_string(PAGE).unwrap_or_default();
        assert!(kept == page, "{PAGE} is of other flags: RINGMON_WRITE=1 cargo test -p ringmon reference");
    }

    /// Every key of a file is there once, and what a line says is what is true without it.
    #[test]
    fn the_example_names_every_key_and_its_default() {
        let example = text();
        for line in example.lines() {
            assert!(line.is_empty() || line.starts_with('#'), "{line:?} changes something");
            assert!(line.len() <= 110, "{line:?}");
        }
        for key in Key::ALL.iter().filter(|key| key.in_file()) {
            assert_eq!(example.matches(&value(*key)).count(), 1, "{key}: {:?}", value(*key));
        }
        let lines = example.lines().filter_map(|line| line.strip_prefix("# ")).filter(|line| line.contains(" = \""));
        let typed: toml::Table = lines.map(|line| format!("{line}\n")).collect::<String>().parse().expect("TOML");
        assert!(typed.keys().all(|key| Key::from_name(key).is_some()), "{typed:?}");
    }

    #[test]
    fn every_command_has_a_page() {
        let dir = tempfile::tempdir().unwrap();
        man(dir.path()).unwrap();
        let page = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap_or_default();
        assert!(page("ringmon.1").contains("ringmon\\-agent(1)"), "{}", page("ringmon.1"));
        assert!(page("ringmon-agent.1").contains("start\\-drained"));
        assert!(page("ringmon-pool-set.1").contains("agent_timeout"), "{}", page("ringmon-pool-set.1"));
    }
}
