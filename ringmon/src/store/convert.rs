//! Converts rows of the database to rows of the core, and words to enums and back.

use std::time::Duration;

use serde_json::{Map, Value};

use super::Error;
use super::entity::{event, pool, server};
use ringmon_common::wire::FIRST_VERSION;
use ringmon_core::card::{Card, Clients};
use ringmon_core::edit::StoredEvent;
use ringmon_core::row::{Address, Answer, Answering};
use ringmon_core::{
    BootToken, DbTime, EventBody, EventKind, Incarnation, PoolId, PoolKey, PoolRow, Rules, ServerId, ServerRow, Vote,
    Word,
};

/// Where a value is, for the message when it is unknown.
struct Cell {
    table: &'static str,
    id: i64,
}

impl Cell {
    fn damaged(&self, column: &'static str, value: impl ToString) -> Error {
        Error::Damaged { table: self.table, id: self.id, column, value: value.to_string() }
    }

    fn word<T: Word>(&self, column: &'static str, word: &str) -> Result<T, Error> {
        T::read(word).ok_or_else(|| self.damaged(column, word))
    }

    fn number<N: TryFrom<V>, V: Copy + ToString>(&self, column: &'static str, value: V) -> Result<N, Error> {
        N::try_from(value).map_err(|_| self.damaged(column, value))
    }

    fn address(&self, column: &'static str, text: &str) -> Result<Address, Error> {
        text.parse().map_err(|_| self.damaged(column, text))
    }

    fn vote(&self, column: &'static str, columns: VoteColumns) -> Result<Option<Vote>, Error> {
        match columns {
            (None, None, None, None, None) => Ok(None),
            (Some(voter), Some(incarnation), Some(since), Some(at), Some(kind)) => Ok(Some(Vote {
                voter: ServerId(voter),
                voter_incarnation: Incarnation(incarnation),
                since: DbTime::from_us(since),
                at: DbTime::from_us(at),
                kind: self.word(column, &kind)?,
            })),
            _ => Err(self.damaged(column, "half a vote")),
        }
    }

    fn answering(&self, columns: AnswerColumns, wire: Option<i16>) -> Result<Option<Answering>, Error> {
        let (life, wait, answer) = match columns {
            (None, None, None, None) => return Ok(None),
            (Some(life), Some(wait), None, None) => (life, wait, None),
            (Some(life), Some(wait), Some(at), Some(hears)) => {
                (life, wait, Some(Answer { at: DbTime::from_us(at), hears: ServerId(hears) }))
            }
            _ => return Err(self.damaged("answer_life", "half an answer")),
        };
        let wait = Duration::from_millis(self.number("answer_wait_ms", wait)?);
        let wire = wire.map(|wire| self.number("wire", wire)).transpose()?.unwrap_or(FIRST_VERSION);
        Ok(Some(Answering { life: Incarnation(life), wait, wire, answer }))
    }
}

type AnswerColumns = (Option<i64>, Option<i32>, Option<i64>, Option<i64>);

type VoteColumns = (Option<i64>, Option<i64>, Option<i64>, Option<i64>, Option<String>);

/// # Errors
/// [`Error::Damaged`] names the row and the column.
pub(super) fn server_row(m: server::Model) -> Result<ServerRow, Error> {
    let cell = Cell { table: "server", id: m.id };
    let first = (m.vote_first_voter, m.vote_first_incarnation, m.vote_first_since, m.vote_first_at, m.vote_first_kind);
    let second =
        (m.vote_second_voter, m.vote_second_incarnation, m.vote_second_since, m.vote_second_at, m.vote_second_kind);
    Ok(ServerRow {
        id: ServerId(m.id),
        card: Card {
            name: m.name,
            address: cell.address("address", &m.address)?,
            notice_port: cell.number("notice_port", m.notice_port)?,
            clients: Clients {
                address: m.route_address.map(|text| cell.address("route_address", &text)).transpose()?,
                port: m.route_port.map(|port| cell.number("route_port", port)).transpose()?,
                weight: cell.number("weight", m.weight)?,
            },
            boot: BootToken(m.boot),
        },
        first_buddy: ServerId(m.first_buddy),
        second_buddy: ServerId(m.second_buddy),
        incarnation: Incarnation(m.incarnation),
        pick: m.pick,
        draining: m.draining,
        health: cell.word("health", &m.health)?,
        vote_first: cell.vote("vote_first_kind", first)?,
        vote_second: cell.vote("vote_second_kind", second)?,
        alone_since: m.alone_since.map(DbTime::from_us),
        alone_at: m.alone_at.map(DbTime::from_us),
        alone_kind: m.alone_kind.map(|word| cell.word("alone_kind", &word)).transpose()?,
        answering: cell.answering((m.answer_life, m.answer_wait_ms, m.answer_at, m.answer_hears), m.wire)?,
        version: m.version,
    })
}

/// With its keys.
///
/// # Errors
/// [`Error::Damaged`] names the row and the column, and never a key.
pub(super) fn pool_row(m: pool::Model) -> Result<PoolRow, Error> {
    let cell = Cell { table: "pool", id: m.id };
    let key = |id: i32, secret: Vec<u8>| -> Result<PoolKey, Error> {
        let secret = secret.try_into().map_err(|_| cell.damaged("key_secret", "not 16 bytes"))?;
        Ok(PoolKey { id: cell.number("key_id", id)?, secret })
    };
    let mut keys = vec![key(m.key_id, m.key_secret)?];
    if let (Some(id), Some(secret)) = (m.old_key_id, m.old_key_secret) {
        keys.push(key(id, secret)?);
    }
    Ok(PoolRow {
        id: PoolId(m.id),
        name: m.name,
        rules: Rules {
            quorum: cell.word("quorum", &m.quorum)?,
            agent_timeout: Duration::from_micros(cell.number("agent_timeout_us", m.agent_timeout_us)?),
            brake_permille: cell.number("brake_permille", m.brake_permille)?,
            alone: cell.word("alone", &m.alone)?,
            mode: cell.word("mode", &m.mode)?,
        },
        frozen: m.frozen,
        keys,
        version: m.version,
    })
}

/// An event as it is in the table.
#[derive(Clone, Debug, PartialEq)]
pub struct PastEvent {
    /// As operations read it. A detail with nothing that this version knows is empty.
    pub stored: StoredEvent,
    /// The detail as it was written; a string, if it is no JSON.
    pub detail: Value,
}

/// A row of `event`. A damaged detail does not keep anybody from reading the rest.
///
/// # Errors
/// [`Error::Damaged`] names the row and the column.
pub(super) fn past_event(m: event::Model) -> Result<PastEvent, Error> {
    let cell = Cell { table: "event", id: m.id };
    let kind: EventKind = cell.word("kind", &m.kind)?;
    let detail = serde_json::from_str(&m.detail).unwrap_or_else(|_| Value::from(m.detail));
    let body = EventBody::read(kind, detail.clone()).or_else(|_| EventBody::read(kind, Value::Object(Map::new())));
    let body = body.map_err(|_| cell.damaged("kind", "an event that no table has"))?;
    let stored = StoredEvent {
        id: m.id,
        at: DbTime::from_us(m.at),
        subject: m.subject.map(ServerId),
        subject_name: m.subject_name,
        by: m.said_by,
        body,
    };
    Ok(PastEvent { stored, detail })
}

/// Whole milliseconds for the table, never less than the span. Those beyond 24 days are capped.
pub(super) fn millis(span: Duration) -> i32 {
    i32::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
}

/// Microseconds for the table. Spans beyond 292,000 years are capped.
pub(super) fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
