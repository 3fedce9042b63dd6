//! `init`, `ring`, `leave`, `events`.

use std::io::{BufRead as _, BufReader};
use std::net::UdpSocket;
use std::process::Stdio;
use std::time::Duration;

use ringmon::store::SCHEMA_VERSION;
use serde_json::Value;

use crate::kit::{Lab, POOL, says};

#[test]
fn init_makes_what_is_missing_and_says_what_it_did() {
    let lab = Lab::empty();
    let url = lab.url();
    let said = lab.says(&["init"]);
    assert_eq!(
        said.out,
        format!(
            "created {url}\nwrote the schema, version {SCHEMA_VERSION}, to {url}\n\
             created pool 'lab' with a new key, quorum both\n\
             next, for each server of this machine (an embedded database is shared with nobody else): \
             ringmon agent --pool lab --database-url {url}\n"
        )
    );
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let again = lab.says(&["init", "--quorum", "single"]);
    assert_eq!(again.code, 0);
    assert!(again.out.contains("pool 'lab' was there already, quorum both: left as it is\n"), "{}", again.out);
    assert!(again.out.contains("to change its quorum: ringmon pool set --pool lab quorum=single\n"), "{}", again.out);
}

#[test]
fn what_is_not_there_is_named_with_what_to_do() {
    let lab = Lab::empty();
    let url = lab.url();
    let said = lab.says(&["ring", "show"]);
    assert_eq!(said.code, 78);
    assert_eq!(
        said.err,
        format!(
            "ringmon: {url} holds no ringmon schema (this ringmon knows version {SCHEMA_VERSION}): run `ringmon init`\n"
        )
    );
    let lab = Lab::new();
    let said = lab.says(&["ring", "show", "--pool", "other"]);
    assert_eq!(said.code, 78);
    let url = lab.url();
    assert_eq!(said.err, format!("ringmon: there is no pool 'other' in {url}: run `ringmon init --pool other`\n"));
}

#[test]
fn a_schema_of_another_version_is_refused_naming_both() {
    let lab = Lab::new();
    lab.sql("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m0099_future', 0)");
    let said = lab.says(&["ring", "check"]);
    assert_eq!(said.code, 78);
    assert!(
        said.err.contains(&format!("schema version 99, this ringmon knows only version {SCHEMA_VERSION}")),
        "{}",
        said.err
    );
}

#[test]
fn a_database_that_does_not_answer_is_unavailable() {
    let said = says(&["ring", "show", "--pool", "p", "--database-url", "mysql://u@127.0.0.1:1/d"]);
    assert_eq!(said.code, 69);
    assert_eq!(
        said.err,
        "ringmon: cannot reach the database at mysql://u@127.0.0.1:1/d: Connection refused (os error 111)\n"
    );
}

#[test]
fn ring_show_draws_the_ring_in_its_order() {
    let lab = Lab::ring(&["a", "b", "c"]);
    let said = lab.says(&["ring", "show"]);
    let (picture, table) = said.out.split_once("\n\n").unwrap();
    assert_eq!(picture, "a -> b -> c -> a");
    // The time of the join is this machine's, and may have a day before it.
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split_whitespace().take(5).collect()).collect();
    assert_eq!(
        rows,
        [["a", "#1", "127.0.0.1", "b", "c"], ["b", "#2", "127.0.0.2", "c", "a"], ["c", "#3", "127.0.0.3", "a", "b"]],
        "{table}"
    );
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let json: Value = serde_json::from_str(&lab.says(&["ring", "show", "--json"]).out).unwrap();
    let names: Vec<&str> = json["servers"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!((names, &json["whole"], &json["pool"]), (vec!["a", "b", "c"], &Value::Bool(true), &Value::from(POOL)));
}

#[test]
fn ring_show_draws_an_svg() {
    let lab = Lab::ring(&["a", "b", "c"]);
    let said = lab.says(&["ring", "show", "--svg"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert!(said.out.starts_with("<svg ") && said.out.ends_with("</svg>\n"), "{}", said.out);
    for text in ["<title>The ring of pool lab: 3 servers, whole</title>", ">a</text>", ">b</text>", ">c</text>"] {
        assert!(said.out.contains(text), "{text}: {}", said.out);
    }
}

#[test]
fn ring_show_tells_of_votes() {
    let lab = Lab::ring(&["a", "b", "c"]);
    lab.sql(
        "UPDATE server SET vote_second_voter = 1, vote_second_incarnation = incarnation, vote_second_kind = 'host', \
         vote_second_since = 4000000000000000, vote_second_at = 4000000000000000 WHERE name = 'b'",
    );
    let said = lab.says(&["ring", "show"]);
    assert!(said.out.contains("a (host, 0 s)"), "{}", said.out);
    let said = lab.says(&["ring", "check"]);
    assert_eq!(said.code, 0, "a vote is no damage");
    assert!(said.out.contains("note: the vote of #1 on the second side of b (#2) does not count"), "{}", said.out);
}

#[test]
fn ring_check_finds_a_ring_broken_by_hand_and_names_the_rows() {
    let lab = Lab::ring(&["a", "b", "c"]);
    assert_eq!(lab.says(&["ring", "check"]).out, "the ring of pool lab is whole: 3 servers\n");
    lab.sql("UPDATE server SET first_buddy = 99 WHERE name = 'a'");
    let said = lab.says(&["ring", "check"]);
    assert_eq!(said.code, 1);
    assert_eq!(
        said.out,
        "the ring of pool lab is broken:\n  the first buddy of a (#1) is #99, which is not in the table\n  \
         the second buddy of b (#2) is a (#1), whose first buddy is #99\n"
    );
    let said = lab.says(&["ring", "check", "--json"]);
    let json: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &json["whole"], json["damages"].as_array().unwrap().len()), (1, &Value::Bool(false), 2));
    let shown = lab.says(&["ring", "show"]);
    assert!(shown.code == 0 && shown.out.contains("damage: the first buddy of a (#1) is #99"), "{}", shown.out);
    assert!(shown.out.contains("#99?"), "{}", shown.out);
}

#[test]
fn ring_check_finds_two_rings() {
    let lab = Lab::ring(&["a", "b", "c", "d"]);
    lab.sql("UPDATE server SET first_buddy = 2, second_buddy = 2 WHERE id = 1");
    lab.sql("UPDATE server SET first_buddy = 1, second_buddy = 1 WHERE id = 2");
    lab.sql("UPDATE server SET first_buddy = 4, second_buddy = 4 WHERE id = 3");
    lab.sql("UPDATE server SET first_buddy = 3, second_buddy = 3 WHERE id = 4");
    let said = lab.says(&["ring", "check"]);
    assert_eq!(said.code, 1);
    assert!(said.out.ends_with("  2 rings instead of one: [a (#1) -> b (#2)] [c (#3) -> d (#4)]\n"), "{}", said.out);
    assert_eq!(lab.says(&["ring", "show"]).out.matches(" 127.0.0.").count(), 4, "every row is shown");
}

#[test]
fn ring_check_names_a_row_that_cannot_be_read() {
    let lab = Lab::ring(&["a", "b"]);
    lab.sql("UPDATE server SET health = 'splendid' WHERE name = 'b'");
    let said = lab.says(&["ring", "check"]);
    assert_eq!(said.code, 1);
    assert!(said.out.contains("row 2 of table server holds \"splendid\" in column health"), "{}", said.out);
}

#[test]
fn an_operator_takes_a_server_out() {
    let lab = Lab::ring(&["a", "b", "c"]);
    let said = lab.says(&["leave", "b"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_eq!(said.out, "b (#2) has left the ring of pool lab; its agent will notice and stay out\n");
    assert!(lab.says(&["ring", "show"]).out.starts_with("a -> c -> a\n"));
    assert_eq!(lab.says(&["ring", "check"]).code, 0);
    let again = lab.says(&["leave", "b"]);
    assert_eq!(again.code, 1);
    assert_eq!(again.err, "ringmon: there is no server b in pool lab; `ringmon ring show` lists them\n");
}

#[test]
fn a_name_that_cannot_be_one_takes_nobody_out() {
    let lab = Lab::ring(&["a", "b", "c"]);
    for name in ["b ", " b", "b\u{a0}", ""] {
        let said = lab.says(&["leave", name]);
        let why = "is no server's name: it must be 1 to 64 letters, digits, and . _ - : @";
        assert_eq!((said.code, said.err), (2, format!("ringmon: {name:?} {why}\n")));
    }
    assert!(lab.says(&["ring", "show"]).out.starts_with("a -> b -> c -> a\n"));
}

#[test]
fn those_concerned_are_told_that_a_server_was_taken_out() {
    let lab = Lab::ring(&["a", "b", "c"]);
    // On loopback this test can play all three agents.
    let sockets: Vec<UdpSocket> =
        (1..=3).map(|id| UdpSocket::bind((format!("127.0.0.{id}").as_str(), 0)).unwrap()).collect();
    for (id, socket) in (1..).zip(&sockets) {
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let port = socket.local_addr().unwrap().port();
        lab.sql(&format!("UPDATE server SET notice_port = {port} WHERE id = {id}"));
    }
    let said = lab.says(&["leave", "b"]);
    assert_eq!(said.code, 0, "{}", said.err);
    // Kind and subject, as in docs/notices.md: spliced to the buddies, removed to the removed server.
    for (socket, kind) in sockets.iter().zip([2, 3, 2]) {
        let mut datagram = [0; 64];
        assert_eq!(socket.recv(&mut datagram).unwrap(), 56);
        assert_eq!((&datagram[..4], datagram[5], datagram[39]), (&b"rmnt"[..], kind, 2));
    }
}

#[test]
fn events_are_listed_oldest_first() {
    let lab = Lab::ring(&["a", "b", "c"]);
    lab.says(&["leave", "b"]);
    let said = lab.says(&["events", "--json", "--limit", "2"]);
    let events: Vec<Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<(&str, &str)> =
        events.iter().map(|e| (e["event"].as_str().unwrap(), e["subject"].as_str().unwrap())).collect();
    assert_eq!(told, [("joined", "c"), ("left", "b")]);
    assert!(events[1]["at"].as_str().unwrap().ends_with('Z'));
    assert!(events[1]["server"].as_str().unwrap().starts_with("operator on "));
    let text = lab.says(&["events", "--limit", "1"]).out;
    assert!(text.lines().count() == 1 && text.contains(" left          b left the ring  by operator on "), "{text}");
}

#[test]
fn events_are_followed() {
    let lab = Lab::ring(&["a"]);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ringmon"));
    command.args(["events", "--follow", "--json", "--limit", "1", "--pool", POOL, "--database-url"]);
    command.arg(lab.url().to_string()).env("RINGMON_CONFIG", "/dev/null").stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap()["event"].clone();
    let first = next();
    lab.says(&["pool", "freeze"]);
    lab.says(&["pool", "thaw"]);
    let (second, third) = (next(), next());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!((first, second, third), ("joined".into(), "frozen".into(), "thawed".into()));
}

#[test]
fn ring_repair_mends_a_ring_broken_by_hand_drops_nobody_and_leaves_an_event() {
    let lab = Lab::ring(&["a", "b", "c", "d"]);
    let whole = lab.says(&["ring", "repair"]);
    assert_eq!((whole.code, whole.out.as_str()), (0, "the ring of pool lab is whole: nothing to mend\n"));
    lab.sql("UPDATE server SET first_buddy = 99 WHERE name = 'a'");
    lab.sql("UPDATE server SET first_buddy = 3, second_buddy = 3 WHERE name = 'c'");
    let dry = lab.says(&["ring", "repair", "--dry-run"]);
    assert_eq!(dry.code, 1, "{}{}", dry.out, dry.err);
    assert!(
        dry.out.contains("nothing is written") && dry.out.contains("a (#1): first buddy b (was #99)"),
        "{}",
        dry.out
    );
    assert_eq!(lab.says(&["ring", "check"]).code, 1, "nothing was written");
    let said = lab.says(&["ring", "repair", "--json"]);
    let json: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &json["written"], json["left"].as_array().unwrap().len()), (0, &Value::Bool(true), 0));
    assert_eq!(lab.says(&["ring", "check"]).out, "the ring of pool lab is whole: 4 servers\n");
    let events = lab.says(&["events", "--json"]);
    let repaired = events.out.lines().filter(|line| line.contains("\"repaired\"")).count();
    assert_eq!(repaired, 1, "{}", events.out);
    assert_eq!(lab.says(&["ring", "repair"]).out, "the ring of pool lab is whole: nothing to mend\n");
}

#[test]
fn an_operator_removes_a_server_by_either_word() {
    let lab = Lab::ring(&["a", "b", "c"]);
    for (word, name) in [("remove", "b"), ("leave", "a")] {
        let said = lab.says(&[word, name]);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.starts_with(&format!("{name} (#")), "{}", said.out);
    }
    assert_eq!(lab.says(&["remove", "b"]).code, 1, "it is not there any more");
    assert!(lab.says(&["ring", "show"]).out.starts_with("c -> c\n"));
}

#[test]
fn old_events_are_forgotten_when_asked() {
    let lab = Lab::ring(&["a", "b", "c"]);
    assert_eq!(lab.says(&["events", "--keep", "30d"]).out, "forgot 0 events of pool lab that were older than 720h\n");
    lab.sql("UPDATE event SET at = at - 8000000000 WHERE subject_name <> 'c'");
    assert_eq!(lab.says(&["events", "--keep", "2h"]).out, "forgot 2 events of pool lab that were older than 2h\n");
    let left = lab.says(&["events", "--json"]).out;
    assert_eq!(left.lines().count(), 1, "{left}");
    let short = lab.says(&["events", "--keep", "10m"]);
    assert_eq!(short.code, 2);
    assert!(short.err.contains("it must be an hour at least"), "{}", short.err);
}
