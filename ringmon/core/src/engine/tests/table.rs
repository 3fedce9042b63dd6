//! Operations under way, and the absence of the database.

use super::super::table::{Concern, Tables, Turn};
use super::kit::ms;
use crate::engine::{Output, TableDone, TableFailure};
use crate::op::TableOp;
use crate::rng::Rng;
use crate::{Outcome, ServerId, Side, Time};

fn op() -> TableOp {
    TableOp::View { me: ServerId(1), known: Vec::new() }
}

fn failure(cause: &str, readable: bool) -> TableFailure {
    TableFailure { cause: cause.into(), transient: true, readable }
}

fn done(ticket: u64, ok: bool, took: u64) -> TableDone {
    let result = if ok { Ok(Outcome::Read) } else { Err(failure("connection refused", false)) };
    TableDone { ticket, result, snapshot: Default::default(), took: ms(took) }
}

#[test]
fn of_each_concern_one_is_under_way() {
    let mut tables = Tables::new();
    assert!(tables.begin(Concern::View, op(), Time::ZERO).is_some());
    assert!(tables.begin(Concern::View, op(), Time::ZERO).is_none());
    assert!(tables.begin(Concern::Alone, op(), Time::ZERO).is_some());
    let ended = tables.end(&done(1, true, 1), Time::ZERO, &mut Rng::new(1), ms(5000));
    assert_eq!(ended, (Some(Concern::View), None));
    assert!(!tables.busy(Concern::View));
}

#[test]
fn an_operation_of_an_earlier_phase_still_tells_that_the_database_is_away() {
    let mut tables = Tables::new();
    tables.begin(Concern::View, op(), Time::ZERO);
    tables.forget();
    assert!(!tables.busy(Concern::View));
    let ended = tables.end(&done(1, false, 1), Time::ZERO, &mut Rng::new(1), ms(5000));
    assert_eq!(ended, (None, Some(Turn::Away("connection refused".into()))));
}

#[test]
fn operations_that_fail_together_are_one_failure() {
    let mut tables = Tables::new();
    let mut rng = Rng::new(1);
    tables.begin(Concern::View, op(), Time::ZERO);
    tables.begin(Concern::Alone, op(), Time::ZERO);
    tables.end(&done(1, false, 1), Time::ZERO + ms(10), &mut rng, ms(5000));
    let until = tables.quiet_until();
    let (_, turn) = tables.end(&done(2, false, 1), Time::ZERO + ms(11), &mut rng, ms(5000));
    assert_eq!((tables.quiet_until(), turn), (until, None));
}

#[test]
fn the_database_is_back_with_the_first_answer() {
    let mut tables = Tables::new();
    let mut rng = Rng::new(1);
    tables.begin(Concern::View, op(), Time::ZERO);
    tables.end(&done(1, false, 1), Time::ZERO + ms(10), &mut rng, ms(5000));
    tables.begin(Concern::View, op(), Time::ZERO + ms(200));
    let (_, turn) = tables.end(&done(2, true, 1), Time::ZERO + ms(210), &mut rng, ms(5000));
    assert_eq!(turn, Some(Turn::Back(ms(200))));
    assert_eq!(tables.quiet_until(), Time::ZERO);
}

#[test]
fn a_database_that_answers_and_does_not_write_is_away_until_it_writes() {
    let (mut tables, mut rng) = (Tables::new(), Rng::new(1));
    let mut end = |tables: &mut Tables, concern, at: u64, result: Result<Outcome, TableFailure>| {
        let Some(Output::Table { ticket, .. }) = tables.begin(concern, op(), Time::ZERO + ms(at)) else {
            panic!("busy")
        };
        let done = TableDone { ticket, result, snapshot: Default::default(), took: ms(1) };
        tables.end(&done, Time::ZERO + ms(at), &mut rng, ms(5000)).1
    };
    let (vote, locked) = (Concern::Vote(Side::First), || Err(failure("locked", true)));
    assert_eq!(end(&mut tables, vote, 0, locked()), Some(Turn::Away("locked".into())));
    assert_eq!(end(&mut tables, Concern::View, 1000, Ok(Outcome::Read)), None, "what is read says nothing of it");
    assert_eq!(end(&mut tables, vote, 2000, locked()), None);
    assert_eq!(end(&mut tables, vote, 4000, Ok(Outcome::Written)), Some(Turn::Back(ms(4000))));
    // No operation that writes is left.
    assert_eq!(end(&mut tables, vote, 5000, locked()), Some(Turn::Away("locked".into())));
    assert_eq!(end(&mut tables, Concern::View, 19_999, Ok(Outcome::Read)), None);
    assert_eq!(end(&mut tables, Concern::View, 20_000, Ok(Outcome::Read)), Some(Turn::Back(ms(15_000))));
    // The database does not answer at all. Whatever it answers next, it is back.
    assert_eq!(end(&mut tables, vote, 30_000, locked()), Some(Turn::Away("locked".into())));
    assert_eq!(end(&mut tables, vote, 30_001, Err(failure("refused", false))), None);
    assert_eq!(end(&mut tables, Concern::View, 30_002, Ok(Outcome::Read)), Some(Turn::Back(ms(2))));
}

#[test]
fn the_hold_follows_the_last_hundred_operations_within_its_bounds() {
    let mut tables = Tables::new();
    let mut rng = Rng::new(1);
    assert_eq!(tables.hold(), ms(60));
    let mut took = |tables: &mut Tables, ticket: u64, ms_took: u64| {
        tables.begin(Concern::View, op(), Time::ZERO);
        tables.end(&done(ticket, true, ms_took), Time::ZERO, &mut rng, ms(5000));
    };
    for ticket in 1..=100 {
        took(&mut tables, ticket, if ticket == 50 { 5000 } else { 30 });
    }
    assert_eq!((tables.p99(), tables.hold()), (ms(30), ms(100)), "one in a hundred does not count");
    for ticket in 101..=200 {
        took(&mut tables, ticket, 1500);
    }
    assert_eq!(tables.hold(), ms(2000));
}

#[test]
fn a_hiccup_of_the_database_is_forgotten_within_a_minute() {
    let mut tables = Tables::new();
    let mut rng = Rng::new(1);
    let mut took = |tables: &mut Tables, ticket: u64, concern: Concern, now: Time, ms_took: u64| {
        tables.begin(concern, op(), now);
        tables.end(&done(ticket, true, ms_took), now, &mut rng, ms(5000));
    };
    let start = Time::ZERO + ms(1_000_000);
    took(&mut tables, 1, Concern::View, start, 700);
    took(&mut tables, 2, Concern::View, start + ms(60_000), 5);
    assert_eq!(tables.hold(), ms(1440), "a minute old, and still fresh");
    took(&mut tables, 3, Concern::View, start + ms(60_001), 5);
    assert_eq!(tables.hold(), ms(60));
    took(&mut tables, 4, Concern::Vote(crate::Side::First), start + ms(60_002), 100);
    assert_eq!(tables.hold(), ms(240), "a vote's own duration counts for the removal that rests on it");
}

#[test]
fn the_way_in_says_nothing_of_how_long_a_vote_takes() {
    let mut tables = Tables::new();
    let mut rng = Rng::new(1);
    for (ticket, concern) in (1..).zip([Concern::Find, Concern::Place, Concern::Join]) {
        tables.begin(concern, op(), Time::ZERO);
        tables.end(&done(ticket, true, 900), Time::ZERO, &mut rng, ms(5000));
    }
    assert_eq!(tables.hold(), ms(60));
}
