//! The ring as a line of arrows, a table, or JSON.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Zoned;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::super::{out, when};
use super::Ring;
use crate::show::in_units;
use crate::show::saying::clean;
use ringmon_core::card::Card;
use ringmon_core::row::Side;
use ringmon_core::{DbTime, Health, ServerId, ServerRow, Word as _, law, ring};

/// A larger ring gets no picture: a table is clearer.
const PICTURE_AT_MOST: usize = 32;

/// The rows along the ring, starting with the oldest. In a broken ring the rest follows, chain by chain.
pub(super) fn in_order(rows: &[ServerRow]) -> Vec<&ServerRow> {
    let by_id: BTreeMap<ServerId, ServerRow> = rows.iter().map(|row| (row.id, row.clone())).collect();
    let listed: BTreeMap<ServerId, &ServerRow> = rows.iter().map(|row| (row.id, row)).collect();
    let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
    for &start in by_id.keys() {
        if !seen.contains(&start) {
            order.extend(ring::order(&by_id, start).into_iter().filter(|&id| seen.insert(id)));
        }
    }
    order.iter().filter_map(|id| listed.get(id).copied()).collect()
}

/// `pool`, whether it is `whole`, and its `servers` in the order of the ring.
pub fn as_json(ring: &Ring) -> Value {
    let damages: Vec<String> = ring::check(&ring.rows).iter().map(ToString::to_string).collect();
    json!({
        "pool": ring.pool,
        "whole": damages.is_empty(),
        "damages": damages,
        "servers": in_order(&ring.rows).into_iter().map(row_json).collect::<Vec<_>>(),
    })
}

/// A row with its columns side by side, as in the table: others script against these names.
fn row_json(row: &ServerRow) -> Value {
    let mut columns = json!(row);
    let Card { name, address, notice_port, clients, boot } = &row.card;
    if let Some(columns) = columns.as_object_mut() {
        columns.remove("card");
        columns.extend([
            ("name".to_owned(), json!(name)),
            ("address".to_owned(), json!(address)),
            ("notice_port".to_owned(), json!(notice_port)),
            ("route_address".to_owned(), json!(clients.address)),
            ("route_port".to_owned(), json!(clients.port)),
            ("weight".to_owned(), json!(clients.weight)),
            ("boot".to_owned(), json!(boot)),
        ]);
    }
    columns
}

/// A picture, a table, and what is wrong. Times are those of this zone.
pub fn as_text(ring: &Ring, zone: &TimeZone) -> String {
    if ring.rows.is_empty() {
        return format!("pool {} has no servers", ring.pool);
    }
    let rows = in_order(&ring.rows);
    let damages = ring::check(&ring.rows);
    let mut parts = Vec::new();
    if damages.is_empty() && rows.len() <= PICTURE_AT_MOST {
        parts.push(picture(&rows));
    }
    parts.push(table(ring, &rows, zone));
    parts.extend(damages.iter().map(|damage| out::said(&format!("damage: {damage}"), true)));
    parts.join("\n")
}

/// `a -> b -> c -> a`, wrapped: each arrow leads to a first buddy.
fn picture(rows: &[&ServerRow]) -> String {
    const WIDTH: usize = 76;
    let mut lines = vec![String::new()];
    for name in rows.iter().map(|row| clean(&row.card.name)) {
        let line = lines.last_mut().expect("it begins with one line");
        if line.len() + name.len() > WIDTH && !line.is_empty() {
            lines.push(String::new());
        }
        let line = lines.last_mut().expect("it begins with one line");
        line.push_str(&name);
        line.push_str(" -> ");
    }
    let line = lines.last_mut().expect("it begins with one line");
    line.push_str(&clean(&rows[0].card.name));
    lines.join("\n") + "\n"
}

fn table(ring: &Ring, rows: &[&ServerRow], zone: &TimeZone) -> String {
    let names: BTreeMap<ServerId, &str> = rows.iter().map(|row| (row.id, row.card.name.as_str())).collect();
    let name = |id: ServerId| names.get(&id).map_or_else(|| format!("{id}?"), |name| (*name).to_owned());
    let now = when::at(ring.now, zone);
    let rows = rows.iter().map(|row| {
        let (votes, notes) = (votes(ring, row, &name), notes(row, ring.now, &now));
        let warns = !votes.is_empty() || !notes.is_empty();
        let cells = [
            row.card.name.clone(),
            row.id.to_string(),
            row.card.address.to_string(),
            name(row.first_buddy),
            name(row.second_buddy),
            // An incarnation is when it began, by the database's clock.
            when::brief(&when::at(DbTime::from_us(row.incarnation.0), zone), &now),
            votes,
            notes,
        ];
        (warns, cells)
    });
    let header = ["server", "id", "address", "first buddy", "second buddy", "joined", "votes", "notes"];
    out::rows(header, &rows.collect::<Vec<_>>())
}

fn votes(ring: &Ring, row: &ServerRow, name: &impl Fn(ServerId) -> String) -> String {
    let votes = Side::BOTH.iter().filter_map(|&side| row.vote(side)).map(|vote| {
        let age = ring.now.since(vote.since).unwrap_or_default();
        format!("{} ({}, {})", name(vote.voter), vote.kind.word(), in_units(age))
    });
    votes.collect::<Vec<_>>().join(", ")
}

/// What this server's own row says of it, in words.
pub(super) fn states(row: &ServerRow) -> Vec<&'static str> {
    let failing = match row.health {
        Health::Unknown | Health::Passing => false,
        Health::Failing => true,
    };
    let late = row.answering().is_some_and(|answering| answering.wait >= law::WAIT_MOST);
    let states = [
        (failing, "service failing"),
        (row.draining, "draining"),
        (row.alone_since.is_some(), ALONE),
        (late, "may answer votes too late"),
    ];
    states.into_iter().filter(|(is, _)| *is).map(|(_, state)| state).collect()
}

const ALONE: &str = "hears nobody";

fn notes(row: &ServerRow, db_now: DbTime, now: &Zoned) -> String {
    let since = row.alone_since.map(|then| when::since(db_now.since(then).unwrap_or_default(), now));
    let note = |state: &str| match &since {
        Some(since) if state == ALONE => format!("{state} {since}"),
        Some(_) | None => state.to_owned(),
    };
    states(row).into_iter().map(note).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
