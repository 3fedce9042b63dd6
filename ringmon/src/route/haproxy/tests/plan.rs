//! From what HAProxy has and what the routes say to commands.

use std::collections::BTreeSet;

use super::super::Options;
use super::super::command::State;
use super::super::plan::plan;
use super::super::state::{Server, Servers, apply};
use super::{route, routes};
use ringmon_core::route::{Route, Routes, Standing};

fn server(id: u8, state: State) -> Server {
    let address = Some([10, 0, 0, id].into());
    Server { address, port: 80, state, weight: 1, ours: false, checks: false }
}

fn has<const N: usize>(servers: [(&str, Server); N]) -> Servers {
    servers.into_iter().map(|(name, server)| (name.to_owned(), server)).collect()
}

fn weighing(route: Route, weight: u16) -> Route {
    Route { weight, ..route }
}

/// The commands in HAProxy's words. Once they are carried out, a second plan must be empty.
fn words(servers: &Servers, list: &Routes, gone: &[&str], options: &Options) -> Vec<String> {
    let gone: BTreeSet<String> = gone.iter().map(|name| (*name).to_owned()).collect();
    let commands = plan(servers, list, &gone, options).commands;
    let mut after = servers.clone();
    commands.iter().for_each(|command| apply(&mut after, command));
    assert_eq!(plan(&after, list, &BTreeSet::new(), options).commands, [], "once is enough");
    commands.iter().map(|command| command.words("b", &options.add_options)).collect()
}

fn dynamic() -> Options {
    Options { dynamic: true, default_port: Some(80), ..Options::default() }
}

#[test]
fn every_standing_has_its_state() {
    for (standing, state) in [
        (Standing::Active, "ready"),
        (Standing::Kept, "ready"),
        (Standing::Draining, "drain"),
        (Standing::Failing, "maint"),
        (Standing::Suspect, "maint"),
    ] {
        for now in [State::Ready, State::Drain, State::Maint] {
            let list = routes([route(1, "one", standing)]);
            let words = words(&has([("one", server(1, now))]), &list, &[], &Options::default());
            let there = format!("{now:?}").to_lowercase() == state;
            let wanted = if there { vec![] } else { vec![format!("set server b/one state {state}")] };
            assert_eq!(words, wanted, "{standing:?} {now:?}");
        }
    }
}

#[test]
fn a_server_that_no_route_knows_is_in_maintenance() {
    let servers = has([("one", server(1, State::Ready)), ("spare", server(9, State::Ready))]);
    let list = routes([route(1, "one", Standing::Active)]);
    assert_eq!(words(&servers, &list, &[], &dynamic()), ["set server b/spare state maint"], "and it is not deleted");
}

#[test]
fn empty_routes_touch_nothing() {
    let servers = has([("one", server(1, State::Ready)), ("two", server(2, State::Maint))]);
    let plan = plan(&servers, &Routes::default(), &["one".to_owned()].into(), &dynamic());
    assert_eq!(plan, super::super::plan::Plan::default());
}

#[test]
fn whoever_goes_goes_first_unless_nobody_would_be_left() {
    let servers = has([("a", server(1, State::Maint)), ("b", server(2, State::Ready)), ("c", server(3, State::Ready))]);
    let mut list =
        routes([route(1, "a", Standing::Active), route(2, "b", Standing::Suspect), route(3, "c", Standing::Active)]);
    let (come, go) = ("set server b/a state ready", "set server b/b state maint");
    assert_eq!(words(&servers, &list, &[], &Options::default()), [go, come]);
    list.servers[2].standing = Standing::Suspect;
    let last = words(&servers, &list, &[], &Options::default());
    assert_eq!(last, [come, go, "set server b/c state maint"]);
}

#[test]
fn the_address_is_set_before_clients_come() {
    let servers = has([("one", server(7, State::Maint)), ("two", server(8, State::Ready))]);
    let mut list = routes([route(1, "one", Standing::Active), route(2, "two", Standing::Suspect)]);
    list.servers[0].port = Some(81);
    let set = words(&servers, &list, &[], &Options::default());
    let one = ["set server b/one addr 10.0.0.1 port 81", "set server b/one state ready"];
    let two = ["set server b/two state maint", "set server b/two addr 10.0.0.2"];
    assert_eq!(set, [one, two].concat());
}

#[test]
fn without_any_port_haproxys_own_stays() {
    let servers = has([("one", server(1, State::Ready))]);
    let list = routes([route(1, "one", Standing::Active)]);
    assert!(words(&servers, &list, &[], &Options::default()).is_empty());
    let options = Options { default_port: Some(8080), ..Options::default() };
    assert_eq!(words(&servers, &list, &[], &options), ["set server b/one addr 10.0.0.1 port 8080"]);
}

#[test]
fn weights_fit_into_256() {
    let servers = has([("a", server(1, State::Ready)), ("b", server(2, State::Ready)), ("c", server(3, State::Ready))]);
    let list = |weights: [u16; 3]| {
        let three = [(1, "a"), (2, "b"), (3, "c")].map(|(id, name)| route(id, name, Standing::Active));
        routes(three.into_iter().zip(weights).map(|(route, weight)| weighing(route, weight)))
    };
    let set = |weights| words(&servers, &list(weights), &[], &Options::default()).join(";");
    assert_eq!(set([256, 1, 0]), "set server b/a weight 256;set server b/c weight 0");
    assert_eq!(set([1000, 500, 1]), "set server b/a weight 256;set server b/b weight 128");
    assert_eq!(set([65535, 2, 0]), "set server b/a weight 256;set server b/c weight 0", "little is not nothing");
    assert_eq!(set([0, 0, 0]), "", "nobody has a weight: all are alike");
}

#[test]
fn weights_that_are_alike_on_both_sides_stay() {
    let mut servers = has([("a", server(1, State::Ready)), ("b", server(2, State::Maint))]);
    let mut list =
        routes([weighing(route(1, "a", Standing::Active), 100), weighing(route(2, "b", Standing::Suspect), 9)]);
    assert!(words(&servers, &list, &[], &Options::default()).is_empty());
    list.servers[1] = weighing(route(2, "b", Standing::Active), 100);
    assert_eq!(words(&servers, &list, &[], &Options::default()), ["set server b/b state ready"]);
    list.servers.push(weighing(route(3, "c", Standing::Active), 100));
    assert_eq!(words(&servers, &list, &[], &dynamic())[1], "add server b/c 10.0.0.3:80 weight 1 id 1300000003");
    list.servers.pop();
    servers.get_mut("b").unwrap().weight = 2;
    let set = words(&servers, &list, &[], &Options::default());
    assert_eq!(set[..2], ["set server b/a weight 100", "set server b/b weight 100"]);
    servers.values_mut().for_each(|server| server.weight = 0);
    assert_eq!(words(&servers, &list, &[], &Options::default()).len(), 3, "alike, and nobody would get any");
}

#[test]
fn a_route_without_a_server_is_added_once_it_is_routed() {
    let options = Options { add_options: "check inter 1s".into(), ..dynamic() };
    let mut list = routes([weighing(route(1, "one", Standing::Suspect), 5)]);
    assert!(words(&Servers::new(), &list, &[], &options).is_empty());
    list.servers[0].standing = Standing::Active;
    let add = "add server b/one 10.0.0.1:80 weight 5 id 1300000001 check inter 1s";
    let all = [add, "set server b/one state ready", "enable health b/one"];
    assert_eq!(words(&Servers::new(), &list, &[], &options), all);
    list.servers[0].address = "fd00::1".parse().unwrap();
    list.servers[0].port = Some(81);
    let six = &words(&Servers::new(), &list, &[], &dynamic())[0];
    assert_eq!(six, "add server b/one [fd00::1]:81 weight 5 id 1300000001");
}

#[test]
fn what_cannot_be_added_is_a_problem() {
    let problem = |name: &str, options: &Options| {
        let plan = plan(&Servers::new(), &routes([route(1, name, Standing::Active)]), &BTreeSet::new(), options);
        assert_eq!((plan.commands.len(), plan.problems.len()), (0, 1), "{plan:?}");
        plan.problems[0].clone()
    };
    assert!(problem("one", &Options::default()).contains("no server for \"one\""));
    assert!(problem("one", &Options { default_port: None, ..dynamic() }).contains("port"));
    for name in ["a;disable server b/two", "a b", "a\nb", "", "a\\"] {
        assert!(problem(name, &dynamic()).contains("name"), "{name:?}");
    }
}

#[test]
fn only_what_ringmon_added_is_deleted() {
    let ours = Server { ours: true, ..server(2, State::Ready) };
    let servers = has([("one", server(1, State::Ready)), ("two", ours)]);
    let list = routes([route(1, "one", Standing::Active)]);
    let maint = "set server b/two state maint";
    assert_eq!(words(&servers, &list, &[], &Options::default()), [maint]);
    assert_eq!(words(&servers, &list, &[], &dynamic()), [maint, "del server b/two"]);
}

#[test]
fn sessions_end_with_the_server_and_not_with_a_suspicion() {
    let options = Options { kill_sessions: true, ..Options::default() };
    let servers = has([("one", server(1, State::Ready)), ("two", server(2, State::Maint))]);
    let mut list = routes([route(1, "one", Standing::Active), route(2, "two", Standing::Suspect)]);
    assert!(words(&servers, &list, &[], &options).is_empty());
    list.servers.pop();
    assert_eq!(words(&servers, &list, &["two"], &options), ["shutdown sessions server b/two"]);
    assert!(words(&servers, &list, &["two"], &Options::default()).is_empty());
    assert!(words(&servers, &list, &[], &options).is_empty(), "once");
}
