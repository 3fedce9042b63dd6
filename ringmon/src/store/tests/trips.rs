//! How often an operation asks the server: what it sends, counted on the wire. The first time on a new connection each
//! statement is prepared as well.

use std::collections::BTreeMap;
use std::time::Instant;

use super::kit::{POOL, TestDb};
use super::moments::{against, removal};
use super::wire::Wire;
use crate::store::Store;
use ringmon_core::Outcome;
use ringmon_core::edit::Guard;
use ringmon_core::op::TableOp;
use ringmon_core::row::{Health, Side};

super::on_servers!(a_look_a_vote_and_an_answer_need_no_transaction);

const TURNS: u32 = 50;

async fn a_look_a_vote_and_an_answer_need_no_transaction(db: TestDb) {
    let direct = db.store().await;
    direct.ring_of(&["a", "b", "c", "d", "e"]).await;
    let rows = direct.servers().await.unwrap();
    let (a, c) = (&rows[0], &rows[2]);
    let wire = Wire::start(db.port()).await;
    let store = Store::open(&wire.way_to(&db), POOL).await.unwrap();
    store.pool().await.unwrap();
    let sent = || {
        let (statements, _) = wire.seen();
        wire.arm(None);
        statements
    };
    // How many of each.
    let tally = || {
        let mut tally = BTreeMap::<String, u32>::new();
        sent().into_iter().for_each(|said| *tally.entry(said).or_default() += 1);
        tally
    };
    let executed = |number| BTreeMap::from([("(execute)".to_owned(), number)]);
    sent();

    let view = TableOp::View { me: a.id, known: vec![c.id] };
    let begun = Instant::now();
    for _ in 0..TURNS {
        assert_eq!(store.run_plain(&view).await, Outcome::Read);
    }
    println!("a look: {:?}", begun.elapsed() / TURNS);
    assert_eq!(tally(), executed(3 * TURNS), "the clock, the own row and the known one, the buddies");

    let begun = Instant::now();
    for _ in 0..TURNS {
        store.answer(a, std::time::Duration::from_millis(70), Some(c.id)).await;
    }
    println!("an answer: {:?}", begun.elapsed() / TURNS);
    assert_eq!(tally(), executed(2 * TURNS), "the clock, the answer");

    store.disconnect();
    let begun = Instant::now();
    store.answer(a, std::time::Duration::from_millis(70), Some(c.id)).await;
    println!("an answer over a new connection: {:?}", begun.elapsed());
    sent();

    let health = |health| TableOp::SetService { me: a.id, incarnation: a.incarnation, health, weight: None };
    for health in [Health::Passing, Health::Failing].map(health) {
        assert_eq!(store.run_plain(&health).await, Outcome::Written);
        assert_eq!(tally(), executed(3), "the clock, the row, the write");
    }
    let rows = direct.servers().await.unwrap();
    let vote = TableOp::Accuse(against(&rows, Side::First, &["d"]));
    assert!(matches!(store.run_plain(&vote).await, Outcome::Voted { .. }));
    let voted = sent();
    assert!(voted.iter().all(|said| said == "(execute)") && voted.len() <= 4, "{voted:?}");

    let removal = removal(&direct, &rows, &["b"]).await;
    assert!(matches!(store.run_plain(&removal).await, Outcome::Removed { .. }));
    let removed = sent();
    println!("a vote: {voted:?}\na removal: {removed:?}");
    let begin = removed.iter().position(|said| said == "BEGIN").unwrap();
    assert!(begin >= 2 && removed.last().is_some_and(|said| said == "COMMIT"), "it reads first: {removed:?}");
    // A take-over writes an event, too.
    let again = TableOp::TakeOver { row: Guard::from(&direct.row("e").await), new: super::kit::new_row("e") };
    assert!(matches!(store.run_plain(&again).await, Outcome::Joined { .. }));
    assert!(sent().contains(&"COMMIT".to_owned()));
}
