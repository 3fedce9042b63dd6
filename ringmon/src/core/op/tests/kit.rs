//! Rings to try things on.

use crate::core::edit::{Guard, NewRow, Outcome};
use crate::core::op::TableOp;
use crate::core::ring;
use crate::core::row::{Address, Health, ServerRow};
use crate::core::sim::table::VirtualTable;
use crate::core::{BootToken, DbTime, Incarnation, ServerId};

/// A moment of the database's clock that is not near zero.
pub const NOON: DbTime = DbTime::from_us(1_700_000_000_000_000);

pub fn address(name: &str) -> Address {
    let number = name.bytes().fold(0_u32, |n, b| n.wrapping_mul(31).wrapping_add(u32::from(b)));
    Address::V4((0x0a00_0000 | (number & 0x00ff_ffff)).into())
}

pub fn new_row(name: &str) -> NewRow {
    let number = name.bytes().fold(7_i64, |n, b| n.wrapping_mul(1_000_003).wrapping_add(i64::from(b)));
    NewRow {
        name: name.into(),
        address: address(name),
        notice_port: 7464,
        route_address: None,
        route_port: None,
        weight: 1,
        first_buddy: ServerId::NEW,
        second_buddy: ServerId::NEW,
        incarnation: Incarnation(0),
        boot: BootToken(format!("boot of {name}")),
        pick: number,
        health: Health::Unknown,
    }
}

/// A ring of these servers in this order, `first` after `first`.
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
        (Guard::from(at), Guard::from(&table.rows[&at.first_buddy]))
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

/// The names along the ring, beginning with the lowest id; fails if it is not one whole ring.
pub fn whole(table: &VirtualTable) -> Vec<String> {
    let damage = ring::check(table.rows.values());
    assert!(damage.is_empty(), "{}", damage.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    let Some(start) = table.rows.keys().next() else { return Vec::new() };
    let order = ring::order(&table.rows, *start);
    assert_eq!(order.len(), table.rows.len());
    order.iter().map(|id| table.rows[id].name.clone()).collect()
}
