//! This process and this program: the same families on every page.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Unit;
use ringmon_common::wire;

use super::page::{Page, labels};
use crate::observe::machine::{ProcessView, to_f64};

/// The families that client libraries call by these names, without a prefix
/// (<https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>).
#[derive(Debug)]
pub struct Process(pub Option<ProcessView>);

impl Collector for Process {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(it) = self.0 else { return Ok(()) };
        let mut page = Page::new(encoder);
        let spent = "Processor time that this process took, in the kernel and outside";
        page.seconds("process_cpu", spent, it.cpu)?;
        let bytes = Some(&Unit::Bytes);
        page.gauge("process_resident_memory", "Memory that is resident", bytes, to_f64(it.resident))?;
        page.gauge("process_virtual_memory", "Address space", bytes, to_f64(it.virtual_memory))?;
        page.gauge("process_open_fds", "Open file descriptors", None, to_f64(it.open_fds))?;
        page.gauge("process_max_fds", "How many may be open", None, to_f64(it.max_fds))?;
        page.gauge("process_threads", "Threads", None, to_f64(it.threads))?;
        let since = "When this process started, since 1970";
        page.gauge("process_start_time", since, Some(&Unit::Seconds), it.started)
    }
}

/// Which program it is.
pub fn build(page: &mut Page<'_>, schema: i64) -> fmt::Result {
    let facts = labels([
        ("version", env!("CARGO_PKG_VERSION")),
        ("commit", env!("RINGMON_COMMIT")),
        ("wire", &wire::VERSION.to_string()),
        ("schema", &schema.to_string()),
    ]);
    page.gauges("build_info", "1; the labels say which program this is", None, [(facts, 1.0)])
}
