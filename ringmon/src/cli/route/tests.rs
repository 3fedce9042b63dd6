use anstream::adapter::strip_str;
use ringmon_core::route::Panic;
use ringmon_core::{Incarnation, ServerId};

use super::*;

const ESCAPE: char = '\u{1b}';

fn route(name: &str, standing: Standing, weight: u16) -> Route {
    Route {
        id: ServerId(1),
        name: name.to_owned(),
        incarnation: Incarnation(1),
        address: "192.0.2.1".parse().unwrap(),
        port: Some(80),
        weight,
        standing,
    }
}

fn routes<const N: usize>(servers: [Route; N]) -> Routes {
    Routes { servers: Vec::from(servers), ..Routes::default() }
}

#[test]
fn the_list_says_why_in_a_word_and_then_in_a_sentence() {
    let text = as_text(&routes([route("a", Standing::Active, 100), route("b", Standing::Failing, 50)]));
    assert_eq!(
        strip_str(&text).to_string(),
        " server  clients go to  weight  routed  why\
         \n a       192.0.2.1:80   100     yes     active   it gets clients\
         \n b       192.0.2.1:80   50      no      failing  no clients: its service checks fail"
    );
    let styled: Vec<bool> = text.lines().map(|line| line.contains(ESCAPE)).collect();
    assert_eq!(styled, [false, false, true], "who gets no clients needs a look");
}

#[test]
fn a_frozen_list_says_so_loudly() {
    let kept = route("a", Standing::Kept, 100);
    let frozen = Routes { panic: Some(Panic { left: 1, of: 4 }), ..routes([kept.clone()]) };
    let text = as_text(&frozen);
    let last = text.lines().last().unwrap();
    assert!(last.contains(ESCAPE) && last.contains("are frozen: only 1 of the 4 recently routed"), "{text}");
    let told = changes(&frozen, Some(&routes([kept.clone()])));
    assert_eq!(told, [(true, router::frozen(Panic { left: 1, of: 4 }))]);
    assert_eq!(changes(&routes([kept]), Some(&frozen)), [(false, router::THAWED.to_owned())]);
}

#[test]
fn a_watcher_is_told_only_what_changed() {
    let before = routes([
        route("a", Standing::Active, 10),
        route("b", Standing::Active, 100),
        route("c", Standing::Active, 100),
        route("d", Standing::Active, 100),
        route("e", Standing::Active, 100),
    ]);
    let after = routes([
        route("a", Standing::Active, 15),
        route("b", Standing::Active, 100),
        route("c", Standing::Failing, 100),
    ]);
    let after = Routes { dead: vec!["d".to_owned()], ..after };
    let said = |warns, text: &str| (warns, text.to_owned());
    assert_eq!(
        changes(&after, Some(&before)),
        [
            said(false, "a  active     192.0.2.1:80  weight 15 (was 10)  it gets clients"),
            said(true, "c  failing    192.0.2.1:80  weight 100  no clients: its service checks fail"),
            said(true, "d  gone: it was found dead"),
            said(false, "e  gone"),
        ]
    );
    assert_eq!(changes(&after, None).len(), 3, "at first, all of them");
    assert!(changes(&after, Some(&after)).is_empty());
}

#[test]
fn no_name_reaches_the_terminal_with_an_escape() {
    let text = as_text(&routes([route("a\u{1b}[2J\nb", Standing::Active, 100)]));
    assert!(text.contains(" a\u{fffd}[2J\u{fffd}b ") && !text.contains(ESCAPE), "{text:?}");
}
