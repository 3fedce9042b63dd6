//! The house keeps its plan: this test reads every import of `ringmon/src` and holds it against ARCHITECTURE.md.
//!
//! It looks at paths wherever they stand (`use`, or written out in an expression), outside comments and strings, so that a hole
//! in a wall is found however it is cut.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms and the rooms they may import, besides themselves and the crate `ringmon_core`, which everyone may.
const ARROWS: &[(&str, &[&str])] = &[
    ("show", &[]),
    ("datapath", &["show"]),
    ("store", &["show"]),
    ("notice", &["show"]),
    ("route", &["show"]),
    ("record", &["show"]),
    ("observe", &["show"]),
    ("service", &["show"]),
    ("config", &["show", "observe", "route", "service", "store"]),
    ("router", &["show", "store", "notice", "route", "observe", "config"]),
    ("agent", &["show", "datapath", "store", "notice", "route", "record", "observe", "service", "config"]),
    (
        "cli",
        &["show", "datapath", "store", "notice", "route", "record", "observe", "service", "config", "agent", "router"],
    ),
];

/// What belongs to one room alone.
const OWNED: &[(&str, &str)] = &[
    ("aya", "datapath"),
    ("aya_log", "datapath"),
    ("rtnetlink", "datapath"),
    ("sea_orm", "store"),
    ("sea_orm_migration", "store"),
    ("sqlx", "store"),
    ("rustls", "store"),
    ("minijinja", "route"),
    ("shlex", "route"),
    ("axum", "observe"),
    ("prometheus_client", "observe"),
    ("zbus", "service"),
    ("clap", "cli"),
    ("plotters", "cli"),
];

/// What the core never touches: it would no longer be a function of its inputs.
const IMPURE: &[&str] = &[
    "tokio",
    "std::net",
    "std::fs",
    "std::io",
    "std::thread",
    "std::env",
    "std::process",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::sync::Condvar",
    "std::sync::mpsc",
    "std::sync::atomic",
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant::now",
    "SystemTime::now",
    "rand",
    "nix",
    "socket2",
    "bytes",
    "tracing",
    "anyhow",
    "HashMap",
    "HashSet",
];

fn source_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a source folder can be read") {
        let path = entry.expect("a folder's entry can be read").path();
        if path.is_dir() {
            source_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The source without comments and string contents; line breaks stay, so that findings name their line.
fn code_only(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '/' if rest.peek() == Some(&'/') => {
                for c in rest.by_ref() {
                    if c == '\n' {
                        out.push('\n');
                        break;
                    }
                }
            }
            '"' => {
                out.push('"');
                while let Some(c) = rest.next() {
                    match c {
                        '\\' => {
                            rest.next();
                        }
                        '"' => break,
                        '\n' => out.push('\n'),
                        _ => {}
                    }
                }
                out.push('"');
            }
            '\'' => {
                // A char literal may be a quote; a lifetime is not closed.
                let ahead: Vec<char> = rest.clone().take(3).collect();
                let literal = match ahead.as_slice() {
                    ['\\', _, '\''] => 3,
                    [_, '\'', ..] => 2,
                    _ => 0,
                };
                for _ in 0..literal {
                    rest.next();
                }
            }
            c => out.push(c),
        }
    }
    out
}

/// Flattens `crate::{a::b, c}` into `crate::a::b`, `crate::c`, one path of a line each.
fn paths(code: &str) -> Vec<(usize, String)> {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut found = Vec::new();
    let mut prefixes: Vec<String> = Vec::new();
    let mut current = String::new();
    let mut line = 1;
    for c in code.chars() {
        if is_path(c) {
            current.push(c);
            continue;
        }
        if c == '{' {
            let opens_group = current.ends_with("::");
            let prefix = if opens_group {
                format!("{}{current}", prefixes.last().cloned().unwrap_or_default())
            } else {
                String::new()
            };
            if !opens_group && !current.is_empty() {
                found.push((line, format!("{}{current}", prefixes.last().cloned().unwrap_or_default())));
            }
            prefixes.push(prefix);
            current.clear();
        } else {
            if !current.is_empty() {
                found.push((line, format!("{}{current}", prefixes.last().cloned().unwrap_or_default())));
                current.clear();
            }
            if c == '}' {
                prefixes.pop();
            }
        }
        if c == '\n' {
            line += 1;
        }
    }
    found
}

fn has_prefix(path: &str, prefix: &str) -> bool {
    path == prefix || path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with("::"))
}

/// Findings in one file of one room.
fn findings(room: &str, is_test: bool, code: &str) -> Vec<(usize, String)> {
    let arrows = ARROWS.iter().find(|(name, _)| *name == room).map(|(_, to)| *to).unwrap_or_default();
    let rooms: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    let mut wrong = Vec::new();
    for (line, path) in paths(code) {
        if let Some(inner) = path.strip_prefix("crate::").filter(|_| room != "core") {
            let to = inner.split("::").next().unwrap_or_default();
            if rooms.contains(to) && to != room && !arrows.contains(&to) {
                wrong.push((line, format!("room `{room}` imports room `{to}`: {path}")));
            }
        }
        if has_prefix(&path, "ringmon_sim") && !is_test && room != "cli" && !has_prefix(&path, "ringmon_sim::recording")
        {
            wrong.push((line, format!("only the command line knows the simulator, not `{room}`: {path}")));
        }
        if has_prefix(&path, "ringmon_sim::recording") && !is_test && !["cli", "record"].contains(&room) {
            wrong.push((line, format!("recordings are made by `record`, not by `{room}`: {path}")));
        }
        for (owned, owner) in OWNED {
            if room != *owner && has_prefix(&path, owned) {
                wrong.push((line, format!("`{owned}` belongs to `{owner}`, not to `{room}`: {path}")));
            }
        }
        if room == "core" && !is_test {
            for impure in IMPURE {
                if has_prefix(&path, impure) || path.ends_with(&format!("::{impure}")) {
                    wrong.push((line, format!("the core is pure and knows no `{impure}`: {path}")));
                }
            }
        }
    }
    wrong
}

#[test]
fn imports_follow_the_plan_of_the_house() {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    source_files(&crate_dir.join("src"), &mut files);
    source_files(&crate_dir.join("core/src"), &mut files);
    let mut wrong = Vec::new();
    for file in &files {
        let inside = file.strip_prefix(crate_dir).expect("the file was found below the crate");
        let parts: Vec<&str> = inside.iter().filter_map(|c| c.to_str()).collect();
        let room = match parts.as_slice() {
            ["core", ..] => "core",
            [_, room, _, ..] => room,
            _ => continue,
        };
        let known = room == "core" || ARROWS.iter().any(|(name, _)| *name == room);
        assert!(known, "`{room}` is a room that ARCHITECTURE.md does not know");
        let name = inside.to_string_lossy();
        let is_test = name.contains("test");
        let source = fs::read_to_string(file).expect("a source file can be read");
        wrong.extend(
            findings(room, is_test, &code_only(&source))
                .into_iter()
                .map(|(line, what)| format!("{}:{line}: {what}", inside.display())),
        );
    }
    assert!(
        files.len() > 20,
        "only {} source files were found: is this test looking at the right folder?",
        files.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn source_files_stay_readable() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace");
    let mut files = Vec::new();
    for folder in [
        "ringmon/src",
        "ringmon/core/src",
        "ringmon/sim/src",
        "ringmon/tests",
        "ringmon/benches",
        "ringmon-common/src",
        "ringmon-ebpf/src",
        "xtask/src",
        "tests/src",
        "tests/tests",
    ] {
        source_files(&root.join(folder), &mut files);
    }
    let long: Vec<String> = files
        .iter()
        .filter_map(|f| {
            let lines = fs::read_to_string(f).expect("a source file can be read").lines().count();
            (lines > 400).then(|| format!("{}: {lines} lines", f.display()))
        })
        .collect();
    assert!(long.is_empty(), "files over 400 lines:\n{}", long.join("\n"));
}

#[test]
fn holes_in_walls_are_found() {
    let holes = [
        ("core", "use tokio::sync::mpsc;"),
        ("core", "fn f() { let t = std::time::Instant::now(); }"),
        ("core", "use std::{net::IpAddr, fmt};"),
        ("show", "use crate::store::Store;"),
        ("store", "use crate::{show::Board, agent::run};"),
        ("store", "fn f() { crate::notice::send() }"),
        ("record", "use crate::observe::EventLog;"),
        ("observe", "use crate::record::Recorder;"),
        ("service", "use crate::observe::EventLog;"),
        ("agent", "use sea_orm::{Database, DbErr};"),
        ("observe", "use aya::Ebpf;"),
        ("cli", "use axum::Router;"),
        ("agent", "use ringmon_sim::recording::Header;"),
        ("record", "use ringmon_sim::World;"),
    ];
    for (room, code) in holes {
        assert!(!findings(room, false, &code_only(code)).is_empty(), "not found in `{room}`: {code}");
    }
    let sound = [
        ("core", "// use tokio::sync::mpsc;\nuse std::time::Duration;"),
        ("store", "use ringmon_core::{Time, edit::Plan}; use sea_orm::DbErr;"),
        ("agent", "let s = \"sea_orm::x\"; use crate::store::Store;"),
    ];
    for (room, code) in sound {
        assert_eq!(findings(room, false, &code_only(code)), vec![], "in `{room}`: {code}");
    }
}
