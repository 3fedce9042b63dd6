//! Rings to try things on.

use core::time::Duration;

use crate::card::{Card, Clients};
use crate::edit::{AnswerSet, NewRow, Outcome};
use crate::op::{Accusation, Finding, Mute, Place, TableOp};
use crate::ring;
use crate::row::{Address, Health, Mode, ServerRow, Side, VoteKind};
use crate::virtual_table::VirtualTable;
use crate::{BootToken, DbTime, Incarnation, Profile, ServerId, Silence, Time, WatchId};

/// A moment of the database's clock that is not near zero.
pub const NOON: DbTime = DbTime::from_us(1_700_000_000_000_000);

pub fn address(name: &str) -> Address {
    let number = name.bytes().fold(0_u32, |n, b| n.wrapping_mul(31).wrapping_add(u32::from(b)));
    Address::V4((0x0a00_0000 | (number & 0x00ff_ffff)).into())
}

pub fn new_row(name: &str) -> NewRow {
    let number = name.bytes().fold(7_i64, |n, b| n.wrapping_mul(1_000_003).wrapping_add(i64::from(b)));
    NewRow {
        card: Card {
            name: name.into(),
            address: address(name),
            notice_port: 7464,
            clients: Clients { address: None, port: None, weight: 1 },
            boot: BootToken(format!("boot of {name}")),
        },
        incarnation: Incarnation(0),
        pick: number,
        health: Health::Unknown,
        wait: Duration::from_millis(60),
        draining: false,
    }
}

/// A ring of these servers in this order: each is the `first` buddy of the one before.
pub fn ring_of(names: &[&str]) -> VirtualTable {
    let mut table = VirtualTable::new(NOON);
    for (place, name) in names.iter().enumerate() {
        let after = place.checked_sub(1).map(|p| names[p]);
        let joined = table.run_plain(&join(&table, name, after));
        assert!(matches!(joined, Ok(Outcome::Joined { kept_place: false, .. })), "{name}: {joined:?}");
    }
    table
}

pub fn join(table: &VirtualTable, name: &str, after: Option<&str>) -> TableOp {
    let place = after.map(|after| {
        let at = row(table, after);
        Place::between(at, &table.rows[&at.first_buddy])
    });
    TableOp::Join { new: new_row(name), place }
}

pub fn leave(table: &VirtualTable, name: &str) -> TableOp {
    let row = row(table, name);
    TableOp::Leave { id: row.id, incarnation: Some(row.incarnation), by: name.into() }
}

pub fn row<'a>(table: &'a VirtualTable, name: &str) -> &'a ServerRow {
    table.named(name).unwrap_or_else(|| panic!("{name} is not in the table"))
}

pub fn id(table: &VirtualTable, name: &str) -> ServerId {
    row(table, name).id
}

/// The names along the ring, starting with the lowest id. Fails if the table is not one whole ring.
pub fn whole(table: &VirtualTable) -> Vec<String> {
    let damage = ring::check(table.rows.values());
    assert!(damage.is_empty(), "{}", damage.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    let Some(start) = table.rows.keys().next() else { return Vec::new() };
    let order = ring::order(&table.rows, *start);
    assert_eq!(order.len(), table.rows.len());
    order.iter().map(|id| table.rows[id].card.name.clone()).collect()
}

/// The accusers' own clock. It runs with the database's clock, and shows a thousand seconds at noon.
pub fn mono(table: &VirtualTable) -> Time {
    let since_noon = table.now().as_us() - NOON.as_us();
    Time::from_ns(u64::try_from(1_000_000_000_000 + since_noon * 1000).unwrap())
}

pub const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// `whom` has not answered for `silent`, which is enough.
pub fn silent(table: &VirtualTable, whom: &str, silent: Duration) -> Finding {
    finding(table, whom, VoteKind::Host, silent)
}

/// `whom` answers, but has had no pulse for `silent`.
pub fn pulseless(table: &VirtualTable, whom: &str, silent: Duration) -> Finding {
    finding(table, whom, VoteKind::Agent, silent)
}

fn finding(table: &VirtualTable, whom: &str, kind: VoteKind, silent: Duration) -> Finding {
    let row = row(table, whom);
    let since = mono(table) - silent;
    let watch = WatchId { slot: 0, generation: 1 };
    Finding {
        proved: false,
        server: row.id,
        incarnation: row.incarnation,
        silence: Silence { watch, kind, since },
        misses: 20,
        enough: true,
    }
}

/// The accusation by `me` of its neighbours on `side`.
pub fn against(
    table: &VirtualTable,
    me: &str,
    side: Side,
    findings: Vec<Finding>,
    far_end: Option<&str>,
) -> Accusation {
    let own = row(table, me);
    Accusation {
        me: own.id,
        incarnation: own.incarnation,
        name: own.card.name.clone(),
        side,
        mute: Mute::default(),
        findings,
        far_end: far_end.map(|far| id(table, far)),
        served: Duration::MAX,
        lag: Duration::ZERO,
        confirmed: None,
        braked: false,
        mode: Mode::Act,
        tuning: Profile::Default.tuning(),
    }
}

/// Runs the operation with no other operation in between. Every silence goes on.
pub fn run(table: &mut VirtualTable, op: TableOp) -> Outcome {
    let now = mono(table);
    table.run(&op, now, &mut || true).unwrap().0
}

/// Accuses, with no other operation in between.
pub fn accuse(table: &mut VirtualTable, a: &Accusation) -> Outcome {
    run(table, TableOp::Accuse(a.clone()))
}

/// Against whom it voted.
pub fn voted(outcome: &Outcome) -> &[ServerId] {
    let Outcome::Voted { subjects, .. } = outcome else { panic!("{outcome:?}") };
    subjects
}

/// `name` writes that it hears `whom`.
pub fn answer(table: &mut VirtualTable, name: &str, whom: &str) {
    let (me, hears) = (row(table, name).clone(), Some(id(table, whom)));
    let set = AnswerSet { wait: me.wait(), hears };
    let outcome = run(table, TableOp::Answer { me: me.id, incarnation: me.incarnation, set });
    assert_eq!(outcome, Outcome::Written);
}

/// The names of the removed servers. Fails if there was any other outcome.
pub fn removed(outcome: &Outcome) -> Vec<&str> {
    let Outcome::Removed { removed, .. } = outcome else { panic!("nobody was removed: {outcome:?}") };
    removed.iter().map(|r| r.name.as_str()).collect()
}
