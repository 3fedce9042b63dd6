//! A pool as its table has it, and a router that reads it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use crate::card::{Card, Clients};
use crate::edit::{StoredEvent, TableSnapshot};
use crate::route::{Policy, Routes, Routing};
use crate::row::Address;
use crate::{
    BootToken, DbTime, EventKind, Health, Incarnation, PoolId, PoolRow, Rules, ServerId, ServerRow, Side, Time, Vote,
    VoteKind,
};

pub(super) const S: Duration = Duration::from_secs(1);
/// The database's clock when the tests begin.
pub(super) const BEGIN: DbTime = DbTime::from_us(1_700_000_000_000_000);

/// A pool as its table has it, and a router that reads it.
pub(super) struct Kit {
    pub(super) routing: Routing,
    pub(super) rows: BTreeMap<i64, ServerRow>,
    pub(super) now: Time,
    /// The version of the pool's row.
    pub(super) pool_version: i64,
}

pub(super) fn row(id: i64) -> ServerRow {
    ServerRow {
        id: ServerId(id),
        card: Card {
            name: format!("s{id}"),
            address: Address::from([10, 0, 0, u8::try_from(id % 250).unwrap()]),
            notice_port: 7464,
            clients: Clients { address: None, port: Some(80), weight: 100 },
            boot: BootToken(id.to_string()),
        },
        first_buddy: ServerId(id),
        second_buddy: ServerId(id),
        incarnation: Incarnation(1),
        pick: id,
        draining: false,
        health: Health::Passing,
        vote_first: None,
        vote_second: None,
        alone_since: None,
        alone_at: None,
        alone_kind: None,
        answering: None,
        version: 1,
    }
}

impl Kit {
    pub(super) fn of(count: i64) -> Self {
        Self::with(count, Policy::default())
    }

    pub(super) fn with(count: i64, policy: Policy) -> Self {
        let rows = (1..=count).map(|id| (id, row(id))).collect();
        let mut kit = Self { routing: Routing::new(policy), rows, now: Time::from_ns(1_000_000_000), pool_version: 1 };
        kit.look(&[]);
        kit
    }

    pub(super) fn db_now(&self) -> DbTime {
        BEGIN + self.now.since(Time::ZERO)
    }

    pub(super) fn snapshot(&self) -> TableSnapshot {
        let (name, version) = ("web".into(), self.pool_version);
        let pool = PoolRow { id: PoolId(1), name, rules: Rules::default(), frozen: None, keys: Vec::new(), version };
        TableSnapshot { read_at: self.now, db_now: self.db_now(), pool: Some(pool), ..TableSnapshot::default() }
    }

    /// Reads the whole table. `ends` are the ends of the servers that are gone.
    pub(super) fn look(&mut self, ends: &[(i64, EventKind)]) {
        let mut seen = self.snapshot();
        for (id, kind) in ends {
            seen.events.insert(ServerId(*id), Some(self.ended(*id, *kind)));
        }
        self.routing.see_all(self.now, self.rows.values().cloned().collect(), &seen);
    }

    pub(super) fn ended(&self, id: i64, kind: EventKind) -> StoredEvent {
        StoredEvent {
            id: 1,
            at: self.db_now(),
            subject: Some(ServerId(id)),
            subject_name: format!("s{id}"),
            by: "x".into(),
            body: crate::EventBody::read(kind, serde_json::json!({})).unwrap(),
        }
    }

    pub(super) fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
    }

    pub(super) fn change(&mut self, id: i64, change: impl FnOnce(&mut ServerRow)) {
        let row = self.rows.get_mut(&id).unwrap();
        change(row);
        row.version += 1;
    }

    pub(super) fn vote(&mut self, voter: i64, subject: i64, side: Side, kind: VoteKind) {
        let now = self.db_now();
        let vote = Vote { voter: ServerId(voter), voter_incarnation: Incarnation(1), since: now, at: now, kind };
        self.change(subject, |row| *slot(row, side) = Some(vote));
        self.look(&[]);
    }

    pub(super) fn renew(&mut self, subject: i64, side: Side) {
        let now = self.db_now();
        self.change(subject, |row| slot(row, side).as_mut().unwrap().at = now);
        self.look(&[]);
    }

    pub(super) fn withdraw(&mut self, subject: i64, side: Side) {
        self.change(subject, |row| *slot(row, side) = None);
        self.look(&[]);
    }

    pub(super) fn gone(&mut self, ids: &[i64], kind: Option<EventKind>) {
        ids.iter().for_each(|id| drop(self.rows.remove(id)));
        let ends: Vec<_> = ids.iter().filter_map(|id| Some((*id, kind?))).collect();
        self.look(&ends);
    }

    /// The list, after reading what is to be read for it.
    pub(super) fn routes(&mut self) -> Routes {
        let mut seen = self.snapshot();
        let unread = self.routing.unread(self.now);
        seen.rows = unread.iter().filter_map(|id| Some((*id, self.rows.get(&id.0)?.clone()))).collect();
        if !unread.is_empty() {
            self.routing.see_some(self.now, &seen);
        }
        assert!(self.routing.unread(self.now).is_empty(), "read once, that is known");
        self.routing.settle(self.now)
    }

    pub(super) fn routed(&mut self) -> Vec<String> {
        self.routes().routed().map(|route| route.name.clone()).collect()
    }
}

pub(super) fn slot(row: &mut ServerRow, side: Side) -> &mut Option<Vote> {
    match side {
        Side::First => &mut row.vote_first,
        Side::Second => &mut row.vote_second,
    }
}
