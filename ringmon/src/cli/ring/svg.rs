//! The ring as a picture: one SVG without scripts, links or fonts of its own, for light and dark screens.

mod page;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::Ring;
use super::show::{in_order, states};
use page::{Edge, Node, Page, short};
use ringmon_core::{ServerId, ServerRow, Side, ring};

/// A broken ring of many servers has many damages: `ring check` lists them all.
const DAMAGES_AT_MOST: usize = 12;
/// Characters of a damage. Two rings are named with all their servers.
const DAMAGE_AT_MOST: usize = 110;

/// The servers clockwise in the order of the ring, what is said of them, and what is wrong.
pub fn as_svg(ring: &Ring) -> String {
    let rows = in_order(&ring.rows);
    let damages: Vec<String> = ring::check(&ring.rows).iter().map(ToString::to_string).collect();
    let nodes: Vec<Node<'_>> = rows.iter().map(|row| node(row, &rows)).collect();
    let shown = shown(&damages);
    let servers = match rows.len() {
        0 => "no servers".to_owned(),
        1 => "1 server".to_owned(),
        many => format!("{many} servers"),
    };
    let accused = nodes.iter().filter(|node| !node.voters.is_empty()).count();
    let state = match (damages.is_empty(), rows.is_empty()) {
        (true, true) => "",
        (true, false) if accused > 0 => &format!("whole, {accused} accused"),
        (true, false) => "whole",
        (false, _) => "broken",
    };
    let page = Page::of(&nodes, &shown);
    let comma = if state.is_empty() { "" } else { ", " };
    let title = format!("The ring of pool {}: {servers}{comma}{state}", ring.pool);
    let mut parts = vec![page.head(&title, &describe(&nodes, &damages))];
    let places: BTreeMap<ServerId, usize> =
        nodes.iter().enumerate().map(|(place, node)| (node.row.id, place)).collect();
    parts.extend(edges(&rows).iter().filter_map(|((one, other), edge)| {
        let from = *places.get(one)?;
        Some(places.get(other).map_or_else(|| page.stub(from), |to| page.edge(from, *to, *edge)))
    }));
    parts.extend(nodes.iter().enumerate().map(|(place, node)| page.server(place, node)));
    parts.push(page.middle(&ring.pool, &servers, state));
    parts.extend(shown.iter().enumerate().map(|(line, damage)| page.below(line, damage)));
    parts.push("</svg>".to_owned());
    parts.join("\n")
}

fn node<'a>(row: &'a ServerRow, rows: &[&ServerRow]) -> Node<'a> {
    let name = |id: ServerId| {
        rows.iter().find(|row| row.id == id).map_or_else(|| format!("{id}?"), |row| row.card.name.clone())
    };
    let voters: Vec<String> =
        Side::BOTH.iter().filter_map(|&side| row.vote(side)).map(|vote| name(vote.voter)).collect();
    let suspect = (!voters.is_empty()).then_some("suspect");
    Node { row, words: suspect.into_iter().chain(states(row)).collect(), voters }
}

/// The lines of the picture, each once, by the ids of its ends. A link that leads to no row has the missing id second.
fn edges(rows: &[&ServerRow]) -> BTreeMap<(ServerId, ServerId), Edge> {
    let by_id: BTreeMap<ServerId, &ServerRow> = rows.iter().map(|row| (row.id, *row)).collect();
    let mut edges: BTreeMap<(ServerId, ServerId), Edge> = BTreeMap::new();
    let mut draw = |from: ServerId, to: ServerId, edge: Edge| {
        let ends = if by_id.contains_key(&to) { (from.min(to), from.max(to)) } else { (from, to) };
        let drawn = edges.entry(ends).or_insert(edge);
        *drawn = edge.max(*drawn);
    };
    for row in rows {
        for side in Side::BOTH {
            let buddy = row.buddy(side);
            let back = by_id.get(&buddy).map(|buddy| buddy.buddy(side.opposite()));
            if buddy != row.id {
                draw(row.id, buddy, if back == Some(row.id) { Edge::Whole } else { Edge::Broken });
            }
            if let Some(vote) = row.vote(side).filter(|vote| vote.voter != row.id && by_id.contains_key(&vote.voter)) {
                draw(row.id, vote.voter, Edge::Vote);
            }
        }
    }
    edges
}

/// The damages that have room.
fn shown(damages: &[String]) -> Vec<String> {
    let mut shown: Vec<String> =
        damages.iter().take(DAMAGES_AT_MOST).map(|damage| short(damage, DAMAGE_AT_MOST)).collect();
    if let Some(more) = damages.len().checked_sub(DAMAGES_AT_MOST).filter(|more| *more > 0) {
        shown.push(format!("and {more} more: see `ringmon ring check`"));
    }
    shown
}

/// The picture in words, for those who do not see it.
fn describe(nodes: &[Node<'_>], damages: &[String]) -> String {
    let all = nodes.len() <= page::NAMED_AT_MOST;
    let told = nodes.iter().filter(|node| all || !node.words.is_empty());
    let servers: Vec<String> = told.map(Node::whole).collect();
    let order = match (servers.is_empty(), all) {
        (true, _) => String::new(),
        (false, true) => format!("Clockwise from the top: {}.", servers.join("; ")),
        (false, false) => format!("Marked: {}.", servers.join("; ")),
    };
    let damages: String = damages.iter().take(DAMAGES_AT_MOST).map(|damage| format!(" Damage: {damage}.")).collect();
    format!("{order}{damages}").trim_start().to_owned()
}
