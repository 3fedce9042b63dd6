//! Pictures of small, large, suspected, broken and hostile rings.

use super::super::kit::row;
use super::*;
use ringmon_core::{DbTime, Health, Incarnation, Vote, VoteKind};

/// `s1`, `s2` and so on, in this order.
fn ring_of(servers: i64) -> Ring {
    let rows = (0..servers).map(|at| row(at + 1, (at + 1) % servers + 1, (at + servers - 1) % servers + 1));
    Ring { pool: "web".to_owned(), rows: rows.collect(), now: DbTime::from_us(10_000_000) }
}

fn vote_by(voter: i64) -> Option<Vote> {
    let at = DbTime::from_us(9_900_000);
    Some(Vote { voter: ServerId(voter), voter_incarnation: Incarnation(1), since: at, at, kind: VoteKind::Host })
}

/// The picture, once every element in it ends, every attribute has its quotes, and no text begins an entity unawares.
fn drawn(ring: &Ring) -> String {
    let svg = as_svg(ring);
    let (mut open, mut rest): (Vec<&str>, _) = (Vec::new(), svg.as_str());
    while let Some((text, after)) = rest.split_once('<') {
        let (tag, then) = after.split_once('>').unwrap();
        for part in [text, tag] {
            let entities = part.split('&').skip(1);
            entities.for_each(|entity| {
                assert!(["amp;", "lt;", "gt;", "quot;", "#39;"].iter().any(|e| entity.starts_with(e)))
            });
        }
        assert!(!text.contains('>') && (text.trim().is_empty() || !open.is_empty()), "{text}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{svg}");
        } else {
            assert!(tag.starts_with(|c: char| c.is_ascii_lowercase()) && tag.matches('"').count() % 2 == 0, "<{tag}>");
            let name = tag.split([' ', '/']).next().unwrap();
            open.extend((!tag.ends_with('/')).then_some(name));
        }
        rest = then;
    }
    assert!(open.is_empty() && rest.is_empty(), "{open:?} {rest}");
    assert!(svg.starts_with("<svg ") && !svg.contains("NaN") && !svg.contains("inf\""), "{svg}");
    svg
}

fn count(svg: &str, class: &str) -> usize {
    svg.matches(&format!("class=\"{class}\"")).count()
}

#[test]
fn every_server_has_a_dot_and_every_pair_of_buddies_a_line() {
    for (servers, lines) in [(0, 0), (1, 0), (2, 1), (3, 3), (12, 12), (30, 30), (60, 60), (1000, 1000)] {
        let svg = drawn(&ring_of(servers));
        let found = (count(&svg, "server"), count(&svg, "edge"), count(&svg, "broken") + count(&svg, "vote"));
        assert_eq!(found, (usize::try_from(servers).unwrap(), lines, 0), "{servers} servers");
        assert_eq!(svg.contains(">whole</text>"), servers > 0, "{servers} servers");
        assert_eq!(svg.matches("rotate").count(), if servers <= 60 { found.0 } else { 0 }, "names of {servers}");
    }
    assert!(drawn(&ring_of(0)).contains(">no servers</text>"));
    assert!(drawn(&ring_of(1)).contains(">1 server</text>"));
    assert!(drawn(&ring_of(1000)).contains(">1000 servers</text>"));
}

#[test]
fn the_first_server_is_at_the_top_and_the_next_one_follows_clockwise() {
    let svg = drawn(&ring_of(4));
    let at = |name: &str| {
        let circle = svg.split_once(&format!("<g><title>{name}</title>")).unwrap().1;
        let number = |key: &str| -> f64 {
            let text = circle.split_once(&format!("{key}=\"")).unwrap().1;
            text.split_once('"').unwrap().0.parse().unwrap()
        };
        (number("cx"), number("cy"))
    };
    assert!(at("s1").1 < at("s2").1 && at("s2").1 < at("s3").1, "{svg}");
    assert!(at("s4").0 < at("s1").0 && at("s1").0 < at("s2").0, "{svg}");
}

#[test]
fn a_suspect_is_marked_with_the_lines_to_those_who_vote_against_it() {
    let mut ring = ring_of(5);
    ring.rows[1].vote_first = vote_by(3);
    ring.rows[1].vote_second = vote_by(1);
    let svg = drawn(&ring);
    assert_eq!((count(&svg, "suspect"), count(&svg, "vote"), count(&svg, "edge")), (1, 2, 3));
    assert!(svg.contains("<title>s2 (suspect), voted against by s3 and s1</title>"), "{svg}");
    assert!(svg.contains(">suspect</tspan>") && svg.contains(">whole, 1 accused</text>"), "{svg}");
    // Its voter is not in the table: no line leads there.
    ring.rows[1].vote_first = vote_by(99);
    assert_eq!(count(&drawn(&ring), "vote"), 1);
}

#[test]
fn what_keeps_clients_away_stands_under_the_name() {
    let mut ring = ring_of(3);
    ring.rows[0].draining = true;
    ring.rows[1].health = Health::Failing;
    ring.rows[2].draining = true;
    ring.rows[2].health = Health::Failing;
    let svg = drawn(&ring);
    for word in ["draining", "service failing", "service failing +1"] {
        assert!(svg.contains(&format!(">{word}</tspan>")), "{word}: {svg}");
    }
    assert!(count(&svg, "noted") == 3 && svg.contains("<title>s3 (service failing, draining)</title>"), "{svg}");
}

#[test]
fn a_broken_ring_shows_the_links_that_do_not_match_and_says_what_is_wrong() {
    let mut ring = ring_of(4);
    ring.rows[0].first_buddy = ServerId(3);
    let svg = drawn(&ring);
    assert!(svg.contains("class=\"wrong\"") && svg.contains(">broken</text>"), "{svg}");
    // s1 to s3 and s2 to s1 are not answered.
    assert_eq!((count(&svg, "broken"), count(&svg, "edge")), (2, 3), "{svg}");
    assert!(svg.contains("the second buddy of s2 (#2) is s1 (#1), whose first buddy is #3</text>"), "{svg}");
    let mut ring = ring_of(1);
    ring.rows[0].first_buddy = ServerId(9);
    let svg = drawn(&ring);
    assert_eq!(count(&svg, "broken"), 1, "a link to nowhere: {svg}");
    let mut ring = ring_of(1000);
    ring.rows.iter_mut().for_each(|row| row.second_buddy = row.id);
    assert!(drawn(&ring).contains("more: see `ringmon ring check`</text>"));
}

#[test]
fn hostile_names_are_only_text() {
    let mut ring = ring_of(2);
    ring.pool = "<a href='x'>&\u{1b}[2J".to_owned();
    ring.rows[0].card.name = "<script>\"&'\u{1b}\0\u{ffff}]]></svg>".to_owned();
    ring.rows[1].card.name = "é".repeat(64);
    for broken in [false, true] {
        ring.rows[0].first_buddy = ServerId(if broken { 7 } else { 2 });
        let svg = drawn(&ring);
        assert!(!svg.contains("<script") && svg.matches("</svg>").count() == 1 && !svg.contains("<a "), "{svg}");
        assert!(svg.chars().all(|letter| letter == '\n' || !letter.is_control()), "{svg}");
        assert!(svg.contains("<title>&lt;script&gt;&quot;&amp;&#39;]]&gt;&lt;/svg&gt;</title>"), "{svg}");
    }
}

#[test]
fn a_long_name_loses_its_middle() {
    assert_eq!(short("web-frontend-01", 14), "web-fro…end-01");
    assert_eq!(short("web-frontend-1", 14), "web-frontend-1");
    let mut ring = ring_of(3);
    ring.rows[0].card.name = "web-frontend-01".to_owned();
    let svg = drawn(&ring);
    assert!(svg.contains("<title>web-frontend-01</title>") && svg.contains(">web-fro…end-01</text>"), "{svg}");
}
