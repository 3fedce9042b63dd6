//! Servers that ringmon adds and deletes.

use std::time::Duration;

use super::super::Options;
use super::super::command::State;
use super::kept::{Kept, NEVER, OFTEN, local, stands};
use super::rig::{HaProxy, origin};
use ringmon_core::route::Standing;

fn dynamic(every: Duration) -> Options {
    Options { dynamic: true, kill_sessions: true, every, ..Options::default() }
}

#[tokio::test]
async fn servers_come_and_go() {
    let haproxy = HaProxy::start("", "").await;
    let (one, two) = (local(1, "one", origin("one").await), local(2, "two", origin("two").await));
    let mut kept = Kept::start(haproxy.at("admin"), dynamic(NEVER), [one.clone()]);
    let status = kept.until(|status| status.applied > 0).await;
    assert!(status.in_step, "{status:?}");
    assert_eq!(haproxy.forty().await, [("one".into(), 40)].into());
    kept.set([one.clone(), two.clone()]).await;
    assert_eq!(haproxy.forty().await, [("one".into(), 20), ("two".into(), 20)].into());
    kept.set([stands(&one, Standing::Suspect), two.clone()]).await;
    assert_eq!(haproxy.servers().await["one"].state, State::Maint, "a suspicion deletes nothing");
    kept.set([two]).await;
    haproxy.until("one", |one| one.is_none()).await;
    assert_eq!(haproxy.forty().await, [("two".into(), 40)].into());
}

#[tokio::test]
async fn one_with_sessions_is_deleted_once_they_end() {
    let haproxy = HaProxy::start("", "").await;
    let (one, two) = (local(1, "one", origin("one").await), local(2, "two", origin("two").await));
    let options = Options { kill_sessions: false, ..dynamic(OFTEN) };
    let mut kept = Kept::start(haproxy.at("admin"), options, [one.clone()]);
    haproxy.until("one", |one| one.is_some_and(|one| one.state == State::Ready)).await;
    let mut waiting = Box::pin(haproxy.get("/hang", ""));
    let connected = haproxy.until_sessions("one", 1);
    tokio::select! { answer = &mut waiting => panic!("answered: {answer}"), () = connected => {} }
    let status = kept.set([two]).await;
    haproxy.until("two", |two| two.is_some_and(|two| two.state == State::Ready)).await;
    // Each further look tries again. A server that cannot be deleted yet is no problem.
    let status = kept.until(|now| now.in_step && now.applied >= status.applied).await;
    assert_eq!(status.problem, None);
    assert_eq!(haproxy.servers().await["one"].state, State::Maint);
    drop(waiting);
    haproxy.until("one", |one| one.is_none()).await;
}

#[tokio::test]
async fn a_new_ringmon_knows_what_the_last_one_added() {
    let haproxy = HaProxy::start("  server fixed 127.0.0.1:9", "").await;
    let (one, two) = (local(1, "one", 9), local(2, "two", 9));
    let mut kept = Kept::start(haproxy.at("admin"), dynamic(NEVER), [one.clone(), two]);
    kept.until(|status| status.in_step && status.applied > 0).await;
    drop(kept);
    let mut kept = Kept::start(haproxy.at("admin"), dynamic(NEVER), [one]);
    kept.until(|status| status.in_step).await;
    let servers = haproxy.servers().await;
    assert_eq!(servers.keys().collect::<Vec<_>>(), ["fixed", "one"]);
    assert_eq!((servers["fixed"].state, servers["one"].state), (State::Maint, State::Ready));
}

#[tokio::test]
async fn checks_of_an_added_server_run() {
    let haproxy = HaProxy::start("", "").await;
    let options = Options { add_options: "check inter 10ms fall 1 rise 1".into(), ..dynamic(OFTEN) };
    // Nothing listens there. HAProxy's own check finds that out only if it runs.
    let mut kept = Kept::start(haproxy.at("admin"), options, [local(1, "one", 9)]);
    kept.until(|status| status.in_step).await;
    haproxy.until_column("one", "srv_op_state", "0").await;
    assert!(haproxy.servers().await["one"].checks);
}

#[tokio::test]
async fn what_haproxy_refuses_is_named() {
    let haproxy = HaProxy::start("", "").await;
    let options = Options { add_options: "chekc".into(), ..dynamic(NEVER) };
    let mut kept = Kept::start(haproxy.at("admin"), options, [local(1, "one", 9)]);
    let problem = kept.until(|status| status.problem.is_some()).await.problem.unwrap();
    assert!(problem.contains("add server b/one") && problem.contains("unknown keyword 'chekc'"), "{problem}");
    let options = Options { add_options: "check; shutdown sessions server b/x".into(), ..dynamic(NEVER) };
    let mut kept = Kept::start(haproxy.at("admin"), options, [local(1, "one", 9)]);
    let problem = kept.until(|status| status.problem.is_some()).await.problem.unwrap();
    assert!(problem.contains("cannot stand behind"), "{problem}");
}
