//! `docs/claims.md` names only tests that exist, and it names every test of a line.

use std::collections::BTreeSet;
use std::path::Path;

/// Every `fn name(` in the end-to-end tests.
fn functions() -> BTreeSet<String> {
    let text = all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"));
    let names = text.lines().filter_map(|line| line.trim().strip_prefix("fn ")?.split('(').next());
    names.map(str::to_owned).collect()
}

/// The text of every file in this folder and those below it.
fn all(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).expect("a folder of tests").flatten().map(|entry| entry.path());
    entries
        .map(|path| if path.is_dir() { all(&path) } else { std::fs::read_to_string(path).expect("a readable test") })
        .collect()
}

/// Everything between backticks that looks like the name of a test.
fn mapped() -> BTreeSet<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/claims.md");
    let text = std::fs::read_to_string(file).expect("docs/claims.md");
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|word| word.contains('_') && !word.contains(['/', '.', ' ', '…'])).map(str::to_owned).collect()
}

#[test]
fn every_test_that_is_mapped_exists() {
    let (mapped, functions) = (mapped(), functions());
    let missing: Vec<_> = mapped.difference(&functions).filter(|name| *name != "agent_timeout").collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_line_has_tests_and_every_test_of_a_line_is_mapped() {
    let (mapped, functions) = (mapped(), functions());
    for line in 1..=10 {
        let begin = format!("line_{line}_");
        let tests: BTreeSet<_> = functions.iter().filter(|name| name.starts_with(&begin)).collect();
        assert!(!tests.is_empty(), "line {line} has no test");
        for test in tests {
            assert!(mapped.contains(test), "{test} is not in docs/claims.md");
        }
    }
}
