//! Line 10: a clean shutdown.

use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::Signal;
use ringmon_tests::event::Event;
use ringmon_tests::fault::Fault;
use ringmon_tests::lab::{Lab, Options};

use crate::{Result, pool, pool_on_mariadb};

crate::under_both_quorums! {
    line_10_a_clean_shutdown_leaves_and_its_buddies_find_each_other,
}

fn line_10_a_clean_shutdown_leaves_and_its_buddies_find_each_other(quorum: &str) -> Result {
    for database in [pool, pool_on_mariadb] {
        let mut lab = database(quorum, 4)?;
        let order = lab.ring()?.order();
        let (before, leaver, after) = (order[0].clone(), order[1].clone(), order[2].clone());
        let blow = lab.strike(Fault::Leave, std::slice::from_ref(&leaver))?;
        let status = lab.server(&leaver)?.agent()?.wait(Duration::from_secs(10))?;
        ensure!(status.success(), "{status}");
        let own = |event: &Event| event.server == leaver && event.is("left", &leaver);
        lab.event("it reports itself", blow.at_ns, own)?;
        let ring = lab.until_whole()?;
        ensure!(ring.buddies(&before).context("before")?.first.as_ref() == Some(&after));
        ensure!(ring.buddies(&after).context("after")?.second.as_ref() == Some(&before));
        let bad = ["down", "agent_lost"];
        let removed = lab.events().iter().find(|event| event.subject == leaver && bad.contains(&event.event.as_str()));
        ensure!(removed.is_none(), "it left, it was not removed: {removed:?}");
    }
    Ok(())
}

#[test]
fn line_10_with_on_stop_stay_the_row_remains_and_the_place_is_kept() -> Result {
    let agent_args = vec!["--on-stop".to_owned(), "stay".to_owned()];
    // A busy machine may need longer to start an agent again than the default allows.
    let rules = vec!["agent_timeout=60s".to_owned()];
    let mut lab = Lab::pool(Options { agent_args, rules, ..Options::built("debug") }, 4)?;
    let before = lab.ring()?;
    lab.signal("s2", Signal::SIGTERM)?;
    let status = lab.server("s2")?.agent()?.wait(Duration::from_secs(10))?;
    ensure!(status.success(), "{status}");
    ensure!(lab.ring()?.names().contains("s2"), "the row remains");
    lab.start("s2", &[])?;
    let after = lab.until_whole()?;
    ensure!(after.order() == before.order());
    ensure!(after.row("s2").map(|row| row.id) == before.row("s2").map(|row| row.id));
    Ok(())
}
