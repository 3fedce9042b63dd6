//! bfdd of FRRouting, alone: sessions with addresses do not need zebra.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Context;

use super::{Place, Said};
use crate::bench::reports::Kind;
use crate::process::Launch;
use crate::undo::Undo;

const PROGRAM: &str = "/usr/lib/frr/bfdd";
/// Where its daemons keep what a crash is told from, whatever options they get.
const CRUMBS: &str = "/var/tmp/frr";

pub(super) fn prepare(place: &Place) -> anyhow::Result<Launch> {
    let config = place.folder.join("bfdd.conf");
    fs::write(&config, configuration(place)).with_context(|| format!("cannot write {}", config.display()))?;
    let inside = |name: &str| place.folder.join(name).into_os_string();
    // The package's group: bfdd refuses others. Port 0: no terminal over TCP.
    let mut args = ["-u", "root", "-g", "frrvty", "-P", "0"].map(Into::into).to_vec();
    args.extend(["-f".into(), config.into(), "-i".into(), inside("pid"), "-z".into(), inside("zebra")]);
    args.extend(["--vty_socket".into(), place.folder.clone().into(), "--bfdctl".into(), inside("control")]);
    // Its log has local time.
    let env = vec![("TZ".into(), "UTC".into())];
    Ok(Launch { program: PROGRAM.into(), args, env, log: place.folder.join("words") })
}

/// Removes what a killed bfdd leaves in [`CRUMBS`], and that folder if no other process uses it.
pub(super) fn sweep_later(pid: i32) -> Undo {
    Undo::later(move || {
        // Usually it does not exist.
        let _ = fs::remove_dir_all(Path::new(CRUMBS).join(format!("bfdd.{pid}")));
        let _ = fs::remove_dir(CRUMBS);
    })
}

fn configuration(place: &Place) -> String {
    let mut sessions = String::new();
    for neighbour in place.neighbours {
        let _ = writeln!(sessions, " peer {neighbour} local-address {}\n  profile ring\n exit", place.own);
    }
    format!(
        "log file {} debugging\nlog timestamp precision 6\ndebug bfd peer\n\
         bfd\n profile ring\n  detect-multiplier 3\n  receive-interval {ms}\n  transmit-interval {ms}\n exit\n\
         {sessions}exit\n",
        place.log.display(),
        ms = place.interval.as_millis()
    )
}

/// `2026/11/25 11:03:25.171241 BFD: [SEY1D-NT8EQ] state-change: [mhop:no peer:10.77.0.2 ...] up -> down reason:...`
pub(super) fn parse(line: &str) -> Option<Said> {
    let (at, rest) = line.split_once(" BFD: ")?;
    let (_, rest) = rest.split_once("state-change: [")?;
    let (session, change) = rest.split_once("] ")?;
    let of = session.split(' ').find_map(|word| word.strip_prefix("peer:"))?;
    let (from, to) = change.split_once(" -> ")?;
    let kind = match (from, to.split(' ').next()?) {
        (_, "up") => Kind::Heard,
        ("up", _) => Kind::Silent,
        _ => return None,
    };
    Some(Said { at_us: microseconds(at)?, of: of.parse().ok()?, kind })
}

/// The time of `2026/11/25 11:03:25.171241` since 1970.
fn microseconds(at: &str) -> Option<u64> {
    let numbers: Vec<u64> =
        at.split(['/', ' ', ':', '.']).map(|word| word.parse().ok()).collect::<Option<Vec<u64>>>()?;
    let [year, month, day, hour, minute, second, micros] = numbers.try_into().ok()?;
    let seconds = ((days(year, month, day)? * 24 + hour) * 60 + minute) * 60 + second;
    Some(seconds * 1_000_000 + micros)
}

/// Days from 1970 to a later day of the Gregorian calendar. Years begin in March, so that the leap day is the last one.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let to_march = (153 * month + 2) / 5;
    // 719468 days from 1 March 0 to 1 January 1970.
    (year * 365 + year / 4 - year / 100 + year / 400 + to_march + day - 1).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_from_and_to_up_are_read() {
        let line = |change: &str| {
            format!(
                "2026/11/25 11:03:25.171241 BFD: [SEY1D-NT8EQ] state-change: \
                 [mhop:no peer:10.77.0.2 local:10.77.0.1 vrf:default] {change}"
            )
        };
        // date -u -d '2026-11-25 11:03:25' +%s
        let said = |kind| Said { at_us: 1_795_604_605_171_241, of: [10, 77, 0, 2].into(), kind };
        assert_eq!(parse(&line("up -> down reason:control-expired")), Some(said(Kind::Silent)));
        assert_eq!(parse(&line("init -> up")), Some(said(Kind::Heard)));
        assert_eq!(parse(&line("down -> init")), None);
        assert_eq!(parse("2026/11/25 11:03:23.606504 BFD: [PSB4R-8T1TJ] session-new: mhop:no peer:10.77.0.2"), None);
    }

    #[test]
    fn days_are_counted_over_leap_years() {
        assert_eq!(days(1970, 1, 1), Some(0));
        assert_eq!(days(2000, 2, 29), Some(11_016));
        assert_eq!(days(2000, 3, 1), Some(11_017));
        assert_eq!(days(2100, 3, 1), Some(47_541));
        assert_eq!(days(1969, 12, 31), None);
    }
}
