//! A network between the writers and their database, because loopback has no distance.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// A port that leads to `server`. Every answer from there comes later by `round_trip`: a statement waits for it, and
/// others go on. (It can be up to a millisecond more, because timers are no finer.)
pub async fn away(server: u16, round_trip: Duration) -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port of 127.0.0.1 is free")?;
    let port = listener.local_addr().context("a port without an address")?.port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(carry(client, server, round_trip));
        }
    });
    Ok(port)
}

/// Until one side closes.
async fn carry(client: TcpStream, server: u16, round_trip: Duration) -> std::io::Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    // Few enough that a large answer waits for its reader.
    let (sender, mut under_way) = mpsc::channel::<(Instant, Vec<u8>)>(64);
    tokio::spawn(async move {
        while let Some((due, bytes)) = under_way.recv().await {
            tokio::time::sleep_until(due).await;
            if to_client.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from_server.read(&mut buffer).await?;
        let sent = sender.send((Instant::now() + round_trip, buffer[..read].to_vec())).await;
        if read == 0 || sent.is_err() {
            return Ok(());
        }
    }
}
