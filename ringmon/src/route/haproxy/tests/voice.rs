//! What is logged, and that it is logged once.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use super::super::error::Error;
use super::super::voice::Voice;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn each_thing_is_said_once() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(move || writer.clone()).finish();
    // With only one subscriber, tracing keeps the answer of the first thread that comes to a line. Threads of other
    // tests have no subscriber, so their answer would be "no".
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    tracing::subscriber::with_default(subscriber, || {
        tracing::callsite::rebuild_interest_cache();
        let mut voice = Voice::new("/s:b".to_owned());
        let gone = || Error::Connect { at: "/s".into(), source: io::ErrorKind::ConnectionRefused.into() };
        for _ in 0..3 {
            voice.failed(&gone());
            voice.failed(&Error::Late { at: "/s".into() });
        }
        voice.back();
        voice.back();
        for _ in 0..3 {
            voice.problem("one");
            voice.failed(&Error::Denied { at: "/s".into() });
        }
        voice.failed(&gone());
    });
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let said: Vec<&str> = text.lines().collect();
    assert_eq!(said.len(), 5, "{text}");
    for (line, word) in said.iter().zip(["cannot connect", "back after", "one", "level admin", "cannot connect"]) {
        assert!(line.contains(word) && line.contains("/s:b"), "{line}: {word}");
    }
}
