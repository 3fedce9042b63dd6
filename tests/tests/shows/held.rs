//! Another program locks the whole server table for a minute, as a dump or a forgotten transaction does. No agent can
//! write, but probing and judging go on, and what was seen is written once the table is free.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use ringmon_tests::clock::{ms_between, now_ns};
use ringmon_tests::database::Choice;
use ringmon_tests::lab::{Lab, Options};

use crate::Result;

const HELD: Duration = Duration::from_secs(60);

#[test]
fn a_table_held_for_a_minute_stops_nothing_but_the_writing() -> Result {
    let rules = vec!["brake=1".to_owned()];
    let options = Options { rules, database: Choice::MariaDb, ..Options::built("debug") };
    let mut lab = Lab::pool(options, 5)?;
    let order = lab.ring()?.order();
    let victim = order[1].clone();
    lab.quiet(Duration::from_millis(500))?;

    let hold = format!("BEGIN; SELECT name FROM server FOR UPDATE; SELECT SLEEP({}); ROLLBACK", HELD.as_secs());
    let database = lab.database.mariadb().context("a MariaDB")?;
    let asked = now_ns();
    let holder = database.client(&hold)?;
    // Not from INNODB_TRX: if it is read more than ten times a second, MariaDB answers from a copy that is never
    // renewed.
    lab.until("the table is held", Duration::from_secs(10), |lab| {
        let free = lab.database.sql("SELECT name FROM server FOR UPDATE SKIP LOCKED")?;
        Ok(free.trim().is_empty().then_some(()))
    })?;
    let held = now_ns();
    lab.crash(std::slice::from_ref(&victim))?;
    let dead = now_ns();
    let suspected = lab.event("its suspicion", held, |event| event.is("suspect", &victim))?;
    let (mut told, mut sent) = (None, None);
    lab.until("the table is free", HELD * 2, |lab| {
        let board = lab.board(&order[0])?;
        ensure!(board.engine.phase == "member", "it keeps its place: {}", board.engine.phase);
        // A busy machine may have another reason too, for a moment.
        let away = board.engine.database_away.clone();
        told = away.filter(|away| away[1].to_string().contains("Lock wait timeout")).or(told.take());
        sent.get_or_insert(board.watch(&order[4]).map_or(0, |watch| watch.reading.sent));
        Ok(holder.ended().map(drop))
    })?;
    let free = now_ns();
    let now_sent = lab.board(&order[0])?.watch(&order[4]).map_or(0, |watch| watch.reading.sent);
    lab.until_whole()?;
    let whole = ms_between(free, now_ns());
    let told = told.context("status never said that nothing can be written, because of a lock")?;
    println!("held {:.1} s; status at its end: since, why: {told}", ms_between(held, free) / 1000.0);
    println!(
        "suspected after {:.1} ms, whole {whole:.1} ms after the table was free",
        ms_between(dead, suspected.mono_ns)
    );
    let told_of = |event: &&ringmon_tests::event::Event| {
        event.mono_ns >= held && !["buddies", "alive"].contains(&event.event.as_str())
    };
    for event in lab.events().iter().filter(told_of) {
        let at = ms_between(held, event.mono_ns);
        println!("{at:>9.1} ms  {:<4} {:<14} {:<4} {}", event.server, event.event, event.subject, event.detail);
    }
    ensure!(now_sent > sent.unwrap_or_default() + 1000, "probing goes on: {sent:?}, {now_sent}");
    let since = told[0].as_u64().context("a time")?;
    ensure!(ms_between(held, since) < 10_000.0, "since when, whatever was read meanwhile: {told}");
    let mut away: BTreeMap<&str, u32> = BTreeMap::new();
    for event in lab.events().iter().filter(|event| event.mono_ns >= held && event.event == "database_away") {
        *away.entry(&event.server).or_default() += 1;
    }
    ensure!(away.values().all(|times| *times <= 3), "whoever wants to write says it, and not with every try: {away:?}");
    let free_from = asked + HELD.as_secs() * 1_000_000_000;
    let down: Vec<_> = lab.events().iter().filter(|event| event.mono_ns >= held && event.event == "down").collect();
    ensure!(down.iter().all(|event| event.subject == victim && event.mono_ns >= free_from), "{down:?}");
    ensure!(!down.is_empty(), "its death was forgotten");
    Ok(())
}
