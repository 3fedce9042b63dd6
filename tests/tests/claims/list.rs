//! Lines 5 and 6: the list of active servers, and what clients will be routed by.

use anyhow::ensure;
use ringmon_tests::fault::Fault;
use ringmon_tests::lab::{Lab, Options};

use crate::{Result, pool, pool_on_mariadb};

crate::under_both_quorums! {
    line_5_a_down_server_leaves_the_list_of_active_servers,
    line_6_clients_find_where_to_go_in_the_list_partial,
}

fn line_5_a_down_server_leaves_the_list_of_active_servers(quorum: &str) -> Result {
    let mut lab = pool_on_mariadb(quorum, 4)?;
    let victim = lab.ring()?.order()[2].clone();
    let list = |lab: &Lab| lab.database.sql(&format!("SELECT COUNT(*) FROM server WHERE name = '{victim}'"));
    ensure!(list(&lab)?.trim() == "1");
    let blow = lab.strike(Fault::Crash, std::slice::from_ref(&victim))?;
    lab.event("it is out of the table", blow.at_ns, |event| event.is("down", &victim))?;
    ensure!(list(&lab)?.trim() == "0", "it left by leaving the server table");
    let ring = lab.until_whole()?;
    ensure!(!ring.names().contains(&victim));
    let history = lab.must(&["events", "--json"])?;
    ensure!(history.contains(&victim) && history.contains("\"down\""), "history has it: {history}");
    Ok(())
}

/// Partial: the routes themselves do not exist yet; what they will read does.
fn line_6_clients_find_where_to_go_in_the_list_partial(quorum: &str) -> Result {
    let mut lab = pool(quorum, 3)?;
    lab.add("s4")?;
    lab.start("s4", &["--route-address", "192.0.2.4", "--route-port", "8080", "--weight", "7"])?;
    lab.until_whole()?;
    let shown = lab.must(&["ring", "show", "--json"])?;
    for word in ["\"192.0.2.4\"", "8080", "\"weight\": 7"] {
        ensure!(shown.contains(word), "{word} is in the list: {shown}");
    }
    let blow = lab.strike(Fault::Crash, &["s4".to_owned()])?;
    lab.event("it is out of the table", blow.at_ns, |event| event.is("down", "s4"))?;
    lab.until_whole()?;
    let shown = lab.must(&["ring", "show", "--json"])?;
    ensure!(!shown.contains("192.0.2.4"), "nobody is sent there any more: {shown}");
    Ok(())
}

#[test]
fn line_5_under_both_a_pool_of_two_loses_the_one_that_is_down() -> Result {
    let mut lab = Lab::pool(Options::built("debug"), 2)?;
    let blow = lab.strike(Fault::Crash, &["s2".to_owned()])?;
    lab.event("it is out of the table", blow.at_ns, |event| event.is("down", "s2"))?;
    let ring = lab.until_whole()?;
    ensure!(ring.order() == ["s1"]);
    Ok(())
}
