//! A real Prometheus on the hub, with configuration from the caller.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::engine;
use crate::http;
use crate::lab::{Lab, PATIENCE};
use crate::namespace::Namespace;
use crate::process::{Launch, Process, tail};

/// Its address, on the hub.
const PORT: u16 = 9090;

/// How often it is asked while something is awaited. It evaluates once a second, so more would only cost time.
const ASK: Duration = Duration::from_millis(200);

/// Prometheus, until this is dropped.
#[derive(Debug)]
pub struct Prometheus {
    process: Process,
    hub: Namespace,
}

/// A server or a router that Prometheus scrapes.
#[derive(Clone, Debug)]
pub struct Target {
    /// `ringmon` or `ringmon-router`.
    pub job: &'static str,
    /// What its alerts call it.
    pub instance: String,
    /// Where its metrics are, as the hub reaches it.
    pub address: String,
}

/// An alert that fires.
#[derive(Clone, Debug, Deserialize)]
pub struct Alert {
    /// With `alertname`.
    pub labels: BTreeMap<String, String>,
    state: String,
}

impl Alert {
    /// The name of its rule.
    #[must_use]
    pub fn name(&self) -> &str {
        self.labels.get("alertname").map_or("", String::as_str)
    }

    /// Whether it has this name and all these labels.
    #[must_use]
    pub fn is(&self, name: &str, labels: &[(String, String)]) -> bool {
        self.name() == name && labels.iter().all(|(key, value)| self.labels.get(key) == Some(value))
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        let own =
            self.labels.iter().filter(|(key, _)| !["alertname", "job", "pool", "severity"].contains(&key.as_str()));
        own.into_iter().try_for_each(|(key, value)| write!(f, " {key}={value}"))
    }
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct Alerts {
    alerts: Vec<Alert>,
}

#[derive(Deserialize)]
struct Vector {
    result: Vec<Sample>,
}

#[derive(Deserialize)]
struct Sample {
    /// A time and a number, which is written as text.
    value: (f64, String),
}

impl Prometheus {
    /// Starts it with these rules, and waits until it has scraped all targets. It scrapes and evaluates every second.
    ///
    /// # Errors
    /// It is not installed, it refuses the rules, or a target does not answer.
    pub fn start(lab: &mut Lab, rules: &Path, pool: &str, targets: &[Target]) -> anyhow::Result<Self> {
        let folder = lab.folder().join("prometheus");
        std::fs::create_dir_all(&folder).context("cannot make Prometheus' folder")?;
        let config = folder.join("prometheus.yml");
        std::fs::write(&config, configuration(rules, pool, targets)).context("cannot write its configuration")?;
        let args = [
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", folder.join("data").display()),
            format!("--web.listen-address=127.0.0.1:{PORT}"),
        ];
        let launch = Launch {
            program: engine::find("prometheus")?,
            args: args.iter().map(Into::into).collect(),
            env: Vec::new(),
            log: folder.join("log"),
        };
        let hub = lab.network.hub().clone();
        let prometheus = Self { process: Process::start(&hub, launch)?, hub };
        let what = "Prometheus has scraped all agents and routers";
        prometheus.until(lab, what, PATIENCE, |prometheus| {
            let ended = prometheus.process.ended();
            ensure!(ended.is_none(), "Prometheus ended: {}", prometheus.words());
            // It needs a while until it listens.
            let up = prometheus.values("up == 1").unwrap_or_default();
            Ok((up.len() == targets.len()).then_some(()))
        })?;
        Ok(prometheus)
    }

    /// Asks it again and again until there is an answer, and reads the agents' events meanwhile.
    ///
    /// # Errors
    /// No answer came in time, or asking failed: the error has its last words.
    pub fn until<T>(
        &self,
        lab: &mut Lab,
        what: &str,
        limit: Duration,
        mut ask: impl FnMut(&Self) -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let end = std::time::Instant::now() + limit;
        loop {
            lab.hold(ASK)?;
            let answer = ask(self).with_context(|| format!("Prometheus was asked whether {what}"))?;
            if let Some(answer) = answer {
                return Ok(answer);
            }
            ensure!(
                std::time::Instant::now() < end,
                "waited {limit:?} in vain until {what}\n{}\n{}",
                self.words(),
                lab.last_words()
            );
        }
    }

    /// The alerts that fire now.
    ///
    /// # Errors
    /// It does not answer.
    pub fn firing(&self) -> anyhow::Result<Vec<Alert>> {
        let Alerts { mut alerts } = self.ask("/api/v1/alerts")?;
        alerts.retain(|alert| alert.state == "firing");
        Ok(alerts)
    }

    /// The values of an expression now, in no order.
    ///
    /// # Errors
    /// It does not answer, or does not understand the expression.
    pub fn values(&self, expression: &str) -> anyhow::Result<Vec<f64>> {
        let mut path = "/api/v1/query?query=".to_owned();
        for byte in expression.bytes() {
            let _ = write!(path, "%{byte:02x}");
        }
        let Vector { result } = self.ask(&path)?;
        let numbers = result.into_iter().map(|sample| sample.value.1.parse().context("a value that is no number"));
        numbers.collect()
    }

    fn ask<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let body = http::body(&self.hub, SocketAddr::from(([127, 0, 0, 1], PORT)), path)?;
        let answer: Answer<T> = serde_json::from_str(&body).with_context(|| format!("{path} gave {body}"))?;
        Ok(answer.data)
    }

    /// The end of its log.
    #[must_use]
    pub fn words(&self) -> String {
        tail(self.process.log(), 5)
    }
}

/// As in `packaging/prometheus/prometheus.yml`, but every second.
fn configuration(rules: &Path, pool: &str, targets: &[Target]) -> String {
    let mut text = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\nscrape_configs:\n",
        rules.display()
    );
    let mut jobs: BTreeMap<&str, Vec<&Target>> = BTreeMap::new();
    for target in targets {
        jobs.entry(target.job).or_default().push(target);
    }
    for (job, targets) in jobs {
        let _ = writeln!(text, "- job_name: {job}\n  honor_labels: true\n  static_configs:");
        for Target { instance, address, .. } in targets {
            let _ = writeln!(text, "  - targets: ['{address}']\n    labels: {{pool: {pool}, instance: {instance}}}");
        }
    }
    text
}
