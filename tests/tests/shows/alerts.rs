//! The alerts of `packaging/prometheus`, in a real Prometheus, when what they tell of is really so. And none of them in
//! a healthy pool.
//!
//! Most alerts wait half a minute, so the faults are made in two rounds: first those that remove nobody, then those
//! that do. Within a round one is made after the other, and then each alert is awaited.

mod lists;
mod scene;

use std::time::Duration;

use anyhow::{Context, ensure};
use ringmon_tests::fault::Fault;
use ringmon_tests::lab::PATIENCE;

use crate::Result;
use lists::{FIRED, LASTING};
use scene::Scene;

/// For how long a healthy pool is watched.
const HEALTHY: Duration = Duration::from_secs(10);

#[test]
fn every_fault_fires_its_alert_and_a_healthy_pool_none() -> Result {
    let began = std::time::Instant::now();
    let mut scene = Scene::start()?;
    scene.healthy(HEALTHY)?;
    println!("healthy after {:.1} s", began.elapsed().as_secs_f64());
    nobody_removed(&mut scene)?;
    println!("the second round begins after {:.1} s", began.elapsed().as_secs_f64());
    removed(&mut scene)?;
    let missing: Vec<_> = FIRED.iter().filter(|name| !scene.fired.contains(**name)).collect();
    ensure!(missing.is_empty(), "the list says that these fire, and nobody awaits them: {missing:?}");
    println!("{} alerts in {:.1} s", scene.fired.len(), began.elapsed().as_secs_f64());
    Ok(())
}

/// What nobody is removed for, because the pool is frozen.
fn nobody_removed(scene: &mut Scene) -> Result {
    let [a, b, c, d, e, f] = scene.order.clone();
    scene.lab.must(&["pool", "freeze"])?;
    scene.expect("RingmonFrozen", &[("pool", "lab")]);

    scene.hook_works(false)?;
    scene.expect("RingmonTargetOutOfStep", &[("instance", "lb1")]);
    // More than half of the servers that were routed.
    for name in [&a, &b, &c, &f] {
        scene.web(name)?.fail(true);
        scene.expect("RingmonCheckFailing", &[("instance", name), ("check", "http://127.0.0.1:8080/")]);
    }
    scene.expect("RingmonRoutesPanic", &[("instance", "lb1")]);

    let port = scene.lab.server(&d)?.number;
    scene.lab.network.change(|faults| faults.isolated = [port].into())?;
    scene.expect("RingmonAlone", &[("instance", &d)]);
    scene.expect("RingmonRemovalsHeld", &[("instance", &c), ("server", &d)]);
    scene.link(&e, "down")?;
    scene.expect("RingmonLinkDown", &[("instance", &e)]);
    scene.expect("RingmonBlind", &[("instance", &e), ("reason", "link_down")]);
    scene.expect("RingmonProbesUnsent", &[("instance", &e)]);
    // That link was its way to the database too. Only Prometheus comes another way.
    scene.expect("RingmonDatabaseAway", &[("instance", &e)]);

    // The row of the server without a link: nobody else reads it.
    let ring = scene.lab.ring()?;
    let id = |name: &str| ring.row(name).map(|row| row.id).with_context(|| format!("{name} is not on the ring"));
    scene.lab.database.sql(&format!("UPDATE server SET first_buddy = {} WHERE id = {}", id(&b)?, id(&e)?))?;
    scene.expect("RingmonRingDamaged", &[("pool", "lab")]);

    // It keeps its way to the database for as long as it runs, so it is started again.
    scene.far = None;
    scene.router("lb2")?.kill()?;
    scene.start_again("lb2")?;
    scene.expect("RingmonRouterDatabaseAway", &[("instance", "lb2")]);
    scene.expect("RingmonRoutesStale", &[("instance", "lb2")]);

    scene.udp_to_hub(false)?;
    scene.expect("RingmonNoticesUndelivered", &[("peer", "10.77.0.254")]);

    // Three suspicions, of which the last stays.
    scene.expect("RingmonSuspectFlapping", &[("instance", &a), ("server", &b)]);
    for cut in [true, false, true, false, true] {
        scene.pair(&a, &b, cut)?;
        scene.until_suspects(&a, &b, cut)?;
        // Whatever changes, the routers are told.
        let order = if cut { "drain" } else { "undrain" };
        scene.lab.must(&[order, &c])?;
    }
    scene.expect("RingmonBrokenLink", &[("instance", &a), ("server", &b)]);
    scene.until_fired(Duration::from_secs(90), |scene, turn| {
        // A change each second: a notice that nobody acknowledges is given up after 0.8 s.
        if scene.awaits("RingmonNoticesUndelivered") && turn % 5 == 0 {
            let order = if turn % 10 == 0 { "undrain" } else { "drain" };
            scene.lab.must(&[order, &c])?;
        }
        // The sixth change of the suspicion is its end. The broken link has to last until its alert.
        if !scene.awaits("RingmonBrokenLink") && scene.awaits("RingmonSuspectFlapping") {
            scene.pair(&a, &b, false)?;
        }
        Ok(())
    })?;

    // A table that is older than what everybody knows.
    scene.lab.database.sql("UPDATE pool SET version = version - 1")?;
    scene.expect("RingmonTableWentBack", &[("pool", "lab")]);
    scene.until_fired(PATIENCE, |_, _| Ok(()))?;

    scene.pair(&a, &b, false)?;
    scene.lab.must(&["undrain", &c])?;
    scene.hook_works(true)?;
    for name in [&a, &b, &c, &f] {
        scene.web(name)?.fail(false);
    }
    scene.lab.network.change(|faults| faults.isolated.clear())?;
    scene.link(&e, "up")?;
    scene.udp_to_hub(true)?;
    scene.far()?;
    scene.lab.must(&["ring", "repair"])?;
    scene.lab.until_whole()?;
    scene.lab.must(&["pool", "thaw"])?;
    scene.until_only(LASTING).context("all faults of the first round are undone")
}

/// Servers die, and then what would tell of it.
fn removed(scene: &mut Scene) -> Result {
    let [_, b, c, d, e, f] = scene.order.clone();
    for name in [&d, &e] {
        scene.lab.strike(Fault::Crash, std::slice::from_ref(name))?;
        scene.expect("RingmonServerRemoved", &[("server", name), ("kind", "down")]);
        scene.expect("RingmonAgentDown", &[("instance", name)]);
        scene.until_fired_or(PATIENCE, |scene| !scene.awaits("RingmonServerRemoved"))?;
        scene.lab.until_whole()?;
    }
    scene.lab.strike(Fault::AgentKill, std::slice::from_ref(&b))?;
    scene.expect("RingmonServerRemoved", &[("server", &b), ("kind", "agent_lost")]);
    scene.expect("RingmonAgentDown", &[("instance", &b)]);
    scene.lab.until_whole()?;
    // Three may be gone of six, and no fourth.
    scene.lab.strike(Fault::Crash, std::slice::from_ref(&c))?;
    scene.expect("RingmonBraked", &[("pool", "lab")]);
    scene.router("lb1")?.kill()?;
    scene.expect("RingmonRouterDown", &[("instance", "lb1")]);
    scene.until_fired_or(PATIENCE, |scene| !scene.awaits("RingmonBraked"))?;

    // New connections through it would wait for the frozen database, on the one thread that also asks Prometheus.
    scene.far = None;
    scene.lab.database.mariadb().context("a MariaDB")?.process().freeze()?;
    scene.expect("RingmonDatabaseAway", &[("instance", &f)]);
    scene.expect("RingmonRouterDatabaseAway", &[("instance", "lb2")]);
    scene.until_fired(Duration::from_secs(90), |_, _| Ok(()))?;

    scene.lab.database.mariadb().context("a MariaDB")?.process().thaw()?;
    scene.far()?;
    scene.start_again("lb1")?;
    scene.lab.strike(Fault::Return, &[b, c, d, e])?;
    scene.lab.until_whole()?;
    scene.until_only(LASTING).context("all faults of the second round are undone")
}
