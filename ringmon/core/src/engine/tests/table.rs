//! Operations under way, and the absence of the database.

use super::super::table::{Concern, Tables, Turn};
use super::kit::ms;
use crate::engine::{Output, TableDone, TableFailure};
use crate::op::TableOp;
use crate::outcome::Held;
use crate::rng::Rng;
use crate::{Outcome, ServerId, Side, TableSnapshot, Time, law};
use core::time::Duration;

fn op() -> TableOp {
    TableOp::View { me: ServerId(1), known: Vec::new() }
}

fn failure(cause: &str, readable: bool) -> TableFailure {
    TableFailure { cause: cause.into(), transient: true, readable, overtaken: false }
}

fn done(ticket: u64, ok: bool, took: u64) -> TableDone {
    let result = if ok { Ok(Outcome::Read) } else { Err(failure("connection refused", false)) };
    TableDone { ticket, result, snapshot: Default::default(), took: ms(took) }
}

#[test]
fn of_each_concern_one_is_under_way() {
    let mut tables = Tables::new();
    tables.begin(Concern::View, op(), Time::ZERO);
    assert!(tables.busy(Concern::View) && !tables.busy(Concern::Alone));
    tables.begin(Concern::Alone, op(), Time::ZERO);
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
        let Output::Table { ticket, .. } = tables.begin(concern, op(), Time::ZERO + ms(at)) else {
            panic!("not an operation")
        };
        let snapshot = TableSnapshot { wrote: matches!(result, Ok(Outcome::Written)), ..Default::default() };
        let done = TableDone { ticket, result, snapshot, took: ms(1) };
        tables.end(&done, Time::ZERO + ms(at), &mut rng, ms(5000)).1
    };
    let (vote, locked) = (Concern::Vote(Side::First), || Err(failure("locked", true)));
    assert_eq!(end(&mut tables, vote, 0, locked()), Some(Turn::Away("locked".into())));
    assert_eq!(end(&mut tables, Concern::View, 1000, Ok(Outcome::Read)), None, "what is read says nothing of it");
    assert_eq!(end(&mut tables, vote, 1500, Ok(Outcome::Held(Held::TooYoung))), None, "it had nothing to write yet");
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
fn who_gives_way_to_others_has_a_database_that_answers() {
    let (mut tables, mut rng) = (Tables::new(), Rng::new(1));
    let vote = Concern::Vote(Side::First);
    let mut end = |tables: &mut Tables, at: u64, result: Result<Outcome, TableFailure>| {
        let Output::Table { ticket, .. } = tables.begin(vote, op(), Time::ZERO + ms(at)) else {
            panic!("not an operation")
        };
        let done = TableDone { ticket, result, snapshot: Default::default(), took: ms(2000) };
        tables.end(&done, Time::ZERO + ms(at + 2000), &mut rng, ms(5000))
    };
    let gave_way = || Err(TableFailure { overtaken: true, ..failure("others were faster", false) });
    let now = Time::ZERO + ms(1_000_000);
    assert_eq!(end(&mut tables, 1000, gave_way()), (Some(vote), None), "it is asked for again");
    assert!(tables.away().is_none() && tables.quiet_until() == Time::ZERO + ms(3100), "a moment later");
    assert!(tables.served(now) > ms(900_000), "no pause of the database");
    // After a failure it says that the database is back.
    assert_eq!(end(&mut tables, 4000, Err(failure("refused", false))).1, Some(Turn::Away("refused".into())));
    assert_eq!(end(&mut tables, 7000, gave_way()).1, Some(Turn::Back(ms(3000))));
}

/// An operation of this concern begins at `at` and takes this long.
fn took(tables: &mut Tables, ticket: u64, concern: Concern, at: Time, ms_took: u64) {
    tables.begin(concern, op(), at);
    tables.end(&done(ticket, true, ms_took), at + ms(ms_took), &mut Rng::new(1), ms(5000));
}

#[test]
fn the_wait_is_what_an_answer_takes_and_one_hiccup_does_not_count() {
    let mut tables = Tables::new();
    assert_eq!(tables.wait(ms(32)), ms(72), "nothing is known: 10 ms a look");
    let start = Time::ZERO + ms(1_000_000);
    for ticket in 1..=20 {
        took(&mut tables, ticket, Concern::View, start, if ticket == 18 { 1500 } else { 30 });
    }
    assert_eq!(tables.wait(ms(32)), ms(152));
    took(&mut tables, 21, Concern::Ahead(crate::Side::First), start, 1500);
    assert_eq!(tables.wait(ms(32)), law::WAIT_MOST, "twice is no hiccup");
    for ticket in 22..=38 {
        took(&mut tables, ticket, Concern::View, start, 1);
    }
    assert_eq!(tables.wait(ms(32)), law::WAIT_LEAST);
    for ticket in 39..=60 {
        took(&mut tables, ticket, Concern::Vote(crate::Side::First), start, 900);
    }
    assert_eq!(tables.wait(ms(32)), law::WAIT_LEAST, "who writes may wait for others that write");
}

#[test]
fn time_in_which_the_database_did_not_answer_is_not_served() {
    let mut tables = Tables::new();
    let start = Time::ZERO + ms(1_000_000);
    for ticket in 1..=8 {
        took(&mut tables, ticket, Concern::View, start, 5);
    }
    assert!(tables.served(start + ms(10)) > ms(100_000));
    tables.begin(Concern::View, op(), start + ms(10));
    assert!(tables.served(start + ms(40)) > ms(100_000));
    assert_eq!(tables.served(start + ms(41)), Duration::ZERO, "it has been asked for 31 ms");
    tables.end(&done(9, true, 500), start + ms(510), &mut Rng::new(1), ms(5000));
    assert_eq!(tables.served(start + ms(1000)), Duration::ZERO, "others may wait for as long again");
    assert_eq!(tables.served(start + ms(1070)), ms(60), "from then on");
    took(&mut tables, 10, Concern::Vote(crate::Side::First), start + ms(580), 400);
    assert_eq!(tables.served(start + ms(1490)), ms(480), "a vote that met others' votes is no pause");
}

#[test]
fn what_began_while_the_database_was_away_does_not_make_the_wait_longer() {
    let mut tables = Tables::new();
    let start = Time::ZERO + ms(1_000_000);
    for ticket in 1..=16 {
        took(&mut tables, ticket, Concern::View, start, 5);
    }
    let sides = [crate::Side::First, crate::Side::Second];
    for side in sides {
        tables.begin(Concern::Ahead(side), op(), start + ms(100));
    }
    tables.begin(Concern::View, op(), start + ms(100));
    tables.end(&done(19, false, 900), start + ms(1000), &mut Rng::new(1), ms(5000));
    for ticket in [17, 18] {
        tables.end(&done(ticket, true, 1900), start + ms(2000), &mut Rng::new(1), ms(5000));
    }
    assert_eq!(tables.wait(Duration::ZERO), law::WAIT_LEAST, "a restart of the database");
    for ticket in [20, 21] {
        took(&mut tables, ticket, Concern::View, start + ms(3000), 1900);
    }
    assert_eq!(tables.wait(Duration::ZERO), law::WAIT_MOST, "it answers, and is slow");
}
