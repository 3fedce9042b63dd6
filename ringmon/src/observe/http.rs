//! `/metrics`, `/healthz`, `/readyz`, `/status` over HTTP.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::Error;
use super::machine::MachineView;
use super::metrics::{self, Form, Origin};
use crate::show::Board;
use ringmon_core::{Time, Word as _};

type Boards = watch::Receiver<Arc<Board>>;

/// A loop that has not turned for this long is of no use to anybody: as long as systemd's watchdog waits.
const HANGS: Duration = Duration::from_secs(30);

const INDEX: &str = "ringmon\n\n/metrics  counters and histograms, for Prometheus\n\
                     /status   what the agent sees, JSON\n\
                     /healthz  200 while the process is alive and its loop turns\n\
                     /readyz   200 while the server is on its ring\n";

/// Listens on `addr` for HTTP. Warns if other machines can reach it. Call it inside a tokio runtime.
///
/// # Errors
/// [`Error::Listen`]: nothing listens.
pub async fn listen(addr: SocketAddr) -> Result<TcpListener, Error> {
    let listener = TcpListener::bind(addr).await.map_err(|source| Error::Listen { addr, source })?;
    if !addr.ip().is_loopback() {
        tracing::warn!("metrics and status on http://{addr} can be read by everybody who reaches that address");
    }
    Ok(listener)
}

/// Answers on `listener` until the future is dropped. Reads only the newest [`Board`].
///
/// # Errors
/// [`Error::Serve`]: the listener failed for good.
pub async fn serve(listener: TcpListener, board: watch::Receiver<Arc<Board>>, origin: Origin) -> Result<(), Error> {
    let clock = origin.clock;
    let routes = Router::new()
        .route("/", get(async || INDEX))
        .route(
            "/metrics",
            get(async move |State(board): State<Boards>, headers: HeaderMap| {
                let board = Arc::clone(&board.borrow());
                let machine = machine(&origin).await;
                page(&headers, metrics::render(board, &origin, machine))
            }),
        )
        .route("/status", get(status))
        .route("/healthz", get(async move |State(board): State<Boards>| healthy(&board.borrow(), clock())))
        .route("/readyz", get(ready))
        .with_state(board);
    axum::serve(listener, routes).await.map_err(Error::Serve)
}

/// What the machine says. It is read where waiting delays nobody.
pub(super) async fn machine(origin: &Origin) -> MachineView {
    let ca = origin.ca.clone();
    tokio::task::spawn_blocking(move || MachineView::now(ca.as_deref())).await.unwrap_or_default()
}

/// A page in the form that the request asks for.
pub(super) fn page(headers: &HeaderMap, rendered: Result<String, fmt::Error>) -> Response {
    let form = Form::asked(headers.get(header::ACCEPT).and_then(|field| field.to_str().ok()));
    match rendered {
        Ok(text) => ([(header::CONTENT_TYPE, form.content_type())], form.of(text)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn status(State(board): State<Boards>) -> Response {
    let board = Arc::clone(&board.borrow());
    axum::Json(board.as_ref()).into_response()
}

/// A loop that hangs publishes nothing. (Nothing was published yet when the agent has just started.)
fn healthy(board: &Board, now: Time) -> Response {
    let published = board.engine.at;
    let silent = now.since(published);
    if published > Time::ZERO && silent > HANGS {
        let said = format!("its loop has not turned for {} s\n", silent.as_secs());
        return (StatusCode::SERVICE_UNAVAILABLE, said).into_response();
    }
    "alive\n".into_response()
}

async fn ready(State(board): State<Boards>) -> Response {
    let board = board.borrow();
    let engine = &board.engine;
    let unready = |why: String| (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    if engine.phase != "member" {
        return unready(format!("not on the ring: {}\n", engine.phase));
    }
    match engine.watches.iter().find_map(|watch| Some((&watch.name, watch.blind?))) {
        Some((name, why)) => unready(format!("blind: it cannot see {name} ({})\n", why.word())),
        None => "ready\n".into_response(),
    }
}
