//! Starts the consumers of a list, and reports how each does.

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Shared;
use crate::config::{RouterConfig, TemplateConfig};
use crate::observe::routes::TargetView;
use crate::route::haproxy;
use crate::route::hook::HookTarget;
use crate::route::listing::{Format, ListingTarget};
use crate::route::template::TemplateTarget;
use crate::route::{LIMIT, Status, hook, listing, template};

/// Running consumers. They end when dropped.
#[derive(Debug, Default)]
pub struct Sinks {
    tasks: JoinSet<()>,
    statuses: Vec<watch::Receiver<Status>>,
}

impl Sinks {
    /// Starts every consumer in the configuration.
    #[must_use]
    pub fn start(config: &RouterConfig, routes: &watch::Receiver<Shared>) -> Self {
        let mut sinks = Self::default();
        for target in config.haproxy.iter().cloned() {
            let report = sinks.report(format!("haproxy {target}"));
            sinks.tasks.spawn(haproxy::run(target, routes.clone(), report));
        }
        let pool = || config.sight.pool.clone();
        if let Some(path) = config.file_sd.clone() {
            let report = sinks.report(format!("file {}", path.display()));
            let format = Format::Prometheus { default_port: config.default_port };
            sinks.tasks.spawn(listing::run(ListingTarget { path, format }, routes.clone(), pool(), report));
        }
        if let Some(target) = config.template.as_ref().map(template_target) {
            let report = sinks.report(format!("file {}", target.path.display()));
            sinks.tasks.spawn(template::run(target, routes.clone(), pool(), report));
        }
        if let Some(line) = config.hook.clone() {
            let report = sinks.report(format!("hook {}", line.program()));
            sinks.tasks.spawn(hook::run(HookTarget { line, limit: LIMIT }, routes.clone(), pool(), report));
        }
        sinks
    }

    fn report(&mut self, target: String) -> watch::Sender<Status> {
        let (report, status) = watch::channel(Status::named(target));
        self.statuses.push(status);
        report
    }

    /// The state of each consumer.
    #[must_use]
    pub fn views(&self) -> Vec<TargetView> {
        let view = |status: &watch::Receiver<Status>| {
            let Status { target, in_step, problem, .. } = status.borrow().clone();
            TargetView { target, in_step, problem }
        };
        self.statuses.iter().map(view).collect()
    }
}

fn template_target(config: &TemplateConfig) -> TemplateTarget {
    let TemplateConfig { source, target, check, reload } = config.clone();
    TemplateTarget { check, reload, ..TemplateTarget::new(source, target) }
}
