//! Every fault of the demo, on both kinds of database, and other things that happen to agents.

use anyhow::{Context, ensure};
use ringmon_tests::clock::now_ns;
use ringmon_tests::database::Choice;
use ringmon_tests::event::Event;
use ringmon_tests::fault::Fault;
use ringmon_tests::lab::{Lab, Options};

use crate::{Result, patient_pool, pool};

/// Strikes, waits until the pool has healed, and fails with what was wrong.
fn heals(lab: &mut Lab, fault: Fault, turn: usize) -> Result {
    let subjects = fault.subjects(lab, &lab.ring()?, turn);
    let blow = lab.strike(fault, &subjects)?;
    let outcome = lab.outcome(&blow);
    println!("{outcome:?}");
    ensure!(outcome.ring_ok == Some(true), "{fault}: {}", outcome.problem.unwrap_or_default());
    Ok(())
}

fn every_fault_heals(database: Choice) -> Result {
    use Fault as F;
    let rules = vec!["brake=1".to_owned()];
    let mut lab = Lab::pool(Options { rules, database, ..Options::built("debug") }, 5)?;
    let all = [
        [F::Crash, F::Return],
        [F::Isolated, F::Return],
        [F::AgentKill, F::Return],
        [F::AgentStop, F::Return],
        [F::AgentPause, F::Join],
        [F::Leave, F::Return],
        [F::AdjacentCrash, F::Return],
    ];
    for (turn, fault) in all.into_iter().flatten().enumerate() {
        heals(&mut lab, fault, turn)?;
    }
    Ok(())
}

#[test]
fn every_fault_heals_with_the_table_in_a_file() -> Result {
    every_fault_heals(Choice::Sqlite)
}

#[test]
fn every_fault_heals_with_the_table_in_mariadb() -> Result {
    every_fault_heals(Choice::MariaDb)
}

#[test]
fn an_agent_that_comes_back_in_time_keeps_its_place() -> Result {
    let mut lab = patient_pool(4)?;
    let before = lab.ring()?;
    let begin = now_ns();
    lab.kill("s3")?;
    lab.event("its pulse is missed", begin, |event| event.is("agent_silent", "s3"))?;
    lab.start("s3", &[])?;
    let after = lab.until_whole()?;
    ensure!(after.order() == before.order());
    ensure!(after.row("s3").map(|row| row.id) == before.row("s3").map(|row| row.id));
    let lost = lab.events().iter().find(|event| event.is("agent_lost", "s3") || event.is("down", "s3"));
    ensure!(lost.is_none(), "{lost:?}");
    Ok(())
}

#[test]
fn a_server_that_was_removed_finds_out_and_rejoins_as_another_life() -> Result {
    let mut lab = pool(4)?;
    let before = lab.ring()?;
    heals(&mut lab, Fault::Crash, 1)?;
    let victim = before.order()[1].clone();
    let begin = now_ns();
    heals(&mut lab, Fault::Return, 0)?;
    lab.event("it says so", begin, |event| event.server == victim && event.event == "rejoined")?;
    let (old, new) = (before.row(&victim).cloned(), lab.ring()?.row(&victim).cloned());
    let (Some(old), Some(new)) = (old, new) else { anyhow::bail!("{victim} was and is on the ring") };
    ensure!(new.id > old.id && new.incarnation > old.incarnation, "{old:?} {new:?}");
    Ok(())
}

#[test]
fn the_database_away_stops_nobody_from_probing_and_nothing_is_replayed() -> Result {
    let mut lab = Lab::pool(Options { database: Choice::MariaDb, ..Options::built("debug") }, 3)?;
    let all = lab.expected();
    lab.database.mariadb().context("a MariaDB")?.process().freeze()?;
    // A blip while the database is away: it is seen, and over before the database is back, so it has no consequence.
    let port = lab.server("s2")?.number;
    let begin = now_ns();
    lab.network.change(|faults| faults.isolated = [port].into())?;
    lab.event("it is suspected without the database", begin, |event| event.is("suspect", "s2"))?;
    lab.network.change(|faults| faults.isolated.clear())?;
    let heard = |event: &Event| event.server != "s2" && event.is("alive", "s2");
    lab.event("it is heard again", begin, heard)?;
    lab.database.mariadb().context("a MariaDB")?.process().thaw()?;
    let ring = lab.until_whole()?;
    ensure!(ring.names() == all);
    let removed = lab.events().iter().find(|event| event.mono_ns >= begin && event.event == "down");
    ensure!(removed.is_none(), "{removed:?}");
    Ok(())
}
