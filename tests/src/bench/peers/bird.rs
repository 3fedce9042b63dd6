//! BIRD 2: its configuration, and what it logs about sessions.

use std::fmt::Write;
use std::fs;

use anyhow::Context;

use super::{Place, Said};
use crate::bench::reports::Kind;
use crate::process::Launch;

const PROGRAM: &str = "/usr/sbin/bird";

pub(super) fn prepare(place: &Place) -> anyhow::Result<Launch> {
    let config = place.folder.join("bird.conf");
    fs::write(&config, configuration(place)).with_context(|| format!("cannot write {}", config.display()))?;
    let [control, pid] = ["bird.ctl", "bird.pid"].map(|name| place.folder.join(name));
    Ok(Launch {
        program: PROGRAM.into(),
        args: vec!["-f".into(), "-c".into(), config.into(), "-s".into(), control.into(), "-P".into(), pid.into()],
        env: Vec::new(),
        log: place.folder.join("words"),
    })
}

fn configuration(place: &Place) -> String {
    let mut sessions = String::new();
    for neighbour in place.neighbours {
        let _ = writeln!(sessions, "  neighbor {neighbour} dev \"eth0\" local {};", place.own);
    }
    format!(
        "router id {};\n\
         timeformat log \"%s.%6f\";\n\
         log \"{}\" all;\n\
         protocol device {{ scan time 60; }}\n\
         protocol bfd {{\n  debug {{ events }};\n  interface \"eth0\" {{\n    min rx interval {us} us;\n    \
         min tx interval {us} us;\n    multiplier 3;\n  }};\n{sessions}}}\n",
        place.own,
        place.log.display(),
        us = place.interval.as_micros()
    )
}

/// `1795604579.605732 <TRACE> bfd1: Session to 10.77.0.1 changed state from Up to Down`
pub(super) fn parse(line: &str) -> Option<Said> {
    let (at, rest) = line.split_once(' ')?;
    let (_, rest) = rest.split_once("Session to ")?;
    let (of, change) = rest.split_once(" changed state from ")?;
    let (from, to) = change.split_once(" to ")?;
    let kind = match (from, to) {
        (_, "Up") => Kind::Heard,
        ("Up", _) => Kind::Silent,
        _ => return None,
    };
    let (seconds, micros) = at.split_once('.')?;
    let at_us = seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?;
    Some(Said { at_us, of: of.parse().ok()?, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_from_and_to_up_are_read() {
        let line = |change: &str| format!("1795604579.605732 <TRACE> bfd1: Session to 10.77.0.1 {change}");
        let said = |kind| Said { at_us: 1_795_604_579_605_732, of: [10, 77, 0, 1].into(), kind };
        assert_eq!(parse(&line("changed state from Up to Down")), Some(said(Kind::Silent)));
        assert_eq!(parse(&line("changed state from Init to Up")), Some(said(Kind::Heard)));
        assert_eq!(parse(&line("changed state from Down to Up")), Some(said(Kind::Heard)));
    }

    #[test]
    fn all_else_is_passed_over() {
        for line in [
            "1795604576.593799 <TRACE> bfd1: Session to 10.77.0.2 changed state from Down to Init",
            "1795604580.594811 <TRACE> bfd1: Session to 10.77.0.2 expired",
            "1795604576.585415 <INFO> Started",
            "",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
