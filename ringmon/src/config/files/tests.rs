use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::super::tests::typed;
use super::*;
use crate::config::router;

/// A folder with good files, and a router's configuration that names them.
fn good(dir: &Path) -> Vec<(&'static str, String)> {
    let at = |name: &str| dir.join(name).display().to_string();
    fs::write(at("list.j2"), "{% for s in routed %}{{ s.name }}\n{% endfor %}").unwrap();
    fs::write(at("db"), "SQLite format 3\0").unwrap();
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
    let Findings { problems, notes } =
        Findings::of_router(&typed, &router(&typed).unwrap(), &super::super::tests::machine());
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
    fs::write(at("typo.j2"), "{% for s in routed %}{{ s.nme }}{% endfor %}").unwrap();
    fs::write(at("endless.j2"), "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}")
        .unwrap();
    fs::write(at("first.j2"), "{{ servers[0].name }}").unwrap();
    // Nobody writes into it: who opens it waits.
    nix::unistd::mkfifo(Path::new(&at("pipe")), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(found(&good, "template", &format!("{}:{}", at("first.j2"), at("list"))).0, Vec::<String>::new());
    fs::set_permissions(at("no-program"), fs::Permissions::from_mode(0o644)).unwrap();
    for (key, other, said) in [
        ("database_url", "sqlite:///no/such/db".to_owned(), "No such file"),
        ("database_url", format!("sqlite://{}", at("wrong.j2")), "no database of SQLite's"),
        ("database_url", "mysql://u@127.0.0.1:1/d?ssl-ca=/no/such.pem".to_owned(), "ssl-ca"),
        ("template", format!("/no/such.j2:{}", at("list")), "No such file"),
        ("template", format!("{}:{}", at("wrong.j2"), at("list")), "undefined"),
        ("template", format!("{}:{}", at("typo.j2"), at("list")), "undefined"),
        ("template", format!("{}:{}", at("endless.j2"), at("list")), "it runs too long"),
        ("template", format!("{}:{}", at("pipe"), at("list")), "no plain file"),
        ("database_url", format!("mysql://u@127.0.0.1:1/d?ssl-ca={}", at("pipe")), "no plain file"),
        ("database_url", format!("sqlite://{}", at("pipe")), "no plain file"),
        ("template", format!("{}:/no/such/list", at("list.j2")), "cannot write /no/such/list"),
        ("template", format!("{}:{}", at("list.j2"), dir.path().display()), "it is not a plain file"),
        ("template_check", "no-such-program-there -t".to_owned(), "there is no program no-such-program-there in "),
        ("template_reload", "/no/such".to_owned(), "there is no program /no/such"),
        ("hook", at("no-program"), "this user may not run "),
        ("file_sd", "/no/such/sd.json".to_owned(), "cannot write /no/such/sd.json"),
        ("state_dir", at("db"), "is no folder"),
        ("state_dir", at("db/below"), "is no folder"),
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
    assert!(notes[0].contains("it is there while HAProxy runs"), "{notes:?}");
}

#[test]
fn nothing_is_written_over_its_own_source() {
    let dir = tempfile::tempdir().unwrap();
    let mut said = good(dir.path());
    let at = |name: &str| dir.path().join(name).display().to_string();
    std::os::unix::fs::symlink(at("list.j2"), at("link")).unwrap();
    let refused = |said: &[(&'static str, String)]| {
        let pairs: Vec<(&str, &str)> = said.iter().map(|(name, text)| (*name, text.as_str())).collect();
        router(&typed(&pairs)).unwrap_err().to_string()
    };
    for target in ["list.j2", "./list.j2", "link"] {
        said.push(("template", format!("{}:{}", at("list.j2"), at(target))));
        assert!(refused(&said).contains("the place of the template itself"), "{target}");
        said.pop();
    }
    said.push(("file_sd", at("list")));
    assert!(refused(&said).contains("this file too"), "{}", refused(&said));
}
