//! Neither the password nor the pool's key is in any log line, however much is logged.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing::instrument::WithSubscriber;

use super::kit::{POOL, TestDb};
use crate::store::Store;
use ringmon_tests::engine::PASSWORD;

super::on_engines!(no_log_line_has_a_secret);

/// Collects the log.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn no_log_line_has_a_secret(db: TestDb) {
    let lines = Lines::default();
    let writer = lines.clone();
    let everything = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(move || writer.clone())
        .finish();
    // With only one subscriber, tracing keeps the answer of the first thread that comes to a line. Threads of other
    // tests have no subscriber, so their answer would be "no".
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let secret = async {
        tracing::callsite::rebuild_interest_cache();
        let store = db.store().await;
        store.ring_of(&["a", "b"]).await;
        if db.url.file().is_none() {
            let wrong = db.other("mysql").with_password("wr0ng");
            tracing::info!(?wrong, error = %Store::open(&wrong, POOL).await.unwrap_err(), "refused");
        }
        tracing::info!(?store, url = %db.url, "done");
        store.pool().await.unwrap().keys[0].secret
    }
    .with_subscriber(everything)
    .await;
    let log = String::from_utf8_lossy(&lines.0.lock().unwrap()).into_owned();
    assert!(log.contains("done") && log.contains("sea_orm"), "the log has the driver's lines too: {log}");
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let bytes = format!("{secret:?}");
    for (what, text) in
        [("password", PASSWORD), ("password", "p%40ss"), ("password", "wr0ng"), ("key", hex.as_str()), ("key", &bytes)]
    {
        let found = log.to_lowercase().find(&text.to_lowercase());
        assert_eq!(
            found,
            None,
            "the {what} is in the log: {}",
            found.map_or("", |at| &log[at.saturating_sub(200)..at])
        );
    }
}
