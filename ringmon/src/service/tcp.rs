//! Passes if a connection is accepted.

use std::net::SocketAddr;

use tokio::net::TcpStream;

pub(super) async fn connect(at: SocketAddr) -> Result<TcpStream, String> {
    TcpStream::connect(at).await.map_err(|error| format!("cannot connect: {error}"))
}
