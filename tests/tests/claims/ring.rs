//! Lines 1, 2, 7, 8 and 9: buddies, the table, joining, watching, the list on disk.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use ringmon_tests::event::Event;
use ringmon_tests::fault::Fault;
use ringmon_tests::lab::{Lab, Options, PATIENCE, POOL};

use crate::{Result, pool, pool_on_mariadb};

crate::under_both_quorums! {
    line_1_each_server_pings_two_buddies_and_hears_both,
    line_2_the_database_keeps_name_and_both_buddies,
    line_7_a_new_server_splices_in_beside_a_random_one,
    line_8_both_watchers_report_the_identity_of_the_down_server,
    line_9_the_buddy_list_is_kept_locally_and_used_without_the_database,
}

fn line_1_each_server_pings_two_buddies_and_hears_both(quorum: &str) -> Result {
    let mut lab = pool(quorum, 4)?;
    let ring = lab.ring()?;
    for name in ring.names() {
        let buddies = ring.buddies(&name).context("on the ring")?;
        let (first, second) = (buddies.first.context("first")?, buddies.second.context("second")?);
        ensure!(first != second && first != name && second != name, "{name}: {first}, {second}");
        for buddy in [first, second] {
            // The status page is a moment younger than the events that the lab waited for. No watch there means no
            // reply yet.
            let replies = |lab: &Lab| Result::Ok(lab.board(&name)?.watch(&buddy).map_or(0, |w| w.reading.replies));
            let before = replies(&lab)?;
            let more = |lab: &mut Lab| Ok((replies(lab)? > before + 10).then_some(()));
            lab.until(&format!("{name} hears {buddy} again and again"), PATIENCE, more)?;
        }
    }
    Ok(())
}

fn line_2_the_database_keeps_name_and_both_buddies(quorum: &str) -> Result {
    let lab = pool_on_mariadb(quorum, 3)?;
    let text = lab.database.sql(
        "SELECT s.name, f.name, b.name FROM server s \
         JOIN server f ON f.id = s.first_buddy JOIN server b ON b.id = s.second_buddy",
    )?;
    let rows: BTreeSet<Vec<String>> = text.lines().map(|row| row.split('\t').map(str::to_owned).collect()).collect();
    ensure!(rows.len() == 3, "one row a server: {text}");
    for row in &rows {
        let [name, first, second] = row.as_slice() else { anyhow::bail!("three columns: {text}") };
        let believed = lab.view().of(name).buddies;
        ensure!(believed.first.as_ref() == Some(first) && believed.second.as_ref() == Some(second), "{name}: {text}");
    }
    Ok(())
}

fn line_7_a_new_server_splices_in_beside_a_random_one(quorum: &str) -> Result {
    let mut lab = Lab::new(Options { quorum: quorum.to_owned(), ..Options::built("debug") })?;
    let mut places = Vec::new();
    for number in 1..=9 {
        let name = format!("s{number}");
        let before = if number == 1 { Vec::new() } else { lab.ring()?.order() };
        lab.add(&name)?;
        lab.start(&name, &[])?;
        let after = lab.until_whole()?;
        let chosen = after.buddies(&name).and_then(|buddies| buddies.second);
        let mut without = after.order();
        without.retain(|other| *other != name);
        ensure!(without == before, "the others keep their order: {before:?}, {without:?}");
        places.extend(chosen.map(|chosen| (number, chosen)));
    }
    // Always after the newest one, or always after the oldest: each happens by chance once in 8!.
    let newest = places.iter().all(|(number, chosen)| *chosen == format!("s{}", number - 1));
    let oldest = places.iter().all(|(_, chosen)| chosen == "s1");
    ensure!(!newest && !oldest, "no random places: {places:?}");
    Ok(())
}

fn line_8_both_watchers_report_the_identity_of_the_down_server(quorum: &str) -> Result {
    let mut lab = pool(quorum, 4)?;
    let order = lab.ring()?.order();
    let (before, victim, after) = (order[0].clone(), order[1].clone(), order[2].clone());
    let blow = lab.strike(Fault::Crash, std::slice::from_ref(&victim))?;
    lab.event("it is out of the table", blow.at_ns, |event| event.is("down", &victim))?;
    if quorum == "both" {
        for watcher in [&before, &after] {
            let said = |event: &Event| event.server == *watcher && event.is("suspect", &victim);
            lab.event(&format!("{watcher} suspects {victim}"), blow.at_ns, said)?;
        }
    }
    lab.until_whole()?;
    let suspected: BTreeSet<&str> = lab
        .events()
        .iter()
        .filter(|event| event.mono_ns >= blow.at_ns && event.event == "suspect" && event.server != victim)
        .map(|event| event.subject.as_str())
        .collect();
    ensure!(suspected == BTreeSet::from([victim.as_str()]), "nobody else is named: {suspected:?}");
    Ok(())
}

fn line_9_the_buddy_list_is_kept_locally_and_used_without_the_database(quorum: &str) -> Result {
    let mut lab = pool_on_mariadb(quorum, 3)?;
    let ring = lab.ring()?;
    let name = "s2";
    let buddies = ring.buddies(name).context("on the ring")?;
    let both = [buddies.first.context("first")?, buddies.second.context("second")?];
    let kept = lab.server(name)?.folder.join(POOL).join(name).join("kept");
    let kept = std::fs::read_to_string(&kept).with_context(|| format!("cannot read {}", kept.display()))?;
    ensure!(
        both.iter().all(|buddy| kept.contains(&format!("\"{buddy}\""))),
        "both are on the disk, in a file that has {} bytes",
        kept.len()
    );

    lab.kill(name)?;
    lab.database.mariadb().context("a MariaDB")?.process().freeze()?;
    lab.start(name, &[])?;
    lab.until("it hears both buddies without the database", PATIENCE, |lab| {
        let Ok(board) = lab.board(name) else { return Ok(None) };
        let heard = |buddy: &String| board.watch(buddy).is_some_and(|watch| watch.reading.replies > 10);
        Ok(both.iter().all(heard).then_some(()))
    })?;
    lab.database.mariadb().context("a MariaDB")?.process().thaw()?;
    lab.until_whole()?;
    Ok(())
}
