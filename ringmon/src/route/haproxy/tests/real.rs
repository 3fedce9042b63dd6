//! Servers that `haproxy.cfg` names.

use std::time::Duration;

use super::super::command::State;
use super::super::{Options, SocketAt};
use super::kept::{Kept, NEVER, OFTEN, local, stands};
use super::rig::{HaProxy, origin};
use ringmon_core::route::{Route, Standing};

fn every(every: Duration) -> Options {
    Options { every, ..Options::default() }
}

async fn two() -> (HaProxy, Route, Route) {
    let (one, two) = (origin("one").await, origin("two").await);
    let backend = format!("  server one 127.0.0.1:{one} cookie one\n  server two 127.0.0.1:{two} cookie two");
    (HaProxy::start(&backend, "").await, local(1, "one", one), local(2, "two", two))
}

#[tokio::test]
async fn a_suspect_gets_no_further_request_and_comes_back() {
    let (haproxy, one, two) = two().await;
    let mut kept = Kept::start(haproxy.at("admin"), every(NEVER), [one.clone(), two.clone()]);
    kept.until(|status| status.in_step).await;
    assert_eq!(haproxy.forty().await, [("one".into(), 20), ("two".into(), 20)].into());
    let status = kept.set([one.clone(), stands(&two, Standing::Suspect)]).await;
    assert!(status.in_step && status.applied == 1, "{status:?}");
    assert_eq!(haproxy.forty().await, [("one".into(), 40)].into());
    assert_eq!(haproxy.get("/", "two").await, "one", "not even whoever is bound to it");
    kept.set([one, two]).await;
    assert_eq!(haproxy.forty().await, [("one".into(), 20), ("two".into(), 20)].into());
}

#[tokio::test]
async fn one_that_drains_keeps_the_clients_that_are_bound_to_it() {
    let (haproxy, one, two) = two().await;
    let mut kept = Kept::start(haproxy.at("admin"), every(NEVER), [one.clone(), two.clone()]);
    kept.until(|status| status.in_step).await;
    kept.set([one, stands(&two, Standing::Draining)]).await;
    assert_eq!(haproxy.forty().await, [("one".into(), 40)].into());
    assert_eq!(haproxy.get("/", "two").await, "two");
}

#[tokio::test]
async fn weights_share_the_clients() {
    let (haproxy, one, two) = two().await;
    let mut kept = Kept::start(haproxy.at("admin"), every(NEVER), [one.clone(), two.clone()]);
    kept.until(|status| status.in_step).await;
    kept.set([Route { weight: 3000, ..one }, Route { weight: 1000, ..two }]).await;
    let answered = haproxy.forty().await;
    assert!((28..=34).contains(&answered["one"]), "{answered:?}");
    let weights: Vec<u16> = haproxy.servers().await.values().map(|server| server.weight).collect();
    assert_eq!(weights, [256, 85]);
}

#[tokio::test]
async fn a_server_that_moves_is_followed() {
    let (haproxy, one, two) = two().await;
    let mut kept = Kept::start(haproxy.at("admin"), every(NEVER), [one.clone(), two.clone()]);
    kept.until(|status| status.in_step).await;
    let status = kept.set([one, Route { port: Some(origin("moved").await), ..two }]).await;
    assert!(status.in_step, "{status:?}");
    assert_eq!(haproxy.forty().await, [("moved".into(), 20), ("one".into(), 20)].into());
}

#[tokio::test]
async fn a_server_of_no_route_gets_nobody_and_empty_routes_change_nothing() {
    let (haproxy, one, _) = two().await;
    let mut kept = Kept::start(haproxy.at("admin"), every(OFTEN), []);
    let status = kept.until(|status| status.problem.is_some()).await;
    assert!(status.problem.unwrap().contains("nothing is known") && !status.in_step);
    assert_eq!(haproxy.forty().await, [("one".into(), 20), ("two".into(), 20)].into());
    kept.set([one]).await;
    assert_eq!(haproxy.forty().await, [("one".into(), 40)].into());
    kept.say([]);
    kept.until(|status| !status.in_step).await;
    assert_eq!(haproxy.forty().await, [("one".into(), 40)].into());
}

#[tokio::test]
async fn a_hand_is_put_right() {
    let (haproxy, one, two) = two().await;
    let mut kept = Kept::start(haproxy.at("admin"), every(OFTEN), [one.clone(), stands(&two, Standing::Suspect)]);
    kept.until(|status| status.applied == 1).await;
    haproxy.hand("set server b/two state ready").await;
    kept.until(|status| status.applied == 2).await;
    haproxy.until("two", |two| two.is_some_and(|two| two.state == State::Maint)).await;
    kept.set([one, two]).await;
    haproxy.hand("set server b/one weight 7").await;
    haproxy.until("one", |one| one.is_some_and(|one| one.weight == 1)).await;
}

#[tokio::test]
async fn sessions_end_with_a_server_that_is_dead_and_not_with_one_that_left() {
    let (haproxy, one, two) = two().await;
    let options = Options { kill_sessions: true, ..every(NEVER) };
    let mut kept = Kept::start(haproxy.at("admin"), options, [one.clone(), two.clone()]);
    kept.until(|status| status.in_step).await;
    let mut waiting = Box::pin(haproxy.get("/hang", "two"));
    let connected = haproxy.until_sessions("two", 1);
    tokio::select! { answer = &mut waiting => panic!("answered: {answer}"), () = connected => {} }
    kept.set([one.clone(), stands(&two, Standing::Suspect)]).await;
    haproxy.until_sessions("two", 1).await;
    // It left, or lost its agent, and still answers its last client.
    kept.set([stands(&one, Standing::Draining)]).await;
    haproxy.until_sessions("two", 1).await;
    kept.set([one.clone(), two]).await;
    kept.set_with_dead([one], &["two"]);
    // Without it the client would wait for the 60 s of `timeout server`, which is longer than the test.
    let answer = waiting.await;
    assert!(!answer.contains("two"), "{answer}");
    haproxy.until_sessions("two", 0).await;
}

#[tokio::test]
async fn a_socket_that_may_not_says_what_to_write() {
    let (haproxy, one, two) = two().await;
    for level in ["user", "operator"] {
        let mut kept = Kept::start(haproxy.at(level), every(OFTEN), [one.clone(), two.clone()]);
        let status = kept.until(|status| status.problem.is_some()).await;
        let problem = status.problem.unwrap();
        assert!(problem.contains(&format!("`stats socket {} level admin`", haproxy.at(level))), "{problem}");
    }
}

#[tokio::test]
async fn what_haproxy_does_not_have_is_named() {
    let (haproxy, one, two) = two().await;
    let three = local(3, "three", 9);
    let mut kept = Kept::start(haproxy.at("admin"), every(NEVER), [one, two, three]);
    let status = kept.until(|status| status.problem.is_some()).await;
    assert_eq!(status.problem.unwrap(), "haproxy.cfg has no server for \"three\" (1)");
}

#[tokio::test]
async fn what_is_undone_again_and_again_is_named() {
    let (haproxy, one, two) = two().await;
    let mut kept = Kept::start(haproxy.at("admin"), every(OFTEN), [one, stands(&two, Standing::Suspect)]);
    let task = async {
        loop {
            haproxy.hand("set server b/two state ready").await;
        }
    };
    let named = kept.until(|status| status.problem.is_some());
    tokio::select! { () = task => {}, status = named => {
        let problem = status.problem.unwrap();
        assert_eq!(problem, "somebody undoes what is set, as `set server b/two state maint`");
    } }
}

#[tokio::test]
async fn a_static_algorithm_does_with_weights_that_are_alike() {
    let backend = "  balance source\n  server one 127.0.0.1:9\n  server two 127.0.0.1:9";
    let haproxy = HaProxy::start(backend, "").await;
    let weighing = |id, name, weight| Route { weight, ..local(id, name, 9) };
    let (one, two) = (weighing(1, "one", 100), weighing(2, "two", 100));
    let mut kept = Kept::start(haproxy.at("admin"), every(NEVER), [one.clone(), two]);
    kept.until(|status| status.in_step).await;
    kept.say([one, weighing(2, "two", 50)]);
    let problem = kept.until(|status| status.problem.is_some()).await.problem.unwrap();
    assert!(problem.contains("static LB algorithm"), "{problem}");
}

#[tokio::test]
async fn the_snippet_of_the_manual_is_right() {
    let manual = include_str!("../../../../../docs/routing.md");
    let snippets: Vec<&str> =
        manual.split("```haproxy\n").skip(1).filter_map(|part| part.split("```").next()).collect();
    assert_eq!(snippets.len(), 3, "one with servers, one without, one that asks agents");
    for snippet in snippets {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cfg");
        std::fs::write(&path, snippet).unwrap();
        let check = std::process::Command::new(ringmon_tests::engine::find("haproxy").unwrap())
            .args(["-c", "-f"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    }
}

#[tokio::test]
async fn a_port_will_do_for_a_socket() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let backend = "  server one 127.0.0.1:9";
    let haproxy = HaProxy::start(backend, &format!("stats socket ipv4@127.0.0.1:{port} level admin")).await;
    let socket = SocketAt::Tcp(format!("localhost:{port}"));
    let mut kept = Kept::start(socket, every(NEVER), [stands(&local(1, "one", 9), Standing::Failing)]);
    kept.until(|status| status.applied == 1).await;
    assert_eq!(haproxy.servers().await["one"].state, State::Maint);
}
