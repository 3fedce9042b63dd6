//! Files with the list in a known format.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::pace::{self, Pace, Target};
use super::view::View;
use super::{Error, Status, file};
use ringmon_core::route::Routes;

use crate::show::{envoy, prometheus};

/// A file, and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListingTarget {
    /// The file is replaced as a whole.
    pub path: PathBuf,
    /// How the list is written.
    pub format: Format,
}

/// The format of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// For `file_sd_configs`: only routed servers.
    Prometheus {
        /// For servers without a port. Without a default they are left out.
        default_port: Option<u16>,
    },
    /// For an `eds_config` with a `path_config_source`: all servers, with their health.
    Envoy {
        /// The name of the cluster, if it differs from the pool's.
        cluster: Option<String>,
        /// For servers without a port. Without a default they are left out.
        default_port: Option<u16>,
    },
    /// The same as a template sees.
    Json,
}

/// Keeps the file in step, until nobody makes lists any more. The target's name is in `report` already
/// ([`Status::named`]).
pub async fn run(
    target: ListingTarget,
    routes: watch::Receiver<Arc<Routes>>,
    pool: String,
    report: watch::Sender<Status>,
) {
    // No program is told to read it, so there is no need to wait.
    let pace = Pace::every(Duration::ZERO);
    pace::run(Listing { target, pool, left_out: 0 }, pace, routes, report).await;
}

struct Listing {
    target: ListingTarget,
    pool: String,
    /// How many servers were left out of the last one.
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
