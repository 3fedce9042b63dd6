//! keepalived: its BFD, and its VRRP. Its log has no more than whole seconds, so a thread of this process reads it as
//! it is written, and puts the time before each line.
//!
//! VRRP (RFC 9568) watches no neighbours: backups watch a master. So there is a virtual router for each server and each
//! of its two neighbours. The server is its master, the neighbour its backup, and "down" is when the backup takes over:
//! after three intervals and a little more.

use std::fmt::Write;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Context;

use super::{Place, Said};
use crate::bench::realtime;
use crate::bench::reports::Kind;
use crate::network::address;
use crate::process::Launch;

const PROGRAM: &str = "/usr/sbin/keepalived";
/// The thread that reads the log must not be later than what it reads of.
const PRIORITY: u8 = 45;
const PID_FILES: [&str; 3] = ["pid", "vrrp.pid", "bfd.pid"];
/// Where virtual routers have their addresses, which nobody uses.
const NOWHERE: [u8; 2] = [10, 78];

pub(super) fn prepare(place: &Place, vrrp: bool) -> anyhow::Result<Launch> {
    let config = place.folder.join("keepalived.conf");
    let text = if vrrp { routers(place) } else { sessions(place) };
    fs::write(&config, text).with_context(|| format!("cannot write {}", config.display()))?;
    let words = place.folder.join("words.fifo");
    if !words.exists() {
        nix::unistd::mkfifo(&words, nix::sys::stat::Mode::S_IRWXU).context("cannot make a pipe for keepalived")?;
        stamp(&words, &place.log)?;
    }
    let inside = |name: &str| place.folder.join(name).display().to_string();
    for name in PID_FILES {
        // Those of one that was killed. Another one would take it for alive while its number is in use.
        let _ = fs::remove_file(place.folder.join(name));
    }
    let [pid, vrrp_pid, bfd_pid] = PID_FILES.map(inside);
    let mut command = format!(
        "exec {PROGRAM} -f {} --dont-fork --log-console --log-detail --pid {pid} \
         --vrrp_pid {vrrp_pid} --bfd_pid {bfd_pid}",
        config.display(),
    );
    let _ = write!(command, " {} > {} 2>&1", if vrrp { "--vrrp" } else { "" }, words.display());
    let args = vec!["-c".into(), command.into()];
    Ok(Launch { program: "/bin/sh".into(), args, env: Vec::new(), log: place.folder.join("words") })
}

/// Copies the lines of a pipe to a log, each with the microseconds since 1970 before it, until the folder is gone.
fn stamp(words: &Path, log: &Path) -> anyhow::Result<()> {
    // For writing too, so that it does not end with its first writer.
    let pipe = OpenOptions::new().read(true).write(true).open(words).context("cannot open keepalived's pipe")?;
    let mut log = OpenOptions::new().create(true).append(true).open(log).context("cannot write keepalived's log")?;
    std::thread::spawn(move || {
        if let Err(error) = realtime::ask(PRIORITY) {
            eprintln!("keepalived's words may be read late: {error:#}");
        }
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
            if line == END || writeln!(log, "{} {line}", now.as_micros()).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// The line after which nobody reads the pipe any more.
const END: &str = "the end";

/// Ends the thread that reads this log.
pub(super) fn end(folder: &Path) {
    let pipe = OpenOptions::new().read(true).write(true).open(folder.join("words.fifo"));
    // Without a pipe there is no thread.
    let _ = pipe.map(|mut pipe| writeln!(pipe, "{END}"));
}

fn sessions(place: &Place) -> String {
    let mut text = String::new();
    let ms = place.interval.as_millis();
    for neighbour in place.neighbours {
        let _ = writeln!(
            text,
            "bfd_instance {} {{\n  neighbor_ip {neighbour}\n  source_ip {}\n  \
             min_rx {ms}\n  min_tx {ms}\n  multiplier 3\n}}",
            super::name_of(neighbour),
            place.own
        );
    }
    text
}

fn routers(place: &Place) -> String {
    let mut text = "global_defs {\n  vrrp_version 3\n}\n".to_owned();
    // Each server watches the one before it and the one after it.
    for (neighbour, after) in place.neighbours.into_iter().zip([false, true]) {
        text.push_str(&router(place, (place.own, neighbour), after));
        text.push_str(&router(place, (neighbour, place.own), !after));
    }
    text
}

/// One virtual router. `after`: its backup comes after its master on the ring.
fn router(place: &Place, (master, backup): (Ipv4Addr, Ipv4Addr), after: bool) -> String {
    let own = place.own;
    let (peer, priority) = if own == master { (backup, 200) } else { (master, 100) };
    let [from, to] = [master, backup].map(|address| address.octets()[3]);
    let number = u16::from(from) * 2 + u16::from(after);
    let [first, second] = NOWHERE;
    format!(
        "vrrp_instance {}-for-{} {{\n  state BACKUP\n  interface eth0\n  virtual_router_id {number}\n  \
         priority {priority}\n  advert_int {}\n  unicast_src_ip {own}\n  unicast_peer {{\n    {peer}\n  }}\n  \
         virtual_ipaddress {{\n    {first}.{second}.{from}.{to}/32 dev lo\n  }}\n}}\n",
        super::name_of(master),
        super::name_of(backup),
        place.interval.as_secs_f64(),
    )
}

/// `1796115283555923 Tue Dec  1 08:54:43 2026: (s1) Entering Down state (Local diagnostic - ...`
pub(super) fn parse_bfd(line: &str) -> Option<Said> {
    let (at_us, session, state) = entering(line)?;
    let kind = match state {
        "Up" => Kind::Heard,
        "Down" => Kind::Silent,
        _ => return None,
    };
    Some(Said { at_us, of: address_of(session)?, kind })
}

/// `1796115284608709 Tue Dec  1 08:54:44 2026: (s1-for-s2) Entering MASTER STATE`, as s2 says it: s1 is not heard.
pub(super) fn parse_vrrp(line: &str, own: &str) -> Option<Said> {
    let (at_us, router, state) = entering(line)?;
    let (master, backup) = router.split_once("-for-")?;
    let kind = match state {
        "BACKUP" => Kind::Heard,
        "MASTER" => Kind::Silent,
        _ => return None,
    };
    (backup == own).then_some(Said { at_us, of: address_of(master)?, kind })
}

fn entering(line: &str) -> Option<(u64, &str, &str)> {
    let (at_us, rest) = line.split_once(' ')?;
    let (head, state) = rest.split_once(") Entering ")?;
    let (_, name) = head.rsplit_once('(')?;
    Some((at_us.parse().ok()?, name, state.split(' ').next()?))
}

fn address_of(name: &str) -> Option<Ipv4Addr> {
    name.strip_prefix('s')?.parse().ok().map(address)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn sessions_go_up_and_down() {
        let line = |rest: &str| format!("1796115283555923 Tue Dec  1 08:54:43 2026: (s1) {rest}");
        let said = |kind| Said { at_us: 1_796_115_283_555_923, of: [10, 77, 0, 1].into(), kind };
        assert_eq!(parse_bfd(&line("Entering Up state")), Some(said(Kind::Heard)));
        let down = "Entering Down state (Local diagnostic - Control Detection Time Expired, Remote diagnostic - No)";
        assert_eq!(parse_bfd(&line(down)), Some(said(Kind::Silent)));
        assert_eq!(parse_bfd(&line("Expired after 30 ms (21 usec overdue)")), None);
        assert_eq!(parse_bfd(""), None);
    }

    #[test]
    fn only_the_backup_speaks_of_its_master() {
        let line = |rest: &str| format!("1796115284608709 Tue Dec  1 08:54:44 2026: (s1-for-s2) {rest}");
        let said = |kind| Said { at_us: 1_796_115_284_608_709, of: [10, 77, 0, 1].into(), kind };
        assert_eq!(parse_vrrp(&line("Entering MASTER STATE"), "s2"), Some(said(Kind::Silent)));
        assert_eq!(parse_vrrp(&line("Entering BACKUP STATE"), "s2"), Some(said(Kind::Heard)));
        assert_eq!(parse_vrrp(&line("Entering MASTER STATE"), "s1"), None);
        assert_eq!(parse_vrrp(&line("Receive advertisement timeout"), "s2"), None);
    }

    #[test]
    fn both_ends_of_a_virtual_router_have_its_number_and_no_other_has_it() {
        let place = |own: u8, before: u8, after: u8| Place {
            folder: "/x".into(),
            log: "/x/log".into(),
            own: address(own),
            neighbours: [address(before), address(after)],
            interval: Duration::from_millis(10),
        };
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for one in [place(1, 4, 2), place(2, 1, 3), place(3, 2, 4), place(4, 3, 1)] {
            let text = routers(&one);
            assert_eq!(text.matches("advert_int 0.01\n").count(), 4, "{text}");
            for router in text.split("vrrp_instance ").skip(1) {
                let (name, rest) = router.split_once(' ').unwrap();
                let number = rest.split("virtual_router_id ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
                all.entry(number.to_owned()).or_default().push(name.to_owned());
            }
        }
        assert_eq!(all.len(), 8, "{all:?}");
        assert!(all.values().all(|names| names.len() == 2 && names[0] == names[1]), "{all:?}");
    }
}
