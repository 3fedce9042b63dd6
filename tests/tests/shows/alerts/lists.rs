//! Which alerts the test with a real Prometheus makes fire, and why it leaves out the others.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, ensure};

use crate::Result;

/// These fire in the test.
pub const FIRED: &[&str] = &[
    "RingmonAgentDown",
    "RingmonRouterDown",
    "RingmonServerRemoved",
    "RingmonSuspectFlapping",
    "RingmonCheckFailing",
    "RingmonFrozen",
    "RingmonBraked",
    "RingmonRemovalsHeld",
    "RingmonRingDamaged",
    "RingmonAlone",
    "RingmonBlind",
    "RingmonBrokenLink",
    "RingmonLinkDown",
    "RingmonNoticesUndelivered",
    "RingmonProbesUnsent",
    "RingmonDatabaseAway",
    "RingmonRouterDatabaseAway",
    "RingmonTableWentBack",
    "RingmonRoutesPanic",
    "RingmonRoutesStale",
    "RingmonTargetOutOfStep",
];

/// These would take much longer than a minute, or need what no lab has. `ringmon.rules.test.yml` has them all.
const LEFT_OUT: &[(&str, &str)] = &[
    ("RingmonFilesRunOut", "for: 1m, and most of the files that a process may open have to be open"),
    ("RingmonMembersMissing", "for: 5m"),
    ("RingmonNotMember", "for: 1m, and an agent that joins in vain"),
    ("RingmonDrainedLong", "looks back a day"),
    ("RingmonObserving", "for: 1h"),
    ("RingmonProbesForged", "for: 1m, after a rate of five minutes"),
    ("RingmonAgentLate", "for: 1m, after a mean of five minutes"),
    ("RingmonAnswersTooSlow", "for: 1m, after 16 slow looks at the table"),
    ("RingmonCaExpires", "needs a database with certificates, which no lab has"),
];

/// These go on after their fault is undone, because they look back.
pub const LASTING: &[&str] = &[
    "RingmonServerRemoved",
    "RingmonSuspectFlapping",
    "RingmonNoticesUndelivered",
    "RingmonTableWentBack",
    "RingmonProbesUnsent",
];

/// The rules as they are packaged.
pub fn rules() -> Result<PathBuf> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../ringmon/packaging/prometheus");
    folder.join("ringmon.rules.yml").canonicalize().context("the rules are not in ringmon/packaging/prometheus")
}

#[test]
fn every_alert_of_the_rules_is_tried_or_left_out_for_a_reason() -> Result {
    let file = rules()?;
    let text = std::fs::read_to_string(&file).context("cannot read the rules")?;
    let named = text.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let in_rules: BTreeSet<&str> = named.map(str::trim).collect();
    let fired: BTreeSet<&str> = FIRED.iter().copied().collect();
    let left_out: BTreeSet<&str> = LEFT_OUT.iter().map(|(name, _)| *name).collect();
    let twice: Vec<_> = fired.intersection(&left_out).collect();
    ensure!(twice.is_empty(), "these are in both lists: {twice:?}");
    let listed: BTreeSet<&str> = fired.union(&left_out).copied().collect();
    let new: Vec<_> = in_rules.difference(&listed).collect();
    ensure!(new.is_empty(), "put these alerts into FIRED with a fault, or into LEFT_OUT with a reason: {new:?}");
    let gone: Vec<_> = listed.difference(&in_rules).collect();
    ensure!(gone.is_empty(), "these are no alerts of {} any more: {gone:?}", file.display());
    let tests = file.with_file_name("ringmon.rules.test.yml");
    let tests = std::fs::read_to_string(tests).context("cannot read the rules' own tests")?;
    let tested = |name: &str| tests.contains(&format!("alertname: {name}\n"));
    let untested: Vec<_> = left_out.iter().filter(|name| !tested(name)).collect();
    ensure!(untested.is_empty(), "neither a fault nor ringmon.rules.test.yml tries these: {untested:?}");
    Ok(())
}
