use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::super::agent_check::{AgentCheck, Askers, answer};
use crate::show::{Board, CheckView};
use ringmon_core::row::Health;
use ringmon_core::{Snapshot, Time};

const AT: Time = Time::from_ns(1_000_000_000_000);

fn now() -> Time {
    AT
}

fn board(phase: &'static str, edit: impl FnOnce(&mut Board)) -> Board {
    let mut board = Board { engine: Snapshot { phase, at: AT, ..Snapshot::default() }, ..Board::default() };
    edit(&mut board);
    board
}

fn failing(board: &mut Board) {
    board.engine.health = Health::Failing;
    let check = |check: &str, passing, why: Option<&str>| CheckView {
        check: check.to_owned(),
        passing: Some(passing),
        why: why.map(str::to_owned),
        ..CheckView::default()
    };
    board.checks =
        vec![check("tcp:127.0.0.1:80", true, None), check("exec:/a secret", false, Some("it is 42, 10% maint\nready"))];
}

fn away(board: &mut Board) {
    board.engine.database_away = Some((AT, "gone".to_owned()));
}

#[test]
fn a_member_is_ready_or_drains_or_is_down() {
    let says = |board: Board| answer(&board, 40, AT + Duration::from_millis(600));
    assert_eq!(says(board("member", |_| ())), "ready up 40%\n");
    assert_eq!(says(board("member", |board| board.engine.health = Health::Passing)), "ready up 40%\n");
    assert_eq!(says(board("member", |board| board.engine.draining = true)), "drain up 40%\n");
    assert_eq!(says(board("member", away)), "ready up 40%\n", "as its row was last");
    assert_eq!(says(board("member", failing)), "ready down 40% #exec check fails\n", "and no word of the check's");
    let both = board("member", |board| {
        failing(board);
        board.engine.draining = true;
    });
    assert_eq!(says(both), "drain down 40% #exec check fails\n");
}

#[test]
fn whoever_is_on_no_ring_is_in_maintenance() {
    for phase in ["joining", "removed", "leaving", "stopped"] {
        assert_eq!(answer(&board(phase, |_| ()), 100, AT), "maint\n", "{phase}");
    }
    assert_eq!(answer(&board("removed", away), 100, AT), "maint\n", "this it knows");
}

#[test]
fn an_agent_that_knows_nothing_of_its_place_leaves_it_as_it_is() {
    let late = AT + Duration::from_secs(5);
    for (board, now) in [
        (board("", |_| ()), AT),
        (board("starting", away), AT),
        (board("joining", away), AT),
        (board("member", |_| ()), late),
        (board("removed", |_| ()), late),
    ] {
        assert_eq!(answer(&board, 100, now), "up\n", "{}", board.engine.phase);
    }
    let board = board("starting", failing);
    assert_eq!(answer(&board, 100, AT), "down #exec check fails\n", "its service it knows");
}

async fn ask(to: SocketAddr, send: &[u8]) -> String {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(send).await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    said
}

/// Waits until every client that asks knows what was true then.
async fn knows(askers: &Askers, then: Time) {
    let known = async {
        while askers.all_know(AT) != Some(then) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), known).await.expect("somebody was told otherwise");
}

#[tokio::test]
async fn everybody_gets_the_newest_answer_whatever_they_send() {
    let (boards, shown) = watch::channel(Arc::new(board("joining", |_| ())));
    let listener = AgentCheck::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let to = listener.local_addr().unwrap();
    let askers = Askers::default();
    let check = AgentCheck { board: shown, weight: Arc::new(100.into()), clock: now, askers: askers.clone() };
    let serving = tokio::spawn(check.serve(listener));
    // A client that says nothing and reads nothing delays no other.
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(to).await.unwrap());
    }
    assert_eq!(ask(to, b"").await, "maint\n");
    boards.send_replace(Arc::new(board("member", |_| ())));
    assert_eq!(ask(to, b"").await, "ready up 100%\n");
    assert_eq!(ask(to, b"web/s1\n").await, "ready up 100%\n");
    assert_eq!(ask(to, &[0xff; 3000]).await, "ready up 100%\n");
    knows(&askers, AT).await;
    // The answer is as old as the board, whenever it is given.
    let old = AT - Duration::from_secs(1);
    boards.send_replace(Arc::new(board("member", |board| board.engine.at = old)));
    assert_eq!(ask(to, b"").await, "ready up 100%\n");
    knows(&askers, old).await;
    assert_eq!(askers.all_know(AT + Duration::from_secs(30)), None, "they are not expected any more");
    serving.abort();
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error_that_names_it() {
    let listener = AgentCheck::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let taken = listener.local_addr().unwrap();
    let error = AgentCheck::listen(taken).await.unwrap_err().to_string();
    assert_eq!(error, format!("cannot listen for agent-checks on {taken}: Address already in use (os error 98)"));
}
