//! `route`, `drain`, `router`: their output and their exit codes.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::kit::{Lab, says};

#[test]
fn the_list_says_who_is_routed_and_why_not() {
    let lab = Lab::ring(&["a", "b", "c"]);
    lab.sql("UPDATE server SET health = 'failing', version = version + 1 WHERE name = 'c'");
    lab.sql("UPDATE server SET route_address = '192.0.2.1', route_port = 8080, version = version + 1 WHERE name = 'a'");
    let drained = lab.says(&["drain", "b"]);
    assert_eq!((drained.code, drained.out.contains("b (#2) drains:")), (0, true), "{drained:?}");
    let said = lab.says(&["route", "list"]);
    assert_eq!(said.code, 0, "{said:?}");
    // Scripts may take the word of the last column but one; what follows is for people.
    let lines: Vec<Vec<&str>> = said.out.lines().map(|line| line.split_whitespace().take(5).collect()).collect();
    assert_eq!(
        lines[1..],
        [
            ["a", "192.0.2.1:8080", "100", "yes", "active"],
            ["b", "127.0.0.2", "100", "no", "draining"],
            ["c", "127.0.0.3", "100", "no", "failing"]
        ]
    );
    assert!(said.out.contains("  failing   no clients: its service checks fail\n"), "{}", said.out);
    assert_eq!(lab.says(&["route", "list", "--plain"]).out, "192.0.2.1:8080\n");
    let json: Value = serde_json::from_str(&lab.says(&["route", "list", "--json"]).out).unwrap();
    assert_eq!(json["servers"][1]["standing"], "draining");
    assert_eq!((&json["servers"][0]["routed"], &json["panic"]), (&Value::Bool(true), &Value::Null));
    let picked = lab.says(&["route", "pick", "--count", "3"]);
    assert_eq!((picked.code, picked.out.as_str()), (0, "192.0.2.1:8080\n192.0.2.1:8080\n192.0.2.1:8080\n"));
    let history = lab.says(&["events"]).out;
    assert!(history.contains("b drains: it gets no new clients"), "{history}");
}

#[test]
fn a_pool_in_which_nobody_is_routed_is_not_healthy() {
    let lab = Lab::new();
    let said = lab.says(&["route", "list"]);
    assert_eq!((said.code, said.out.as_str()), (1, "the pool has no servers\n"));
    let said = lab.says(&["route", "pick"]);
    assert_eq!(said.code, 1);
    assert_eq!(said.err, "ringmon: no server of the pool is routed; `ringmon route list` says why\n");
}

#[test]
fn drain_says_what_it_changed() {
    let lab = Lab::ring(&["a", "b"]);
    assert!(lab.says(&["undrain", "a"]).out.contains("a (#1) does not drain"));
    assert!(lab.says(&["drain", "a"]).out.contains("drains: routers send no new clients there"));
    assert!(lab.says(&["drain", "a"]).out.contains("drains already"));
    assert!(lab.says(&["undrain", "a"]).out.contains("drains no more"));
    let said = lab.says(&["drain", "x"]);
    assert_eq!(said.code, 1);
    let begin =
        "ringmon: there is no server x in pool lab; `ringmon ring show` lists them; to start it without clients: ";
    assert!(said.err.starts_with(begin), "{}", said.err);
    assert!(lab.says(&["undrain", "x"]).err.contains("if it was drained before it went, it comes back so"));
    assert_eq!(lab.says(&["drain", "a "]).code, 2, "MySQL would take it for a");
}

#[test]
fn drain_waits_until_nobody_is_connected() {
    let lab = Lab::ring(&["a", "b"]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    lab.sql(&format!("UPDATE server SET route_port = {port}, version = version + 1 WHERE name = 'a'"));
    let client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let server = listener.accept().unwrap();
    let said = lab.says(&["drain", "a", "--wait", "3s"]);
    // 127.0.0.1 is an address of this machine, so its kernel can be asked.
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains(&format!("1 connections to port {port} are left after 3s")), "{said:?}");
    drop((client, server));
    let begun = Instant::now();
    let said = lab.says(&["drain", "a", "--wait", "60s"]);
    assert!(begun.elapsed() < Duration::from_secs(40), "it ends as soon as they do");
    assert_eq!((said.code, said.out.contains("nobody is connected")), (0, true), "{said:?}");
}

#[test]
fn a_router_that_is_told_nonsense_says_what() {
    let lab = Lab::new();
    let folder = lab.dir.path().join("state").display().to_string();
    for (words, code, sentence) in [
        (&["--haproxy", "admin.sock"][..], 2, "SOCKET:BACKEND"),
        (&["--haproxy", "/run/a.sock:web,relative.sock:web"], 2, "relative.sock"),
        (&["--panic", "1.5"], 2, "it must be a share from 0 to 1"),
        (&["--poll", "1h"], 2, "from 50ms to 1m"),
        (&["--slow-start", "x"], 2, "a length of time"),
        (&["--template", "nowhere"], 2, "TEMPLATE:FILE"),
        (&["--hook", "'x"], 2, "a quote is not closed"),
        (&["--replicas", "oracle://x"], 2, "scheme is unknown"),
        (&["--router-http", "7465"], 2, "an address and a port"),
        (&["--pool", "other"], 78, "there is no pool 'other'"),
        (&["--state-dir", "/dev/null/x"], 78, "cannot keep the routes in /dev/null/x"),
    ] {
        let said = lab.says(&[&["router", "--router-http", "off", "--state-dir", &folder], words].concat());
        let twice = said.err.contains("cannot be used multiple times");
        let said = if twice { lab.says(&[&["router"], words].concat()) } else { said };
        assert_eq!(said.code, code, "{words:?}: {said:?}");
        assert!(said.err.contains(sentence), "{words:?}: {said:?}");
    }
    let help = says(&["router", "--help"]).out;
    assert!(help.contains("Examples:") && help.contains("--haproxy <SOCKET:BACKEND>"), "{help}");
}

#[test]
fn a_replicas_password_is_shown_nowhere() {
    let replicas = "mysql://u:hunter2@a/d,mysql://u:hunter2@b/d";
    let said = says(&["config", "show", "--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    let mut command = crate::kit::ringmon(&["config", "show", "--origin"]);
    let said = crate::kit::run(command.env("RINGMON_REPLICAS", replicas));
    assert!(said.out.contains("mysql://u:***@b/d") && !said.out.contains("hunter2"), "{said:?}");
}
