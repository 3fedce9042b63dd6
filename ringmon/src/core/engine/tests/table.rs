//! Operations under way and the database's absence.

use super::super::table::{Concern, Tables, Turn};
use super::kit::ms;
use crate::core::engine::{TableDone, TableFailure, TableOp};
use crate::core::rng::Rng;
use crate::core::{Outcome, ServerId, Time};

fn op() -> TableOp {
    TableOp::View { me: ServerId(1), known: Vec::new() }
}

fn done(ticket: u64, ok: bool, took: u64) -> TableDone {
    let result =
        if ok { Ok(Outcome::Read) } else { Err(TableFailure { cause: "connection refused".into(), transient: true }) };
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
