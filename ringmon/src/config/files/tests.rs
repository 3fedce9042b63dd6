use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::super::tests::typed;
use super::*;
use crate::config::router;

/// A folder with good files, and a router's configuration that names them.
fn good(dir: &Path) -> Vec<(&'static str, String)> {
    let at = |name: &str| dir.join(name).display().to_string();
    fs::write(at("list.j2"), "{% for s in routed %}{{ s.name }}\n{% endfor %}").unwrap();
    fs::write(at("db"), "").unwrap();
    vec![
        ("pool", "p".to_owned()),
        ("database_url", format!("sqlite://{}", at("db"))),
        ("state_dir", dir.display().to_string()),
        ("template", format!("{}:{}", at("list.j2"), at("list"))),
        ("template_check", "true {}".to_owned()),
        ("template_reload", "/bin/true".to_owned()),
        ("file_sd", at("sd.json")),
        ("hook", "sh -c exit".to_owned()),
    ]
}

fn found(said: &[(&'static str, String)], key: &str, other: &str) -> (Vec<String>, Vec<String>) {
    let pairs: Vec<(&str, &str)> =
        said.iter().map(|(name, text)| (*name, if *name == key { other } else { text.as_str() })).collect();
    let typed = typed(&pairs);
    let Findings { problems, notes } = Findings::of_router(&typed, &router(&typed).unwrap());
    let say = |all: Vec<Error>| all.iter().map(ToString::to_string).collect();
    (say(problems), say(notes))
}

#[test]
fn good_files_are_good() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(found(&good(dir.path()), "", ""), (vec![], vec![]));
}

#[test]
fn each_file_that_cannot_be_used_is_named_with_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let good = good(dir.path());
    let at = |name: &str| dir.path().join(name).display().to_string();
    fs::write(at("wrong.j2"), "{{ poool }}").unwrap();
    fs::write(at("no-program"), "").unwrap();
    fs::set_permissions(at("no-program"), fs::Permissions::from_mode(0o644)).unwrap();
    for (key, other, said) in [
        ("database_url", "sqlite:///no/such/db".to_owned(), "No such file"),
        ("database_url", "mysql://u@127.0.0.1:1/d?ssl-ca=/no/such.pem".to_owned(), "ssl-ca"),
        ("template", format!("/no/such.j2:{}", at("list")), "No such file"),
        ("template", format!("{}:{}", at("wrong.j2"), at("list")), "undefined"),
        ("template", format!("{}:/no/such/list", at("list.j2")), "there is no folder /no/such"),
        ("template", format!("{}:{}", at("list.j2"), dir.path().display()), "is a folder"),
        ("template_check", "no-such-program-there -t".to_owned(), "there is no program no-such-program-there in "),
        ("template_reload", "/no/such".to_owned(), "there is no program /no/such"),
        ("hook", at("no-program"), "this user may not run "),
        ("file_sd", "/no/such/sd.json".to_owned(), "there is no folder /no/such"),
        ("state_dir", at("db"), "is no folder"),
    ] {
        let (problems, notes) = found(&good, key, &other);
        assert_eq!(problems.len(), 1, "{key} {other}: {problems:?} {notes:?}");
        assert!(problems[0].starts_with(&format!("{key} is ")) && problems[0].contains(said), "{problems:?}");
    }
}

/// What may come by itself is said, and stops nobody.
#[test]
fn a_haproxy_that_does_not_run_yet_is_a_note() {
    let dir = tempfile::tempdir().unwrap();
    let mut said = good(dir.path());
    said.push(("haproxy", "/no/such.sock:web".to_owned()));
    let (problems, notes) = found(&said, "", "");
    assert_eq!(problems, Vec::<String>::new());
    assert!(notes[0].contains("there is no socket /no/such.sock"), "{notes:?}");
}
