use super::super::kit::{EAGER, PATIENT, Wires, active};
use super::*;

/// Accepts lists of two servers or more, and reports each attempt.
struct Fussy(tokio::sync::mpsc::UnboundedSender<usize>);

impl Target for Fussy {
    async fn apply(&mut self, routes: &Routes) -> Result<bool, Error> {
        let _ = self.0.send(routes.servers.len());
        if routes.servers.len() > 1 { Ok(true) } else { Err(Error::CommandLine("x".to_owned())) }
    }
}

fn start(pace: Pace, first: Routes) -> (Wires, tokio::sync::mpsc::UnboundedReceiver<usize>) {
    let (wires, lists, report) = Wires::new(first);
    let (sender, applied) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(run(Fussy(sender), pace, lists, report));
    (wires, applied)
}

#[tokio::test]
async fn a_list_without_any_server_is_not_handed_on() {
    let (mut wires, mut applied) = start(EAGER, Routes::default());
    // There is one thread, with nothing else to do: the task takes the first list, and waits for the next.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(applied.try_recv().is_err());
    wires.send(active(&["a", "b"]));
    wires.in_step(1).await;
    wires.send(Routes::default());
    wires.until("out of step", |status| !status.in_step && status.problem.is_none()).await;
    wires.send(active(&["a", "b", "c"]));
    wires.in_step(2).await;
    assert_eq!([applied.recv().await, applied.recv().await], [Some(2), Some(3)]);
    assert!(applied.try_recv().is_err());
}

#[tokio::test]
async fn a_failure_is_tried_again_by_itself() {
    let (mut wires, mut applied) = start(EAGER, active(&["a"]));
    wires.problem("command line").await;
    for _ in 0..3 {
        assert_eq!(applied.recv().await, Some(1));
    }
    assert_eq!(wires.status.borrow().applied, 0);
}

#[tokio::test]
async fn a_failure_is_tried_again_with_the_next_list() {
    let (mut wires, _applied) = start(PATIENT, active(&["a"]));
    wires.problem("command line").await;
    wires.send(active(&["a", "b"]));
    assert_eq!(wires.in_step(1).await.problem, None);
}

#[tokio::test]
async fn the_last_list_is_taken_although_nobody_makes_more() {
    let interval = Duration::from_millis(300);
    let begin = Instant::now();
    let (mut wires, mut applied) = start(Pace { min_interval: interval, ..EAGER }, active(&["a", "b"]));
    wires.in_step(1).await;
    wires.send(active(&["a", "b", "c"]));
    wires.send(active(&["a", "b", "c", "d"]));
    drop(wires.lists);
    let mut all = Vec::new();
    while let Some(length) = applied.recv().await {
        all.push(length);
    }
    assert_eq!((all.first(), all.last()), (Some(&2), Some(&4)));
    // It may have taken the list between as its first after the pause, and paused once more.
    assert!(all.len() <= 3, "{all:?}");
    assert!(begin.elapsed() >= interval, "{:?}", begin.elapsed());
}

#[test]
fn a_problem_is_told_once_whatever_numbers_it_has() {
    let mut said = Said::default();
    assert!(said.is_new("12:01 [4711] no such host"));
    assert!(!said.is_new("12:02 [4712] no such host"));
    assert!(said.is_new("12:03 [4713] no such port"));
    assert!(said.is_new("12:04 [4714] no such host"));
}
