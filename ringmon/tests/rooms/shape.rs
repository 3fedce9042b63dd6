//! Source files stay readable: none is long, and no line is wide.

use std::fs;
use std::path::{Path, PathBuf};

use super::house::workspace;

const LINES: usize = 400;
/// `max_width` of rustfmt.toml, which does not break comments and strings.
const COLUMNS: usize = 120;

#[test]
fn no_source_file_is_long() {
    let long = sources().into_iter().filter_map(|(name, code)| {
        let lines = code.lines().count();
        (lines > LINES).then(|| format!("{name}: {lines} lines"))
    });
    let long: Vec<String> = long.collect();
    assert!(long.is_empty(), "files over {LINES} lines:\n{}", long.join("\n"));
}

#[test]
fn no_line_of_a_source_file_is_wide() {
    let wide: Vec<String> = sources().iter().flat_map(|(name, code)| wide_lines(name, code)).collect();
    assert!(wide.is_empty(), "lines over {COLUMNS} columns:\n{}", wide.join("\n"));
}

fn wide_lines(name: &str, code: &str) -> Vec<String> {
    let columns = code.lines().map(|line| line.chars().count()).enumerate();
    let wide = columns.filter(|(_, columns)| *columns > COLUMNS);
    wide.map(|(line, columns)| format!("{name}:{}: {columns} columns", line + 1)).collect()
}

/// Names below the workspace, and what is written there, of all its crates.
pub fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    below(workspace(), &mut files);
    assert!(files.len() > 400, "only {} source files: is this test looking at the right folder?", files.len());
    let named = files.into_iter().map(|file| {
        let name = file.strip_prefix(workspace()).expect("it was found there").to_string_lossy().into_owned();
        (name, fs::read_to_string(file).expect("a source file can be read"))
    });
    named.collect()
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a source folder can be read") {
        let entry = entry.expect("a folder's entry can be read");
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            // What cargo builds, and what is hidden, is not ours.
            if name != "target" && !name.to_string_lossy().starts_with('.') {
                below(&path, found);
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn a_line_is_wide_by_its_characters_and_comments_count() {
    let full = "é".repeat(COLUMNS);
    assert_eq!(wide_lines("a.rs", &full), Vec::<String>::new());
    let wide = format!("// short\n// {full}\n");
    assert_eq!(wide_lines("a.rs", &wide), ["a.rs:2: 123 columns"]);
}
