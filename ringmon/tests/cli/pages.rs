//! What a package is made of: a configuration to fill in, manual pages, completions, units; and the version.

use std::path::Path;

use super::kit::{ringmon, ringmon_on_e0, run, says};

#[test]
fn the_version_says_what_two_programs_must_know_of_each_other() {
    let said = says(&["--version"]);
    let lines: Vec<&str> = said.out.lines().collect();
    let [first, wire, schema] = lines[..] else { panic!("{said:?}") };
    let commit = first.strip_prefix(&format!("ringmon {} (commit ", env!("CARGO_PKG_VERSION"))).unwrap();
    assert!(commit.trim_end_matches(')').chars().all(|c| c.is_ascii_hexdigit()) || commit == "unknown)", "{first}");
    assert_eq!(wire, format!("wire    {}, and 1 with older agents", ringmon_common::wire::VERSION));
    assert!(schema.starts_with(&format!("schema  {}, ", ringmon::store::SCHEMA_VERSION)), "{schema}");
    assert_eq!(says(&["-V"]).out, format!("ringmon {}\n", env!("CARGO_PKG_VERSION")));
}

/// A stranger takes the example, fills in two lines, and it is a good configuration.
#[test]
fn the_example_is_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ringmon.toml");
    let example = says(&["config", "example"]).out;
    let filled =
        example.replace("# pool = \"...\"", "pool = \"web\"").replace("# interface = \"...\"", "interface = \"e0\"");
    std::fs::write(&file, filled).unwrap();
    // `ringmon init` makes the embedded database.
    let database = folder.path().join("ringmon.db");
    std::fs::write(&database, "SQLite format 3\0").unwrap();
    let url = format!("sqlite://{}", database.display());
    let check = || {
        let mut check = ringmon_on_e0(&["config", "check", "--for", "agent", "--database-url", &url]);
        run(check.arg("--config").arg(&file))
    };
    let said = check();
    assert_eq!(said.code, 0, "{said:?}");
    // What a line says is what is true without it: with all of them nothing changes.
    let text = std::fs::read_to_string(&file).unwrap();
    let all: String = text
        .lines()
        .map(|line| {
            line.strip_prefix("# ").filter(|rest| rest.contains(" = \"") && !rest.contains("# not set")).unwrap_or(line)
        })
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(&file, all).unwrap();
    let said = check();
    assert_eq!(said.code, 0, "{said:?}");
}

#[test]
fn every_command_has_a_page_and_every_shell_its_completions() {
    let folder = tempfile::tempdir().unwrap();
    let man = folder.path().join("man");
    let said = run(ringmon(&["man"]).arg(&man));
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{said:?}");
    let pages: Vec<_> = std::fs::read_dir(&man).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    for page in ["ringmon.1", "ringmon-agent.1", "ringmon-router.1", "ringmon-pool-set.1", "ringmon-ring-repair.1"] {
        assert!(pages.iter().any(|name| name == page), "no {page} in {pages:?}");
    }
    let said = run(ringmon(&["man"]).arg("/proc/none"));
    assert!(said.code != 0 && said.err.contains("cannot make /proc/none"), "{said:?}");
    for shell in ["bash", "zsh", "fish"] {
        assert!(says(&["completions", shell]).out.contains("start-drained"), "{shell}");
    }
}

/// The units name commands and exit codes that exist, and the agent's has the capabilities that the documents name.
#[test]
fn the_units_fit_the_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    let mut units = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "service") {
            continue;
        }
        units += 1;
        let unit = std::fs::read_to_string(&path).unwrap();
        let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/ringmon ")).unwrap();
        let words: Vec<&str> = start.split(' ').chain(["--help"]).collect();
        assert_eq!(says(&words).code, 0, "{}: {start}", path.display());
        assert!(unit.contains("User=ringmon\n") && unit.contains("NoNewPrivileges=yes\n"), "{}", path.display());
    }
    assert_eq!(units, 4);
    let agent = std::fs::read_to_string(folder.join("ringmon-agent.service")).unwrap();
    let document = std::fs::read_to_string(folder.join("../../docs/install.md")).unwrap();
    let wanted = agent.lines().find_map(|line| line.strip_prefix("CapabilityBoundingSet=")).unwrap();
    assert!(agent.contains(&format!("AmbientCapabilities={wanted}\n")));
    assert!(wanted.split(' ').all(|capability| document.contains(&format!("`{capability}`"))), "{wanted}");
}
