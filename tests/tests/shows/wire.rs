//! What answers probes, and the server that nobody ever heard.

use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::Signal;
use ringmon_tests::clock::now_ns;
use ringmon_tests::fault::Fault;
use ringmon_tests::lab::{Lab, Options, PATIENCE};
use ringmon_tests::server::State;

use crate::{Result, pool};

/// In this mode XDP answers every probe: the kernel's own ICMP counters stand still.
fn the_kernels_icmp_stands_still(mode: &str) -> Result {
    let agent_args = vec!["--datapath".to_owned(), mode.to_owned()];
    let mut lab = Lab::pool(Options { agent_args, ..Options::built("debug") }, 3)?;
    for name in ["s1", "s2", "s3"] {
        lab.until("the mode asked for is in use", PATIENCE, |lab| {
            Ok((lab.board(name)?.datapath.mode.as_deref() == Some(mode)).then_some(()))
        })?;
        let kernel = |lab: &Lab| -> Result<[u64; 2]> {
            let server = lab.server(name)?;
            Ok([server.icmp("InEchos")?, server.icmp("OutEchoReps")?])
        };
        let answered = |lab: &Lab| -> Result<u64> {
            let verdicts = lab.board(name)?.datapath.verdicts;
            Ok(verdicts.iter().filter(|count| count.label == "answered").map(|count| count.value).sum())
        };
        let (before, xdp) = (kernel(&lab)?, answered(&lab)?);
        lab.until("XDP has answered fifty more", PATIENCE, |lab| Ok((answered(lab)? > xdp + 50).then_some(())))?;
        ensure!(kernel(&lab)? == before, "the kernel answered too: {before:?} became {:?}", kernel(&lab)?);
    }
    // The counters do count: an ordinary ping passes XDP, and the kernel answers it.
    let (pinger, pinged) = (lab.server("s1")?, lab.server("s2")?);
    let before = pinged.icmp("OutEchoReps")?;
    let address = ringmon_tests::network::address(pinged.number).to_string();
    pinger.namespace.command("ping", &["-c", "3", "-i", "0.01", &address], "")?;
    ensure!(pinged.icmp("OutEchoReps")? >= before + 3);
    Ok(())
}

#[test]
fn in_native_mode_the_kernels_icmp_stands_still() -> Result {
    the_kernels_icmp_stands_still("xdp-native")
}

#[test]
fn in_generic_mode_the_kernels_icmp_stands_still() -> Result {
    the_kernels_icmp_stands_still("xdp-generic")
}

#[test]
fn in_tc_mode_the_kernels_icmp_stands_still() -> Result {
    the_kernels_icmp_stands_still("tc")
}

#[test]
fn a_server_dead_before_anybody_probed_it_is_found_and_removed() -> Result {
    let agent_args = vec!["--on-stop".to_owned(), "stay".to_owned()];
    let mut lab = Lab::pool(Options { agent_args, ..Options::built("debug") }, 4)?;
    let victim = "s2";
    // All servers stop and keep their place. The victim never comes back, and no server remembers how to reach it.
    for name in ["s1", "s2", "s3", "s4"] {
        lab.signal(name, Signal::SIGTERM)?;
        lab.server(name)?.agent()?.wait(PATIENCE)?;
    }
    let port = lab.server(victim)?.number;
    lab.network.change(|faults| faults.cut = [port].into())?;
    let survivors = ["s1", "s3", "s4"];
    for name in survivors {
        let flushed = lab.server(name)?.namespace.command("ip", &["neigh", "flush", "all"], "");
        flushed.context("cannot flush neighbours")?;
    }
    let begin = now_ns();
    for name in survivors {
        lab.start(name, &[])?;
    }
    // All have just started: they give a server that they never heard a minute to come back.
    lab.until("it is out of the table", Duration::from_secs(60) + PATIENCE, |lab| {
        Ok(lab.events().iter().any(|event| event.mono_ns >= begin && event.is("down", victim)).then_some(()))
    })?;
    let heard = lab.events().iter().any(|event| event.mono_ns >= begin && event.is("alive", victim));
    ensure!(!heard, "nobody ever heard it");
    lab.mark(victim, State::Crashed);
    lab.until_whole()?;
    Ok(())
}

#[test]
fn a_probe_that_cannot_be_resolved_is_a_miss_and_counted_as_such() -> Result {
    let mut lab = pool(3)?;
    lab.must(&["pool", "freeze"])?;
    let victim = "s3";
    lab.strike(Fault::Crash, &[victim.to_owned()])?;
    for name in ["s1", "s2"] {
        // It fails when entries come and go meanwhile. The test waits for the effect instead.
        let _ = lab.server(name)?.namespace.command("ip", &["neigh", "flush", "all"], "");
    }
    lab.until("its silence is counted as unresolved", PATIENCE, |lab| {
        let unresolved = |name: &str| -> Result<bool> {
            let board = lab.board(name)?;
            Ok(board
                .watch(victim)
                .is_some_and(|w| w.reading.unresolved > 0 && w.reading.misses >= w.reading.unresolved))
        };
        Ok((unresolved("s1")? && unresolved("s2")?).then_some(()))
    })?;
    Ok(())
}
