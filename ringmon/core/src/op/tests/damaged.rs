//! Tables in states that should never occur. No operation panics, asks for ever, or reads twice. Damage is not made
//! worse by operations that only want to be right.

use proptest::prelude::*;

use super::kit::{NOON, new_row};
use crate::card::{Card, Clients};
use crate::edit::{Guard, Lookup, Outcome, Same};
use crate::op::{Accusation, Finding, Mute, Place, TableOp};
use crate::ring::Damage;
use crate::row::{Alone, Health, Mode, Quorum, ServerRow, Side, Vote, VoteKind};
use crate::virtual_table::{Attempt, Progress, VirtualTable};
use crate::{BootToken, DbTime, Incarnation, Profile, ServerId, Silence, Time, WatchId};

fn server() -> impl Strategy<Value = ServerId> {
    prop_oneof![12 => (1_i64..7).prop_map(ServerId), 1 => any::<i64>().prop_map(ServerId)]
}

fn stamp() -> impl Strategy<Value = DbTime> {
    prop_oneof![
        8 => (-5_000_000_i64..300_000).prop_map(|us| DbTime::from_us(NOON.as_us() + us)),
        1 => any::<i64>().prop_map(DbTime::from_us),
    ]
}

fn side() -> impl Strategy<Value = Side> {
    any::<bool>().prop_map(|first| if first { Side::First } else { Side::Second })
}

fn kind() -> impl Strategy<Value = VoteKind> {
    any::<bool>().prop_map(|host| if host { VoteKind::Host } else { VoteKind::Agent })
}

fn life() -> impl Strategy<Value = Incarnation> {
    prop_oneof![20 => Just(Incarnation(1)), 2 => Just(Incarnation(2)), 1 => any::<i64>().prop_map(Incarnation)]
}

fn vote() -> impl Strategy<Value = Option<Vote>> {
    let cast = (server(), life(), stamp(), stamp(), kind())
        .prop_map(|(voter, voter_incarnation, since, at, kind)| Vote { voter, voter_incarnation, since, at, kind });
    proptest::option::of(cast)
}

/// Rows that form a ring, except for a few links, with random votes and marks.
fn table() -> impl Strategy<Value = VirtualTable> {
    let marks = || {
        let alone = (proptest::option::of(stamp()), proptest::option::of(stamp()), proptest::option::of(kind()));
        (vote(), vote(), alone, life())
    };
    let wrong = prop::collection::vec((0_usize..6, side(), server()), 0..3);
    let wrong = prop_oneof![2 => Just(Vec::new()), 1 => wrong];
    let rules = (any::<bool>(), any::<bool>(), 0_u16..1200, any::<bool>());
    (prop_oneof![1 => prop::collection::vec(marks(), 0..3), 2 => prop::collection::vec(marks(), 3..6)], wrong, rules)
        .prop_map(|(marks, wrong, (single, all, brake, frozen))| {
            let mut table = VirtualTable::new(NOON);
            table.pool.rules.quorum = if single { Quorum::Single } else { Quorum::Both };
            table.pool.rules.alone = if all { Alone::All } else { Alone::One };
            table.pool.rules.brake_permille = brake;
            table.pool.frozen = frozen.then(|| "why".to_owned()).filter(|_| brake.is_multiple_of(7));
            let size = marks.len();
            for (place, (vote_first, vote_second, alone, incarnation)) in marks.into_iter().enumerate() {
                let row = damaged_row(place, size, incarnation);
                let (alone_since, alone_at, alone_kind) = alone;
                let row = ServerRow { vote_first, vote_second, alone_since, alone_at, alone_kind, ..row };
                table.rows.insert(row.id, row);
            }
            for (place, side, to) in wrong {
                let Some(row) = table.rows.values_mut().nth(place) else { continue };
                match side {
                    Side::First => row.first_buddy = to,
                    Side::Second => row.second_buddy = to,
                }
            }
            table
        })
}

fn damaged_row(place: usize, size: usize, incarnation: Incarnation) -> ServerRow {
    let id = |place: usize| ServerId(i64::try_from(place % size + 1).unwrap());
    let name = format!("s{place}");
    ServerRow {
        id: id(place),
        card: Card {
            name: name.clone(),
            address: super::kit::address(&name),
            notice_port: 1,
            clients: Clients { address: None, port: None, weight: 1 },
            boot: BootToken("boot".into()),
        },
        first_buddy: id(place + 1),
        second_buddy: id(place + size - 1),
        incarnation,
        pick: i64::try_from(place).unwrap(),
        draining: false,
        health: Health::Unknown,
        vote_first: None,
        vote_second: None,
        alone_since: None,
        alone_at: None,
        alone_kind: None,
        answering: None,
        version: 1,
    }
}

fn findings() -> impl Strategy<Value = Vec<Finding>> {
    let one = (server(), life(), kind(), 0_u64..20_000, any::<bool>()).prop_map(
        |(server, incarnation, kind, ago, enough)| {
            let since = Time::from_ns(1_000_000_000_000 - ago * 1_000_000);
            let silence = Silence { watch: WatchId { slot: 0, generation: 1 }, kind, since };
            Finding { server, incarnation, silence, misses: 9, enough, proved: false }
        },
    );
    prop_oneof![9 => prop::collection::vec(one, 1..4), 1 => Just(Vec::new())]
}

fn accusation() -> impl Strategy<Value = Accusation> {
    let parts = (server(), life(), side(), findings(), proptest::option::of(server()), 0_u64..3000);
    parts.prop_map(|(me, incarnation, side, findings, far_end, served)| Accusation {
        me,
        incarnation,
        name: "me".into(),
        side,
        mute: Mute::default(),
        findings,
        far_end,
        served: super::kit::ms(served),
        lag: core::time::Duration::ZERO,
        confirmed: None,
        braked: false,
        mode: Mode::Act,
        tuning: Profile::Default.tuning(),
    })
}

/// Fits the accusation to this table: its findings follow the existing links, in the existing lives.
fn fit(table: &mut VirtualTable, a: &mut Accusation, whole_ring: bool) {
    let Some(me) = table.rows.values().nth(usize::try_from(a.me.0.rem_euclid(6)).unwrap()) else { return };
    (a.me, a.incarnation) = (me.id, me.incarnation);
    let mut seen = table.begin(Time::ZERO);
    let walk = Lookup::Walk { from: me.id, side: a.side, count: 9 };
    table.read(&mut seen, &walk);
    let beyond = &seen.answers[&walk];
    if whole_ring {
        let template = a.findings.first().cloned();
        a.findings = template.into_iter().flat_map(|f| vec![f; beyond.len()]).collect();
    }
    a.findings.truncate(beyond.len());
    for (finding, id) in a.findings.iter_mut().zip(beyond) {
        (finding.server, finding.incarnation) = (*id, seen.rows[id].incarnation);
    }
    a.far_end = beyond.get(a.findings.len()).copied().or(a.far_end);
    // Often the far end accuses the same servers.
    let Some(far) = a.far_end.and_then(|far| seen.rows.get(&far)).filter(|_| !a.served.as_millis().is_multiple_of(3))
    else {
        return;
    };
    let at = NOON - super::kit::ms(200);
    for finding in &a.findings {
        let vote =
            Vote { voter: far.id, voter_incarnation: far.incarnation, since: at, at, kind: finding.silence.kind };
        let row = table.rows.get_mut(&finding.server).unwrap();
        match a.side {
            Side::First => row.vote_first = Some(vote),
            Side::Second => row.vote_second = Some(vote),
        }
    }
}

fn guard() -> impl Strategy<Value = Guard> {
    (server(), server(), server(), life()).prop_map(|(id, first_buddy, second_buddy, incarnation)| Guard {
        id,
        first_buddy,
        second_buddy,
        incarnation,
        same: Same::All(1),
    })
}

fn place() -> impl Strategy<Value = Place> {
    (guard(), guard(), proptest::option::of(server())).prop_map(|(at, next, silent)| Place { at, next, silent })
}

fn op() -> impl Strategy<Value = TableOp> {
    prop_oneof![
        1 => (server(), prop::collection::vec(server(), 0..4)).prop_map(|(me, known)| TableOp::View { me, known }),
        1 => (server(), side(), 0_u16..9).prop_map(|(from, side, count)| TableOp::Ahead { from, side, count }),
        1 => any::<i64>().prop_map(|pick| TableOp::PickPlace { pick }),
        1 => (-1_i64..7).prop_map(|pick| TableOp::PickPlace { pick }),
        1 => (proptest::option::of(place()), -1_i64..7).prop_map(|(place, pick)| TableOp::Join {
            new: crate::edit::NewRow { pick, ..new_row("new") },
            place
        }),
        1 => (server(), life(), place()).prop_map(|(me, incarnation, place)| TableOp::Move {
            me,
            incarnation,
            place,
            misplaced: super::kit::ms(2000)
        }),
        1 => (guard(), 0_usize..6).prop_map(|(row, n)| TableOp::TakeOver { row, new: new_row(&format!("s{n}")) }),
        1 => (server(), proptest::option::of(life())).prop_map(|(id, incarnation)| TableOp::Leave {
            id,
            incarnation,
            by: "me".into()
        }),
        6 => accusation().prop_map(TableOp::Accuse),
        3 => accusation().prop_map(TableOp::RemoveAll),
        1 => (server(), prop::collection::vec(server(), 0..4))
            .prop_map(|(me, subjects)| TableOp::Withdraw { me, subjects }),
        1 => (server(), life(), proptest::option::of(kind())).prop_map(|(me, incarnation, alone)| TableOp::Alone {
            me,
            incarnation,
            alone
        }),
        1 => (server(), life(), any::<Option<u16>>()).prop_map(|(me, incarnation, weight)| TableOp::SetService {
            me,
            incarnation,
            health: Health::Failing,
            weight
        }),
        1 => (server(), life(), any::<bool>()).prop_map(|(id, incarnation, draining)| TableOp::SetDraining {
            id,
            incarnation: Some(incarnation),
            draining,
            by: "me".into()
        }),
        1 => any::<bool>().prop_map(|f| TableOp::SetFrozen { frozen: f.then(|| "why".into()), by: "me".into() }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    /// Every operation ends after a few statements, without a panic (the attempt itself panics if a lookup is asked for
    /// twice).
    #[test]
    fn no_table_makes_an_operation_panic_or_go_on_for_ever(
        mut table in table(), mut op in op(), fitting in 0_u8..4,
    ) {
        if fitting > 0 && let TableOp::Accuse(a) = &mut op {
            fit(&mut table, a, false);
        }
        if fitting > 0 && let TableOp::RemoveAll(a) = &mut op {
            fit(&mut table, a, true);
        }
        let (members, damage) = (table.rows.len(), crate::ring::check(table.rows.values()));
        let mut attempt = Attempt::new(op.clone(), Time::from_ns(1_000_000_000_000));
        let mut statements = 0;
        let outcome = loop {
            match attempt.advance(&mut table, &mut || true) {
                Progress::Busy => statements += 1,
                Progress::Ended(outcome) => break outcome,
            }
            prop_assert!(statements < 60, "{:?} goes on for ever", op);
        };
        let outcome = outcome.expect("nobody is away");
        let mut after = crate::ring::check(table.rows.values());
        // An orphan may point at the server that goes. It is as lost as before.
        let lost = |id| damage.iter().any(|d| matches!(d, Damage::Orphan { server } if server.id == id));
        after.retain(|d| !matches!(d, Damage::Dangling { server, .. } if lost(server.id)));
        prop_assert!(after.len() <= damage.len(), "{outcome:?}: {damage:?}, and then {after:?}");
        let grown = matches!((&op, &outcome), (TableOp::Join { .. }, Outcome::Joined { .. }));
        prop_assert!(table.rows.len() <= members + usize::from(grown));
    }
}
