//! `ringmon sim` from outside.

use serde_json::Value;

use crate::kit::says;

#[test]
fn scenarios_are_listed_and_unknown_ones_refused() {
    let list = says(&["sim", "list"]);
    assert_eq!(list.code, 0, "{}", list.err);
    for name in ["mass-death", "rack", "halves", "one-way", "flapping"] {
        assert!(list.out.contains(name), "{}", list.out);
    }
    let unknown = says(&["sim", "mass-deaht"]);
    assert!(unknown.code == 2 && unknown.err.contains("ringmon sim list"), "{unknown:?}");
}

#[test]
fn a_run_prints_one_json_line_and_the_same_one_twice() {
    let run = || {
        let said = says(&["sim", "rack", "--servers", "100", "--seed", "5", "--json"]);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        let mut line: Value = serde_json::from_str(&said.out).unwrap();
        // What the machine took is no part of the simulation.
        line.as_object_mut().unwrap().retain(|key, _| !["wall_s", "peak_rss_mb"].contains(&key.as_str()));
        line
    };
    let line = run();
    assert_eq!(line, run());
    assert_eq!((&line["seed"], &line["removals"], &line["ok"]), (&5.into(), &40.into(), &true.into()));
}

#[test]
fn plots_are_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("plots");
    let said = says(&["sim", "mass-death", "--servers", "20,40", "--svg", folder.to_str().unwrap()]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    for file in ["detection.svg", "ring-mass-death.svg"] {
        let svg = std::fs::read_to_string(folder.join(file)).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("<polyline"), "{file}: {svg}");
    }
}

#[test]
fn random_pools_are_lived_through_and_told_in_one_line_of_json() {
    let said = says(&["sim", "random", "--seeds", "3", "--seed", "11", "--json"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let line: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&line["pools"], &line["first_seed"], &line["wrong"]), (&3.into(), &11.into(), &0.into()));
}

/// The switch works: harm gives exit code 1, and the failing seed is printed with the command that simulates it again.
#[test]
fn a_rule_taken_out_does_harm_that_can_be_lived_through_again() {
    let said = says(&["sim", "random", "--seeds", "10", "--seed", "0", "--without", "R2", "--json"]);
    let line: Value = serde_json::from_str(&said.out).unwrap();
    let first = &line["failed"][0];
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    let again = first["again"].as_str().unwrap();
    let words: Vec<&str> = again.split_whitespace().skip(1).collect();
    let said = says(&words);
    assert!(said.code == 1 && said.err.contains("!!!"), "{again}: {}{}", said.out, said.err);
    let unknown = says(&["sim", "random", "--without", "R13"]);
    assert!(unknown.code == 2 && unknown.err.contains("R13"), "{unknown:?}");
}

#[test]
fn outages_are_told_as_tables() {
    let words = ["sim", "outages", "--trials", "1", "--probes", "20000", "--markdown"];
    let said = says(&words);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    for part in ["| OUTAGE |", "| 500 ms | shared", "| 10, mean 300 ms | 300 ms", "| 36.0 % |"] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
}
