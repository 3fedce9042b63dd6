//! R12 on real links: neither buddy hears a server, and others do.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use ringmon_tests::clock::now_ns;
use ringmon_tests::lab::PATIENCE;

use crate::{Result, pool};

#[test]
fn a_server_that_only_its_buddies_do_not_hear_is_kept_and_moves_to_another_place() -> Result {
    let mut lab = pool(7)?;
    let order = lab.ring()?.order();
    let (cut_off, buddies) = (order[1].clone(), [order[0].clone(), order[2].clone()]);
    let number = |name: &String| -> Result<u8> { Ok(lab.server(name)?.number) };
    let it = number(&cut_off)?;
    let broken: Result<BTreeSet<(u8, u8)>> =
        buddies.iter().map(|buddy| number(buddy).map(|other| (it.min(other), it.max(other)))).collect();
    let (begin, broken) = (now_ns(), broken?);
    lab.network.change(|faults| faults.broken = broken)?;
    for buddy in &buddies {
        let heard = lab.event("somebody else hears it", begin, |event| {
            event.server == *buddy && event.is("broken_link", &cut_off)
        })?;
        println!("{buddy} knew it {} ms after the links broke", (heard.mono_ns - begin) / 1_000_000);
    }
    lab.event("it moves", begin, |event| event.server == cut_off && event.event == "moving")?;
    // After three places without two good ends, one good end will do.
    lab.until("it stands beside one that hears it", PATIENCE, |lab| {
        let order = lab.ring()?.order();
        let at = order.iter().position(|name| *name == cut_off).context("it is on the ring")?;
        let beside = [&order[(at + 1) % order.len()], &order[(at + order.len() - 1) % order.len()]];
        Ok(beside.iter().any(|name| !buddies.contains(name)).then_some(()))
    })?;
    let removed: Vec<_> = lab.events().iter().filter(|event| event.mono_ns >= begin && event.event == "down").collect();
    ensure!(removed.is_empty(), "{removed:?}");
    lab.network.change(|faults| faults.broken.clear())?;
    lab.until_whole()?;
    Ok(())
}
