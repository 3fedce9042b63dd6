//! A board as metrics: OpenMetrics text, or the classic text of Prometheus.
//!
//! Nothing is kept between scrapes: what the board no longer has, such as a watch that ended, is missing from the next
//! page. Only this process and the CA file are looked at anew.

mod agent;
mod datapath;
mod form;
mod page;
mod process;
pub mod routes;
mod watches;

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::{Registry, Unit};

use super::machine::MachineView;
use crate::show::Board;
pub use form::Form;
use page::{Page, escaped};
use process::Process;
use ringmon_core::Time;

/// What stays the same for as long as a process runs.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The version of the schema that this program writes.
    pub schema: i64,
    /// The CA file of the database, if there is one.
    pub ca: Option<PathBuf>,
    /// The clock of the board's times.
    pub clock: fn() -> Time,
}

/// # Errors
/// Only if the page's memory cannot be written to.
pub fn render(board: Arc<Board>, origin: &Origin, machine: MachineView) -> Result<String, fmt::Error> {
    let pool = board.about.pool.clone();
    text_of(&pool, machine, Scrape { board, origin: origin.clone(), machine })
}

fn text_of(pool: &str, machine: MachineView, scrape: impl Collector) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Process(machine.process)));
    let label = (Cow::from("pool"), Cow::from(escaped(pool)));
    registry.sub_registry_with_prefix("ringmon").sub_registry_with_label(label).register_collector(Box::new(scrape));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Scrape {
    board: Arc<Board>,
    origin: Origin,
    machine: MachineView,
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        ours(&mut page, &self.origin, self.machine)?;
        agent::encode(&mut page, &self.board)?;
        watches::encode(&mut page, &self.board)?;
        datapath::encode(&mut page, &self.board)
    }
}

/// What agents and routers have in common.
fn ours(page: &mut Page<'_>, origin: &Origin, machine: MachineView) -> fmt::Result {
    process::build(page, origin.schema)?;
    let Some(end) = machine.ca_end else { return Ok(()) };
    let help = "When the certificate in the database's CA file that ends first does so, since 1970";
    page.gauge("ca_expiry_timestamp", help, Some(&Unit::Seconds), to_f64(end))
}

fn flag(truth: bool) -> f64 {
    f64::from(u8::from(truth))
}

/// A metric is a floating point number: exact below 2^53, which microseconds reach in the year 2255.
#[expect(clippy::cast_precision_loss, reason = "metrics are floating point")]
fn to_f64(number: i64) -> f64 {
    number as f64
}
