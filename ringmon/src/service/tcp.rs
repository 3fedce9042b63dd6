//! Somebody accepts connections.

use std::net::SocketAddr;

use tokio::net::TcpStream;

/// A connection to there, or why there is none.
pub(super) async fn connect(at: SocketAddr) -> Result<TcpStream, String> {
    TcpStream::connect(at).await.map_err(|error| format!("cannot connect: {error}"))
}
