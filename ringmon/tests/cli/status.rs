//! `status`, with an agent that the test plays.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};

use ringmon::show::{About, Board, CheckView, DatapathMode, DatapathStats, Watched};
use ringmon_core::buddy::{Buddy, BuddyList};
use ringmon_core::engine::WatchView;
use ringmon_core::ways::Lost;
use ringmon_core::{Incarnation, Purpose, ServerId, Snapshot, Time, WatchId, WatchReading};

use crate::kit::{Said, says};

/// Answers one request with this text, and ends.
fn answering(answer: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.extend(byte);
        }
        assert!(request.starts_with(b"GET /status HTTP/1.0\r\n"));
        stream.write_all(answer.as_bytes()).unwrap();
    });
    addr
}

fn status(answer: String, more: &[&str]) -> Said {
    let addr = answering(answer).to_string();
    says(&[&["status", "--http", &addr], more].concat())
}

fn board(phase: &'static str) -> String {
    let buddy = |id, name: &str| Buddy {
        id: ServerId(id),
        name: name.to_owned(),
        address: "192.0.2.2".parse().unwrap(),
        notice_port: 7464,
        incarnation: Incarnation(5),
        wire: 2,
        proves: false,
    };
    let reading = WatchReading {
        sent: 120,
        replies: 118,
        misses: 2,
        last_reply: Some(Time::from_ns(9_990_000_000)),
        last_rtt: Some(std::time::Duration::from_nanos(4100)),
        ..WatchReading::default()
    };
    let watch = WatchView {
        id: WatchId { slot: 0, generation: 1 },
        server: ServerId(2),
        name: "b".to_owned(),
        address: "192.0.2.2".parse().unwrap(),
        purpose: Purpose::Buddy,
        state: "alive",
        blind: None,
        reading,
        loss: 0.012,
        needed: 5,
        silence_asked: std::time::Duration::from_millis(100),
        burst: false,
        lost: Lost { out: 1, back: 0 },
    };
    let (first, second) = (Some(buddy(2, "b")), Some(buddy(3, "c")));
    let engine = Snapshot {
        at: Time::from_ns(10_000_000_000),
        server: "a".to_owned(),
        phase,
        id: Some(ServerId(1)),
        incarnation: Incarnation(7),
        buddies: Some(BuddyList { id: ServerId(1), incarnation: Incarnation(7), first, second, drained: false }),
        watches: vec![watch],
        ..Snapshot::default()
    };
    let datapath = DatapathStats { mode: Some(DatapathMode::XdpNative), ..DatapathStats::default() };
    let about = About { interface: "eth0".to_owned(), address: "192.0.2.1".to_owned(), ..About::default() };
    serde_json::to_string(&Board { engine, datapath, about, ..Board::default() }).unwrap()
}

fn ok(body: &str) -> String {
    format!("HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{body}")
}

#[test]
fn a_member_is_shown_with_its_watches() {
    let said = status(ok(&board("member")), &[]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_eq!(
        said.out,
        "server     a (#1, incarnation 7)\n\
         phase      member\n\
         buddies    first b, second c\n\
         mode       act\n\
         datapath   xdp-native on eth0, 192.0.2.1\n\
         database   answers\n\
         \n watch  address    purpose  state  rtt     sent  replies  misses  lost out/back  \
         suspect after          silent\
         \n b      192.0.2.2  buddy    alive  4.1 us  120   118      2       1/0            \
         5 misses (loss 1.2 %)  10 ms\n"
    );
}

#[test]
fn checks_are_shown_with_their_reasons() {
    let mut shown: serde_json::Value = serde_json::from_str(&board("member")).unwrap();
    let view = |check: &str, passing, why: Option<&str>| CheckView {
        check: check.to_owned(),
        passing,
        since: Time::from_ns(7_000_000_000),
        took: std::time::Duration::from_millis(3),
        why: why.map(str::to_owned),
        watched: if check.starts_with("exec:") {
            Watched { why: Some("it names no port and no unit".to_owned()), ..Watched::default() }
        } else {
            Watched { process: true, socket: true, why: None }
        },
    };
    let checks = [
        view("http://127.0.0.1:80/", Some(false), Some("status 500")),
        view("tcp:127.0.0.1:80", Some(true), None),
        view("exec:/a", None, None),
    ];
    shown["checks"] = serde_json::to_value(checks).unwrap();
    shown["engine"]["health"] = "failing".into();
    shown["engine"]["drained"] = 9_000_000_000_u64.into();
    let said = status(ok(&shown.to_string()), &[]);
    let part = " (for 1.0 s): no new clients are sent here, and this server will leave\n\
                service    fails: no clients are sent here\n\
                \n check                 state          for    took    watched                           last failure\
                \n http://127.0.0.1:80/  fails          3.0 s  3.0 ms  process and socket                status 500\
                \n tcp:127.0.0.1:80      passes         3.0 s  3.0 ms  process and socket                -\
                \n exec:/a               no result yet  -      -       no: it names no port and no unit  -\n\n";
    assert!(said.code == 0 && said.out.contains(part), "{}\n{part}", said.out);
}

#[test]
fn a_server_that_an_operator_drains_says_so() {
    let mut shown: serde_json::Value = serde_json::from_str(&board("member")).unwrap();
    shown["engine"]["draining"] = true.into();
    let said = status(ok(&shown.to_string()), &[]);
    let line = "\ndraining   no new clients are sent here, until `ringmon undrain`\n";
    assert!(said.code == 0 && said.out.contains(line), "{}", said.out);
}

#[test]
fn who_is_no_member_is_not_healthy() {
    let said = status(ok(&board("joining")), &[]);
    assert_eq!(said.code, 1);
    assert!(said.out.contains("phase      joining\n"), "{}", said.out);
}

#[test]
fn who_hears_nobody_is_not_healthy() {
    let mut shown: serde_json::Value = serde_json::from_str(&board("member")).unwrap();
    shown["engine"]["alone"] = 9_000_000_000_u64.into();
    let said = status(ok(&shown.to_string()), &[]);
    assert_eq!(said.code, 1);
    let line = said.out.lines().find(|line| line.starts_with("alone      since ")).unwrap();
    assert!(line.ends_with(" (for 1.0 s) this server hears nobody, and its row says so"), "{line}");
}

#[test]
fn who_is_far_from_its_database_says_so() {
    let mut shown: serde_json::Value = serde_json::from_str(&board("member")).unwrap();
    for (wait, late) in [(999, false), (1000, true)] {
        shown["engine"]["answer_wait"] = serde_json::to_value(std::time::Duration::from_millis(wait)).unwrap();
        let said = status(ok(&shown.to_string()), &[]);
        let line = "\nslow       the database is far: removals by this server may fail, and its answers be late\n";
        assert!(said.code == 0 && said.out.contains(line) == late, "{wait} {}", said.out);
    }
}

#[test]
fn json_is_what_the_agent_says() {
    let board = board("member");
    let said = status(ok(&board), &["--json"]);
    assert_eq!((said.code, said.out), (0, board + "\n"));
}

#[test]
fn somebody_else_on_the_port_is_no_agent() {
    let said = status("HTTP/1.0 404 Not Found\r\n\r\n{}".to_owned(), &[]);
    assert_eq!(said.code, 69);
    assert!(said.err.ends_with(" is no ringmon agent\n"), "{}", said.err);
    let said = status(ok("[]"), &[]);
    assert!(said.code == 69 && said.err.contains("is no agent of this version"), "{}", said.err);
}

#[test]
fn no_agent_at_all_is_unavailable() {
    let said = says(&["status", "--http", "127.0.0.1:1"]);
    assert_eq!(said.code, 69);
    assert_eq!(
        said.err,
        "ringmon: no agent answers on 127.0.0.1:1 (Connection refused (os error 111)); \
         is `ringmon agent` running on this server?\n"
    );
    let said = says(&["status", "--http", "off"]);
    assert_eq!(said.code, 2);
}

#[test]
fn a_pipe_gets_no_style_and_no_escape_of_a_name() {
    let mut shown: serde_json::Value = serde_json::from_str(&board("member")).unwrap();
    shown["engine"]["frozen"] = "moving\u{1b}[2J racks".into();
    let said = status(ok(&shown.to_string()), &[]);
    assert!(said.code == 0 && said.out.contains("\nfrozen     moving\u{fffd}[2J racks\n"), "{}", said.out);
    assert!(!said.out.contains('\u{1b}'), "{:?}", said.out);
}
