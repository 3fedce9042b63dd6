//! The database is away for a minute. Probing goes on, two servers die, one joins. Nobody is removed meanwhile, and
//! everything is put right when the database is back.

use std::time::{Duration, Instant};

use anyhow::ensure;
use ringmon_tests::clock::{ms_between, now_ns};
use ringmon_tests::database::Choice;
use ringmon_tests::event::Event;
use ringmon_tests::lab::{Lab, Options, PATIENCE};

use crate::Result;

const AWAY: Duration = Duration::from_secs(60);
/// The pause of a service manager before it starts a service again.
const RESTART: Duration = Duration::from_secs(1);
const NEWCOMER: &str = "s7";

/// What a service manager does for the new server: it starts it, and starts it again a pause after it has ended.
#[derive(Default)]
struct Service {
    starts: u32,
    ended: Option<Instant>,
}

impl Service {
    fn look(&mut self, lab: &mut Lab) -> Result {
        if self.starts > 0 {
            let Some(status) = lab.server(NEWCOMER)?.agent()?.ended() else { return Ok(()) };
            ensure!(status.code() == Some(69), "it ends as unavailable: {status}");
            if self.ended.get_or_insert_with(Instant::now).elapsed() < RESTART {
                return Ok(());
            }
        }
        self.ended = None;
        self.starts += 1;
        lab.start(NEWCOMER, &[])
    }
}

#[test]
fn a_database_away_for_a_minute_stops_nothing_but_the_writing() -> Result {
    let rules = vec!["brake=1".to_owned()];
    let options = Options { rules, database: Choice::MariaDb, ..Options::built("debug") };
    let mut lab = Lab::pool(options, 6)?;
    let order = lab.ring()?.order();
    let victims = [order[1].clone(), order[4].clone()];
    lab.quiet(Duration::from_millis(500))?;

    let server = lab.database.mariadb().map(|server| server.process().pid());
    lab.database.mariadb().map(|server| server.process().freeze()).transpose()?;
    let (began, away) = (Instant::now(), now_ns());
    lab.crash(&victims)?;
    for victim in &victims {
        lab.event(&format!("{victim} is suspected"), away, |event| event.is("suspect", victim))?;
    }
    lab.add(NEWCOMER)?;
    let mut service = Service::default();
    let mut shown = None;
    lab.until("the minute is over", AWAY * 2, |lab| {
        service.look(lab)?;
        if began.elapsed() > AWAY / 2 && shown.is_none() {
            let board = lab.board(&order[0])?;
            ensure!(board.engine.phase == "member", "it keeps its place: {}", board.engine.phase);
            let told = format!("{:?}", board.engine.database_away);
            ensure!(told.contains("did not answer") || told.contains("broke"), "since when, and why: {told}");
            shown = Some((told, board.watch(&order[5]).map_or(0, |watch| watch.reading.sent)));
        }
        Ok((began.elapsed() >= AWAY).then_some(()))
    })?;
    let (told, sent) = shown.unwrap_or_default();
    let now_sent = lab.board(&order[0])?.watch(&order[5]).map_or(0, |watch| watch.reading.sent);
    ensure!(now_sent > sent + 100, "probing goes on: {sent}, {now_sent}");
    let gone = ["down", "agent_lost", "left"];
    let early = lab.events().iter().find(|event| event.mono_ns >= away && gone.contains(&event.event.as_str()));
    ensure!(early.is_none(), "nothing can have been written: {early:?}");

    let back = now_ns();
    lab.database.mariadb().map(|server| server.process().thaw()).transpose()?;
    lab.until("the newcomer runs on", PATIENCE, |lab| {
        service.look(lab)?;
        let joined = |event: &Event| event.mono_ns >= back && event.is("joined", NEWCOMER);
        Ok(lab.events().iter().any(joined).then_some(()))
    })?;
    lab.until_whole()?;
    let whole = ms_between(back, now_ns());

    let told_of = |event: &&Event| event.mono_ns >= away && !["buddies", "alive"].contains(&event.event.as_str());
    println!("status of {} after half a minute: {told}", order[0]);
    println!("MariaDB {server:?} frozen at 0; {NEWCOMER} was started {} times", service.starts);
    for event in lab.events().iter().filter(told_of) {
        let at = ms_between(away, event.mono_ns);
        println!("{at:>9.1} ms  {:<4} {:<14} {:<4} {}", event.server, event.event, event.subject, event.detail);
    }
    println!("back at {:.1} ms, whole {whole:.1} ms later", ms_between(away, back));
    let removed: Vec<&Event> =
        lab.events().iter().filter(|event| event.mono_ns >= back && event.event == "down").collect();
    ensure!(removed.iter().all(|event| victims.contains(&event.subject)), "{removed:?}");
    ensure!(victims.iter().all(|victim| removed.iter().any(|event| event.subject == *victim)), "{removed:?}");
    Ok(())
}
