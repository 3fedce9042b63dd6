use anstream::adapter::strip_str;
use ringmon_core::{Incarnation, Vote, VoteKind};

use super::super::kit;
use super::*;

const ESCAPE: char = '\u{1b}';
/// 2026-07-30T14:03:23Z
const NOW: i64 = 1_785_420_203_000_000;

/// It joined an hour earlier; the first one a day before that.
fn row(id: i64, name: &str, first: i64, second: i64) -> ServerRow {
    let row = kit::row(id, first, second);
    let address = format!("192.0.2.{id}").parse().unwrap();
    let incarnation = Incarnation(NOW - if id == 1 { 90_000_000_000 } else { 3_600_000_000 });
    ServerRow { card: Card { name: name.to_owned(), address, ..row.card }, incarnation, ..row }
}

fn text(rows: Vec<ServerRow>) -> String {
    as_text(&Ring { pool: "web".to_owned(), rows, now: DbTime::from_us(NOW) }, &TimeZone::UTC)
}

#[test]
fn a_healthy_ring_has_no_style_and_says_who_joined_when() {
    assert_eq!(
        text(vec![row(1, "a", 2, 2), row(2, "b", 1, 1)]),
        "a -> b -> a\n\
         \n server  id  address    first buddy  second buddy  joined               votes  notes\
         \n a       #1  192.0.2.1  b            b             2026-07-29 13:03:23\
         \n b       #2  192.0.2.2  a            a             13:03:23"
    );
}

#[test]
fn votes_and_notes_are_warnings_with_their_ages() {
    let mut b = row(2, "b", 1, 1);
    let (since, at) = (DbTime::from_us(NOW - 90_000_000), DbTime::from_us(NOW));
    let voter_incarnation = Incarnation(1);
    b.vote_first = Some(Vote { voter: ServerId(1), voter_incarnation, since, at, kind: VoteKind::Agent });
    b.alone_since = Some(DbTime::from_us(NOW - 12_000_000));
    b.health = Health::Failing;
    let text = text(vec![row(1, "a", 2, 2), b]);
    let styled: Vec<&str> = text.lines().filter(|line| line.contains(ESCAPE)).collect();
    let [line] = styled[..] else { panic!("{text}") };
    let end = "a (agent, 1 min 30 s)  service failing, hears nobody since 14:03:11 (for 12 s)";
    assert!(strip_str(line).to_string().ends_with(end), "{text}");
}

#[test]
fn a_damage_is_a_warning_and_no_name_has_an_escape() {
    let damaged = text(vec![row(1, "a", 2, 9), row(2, "b", 1, 1)]);
    let last = damaged.lines().last().unwrap();
    assert!(last.contains(ESCAPE) && last.contains("damage: "), "{damaged}");
    let hostile = format!("b{ESCAPE}[2J\n");
    for second in [2, 9] {
        let shown = text(vec![row(1, "a", 2, second), row(2, &hostile, 1, 1)]);
        assert!(shown.contains("b\u{fffd}[2J\u{fffd}") && !shown.contains(&format!("{ESCAPE}[2J")), "{shown:?}");
        assert!(!strip_str(&shown).to_string().contains(ESCAPE));
    }
}
