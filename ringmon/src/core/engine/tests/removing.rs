//! After a removal: what this server takes for known, and what it says twice.

use super::kit::{Bench, address, ms};
use super::member::{buddies, notice, silence_of};
use crate::core::edit::Removal;
use crate::core::engine::{Input, TableDone, TableOp};
use crate::core::{Notice, NoticeBody, Outcome, ServerId, VoteKind};

fn removed(number: u8, ends: (ServerId, ServerId)) -> Outcome {
    let removal = Removal {
        server: ServerId(i64::from(number)),
        name: format!("s{number}"),
        address: address(number),
        notice_port: 7464,
        kind: VoteKind::Host,
        voters: vec!["s9".into()],
    };
    Outcome::Removed { removed: vec![removal], ends }
}

/// Takes an operation out of those that were asked for.
fn ticket(bench: &mut Bench, wanted: impl Fn(&TableOp) -> bool) -> (u64, TableOp) {
    let at = bench.asked.iter().position(|(_, op)| wanted(op)).expect("it is under way");
    bench.asked.remove(at).expect("it is there")
}

fn accusation(op: &TableOp) -> bool {
    matches!(op, TableOp::Accuse(_))
}

fn view(op: &TableOp) -> bool {
    matches!(op, TableOp::View { .. })
}

/// A member with a silent first buddy, a vote and a look at its own row under way; and a server that is neither it nor a buddy.
fn suspecting() -> (Bench, u8) {
    let mut bench = Bench::member(6);
    let (first, second) = buddies(&bench);
    silence_of(&mut bench, first, 160);
    bench.settle();
    while !bench.asked.iter().any(|(_, op)| accusation(op)) {
        silence_of(&mut bench, first, 20);
    }
    bench.feed(notice(NoticeBody::Spliced { subject: ServerId(1) }));
    let other = (1..=6).find(|n| ![first, second].contains(n)).expect("six of them");
    (bench, other)
}

fn end(bench: &mut Bench, ticket: u64, outcome: Outcome) {
    let snapshot = bench.table.begin(bench.now);
    bench.feed(Input::Table(TableDone { ticket, result: Ok(outcome), snapshot, took: ms(1) }));
}

#[test]
fn a_removal_further_along_hides_nothing_that_was_read_meanwhile() {
    let (mut bench, other) = suspecting();
    let (_, second) = buddies(&bench);
    let began = bench.now;
    let (looking, look) = ticket(&mut bench, view);
    let id = bench.table.named(&format!("s{second}")).expect("a buddy").id;
    bench.table.run_plain(&TableOp::Leave { id, incarnation: None, by: "operator".into() }).expect("left");
    bench.now = bench.now + ms(5);
    let (voting, _) = ticket(&mut bench, accusation);
    end(&mut bench, voting, removed(other, (ServerId(1), ServerId(2))));
    let (outcome, snapshot) = bench.table.run(&look, began, &mut || true).expect("read");
    bench.feed(Input::Table(TableDone { ticket: looking, result: Ok(outcome), snapshot, took: ms(5) }));
    assert_ne!(buddies(&bench).1, second, "its own links are as they were read");
}

#[test]
fn a_removal_that_the_table_tells_of_again_is_not_made_again() {
    let (mut bench, other) = suspecting();
    let told = |bench: &Bench| {
        let removed = |(to, n): &&(_, Notice)| *to == address(other) && matches!(n.body, NoticeBody::Removed { .. });
        bench.sent.iter().filter(removed).count()
    };
    let first = buddies(&bench).0;
    for _ in 0..3 {
        while !bench.asked.iter().any(|(_, op)| accusation(op)) {
            silence_of(&mut bench, first, 20);
        }
        let (voting, _) = ticket(&mut bench, accusation);
        end(&mut bench, voting, removed(other, (ServerId(1), ServerId(2))));
    }
    assert_eq!(told(&bench), 1);
    assert_eq!(bench.engine.snapshot(bench.now).removals, 1);
}
