//! Files that hold the list in a known format.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::pace::{self, Pace, Target};
use super::view::View;
use super::{Error, Status, file};
use ringmon_core::route::Routes;

use crate::show::{envoy, prometheus};

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListingTarget {
    /// Which.
    pub path: PathBuf,
    /// What is written into it.
    pub format: Format,
}

/// What a file can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// For `file_sd_configs`: those that are routed.
    Prometheus {
        /// For servers that say no port; without it they are left out.
        default_port: Option<u16>,
    },
    /// For an `eds_config` with a `path_config_source`: all, with their health.
    Envoy {
        /// The name of the cluster, if not the pool's.
        cluster: Option<String>,
        /// For servers that say no port; without it they are left out.
        default_port: Option<u16>,
    },
    /// What a template sees.
    Json,
}

/// Keeps the file in step until nobody makes lists any more. Its name is in `report` already ([`Status::named`]).
pub async fn run(
    target: ListingTarget,
    routes: watch::Receiver<Arc<Routes>>,
    pool: String,
    report: watch::Sender<Status>,
) {
    // Nobody is asked to read it: no need to wait.
    let pace = Pace::every(Duration::ZERO);
    pace::run(Listing { target, pool, left_out: 0 }, pace, routes, report).await;
}

struct Listing {
    target: ListingTarget,
    pool: String,
    /// How many were not in the last one.
    left_out: usize,
}

impl Target for Listing {
    async fn apply(&mut self, routes: &Routes) -> Result<bool, Error> {
        let (text, left_out) = match &self.target.format {
            Format::Prometheus { default_port } => prometheus::render(routes, &self.pool, *default_port),
            Format::Envoy { cluster, default_port } => {
                envoy::render(routes, &self.pool, cluster.as_slice(), *default_port)
            }
            Format::Json => (serde_json::json!(View::new(&self.pool, routes)).to_string(), 0),
        };
        if left_out > self.left_out {
            let path = self.target.path.display();
            tracing::warn!("{left_out} servers say no port and are not in {path}: give them one, or a default");
        }
        self.left_out = left_out;
        file::put(self.target.path.clone(), text + "\n").await
    }
}

#[cfg(test)]
mod tests;
