//! The model itself: it must not be kinder than a database.

use core::time::Duration;

use super::*;
use crate::card::{Card, Clients};
use crate::edit::{AloneSet, EventDraft, Guard, NewRow, PoolWrite, RowSet, RowWrite, Same, VoteSet};
use crate::row::{Address, Health, VoteKind};
use crate::{BootToken, Incarnation};

const NOW: DbTime = DbTime::from_us(1_000_000_000);

fn new_row(n: i64) -> NewRow {
    NewRow {
        card: Card {
            name: format!("s{n}"),
            address: Address::V4((0x0a00_0000 + u32::try_from(n).unwrap()).into()),
            notice_port: 1,
            clients: Clients { address: None, port: None, weight: 1 },
            boot: BootToken("b".into()),
        },
        incarnation: Incarnation(1),
        pick: n * 10,
        health: Health::Unknown,
        wait: Duration::from_millis(60),
        draining: false,
    }
}

fn plan(writes: Vec<RowWrite>) -> Plan {
    Plan { deadline: NOW, writes, pool: None, events: Vec::new(), recheck: false, outcome: Outcome::Written }
}

fn insert(table: &mut VirtualTable, n: i64) -> Commit {
    table.commit(
        &plan(vec![RowWrite::Insert { new: new_row(n), first_buddy: ServerId::NEW, second_buddy: ServerId::NEW }]),
        &mut || true,
    )
}

/// Rows 1 to 3, each a ring of its own: the model does not care.
fn three() -> VirtualTable {
    let mut table = VirtualTable::new(NOW);
    for n in 1..=3 {
        assert_eq!(insert(&mut table, n), Commit::Done(Outcome::Written));
    }
    table
}

fn update(table: &VirtualTable, id: i64, set: RowSet) -> RowWrite {
    RowWrite::Update { guard: (&table.rows[&ServerId(id)]).into(), set }
}

#[test]
fn an_inserted_row_is_itself_where_its_links_say_new() {
    let mut table = VirtualTable::new(NOW);
    let outcome = Outcome::Joined { id: ServerId::NEW, incarnation: Incarnation(1), kept_place: false };
    let event = EventDraft {
        subject: Some(ServerId::NEW),
        subject_name: "s1".into(),
        by: "s1".into(),
        body: crate::EventBody::read(EventKind::Joined, serde_json::json!({})).unwrap(),
    };
    let plan = Plan {
        events: vec![event],
        outcome,
        ..plan(vec![RowWrite::Insert { new: new_row(1), first_buddy: ServerId::NEW, second_buddy: ServerId::NEW }])
    };
    let id = ServerId(1);
    let joined = Outcome::Joined { id, incarnation: Incarnation(1), kept_place: false };
    assert_eq!(table.commit(&plan, &mut || true), Commit::Done(joined));
    let row = &table.rows[&id];
    assert_eq!((row.first_buddy, row.second_buddy, row.version), (id, id, 1));
    assert_eq!((table.events[0].subject, table.events[0].at), (Some(id), NOW));
    // The links of other rows to the new row are filled in too, whatever comes first in the plan.
    let set = RowSet { first_buddy: Some(ServerId::NEW), ..RowSet::default() };
    let writes = vec![
        update(&table, 1, set),
        RowWrite::Insert { new: new_row(2), first_buddy: ServerId::NEW, second_buddy: ServerId::NEW },
    ];
    table.commit(&self::plan(writes), &mut || true);
    assert_eq!(table.rows[&id].first_buddy, ServerId(2));
}

#[test]
fn every_part_of_the_guard_is_compared_and_a_mismatch_undoes_everything() {
    let spoils: [fn(&mut Guard); 5] = [
        |g| g.id = ServerId(9),
        |g| g.first_buddy = ServerId(9),
        |g| g.second_buddy = ServerId(9),
        |g| g.incarnation = Incarnation(9),
        |g| g.same = Same::All(9),
    ];
    for spoil in spoils {
        for delete in [false, true] {
            let mut table = three();
            let before = table.rows.clone();
            let mut guard = Guard::from(&table.rows[&ServerId(2)]);
            spoil(&mut guard);
            let wrong =
                if delete { RowWrite::Delete(guard) } else { RowWrite::Update { guard, set: RowSet::default() } };
            let writes = vec![
                RowWrite::Insert { new: new_row(4), first_buddy: ServerId::NEW, second_buddy: ServerId::NEW },
                update(&table, 1, RowSet::default()),
                wrong,
            ];
            assert_eq!(table.commit(&plan(writes), &mut || true), Commit::Conflict);
            assert_eq!(table.rows, before);
            insert(&mut table, 4);
            assert!(table.rows.contains_key(&ServerId(5)), "an id is given out once, rolled back or not");
        }
    }
}

#[test]
fn names_addresses_and_picks_are_unique() {
    let same: [fn(&mut NewRow, NewRow); 3] = [
        |new, old| new.card.name = old.card.name,
        |new, old| new.card.address = old.card.address,
        |new, old| new.pick = old.pick,
    ];
    for same in same {
        let mut table = three();
        let mut new = new_row(4);
        same(&mut new, new_row(2));
        assert_eq!(
            table.commit(
                &plan(vec![RowWrite::Insert { new, first_buddy: ServerId::NEW, second_buddy: ServerId::NEW }]),
                &mut || true
            ),
            Commit::Conflict
        );
        assert_eq!(table.rows.len(), 3);
    }
    let mut table = three();
    let taken = RowSet { card: Some(new_row(2).card), ..RowSet::default() };
    let write = update(&table, 1, taken.clone());
    assert_eq!(table.commit(&plan(vec![write]), &mut || true), Commit::Conflict);
    let own = update(&table, 2, taken);
    assert_eq!(table.commit(&plan(vec![own]), &mut || true), Commit::Done(Outcome::Written));
}

#[test]
fn every_update_makes_the_version_grow_and_stamps_are_the_databases() {
    let mut table = three();
    let voter = ServerId(1);
    let cast = VoteSet::Cast { voter, incarnation: Incarnation(1), kind: VoteKind::Host };
    let set = RowSet { vote_first: cast, alone: AloneSet::Mark(VoteKind::Host), ..RowSet::default() };
    let write = update(&table, 2, set);
    table.set_now(NOW - Duration::from_secs(2));
    table.commit(&plan(vec![write]), &mut || true);
    let began = table.now();
    table.advance(Duration::from_secs(1));
    let set = RowSet { vote_first: VoteSet::Renew, alone: AloneSet::Renew, ..RowSet::default() };
    let write = update(&table, 2, set);
    table.commit(&plan(vec![write]), &mut || true);
    let row = &table.rows[&ServerId(2)];
    let vote = row.vote_first.as_ref().unwrap();
    assert_eq!((vote.since, vote.at), (began, table.now()));
    assert_eq!((row.alone_since, row.alone_at), (Some(began), Some(table.now())));
    assert_eq!(row.alone_kind, Some(VoteKind::Host));
    assert_eq!(row.version, 3);
    let set = RowSet { vote_first: VoteSet::Clear, alone: AloneSet::Clear, ..RowSet::default() };
    let write = update(&table, 2, set);
    table.commit(&plan(vec![write]), &mut || true);
    let row = &table.rows[&ServerId(2)];
    assert_eq!((&row.vote_first, row.alone_since, row.alone_at, row.alone_kind), (&None, None, None, None));
    let write = update(&table, 2, RowSet::default());
    table.commit(&plan(vec![write]), &mut || true);
    assert_eq!(table.rows[&ServerId(2)].version, 5);
}

#[test]
fn nothing_takes_effect_after_the_deadline() {
    let mut table = three();
    let write = update(&table, 1, RowSet::default());
    table.advance(Duration::from_micros(1));
    assert_eq!(table.commit(&plan(vec![write]), &mut || true), Commit::Late);
    assert_eq!(table.rows[&ServerId(1)].version, 1);
}

#[test]
fn another_version_of_the_pool_is_a_conflict() {
    let mut table = three();
    let write = update(&table, 1, RowSet::default());
    let frozen = Some(PoolWrite { version: 2, frozen: Some(Some("why".into())) });
    let wrong = Plan { pool: frozen, ..plan(vec![write.clone()]) };
    assert_eq!(table.commit(&wrong, &mut || true), Commit::Conflict);
    assert_eq!((table.rows[&ServerId(1)].version, &table.pool.frozen), (1, &None));
    let right = Plan { pool: Some(PoolWrite { version: 1, frozen: Some(Some("why".into())) }), ..plan(vec![write]) };
    assert_eq!(table.commit(&right, &mut || true), Commit::Done(Outcome::Written));
    assert_eq!((table.pool.version, table.pool.frozen.as_deref()), (2, Some("why")));
}

#[test]
fn the_caller_is_asked_before_the_last_statement_and_before_commit_if_the_plan_wants_it() {
    let write = |table: &VirtualTable| vec![update(table, 1, RowSet::default()), update(table, 2, RowSet::default())];
    for (recheck, questions) in [(true, 2), (false, 0)] {
        let mut table = three();
        let mut asked = 0;
        let plan = Plan { recheck, ..plan(write(&table)) };
        table.commit(&plan, &mut || {
            asked += 1;
            true
        });
        assert_eq!(asked, questions);
    }
    for no_at in 0..2 {
        let mut table = three();
        let before = table.rows.clone();
        let mut asked = 0;
        let plan = Plan { recheck: true, ..plan(write(&table)) };
        let commit = table.commit(&plan, &mut || {
            asked += 1;
            asked <= no_at
        });
        assert_eq!((commit, &table.rows), (Commit::Overtaken, &before));
    }
}

#[test]
fn lookups_answer_as_they_are_documented() {
    let mut table = three();
    for (id, first) in [(1, 2), (2, 3), (3, 1)] {
        table.rows.get_mut(&ServerId(id)).unwrap().first_buddy = ServerId(first);
    }
    let event = |kind, ago, subject: i64| StoredEvent {
        id: 1,
        at: NOW - Duration::from_secs(ago),
        subject: Some(ServerId(subject)),
        subject_name: format!("s{subject}"),
        by: String::new(),
        body: crate::EventBody::read(kind, serde_json::json!({})).unwrap(),
    };
    table.events = vec![
        event(EventKind::Down, 700, 5),
        event(EventKind::Down, 600, 6),
        event(EventKind::AgentLost, 1, 8),
        event(EventKind::Down, 1, 8),
        event(EventKind::AgentLost, 1, 8),
        event(EventKind::Down, 1, 1),
        event(EventKind::Down, 2, 4),
        event(EventKind::Forgotten, 1, 4),
        event(EventKind::Joined, 1, 9),
        event(EventKind::Left, 1, 7),
    ];
    let mut seen = table.begin(Time::ZERO);
    let window = Lookup::Gone(Duration::from_secs(600));
    let walk = |from, count| Lookup::Walk { from: ServerId(from), side: Side::First, count };
    let none = Lookup::Name("S1".into());
    let lookups = [
        Lookup::Pick(11),
        Lookup::Pick(31),
        Lookup::Address(new_row(3).card.address),
        none.clone(),
        walk(1, 9),
        walk(1, 1),
        window.clone(),
        Lookup::Members,
        Lookup::LastEvent(ServerId(8)),
        Lookup::LastEvent(ServerId(9)),
    ];
    for lookup in &lookups {
        assert!(!seen.asked(lookup));
        table.read(&mut seen, lookup);
        assert!(seen.asked(lookup));
    }
    let id = |lookup: &Lookup| seen.row(lookup).map(|row| row.id.0);
    assert_eq!(lookups[..4].iter().map(id).collect::<Vec<_>>(), [Some(2), Some(1), Some(3), None]);
    assert_eq!(seen.answers[&none], [], "asked for and not found");
    assert_eq!(seen.answers[&walk(1, 9)], [ServerId(2), ServerId(3)], "it ends before it comes round");
    assert_eq!(seen.answers[&walk(1, 1)], [ServerId(2)]);
    assert_eq!((seen.counts[&window], seen.counts[&Lookup::Members]), (2, 3));
    assert_eq!(seen.events[&ServerId(8)].as_ref().map(|e| e.kind()), Some(EventKind::AgentLost));
    assert_eq!(seen.events[&ServerId(9)].as_ref().map(|e| e.kind()), Some(EventKind::Joined), "whether it left or not");
}
