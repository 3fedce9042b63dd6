//! `ringmon ring repair`: one ring again, after somebody wrote links by hand.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Ring;
use crate::cli::exit::Verdict;
use crate::cli::tell::tell;
use crate::cli::{database, out};
use crate::config::Typed;
use crate::show::saying::clean;
use ringmon_core::edit::Guard;
use ringmon_core::op::repair;
use ringmon_core::ring::{self, Named};
use ringmon_core::{NoticeBody, Plan, RowWrite, ServerId, ServerRow};

/// One row's new links.
struct Change<'a> {
    row: &'a ServerRow,
    /// As they were when this was written. Somebody may have changed them since the ring was first read.
    was: Guard,
    first: Option<ServerId>,
    second: Option<ServerId>,
}

/// Mends the ring, or only says what that would change.
pub fn run(typed: &Typed, dry_run: bool, as_json: bool) -> anyhow::Result<Verdict> {
    database::wait(async {
        let store = database::open(typed).await?;
        let by = database::operator();
        let ring = Ring::read(&store).await?;
        let plan = |rows: &[ServerRow], now| repair(&ring.pool, rows, now, &by);
        let written = if dry_run { plan(&ring.rows, ring.now) } else { store.rewrite(plan).await? };
        let changes = written.as_ref().map(|plan| changes(&ring, plan)).unwrap_or_default();
        let after = if dry_run { mended(&ring, &changes) } else { store.servers().await? };
        let before: Vec<String> = ring::check(&ring.rows).iter().map(ToString::to_string).collect();
        let left: Vec<String> = ring::check(&after).iter().map(ToString::to_string).collect();
        if as_json {
            out::json(&json!({
            "pool": ring.pool, "damages": before,
                "changes": changes.iter().map(Change::as_json).collect::<Vec<_>>(),
                "written": written.is_some() && !dry_run, "left": left,
            }))?;
        } else {
            out::line(&report(&ring, &before, &changes, &left, dry_run))?;
        }
        if !dry_run && !changes.is_empty() {
            let keys = store.pool().await?.keys;
            let letters: Vec<(&ServerRow, NoticeBody)> =
                changes.iter().map(|change| (change.row, NoticeBody::Spliced { subject: change.row.id })).collect();
            tell(&keys, &letters).await;
        }
        let well = left.is_empty() && (changes.is_empty() || !dry_run);
        Ok(if well { Verdict::Ok } else { Verdict::NotHealthy })
    })
}

/// The changes of rows that existed when the ring was first read. Others are not shown.
fn changes<'a>(ring: &'a Ring, plan: &Plan) -> Vec<Change<'a>> {
    let rows: BTreeMap<ServerId, &ServerRow> = ring.rows.iter().map(|row| (row.id, row)).collect();
    let each = plan.writes.iter().filter_map(|write| match write {
        RowWrite::Update { guard, set } => {
            let row = *rows.get(&guard.id)?;
            Some(Change { row, was: *guard, first: set.first_buddy, second: set.second_buddy })
        }
        RowWrite::Insert { .. } | RowWrite::Delete(_) | RowWrite::Answer { .. } => None,
    });
    each.collect()
}

fn mended(ring: &Ring, changes: &[Change<'_>]) -> Vec<ServerRow> {
    let changed: BTreeMap<ServerId, &Change<'_>> = changes.iter().map(|change| (change.row.id, change)).collect();
    let after = ring.rows.iter().map(|row| {
        let change = changed.get(&row.id);
        ServerRow {
            first_buddy: change.and_then(|c| c.first).unwrap_or(row.first_buddy),
            second_buddy: change.and_then(|c| c.second).unwrap_or(row.second_buddy),
            ..row.clone()
        }
    });
    after.collect()
}

impl Change<'_> {
    fn as_json(&self) -> Value {
        let link = |was: ServerId, is: Option<ServerId>| json!({ "was": was, "is": is.unwrap_or(was) });
        let (first, second) = (link(self.was.first_buddy, self.first), link(self.was.second_buddy, self.second));
        json!({ "server": self.row.card.name, "id": self.row.id, "first_buddy": first, "second_buddy": second })
    }

    fn as_text(&self, names: &BTreeMap<ServerId, String>) -> String {
        let name = |id: ServerId| names.get(&id).cloned().unwrap_or_else(|| id.to_string());
        let link = |word: &str, was: ServerId, is: Option<ServerId>| {
            is.map(|is| format!("{word} buddy {} (was {})", name(is), name(was)))
        };
        let links =
            [link("first", self.was.first_buddy, self.first), link("second", self.was.second_buddy, self.second)];
        let links: Vec<String> = links.into_iter().flatten().collect();
        format!("  {}: {}", Named::from(self.row), links.join(", "))
    }
}

fn report(ring: &Ring, before: &[String], changes: &[Change<'_>], left: &[String], dry_run: bool) -> String {
    let pool = &ring.pool;
    let mut lines = Vec::new();
    if !before.is_empty() {
        lines.push(format!("the ring of pool {pool} {} broken:", if dry_run { "is" } else { "was" }));
        lines.extend(before.iter().map(|damage| format!("  {damage}")));
    }
    let names: BTreeMap<ServerId, String> = ring.rows.iter().map(|row| (row.id, row.card.name.clone())).collect();
    let (many, all) = (changes.len(), ring.rows.len());
    match (changes.is_empty(), dry_run) {
        (true, _) if left.is_empty() => lines.push(format!("the ring of pool {pool} is whole: nothing to mend")),
        (true, _) => {}
        (false, true) => lines.push(format!("would change the links of {many} of {all} servers; nothing is written:")),
        (false, false) => lines.push(format!("mended, by the links of {many} of {all} servers:")),
    }
    lines.extend(changes.iter().map(|change| change.as_text(&names)));
    if !left.is_empty() {
        lines.push(
            "this is not mended by links; stop the agents concerned and take one of them out (`ringmon leave`):"
                .to_owned(),
        );
        lines.extend(left.iter().map(|damage| format!("  {damage}")));
    }
    lines.iter().map(|line| clean(line)).collect::<Vec<_>>().join("\n")
}
