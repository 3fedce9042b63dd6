use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::Incarnation;
use crate::outcome::Removal;
use crate::row::Quorum;

/// One event a line, as others script against them: `{"kind": ..., "detail": ...}`.
const GOLDEN: &str = include_str!("golden.jsonl");

fn parts(line: &str) -> (EventKind, Value) {
    let whole: Value = serde_json::from_str(line).unwrap();
    (serde_json::from_value(whole["kind"].clone()).unwrap(), whole["detail"].clone())
}

#[test]
fn what_users_script_against_is_read_and_written_as_it_stands() {
    for line in GOLDEN.lines() {
        let (kind, detail) = parts(line);
        let body = EventBody::read(kind, detail.clone()).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(body.kind(), kind, "{line}");
        assert_eq!(body.detail().to_string(), detail.to_string(), "{line}");
        assert!(line.contains(&detail.to_string()), "not in alphabetical order: {line}");
    }
}

#[test]
fn the_golden_file_has_every_kind() {
    let there: BTreeSet<EventKind> = GOLDEN.lines().map(|line| parts(line).0).collect();
    // The last kind, and as many as stand before it.
    assert_eq!(there.len(), EventKind::Service as usize + 1, "{there:?}");
}

#[test]
fn a_removal_that_an_older_version_wrote_is_read_as_far_as_it_goes() {
    let body = EventBody::read(EventKind::Down, json!({ "voters": ["a"], "colour": "red" })).unwrap();
    let Some((VoteKind::Host, removed)) = body.removal() else { panic!("{body:?}") };
    assert_eq!((removed.voters.as_slice(), removed.witnessed()), (["a".to_owned()].as_slice(), None));
}

#[test]
fn what_is_not_what_an_event_of_its_kind_says_is_refused() {
    for (kind, detail) in [
        (EventKind::Down, json!({ "misses": "many" })),
        (EventKind::Held, json!({ "why": "no such rule" })),
        (EventKind::Suspect, json!({})),
        (EventKind::Left, json!("text")),
    ] {
        assert!(EventBody::read(kind, detail.clone()).is_err(), "{kind:?} {detail}");
    }
}

/// A row's name can be anything if it is written by hand.
fn huge() -> Removed {
    let name = "ä".repeat(50_000);
    let votes =
        (0..100).map(|_| VoteSeen { age_ms: Some(1), kind: VoteKind::Host, renewed_ms: None, voter: name.clone() });
    let removal = Removal {
        server: ServerId(2),
        name: name.clone(),
        address: [10, 0, 0, 2].into(),
        notice_port: 7464,
        kind: VoteKind::Host,
        voters: vec![name.clone(), name.clone()],
    };
    Removed {
        by_incarnation: Some(Incarnation(7)),
        ends: Some((ServerId(1), ServerId(3))),
        quorum: Some(Quorum::Both),
        removal: Some(removal),
        voters: vec![name.clone(), name.clone()],
        votes: Some(votes.collect()),
        ..Removed::default()
    }
}

#[test]
fn a_brief_removal_is_small_and_keeps_what_its_remover_reads_back() {
    let whole = EventBody::Down(huge());
    assert!(whole.detail().to_string().len() > 1_000_000);
    let brief = whole.brief();
    assert!(brief.detail().to_string().len() < 4_000, "{}", brief.detail());
    let (_, removed) = brief.removal().unwrap();
    assert_eq!((removed.by_incarnation, removed.ends), (Some(Incarnation(7)), Some((ServerId(1), ServerId(3)))));
    assert_eq!(removed.removal.as_ref().map(|r| (r.server, r.notice_port)), Some((ServerId(2), 7464)));
}

#[test]
fn every_list_and_text_of_the_table_gets_brief() {
    let long = "x".repeat(100_000);
    let braked = Braked { due: vec![long.clone()], gone: 2, limit: 3 };
    let pair = LinkPair { first: ServerId(1), second: ServerId(2) };
    let changed = vec![Relinked { id: ServerId(1), is: pair, server: long.clone(), was: pair }];
    let repaired = Repaired { changed, damages: vec![long.clone()], rows: 1 };
    for body in [
        EventBody::Frozen(Frozen { why: long.clone() }),
        EventBody::Braked(braked),
        EventBody::Thawed { why: Some(long) },
        EventBody::Repaired(repaired),
        EventBody::AgentLost(huge()),
    ] {
        assert!(body.brief().detail().to_string().len() < 4_000);
    }
}
