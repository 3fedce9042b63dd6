//! `/metrics`, `/healthz`, `/readyz`, `/status` over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Error, metrics};
use crate::show::Board;

type Boards = watch::Receiver<Arc<Board>>;

const INDEX: &str = "ringmon\n\n/metrics  counters and histograms, OpenMetrics\n/status   what the agent sees, JSON\n\
                     /healthz  200 while the process is alive\n/readyz   200 while the server is on its ring\n";

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
pub async fn serve(listener: TcpListener, board: watch::Receiver<Arc<Board>>) -> Result<(), Error> {
    let routes = Router::new()
        .route("/", get(async || INDEX))
        .route("/metrics", get(metrics_page))
        .route("/status", get(status))
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .with_state(board);
    axum::serve(listener, routes).await.map_err(Error::Serve)
}

async fn metrics_page(State(board): State<Boards>) -> Response {
    let board = Arc::clone(&board.borrow());
    match metrics::render(board) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn status(State(board): State<Boards>) -> Response {
    let board = Arc::clone(&board.borrow());
    axum::Json(board.as_ref()).into_response()
}

async fn ready(State(board): State<Boards>) -> Response {
    match board.borrow().engine.phase {
        "member" => "ready\n".into_response(),
        other => (StatusCode::SERVICE_UNAVAILABLE, format!("not on the ring: {other}\n")).into_response(),
    }
}
