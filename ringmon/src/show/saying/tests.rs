use super::*;
use ringmon_core::event::Braked;
use ringmon_core::evidence::LocalFault;

fn silent(voters: &[&str], silence_ms: f64) -> Removed {
    let evidence = Evidence { silence_ms: Some(silence_ms), ..Evidence::default() };
    let voters = voters.iter().map(|name| (*name).to_owned()).collect();
    Removed { voters, evidence: Some(evidence), ..Removed::default() }
}

#[test]
fn a_person_reads_who_what_and_why() {
    for (body, said) in [
        (
            EventBody::Down(silent(&["b", "c"], 112.4)),
            "a was removed: its host did not answer for 112 ms (b, c agreed)",
        ),
        (
            EventBody::AgentLost(silent(&["b"], 3_210.0)),
            "a was removed: its agent did not come back for 3.2 s (b agreed)",
        ),
        (EventBody::Buddies { first: Some("b".to_owned()), second: Some("c".to_owned()) }, "a is now between b and c"),
        (EventBody::Buddies { first: Some("b".to_owned()), second: Some("b".to_owned()) }, "a is now beside b alone"),
        (
            EventBody::Left(Left { by: Some("operator".to_owned()), ..Left::default() }),
            "a left the ring: operator made it leave",
        ),
        (
            EventBody::Blind { all: true, why: Blindness::Filtered },
            "a sees nobody: a filter of this machine drops its probes",
        ),
        (
            EventBody::Blind { all: false, why: Blindness::NoRoute },
            "a cannot be seen from here: this machine has no route for its probes",
        ),
        (EventBody::SeesAgain { all: true, blind_ms: 1_500.0 }, "a sees again, after 1.5 s"),
        (EventBody::DatabaseBack { away_ms: 125_000.0 }, "the database answers again, after 2 min 5 s"),
        (
            EventBody::Void { fault: LocalFault::LinkDown, suspicions: 2 },
            "2 suspicions do not count: link down (`ringmon explain link_down`)",
        ),
        (
            EventBody::Braked(Braked { due: ["b", "c", "d", "e", "f"].map(str::to_owned).to_vec(), gone: 4, limit: 5 }),
            "the brake holds back the removal of b, c, d, e and 1 more: 4 servers are gone, and at most 5 may be",
        ),
    ] {
        assert_eq!(sentence("a", &body), said);
    }
    let hostile = EventBody::Waiting { why: "\u{1b}[2J\nall is well".to_owned() };
    assert_eq!(sentence("a", &hostile), "a cannot join yet: \u{fffd}[2J\u{fffd}all is well");
    assert_eq!(sentence("", &EventBody::Thawed { why: None }), "servers are removed from the pool again");
}

#[test]
fn spans_are_in_the_unit_that_suits_them() {
    for (ms, said) in [(0.34, "340 us"), (25.0, "25 ms"), (1_500.0, "1.5 s"), (7_260_000.0, "2 h 1 min")] {
        assert_eq!(span(ms), said);
    }
    for odd in [f64::NAN, f64::INFINITY, -1.0] {
        span(odd);
    }
}

#[test]
fn a_removal_that_waits_for_a_moment_is_no_warning() {
    let held = |why| is_warning(&EventBody::Held { why });
    assert!(!held(Held::TooYoung) && !held(Held::NoSecondVote));
    assert!(held(Held::Brake) && held(Held::Frozen) && held(Held::Overtaken));
    assert!(is_warning(&EventBody::Down(Removed::default())));
    assert!(!is_warning(&EventBody::AgentBack {}));
}
