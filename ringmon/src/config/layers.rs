//! Puts together what was typed: from defaults, a file, the environment and flags.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::error::Error;
use super::keys::{Entry, Key, Origin, Typed};
use super::near::nearest;

/// Read if no other file is named; it need not exist.
pub const DEFAULT_FILE: &str = "/etc/ringmon/ringmon.toml";

/// Variables that are no keys: where the file is, and whether core dumps are allowed.
const OTHER_VARIABLES: [&str; 2] = ["RINGMON_CONFIG", "RINGMON_CORE_DUMPS"];

/// Where values may come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file that `--config` names.
    pub file: Option<PathBuf>,
    /// Read if neither `--config` nor `RINGMON_CONFIG` names a file, and if it exists.
    pub default_file: Option<PathBuf>,
    /// Variables and their values.
    pub env: BTreeMap<String, String>,
    /// What was given on the command line.
    pub flags: Typed,
}

impl Sources {
    /// The sources of this process, with these flags.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, flags: Typed) -> Self {
        let env = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("RINGMON_"))
            .collect();
        Self { file, default_file: Some(PathBuf::from(DEFAULT_FILE)), env, flags }
    }

    /// The file to read, and whether it must exist.
    fn file(&self) -> Option<(&Path, bool)> {
        let named = self
            .file
            .as_deref()
            .or_else(|| self.env.get("RINGMON_CONFIG").filter(|path| !path.is_empty()).map(Path::new));
        named.map(|path| (path, true)).or_else(|| Some((self.default_file.as_deref()?, false)))
    }
}

/// The result of all layers.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// All layers on top of each other.
    pub typed: Typed,
    /// Worth a warning, but no reason to stop.
    pub warnings: Vec<String>,
}

/// Reads all layers.
///
/// # Errors
/// The file cannot be read, or contains something unknown.
pub fn load(sources: &Sources) -> Result<Loaded, Error> {
    let mut warnings = Vec::new();
    let file = match sources.file() {
        Some((path, required)) => read_file(path, required)?,
        None => Typed::default(),
    };
    let env = from_env(&sources.env, &mut warnings);
    let typed = sources.flags.clone().over(env).over(file).over(Typed::defaults());
    Ok(Loaded { typed, warnings })
}

/// Reads a file. A missing one counts as empty unless it is `required`.
fn read_file(path: &Path, required: bool) -> Result<Typed, Error> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse_file(path, &text),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound && !required => Ok(Typed::default()),
        Err(source) => Err(Error::Read { path: path.to_owned(), source }),
    }
}

/// Reads a file's text. It walks through the table by hand and not with serde, so that every value keeps its line.
pub(super) fn parse_file(path: &Path, text: &str) -> Result<Typed, Error> {
    let table = DeTable::parse(text).map_err(|error| Error::Syntax {
        path: path.to_owned(),
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        message: error.message().trim_end().to_owned(),
    })?;
    let shared = Arc::new(path.to_owned());
    let mut typed = Typed::default();
    for (name, value) in table.get_ref() {
        let origin = Origin::File { path: Arc::clone(&shared), line: line_of(text, name.span().start) };
        let name: &str = name.get_ref();
        let Some(key) = Key::from_name(name) else {
            let near = nearest(name, Key::ALL.iter().filter(|key| key.in_file()).map(|key| key.name()));
            return Err(Error::UnknownKey { origin, key: name.to_owned(), near });
        };
        if !key.in_file() {
            return Err(Error::PasswordInFile { origin });
        }
        match scalar(value.get_ref()) {
            Ok(text) => typed.set(key, Entry { text, origin }),
            Err(found) => return Err(Error::NotAValue { origin, key, found }),
        }
    }
    Ok(typed)
}

/// A value's text; or what it is instead of a single value.
fn scalar(value: &DeValue<'_>) -> Result<String, &'static str> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => Ok(number.to_string()),
        DeValue::Float(number) => Ok(number.to_string()),
        DeValue::Boolean(truth) => Ok(truth.to_string()),
        DeValue::Datetime(_) => Err("date"),
        DeValue::Array(_) => Err("list"),
        DeValue::Table(_) => Err("table"),
    }
}

/// The line of byte `offset`, counted from 1.
fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count()
}

/// The environment's layer. An empty variable counts as missing. An unknown variable is only a warning, because it may
/// be another program's.
fn from_env(env: &BTreeMap<String, String>, warnings: &mut Vec<String>) -> Typed {
    let mut typed = Typed::default();
    for (name, text) in env {
        let Some(rest) = name.strip_prefix("RINGMON_") else { continue };
        let lower = rest.to_ascii_lowercase();
        match Key::from_name(&lower).filter(|key| key.env() == *name) {
            Some(_) if text.is_empty() => {}
            Some(key) => typed.set(key, Entry { text: text.clone(), origin: Origin::Env(name.clone()) }),
            None if OTHER_VARIABLES.contains(&name.as_str()) => {}
            None => {
                if let Some(near) = nearest(&lower, Key::ALL.iter().map(|key| key.name())) {
                    let near = near.to_ascii_uppercase();
                    warnings.push(format!("{name} means nothing to ringmon; did you mean RINGMON_{near}?"));
                }
            }
        }
    }
    typed
}
