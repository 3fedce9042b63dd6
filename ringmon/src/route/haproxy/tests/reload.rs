//! HAProxy forgets: by a reload, by a restart.

use super::super::Options;
use super::super::command::State;
use super::kept::{Kept, OFTEN, local, stands};
use super::rig::{HaProxy, origin};
use ringmon_core::route::Standing;

const STATIC: &str = "  server one 127.0.0.1:9\n  server two 127.0.0.1:9";

#[tokio::test]
async fn a_reload_is_put_right() {
    let haproxy = HaProxy::start_with_master(STATIC).await;
    let options = Options { dynamic: true, every: OFTEN, ..Options::default() };
    let (one, two) = (local(1, "one", 9), stands(&local(2, "two", 9), Standing::Suspect));
    let added = local(3, "added", origin("added").await);
    let mut kept = Kept::start(haproxy.at("admin"), options, [one, two, added]);
    kept.until(|status| status.in_step).await;
    let (before, status) = (haproxy.pid().await, kept.until(|_| true).await);
    haproxy.reload().await;
    kept.until(|now| now.in_step && now.applied >= status.applied + 3).await;
    assert_ne!(haproxy.pid().await, before);
    let servers = haproxy.servers().await;
    let states = ["one", "two", "added"].map(|name| servers[name].state);
    assert_eq!(states, [State::Ready, State::Maint, State::Ready]);
}

#[tokio::test]
async fn an_haproxy_that_was_away_is_put_right() {
    let mut haproxy = HaProxy::start(STATIC, "").await;
    let options = Options { every: OFTEN, ..Options::default() };
    let (one, two) = (local(1, "one", 9), local(2, "two", 9));
    let mut kept = Kept::start(haproxy.at("admin"), options, [one.clone(), two.clone()]);
    kept.until(|status| status.in_step).await;
    haproxy.stop();
    let problem = kept.until(|status| !status.in_step).await.problem.unwrap();
    assert!(problem.contains("cannot connect") || problem.contains("broke off"), "{problem}");
    kept.say([one, stands(&two, Standing::Suspect)]);
    haproxy.again().await;
    kept.until(|status| status.in_step).await;
    haproxy.until("two", |two| two.is_some_and(|two| two.state == State::Maint)).await;
}
