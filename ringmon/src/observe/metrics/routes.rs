//! A router's board as metrics.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Unit;

use super::page::{Page, labels};
use super::{datapath, flag, text_of};
use crate::observe::routes::{RouteBoard, TargetView};
use ringmon_core::Word as _;
use ringmon_core::route::Standing;

/// # Errors
/// Only if the page's memory cannot be written to.
pub fn render(board: Arc<RouteBoard>) -> Result<String, fmt::Error> {
    text_of(Scrape(board))
}

#[derive(Debug)]
struct Scrape(Arc<RouteBoard>);

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        list(&mut page, &self.0)?;
        database(&mut page, &self.0)?;
        let step = |target: &TargetView| (labels([("target", &target.target)]), flag(target.in_step));
        let steps = self.0.targets.iter().map(step);
        page.gauges("route_target_in_step", "1 while this target has the newest list", None, steps)?;
        datapath::counts(&mut page, &self.0.counts)
    }
}

fn list(page: &mut Page<'_>, board: &RouteBoard) -> fmt::Result {
    let about = labels([("version", env!("CARGO_PKG_VERSION")), ("pool", &board.pool)]);
    page.info("router", "The routing server that says all this", about)?;
    let samples = board.routes.servers.iter().flat_map(|route| {
        Standing::ALL.iter().map(|&standing| {
            let labels = labels([("server", &route.name), ("standing", standing.word())]);
            (labels, flag(route.standing == standing))
        })
    });
    page.gauges("route", "1 for the standing that this server has; routed are active and kept", None, samples)?;
    let routed = u32::try_from(board.routes.routed().count()).unwrap_or(u32::MAX);
    page.gauge("routes_routed", "Servers to whom clients are sent", None, f64::from(routed))?;
    page.gauge("routes_panic", "1 while the list is frozen", None, flag(board.routes.panic.is_some()))?;
    let help = "1 while the list is one from before, and the table was not read yet";
    page.gauge("routes_stale", help, None, flag(board.stale))
}

fn database(page: &mut Page<'_>, board: &RouteBoard) -> fmt::Result {
    page.gauge("routes_database_up", "1 while the database answers", None, flag(board.database.is_none()))?;
    let seconds = board.database.as_ref().map_or(0.0, |away| away.seconds);
    let help = "For how long the database has not answered";
    page.gauge("routes_database_away", help, Some(&Unit::Seconds), seconds)
}
