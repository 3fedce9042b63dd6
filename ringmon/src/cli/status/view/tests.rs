use anstream::adapter::strip_str;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::*;
use crate::show::Board;
use ringmon_core::DbTime;

const ESCAPE: char = '\u{1b}';

/// Of a calm member, with these parts of its engine, and these checks, as the agent writes them.
fn shown(engine: &[(&str, Value)], checks: &[CheckView]) -> String {
    let mut board = serde_json::to_value(Board::default()).unwrap();
    for (name, value) in
        [("at", json!(600_000_000_000_u64)), ("server", json!("a")), ("id", json!(1)), ("phase", json!("member"))]
    {
        board["engine"][name] = value;
    }
    for (name, value) in engine {
        board["engine"][*name] = value.clone();
    }
    board["checks"] = json!(checks);
    // 2026-07-30T14:03:23Z
    let now = when::at(DbTime::from_us(1_785_420_203_000_000), &TimeZone::UTC);
    text(&serde_json::from_value(board).unwrap(), &now)
}

fn watch(name: &str, state: &str) -> Value {
    let purpose = Purpose::Buddy;
    let reading = WatchReading::default();
    json!({ "name": name, "address": "192.0.2.2", "purpose": purpose, "state": state, "reading": reading })
}

/// The lines that a person should look at, without their style.
fn warnings(text: &str) -> Vec<String> {
    let styled = text.lines().filter(|line| line.contains(ESCAPE));
    styled.map(|line| strip_str(line).to_string().trim().to_owned()).collect()
}

#[test]
fn a_calm_member_has_no_style() {
    let watches = json!([watch("b", "alive"), watch("c", "waiting")]);
    let text = shown(&[("watches", watches), ("draining", json!(true))], &[]);
    assert!(!text.contains(ESCAPE), "{text:?}");
}

#[test]
fn times_are_told_as_a_clock_and_as_a_length() {
    let text = shown(
        &[
            ("drained", json!(588_000_000_000_u64)),
            ("alone", json!(599_000_000_000_u64)),
            ("database_away", json!([510_000_000_000_u64, "no route to it"])),
        ],
        &[],
    );
    let text = strip_str(&text).to_string();
    for line in [
        "draining   since 14:03:11 (for 12 s): no new clients are sent here, and this server will leave",
        "alone      since 14:03:22 (for 1.0 s) this server hears nobody, and its row says so",
        "database   away since 14:01:53 (for 1 min 30 s): no route to it",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
}

#[test]
fn what_needs_a_look_is_a_warning_line_and_nothing_else_is() {
    let failing = CheckView { check: "tcp:127.0.0.1:80".to_owned(), passing: Some(false), ..CheckView::default() };
    let passing = CheckView { check: "exec:/a".to_owned(), passing: Some(true), ..CheckView::default() };
    let text = shown(
        &[
            ("id", Value::Null),
            ("phase", json!("joining")),
            ("mode", json!("observe")),
            ("waiting", json!("nobody answers")),
            ("frozen", json!("racks")),
            ("braked", json!(true)),
            ("answer_wait", json!(law::WAIT_MOST)),
            ("health", json!("failing")),
            ("lateness", json!(1)),
            ("broken_links", json!([{ "server": "c", "way": "out" }])),
            ("watches", json!([watch("b", "alive"), watch("c", "suspect"), watch("d", "agent_silent")])),
        ],
        &[failing, passing],
    );
    let lines = warnings(&text);
    let words: Vec<&str> = lines.iter().filter_map(|line| line.split_whitespace().next()).collect();
    let expected = "server phase mode waiting frozen brake slow service late links tcp:127.0.0.1:80 c d";
    assert_eq!(words.join(" "), expected, "{text}");
    assert!(!strip_str(&text).to_string().contains(ESCAPE));
}

#[test]
fn no_name_and_no_reason_reaches_the_terminal_with_an_escape() {
    let hostile = format!("x{ESCAPE}[2J\ny");
    let check = CheckView { check: hostile.clone(), why: Some(hostile.clone()), ..CheckView::default() };
    let text = shown(
        &[
            ("server", json!(hostile)),
            ("phase", json!(hostile)),
            ("waiting", json!(hostile)),
            ("frozen", json!(hostile)),
            ("database_away", json!([0, hostile])),
            ("broken_links", json!([{ "server": hostile, "way": "out" }])),
            ("watches", json!([watch(&hostile, &hostile)])),
        ],
        &[check],
    );
    assert!(!text.contains("[2J\n") && !text.contains(&format!("{ESCAPE}[2J")), "{text:?}");
    assert_eq!(text.matches("x\u{fffd}[2J\u{fffd}y").count(), 10, "{text}");
}
