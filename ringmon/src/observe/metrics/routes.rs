//! A router's board as metrics.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Unit;

use super::page::{Page, labels};
use super::{Origin, agent, datapath, flag, ours, text_of};
use crate::observe::machine::MachineView;
use crate::observe::routes::{RouteBoard, TargetView};
use ringmon_core::Word as _;
use ringmon_core::route::Standing;

/// # Errors
/// Only if the page's memory cannot be written to.
pub fn render(board: Arc<RouteBoard>, origin: &Origin, machine: MachineView) -> Result<String, fmt::Error> {
    let pool = board.pool.clone();
    text_of(&pool, machine, Scrape { board, origin: origin.clone(), machine })
}

#[derive(Debug)]
struct Scrape {
    board: Arc<RouteBoard>,
    origin: Origin,
    machine: MachineView,
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        ours(&mut page, &self.origin, self.machine)?;
        let board = self.board.as_ref();
        list(&mut page, board)?;
        members(&mut page, board)?;
        database(&mut page, board)?;
        let step = |target: &TargetView| (labels([("target", &target.target)]), flag(target.in_step));
        let steps = board.targets.iter().map(step);
        page.gauges("route_target_in_step", "1 while this target has the newest list", None, steps)?;
        datapath::counts(&mut page, &board.counts)
    }
}

fn list(page: &mut Page<'_>, board: &RouteBoard) -> fmt::Result {
    let samples = board.routes.servers.iter().flat_map(|route| {
        Standing::ALL.iter().map(|&standing| {
            let labels = labels([("server", &route.name), ("standing", standing.word())]);
            (labels, flag(route.standing == standing))
        })
    });
    page.gauges("route", "1 for the standing that this server has; routed are active and kept", None, samples)?;
    page.gauge("routes_routed", "Servers to whom clients are sent", None, count(board.routes.routed().count()))?;
    page.gauge("routes_panic", "1 while the list is frozen", None, flag(board.routes.panic.is_some()))?;
    let help = "1 while the list is one from before, and the table was not read yet";
    page.gauge("routes_stale", help, None, flag(board.stale))
}

fn members(page: &mut Page<'_>, board: &RouteBoard) -> fmt::Result {
    // Before the table was read, there is nothing to say.
    let Some(faults) = board.faults else { return Ok(()) };
    page.gauge("pool_members", "Servers that have a row in the table", None, count(board.members.len()))?;
    let help = "Members, and servers that were removed within a day, are not back, and were not given up";
    page.gauge("pool_members_expected", help, None, count(board.members.len() + board.missing.len()))?;
    let help = "Faults of the ring's links in the table, as `ringmon ring check` counts them";
    page.gauge("ring_faults", help, None, count(faults))?;
    agent::removals(page, &board.missing)
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

fn database(page: &mut Page<'_>, board: &RouteBoard) -> fmt::Result {
    page.gauge("routes_database_up", "1 while the database answers", None, flag(board.database.is_none()))?;
    let seconds = board.database.as_ref().map_or(0.0, |away| away.seconds);
    let help = "For how long the database has not answered";
    page.gauge("routes_database_away", help, Some(&Unit::Seconds), seconds)
}
