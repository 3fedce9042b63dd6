//! Running checks: what the loop hears, and what the board shows.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use super::super::{Need, Options, Service, Steps};
use super::check;
use ringmon_core::Time;
use ringmon_core::row::Health;

pub(super) const SOON: Duration = Duration::from_secs(10);

pub(super) fn clock() -> Time {
    static BEGAN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    Time::ZERO + Duration::from_secs(1) + BEGAN.get_or_init(Instant::now).elapsed()
}

fn options(checks: &[String], turns: u32) -> Options {
    let turns = NonZeroU32::new(turns).unwrap();
    Options {
        checks: checks.iter().map(|text| check(text)).collect(),
        interval: Duration::from_millis(50),
        timeout: Duration::from_millis(40),
        steps: Steps { rise: turns, fall: turns },
        need: Need::All,
    }
}

pub(super) async fn next(service: &mut Service) -> Health {
    tokio::time::timeout(SOON, service.changed()).await.expect("the health changes")
}

/// An HTTP server whose status can be changed (0: it does not answer), and the number of its requests.
async fn server() -> (String, Arc<AtomicU16>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/healthz", listener.local_addr().unwrap());
    let (status, came) = (Arc::new(AtomicU16::new(200)), Arc::new(AtomicUsize::new(0)));
    let (answer, count) = (Arc::clone(&status), Arc::clone(&came));
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            match answer.load(Ordering::Relaxed) {
                0 => held.push(stream),
                status => drop(stream.write_all(format!("HTTP/1.1 {status} X\r\n\r\n").as_bytes()).await),
            }
        }
    });
    (url, status, came)
}

#[tokio::test]
async fn the_loop_hears_of_changes_and_the_board_has_the_reason() {
    let (url, status, came) = server().await;
    let mut service = Service::start(options(std::slice::from_ref(&url), 2), &Handle::current(), clock);
    service.known(SOON).await;
    assert_eq!(service.shown()[0].passing, Some(true), "waited for, and still to be heard of");
    assert_eq!(next(&mut service).await, Health::Passing, "the first result decides at once");
    let before = came.load(Ordering::Relaxed);
    status.store(500, Ordering::Relaxed);
    assert_eq!(next(&mut service).await, Health::Failing);
    assert!(came.load(Ordering::Relaxed) >= before + 2, "two in a row");
    let shown = service.shown();
    assert_eq!(
        (shown[0].check.as_str(), shown[0].passing, shown[0].why.as_deref()),
        (&*url, Some(false), Some("status 500"))
    );
    assert!(shown[0].since > Time::ZERO);
    assert_eq!(service.failing(), Some((url, "status 500".to_owned())));
    status.store(204, Ordering::Relaxed);
    assert_eq!(next(&mut service).await, Health::Passing);
    assert_eq!(service.failing(), None);
    service.stop().await;
}

#[tokio::test]
async fn who_hangs_fails_within_the_timeout() {
    let (url, status, _) = server().await;
    status.store(0, Ordering::Relaxed);
    let began = Instant::now();
    let mut service = Service::start(options(&[url], 2), &Handle::current(), clock);
    assert_eq!(next(&mut service).await, Health::Failing);
    let took = service.shown()[0].took;
    assert!(took >= Duration::from_millis(40) && took <= began.elapsed(), "{took:?}");
    assert_eq!(service.shown()[0].why.as_deref(), Some("no result within 40ms"));
    status.store(200, Ordering::Relaxed);
    assert_eq!(
        next(&mut service).await,
        Health::Passing,
        "one hanging check does not keep the next one from being made"
    );
    service.stop().await;
}

#[tokio::test]
async fn one_check_of_two_that_fails_fails_all() {
    let (good, _, _) = server().await;
    let (bad, status, _) = server().await;
    let mut service = Service::start(options(&[good, bad.clone()], 1), &Handle::current(), clock);
    assert_eq!(next(&mut service).await, Health::Passing);
    status.store(503, Ordering::Relaxed);
    assert_eq!(next(&mut service).await, Health::Failing);
    assert_eq!(service.failing(), Some((bad, "status 503".to_owned())));
    service.stop().await;
}

#[tokio::test]
async fn without_checks_nothing_runs() {
    let mut service = Service::start(Options::default(), &Handle::current(), clock);
    assert!(tokio::time::timeout(Duration::from_millis(20), service.changed()).await.is_err());
    assert!(service.shown().is_empty());
    service.stop().await;
}

/// An interval of zero makes tokio panic, which stands for any bug in a check.
#[tokio::test]
async fn a_check_that_breaks_off_changes_nothing() {
    let (url, _, _) = server().await;
    let broken = Options { interval: Duration::ZERO, ..options(&[url], 1) };
    let mut service = Service::start(broken, &Handle::current(), clock);
    assert!(tokio::time::timeout(Duration::from_millis(200), service.changed()).await.is_err());
    assert!(service.health.is_none(), "it was noticed, and said");
    assert_eq!(service.shown()[0].passing, None);
    service.stop().await;
}
