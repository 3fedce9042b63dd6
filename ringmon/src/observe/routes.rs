//! What a router shows over HTTP: the list, for people, Prometheus and Envoy.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::metrics::{self, Origin};
use super::{Error, machine, page};
use crate::show::{Count, RemovalSeen};
use ringmon_core::route::Routes;
use ringmon_core::row::Address;

use crate::show::{envoy, prometheus};

type Boards = watch::Receiver<Arc<RouteBoard>>;

/// The longest request that is read, in bytes: Envoy sends everything about its node, and the names of its clusters.
const LONGEST: usize = 256 * 1024;

const INDEX: &str = "ringmon, routing server\n\n/routes   the list and how it is written down, JSON\n\
                     /http_sd  for Prometheus' http_sd_configs\n\
                     /http_sd/all  also names the dead; ?port=7464: with that port of the servers\n\
                     /v3/discovery:endpoints  for Envoy's REST eds_config (POST)\n\
                     /metrics  for Prometheus\n/healthz  200 while the process is alive\n\
                     /readyz   200 once a list is known\n";

/// What a router publishes. Whatever shows something reads only this.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RouteBoard {
    /// The name of the pool.
    pub pool: String,
    /// The list is an old one: the table was not read yet.
    pub stale: bool,
    /// Set while the database does not answer.
    pub database: Option<Away>,
    /// Empty: nothing is known yet.
    #[serde(serialize_with = "whole")]
    pub routes: Arc<Routes>,
    /// Files, hooks and proxies that are kept in step.
    pub targets: Vec<TargetView>,
    /// Numbers of the other rooms, for the metrics.
    pub counts: Vec<Count>,
    /// For servers without a port.
    pub default_port: Option<u16>,
    /// The servers that have a row in the table, and where they are probed.
    pub members: BTreeMap<String, Address>,
    /// How many faults the ring has; `None`: the table was not read yet.
    pub faults: Option<usize>,
    /// The servers that were removed within a day and are not back.
    pub missing: BTreeMap<String, RemovalSeen>,
}

/// How long something has been away, and why.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Away {
    /// For how long, up to now.
    pub seconds: f64,
    /// The last error.
    pub why: String,
}

/// Whether a target has the newest list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TargetView {
    /// Its name, as in the configuration.
    pub target: String,
    /// It has the newest list.
    pub in_step: bool,
    /// Why it does not have it.
    pub problem: Option<String>,
}

impl RouteBoard {
    /// Why there is no list to show. An empty list would send every client away.
    fn nothing_known(&self) -> Option<Response> {
        if !self.routes.servers.is_empty() {
            return None;
        }
        let why = match &self.database {
            Some(Away { why, .. }) => format!("no list yet: the database does not answer: {why}\n"),
            None => format!("no list yet: no server of pool {} was seen\n", self.pool),
        };
        Some((StatusCode::SERVICE_UNAVAILABLE, why).into_response())
    }
}

fn whole<S: serde::Serializer>(routes: &Arc<Routes>, serializer: S) -> Result<S::Ok, S::Error> {
    routes.as_ref().serialize(serializer)
}

/// Answers on `listener` (from [`listen`](super::listen)) until the future is dropped. Reads only the newest
/// [`RouteBoard`].
///
/// # Errors
/// [`Error::Serve`]: the listener failed for good.
pub async fn serve(
    listener: TcpListener,
    boards: watch::Receiver<Arc<RouteBoard>>,
    origin: Origin,
) -> Result<(), Error> {
    let router = Router::new()
        .route("/", get(async || INDEX))
        .route(
            "/routes",
            get(async |State(boards): State<Boards>| axum::Json(newest(&boards).as_ref()).into_response()),
        )
        .route("/http_sd", get(http_sd))
        .route("/http_sd/all", get(http_sd_all))
        .route("/v3/discovery:endpoints", post(endpoints))
        .route(
            "/metrics",
            get(async move |State(boards): State<Boards>, headers: HeaderMap| {
                let machine = machine(&origin).await;
                page(&headers, metrics::routes::render(newest(&boards), &origin, machine))
            }),
        )
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .layer(DefaultBodyLimit::max(LONGEST))
        .with_state(boards);
    axum::serve(listener, router).await.map_err(Error::Serve)
}

fn newest(boards: &Boards) -> Arc<RouteBoard> {
    Arc::clone(&boards.borrow())
}

fn json(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

async fn http_sd(State(boards): State<Boards>) -> Response {
    let board = newest(&boards);
    // Prometheus keeps its targets when the answer is not a 200.
    board.nothing_known().unwrap_or_else(|| json(prometheus::render(&board.routes, &board.pool, board.default_port).0))
}

/// Everybody, also those to whom no clients are sent, and the dead: a target that is not there cannot fail.
///
/// `?port=N` names that port of each server itself, such as the one of its agent; without it, it is where clients go.
async fn http_sd_all(State(boards): State<Boards>, RawQuery(query): RawQuery) -> Response {
    let board = newest(&boards);
    let port = match query.as_deref().map(|query| query.strip_prefix("port=").and_then(|text| text.parse().ok())) {
        Some(None | Some(0)) => return (StatusCode::BAD_REQUEST, "not a port; ?port=7464 is one\n").into_response(),
        Some(port) => port,
        None => None,
    };
    if port.is_some() && board.faults.is_none() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the table was not read yet\n").into_response();
    }
    board.nothing_known().unwrap_or_else(|| {
        let members = port.map(|port| (&board.members, port));
        json(prometheus::render_all(&board.routes, &board.pool, members, board.default_port, &board.missing))
    })
}

/// The body is JSON, whatever type the request names: Envoy says `application/json`, curl something else.
async fn endpoints(State(boards): State<Boards>, body: Bytes) -> Response {
    let board = newest(&boards);
    let request: envoy::Request = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("not a DiscoveryRequest: {error}\n")).into_response(),
    };
    let clusters = &request.resource_names;
    if clusters.len() > envoy::MOST_CLUSTERS {
        let most = envoy::MOST_CLUSTERS;
        return (StatusCode::BAD_REQUEST, format!("more than {most} clusters at once\n")).into_response();
    }
    board
        .nothing_known()
        .unwrap_or_else(|| json(envoy::render(&board.routes, &board.pool, clusters, board.default_port).0))
}

async fn ready(State(boards): State<Boards>) -> Response {
    newest(&boards).nothing_known().unwrap_or_else(|| "ready\n".into_response())
}

#[cfg(test)]
pub(super) mod tests;
