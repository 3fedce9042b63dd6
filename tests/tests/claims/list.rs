//! Lines 5 and 6: the list of active servers, and how clients are routed by it.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use ringmon_tests::clients::{Clients, Pace};
use ringmon_tests::clock::now_ns;
use ringmon_tests::fault::Fault;
use ringmon_tests::haproxy::{BACKEND, Checks, Haproxy, frontend};
use ringmon_tests::lab::{Lab, Options, PATIENCE};
use ringmon_tests::router::Router;
use ringmon_tests::web::{PORT, Web};

use crate::{Result, pool_on_mariadb};

crate::under_both_quorums! {
    line_5_a_down_server_leaves_the_list_of_active_servers,
    line_6_clients_are_served_from_the_list_and_not_by_a_down_server,
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

/// A HAProxy that ringmon's router keeps in step, and clients that ask it.
fn line_6_clients_are_served_from_the_list_and_not_by_a_down_server(quorum: &str) -> Result {
    let agent_args = ["--route-port".to_owned(), PORT.to_string()].to_vec();
    let mut lab = Lab::pool(Options { quorum: quorum.to_owned(), agent_args, ..Options::built("debug") }, 4)?;
    let names = lab.expected();
    let mut webs = Vec::new();
    for server in lab.servers() {
        webs.push(Web::start(&server.name, &server.namespace)?);
    }
    // The router tells it every server: its configuration names none.
    let haproxy = Haproxy::start(lab.network.hub(), lab.folder(), 0, Checks::None)?;
    let router = Router::start(&lab, &["--haproxy", &format!("{}:{BACKEND}", haproxy.socket().display())])?;
    let pace = Pace { clients: 4, every: Duration::from_millis(10), patience: Duration::from_secs(5) };
    let clients = Clients::start(lab.network.hub(), frontend(), pace);
    let mut answered = BTreeSet::new();
    let all = lab.until("every server answers clients", PATIENCE, |_| {
        answered.extend(clients.take().into_iter().filter_map(|request| request.answer.ok()));
        Ok((answered == names).then_some(()))
    });
    all.with_context(|| format!("{answered:?} did: {}", router.words()))?;
    let victim = lab.ring()?.order()[1].clone();
    let blow = lab.strike(Fault::Crash, std::slice::from_ref(&victim))?;
    lab.event("it is out of the table", blow.at_ns, |event| event.is("down", &victim))?;
    lab.until_whole()?;
    lab.until("HAProxy has forgotten it", PATIENCE, |_| Ok((!haproxy.servers()?.contains_key(&victim)).then_some(())))?;
    let (begin, living) = (now_ns(), lab.expected());
    let (mut later, mut by) = (Vec::new(), BTreeSet::new());
    let asked = lab.until("clients have asked for a while, each server that lives and no other", PATIENCE, |_| {
        let new: Vec<_> = clients.take().into_iter().filter(|request| request.sent_ns > begin).collect();
        by.extend(new.iter().filter_map(|request| request.answer.clone().ok()));
        later.extend(new);
        Ok((later.len() > 200 && by == living).then_some(()))
    });
    asked.with_context(|| format!("{} requests, answered by {by:?}", later.len()))?;
    let failed: Vec<_> = later.iter().filter(|request| request.answer.is_err()).collect();
    ensure!(failed.is_empty(), "all are served: {failed:?}");
    drop(webs);
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
