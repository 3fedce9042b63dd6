//! The statements of a plan. Each has everything that it relies on in its WHERE clause.

use sea_orm::sea_query::{
    CaseStatement, DeleteStatement, Expr, ExprTrait, InsertStatement, Query, SelectStatement, SimpleExpr, UnionType,
    UpdateStatement,
};
use sea_orm::{DbBackend, Statement, StatementBuilder};

use ringmon_common::wire::SPOKEN;

use crate::store::clock;
use crate::store::convert::millis;
use crate::store::entity::{event, pool, server};
use crate::store::schema::{ALONE_KIND, ANSWERS};
use ringmon_core::edit::{AloneSet, AnswerSet, EventDraft, Guard, NewRow, OwnWord, PoolWrite, RowSet, Same, VoteSet};
use ringmon_core::{DbTime, Incarnation, PoolId, ServerId, Side, Word as _};
use server::Column as C;

/// In MySQL `text` holds 65,535 bytes. A longer detail would keep a removal from being written.
const DETAIL_MAX: usize = 60_000;

/// Makes the statements of one plan, and remembers the id of the inserted row.
pub(super) struct Writer {
    backend: DbBackend,
    pool: PoolId,
    deadline: DbTime,
    /// Whether a row has room for its server's answer.
    answers: bool,
    /// Whether a row says what its alone mark is about.
    alone_kind: bool,
    inserted: Option<ServerId>,
}

impl Writer {
    pub(super) const fn new(backend: DbBackend, pool: PoolId, deadline: DbTime, schema: u32) -> Self {
        let (answers, alone_kind) = (schema >= ANSWERS, schema >= ALONE_KIND);
        Self { backend, pool, deadline, answers, alone_kind, inserted: None }
    }

    pub(super) const fn inserted(&self) -> Option<ServerId> {
        self.inserted
    }

    pub(super) const fn set_inserted(&mut self, id: i64) {
        self.inserted = Some(ServerId(id));
    }

    pub(super) fn statement(&self, made: &impl StatementBuilder) -> Statement {
        self.backend.build(made)
    }

    /// The real id of a link: [`ServerId::NEW`] is the inserted row.
    fn link(&self, id: ServerId) -> i64 {
        match self.inserted {
            Some(inserted) if id == ServerId::NEW => inserted.0,
            _ => id.0,
        }
    }

    fn in_time(&self) -> SimpleExpr {
        clock::not_past(self.backend, self.deadline)
    }

    /// One row with these values, if the pool still exists and the deadline has not passed. (`VALUES` takes no WHERE.)
    fn row(&self, values: Vec<SimpleExpr>) -> SelectStatement {
        Query::select()
            .exprs(values)
            .from(pool::Entity)
            .and_where(Expr::col((pool::Entity, pool::Column::Id)).eq(self.pool.0))
            .and_where(self.in_time())
            .take()
    }

    pub(super) fn pool(&self, write: &PoolWrite) -> UpdateStatement {
        let mut update = Query::update().table(pool::Entity).value(pool::Column::Version, write.version + 1).take();
        if let Some(frozen) = &write.frozen {
            update.value(pool::Column::Frozen, frozen.clone());
        }
        update
            .and_where(Expr::col(pool::Column::Id).eq(self.pool.0))
            .and_where(Expr::col(pool::Column::Version).eq(write.version))
            .and_where(self.in_time())
            .take()
    }

    pub(super) fn insert(&self, row: &NewRow, [first, second]: [ServerId; 2]) -> InsertStatement {
        let columns: [(C, SimpleExpr); 18] = [
            (C::Pool, self.pool.0.into()),
            (C::Name, row.card.name.as_str().into()),
            (C::Address, row.card.address.to_string().into()),
            (C::NoticePort, i32::from(row.card.notice_port).into()),
            (C::RouteAddress, row.card.clients.address.map(|a| a.to_string()).into()),
            (C::RoutePort, row.card.clients.port.map(i32::from).into()),
            (C::Weight, i32::from(row.card.clients.weight).into()),
            (C::FirstBuddy, first.0.into()),
            (C::SecondBuddy, second.0.into()),
            (C::Incarnation, row.incarnation.0.into()),
            (C::Boot, row.card.boot.0.as_str().into()),
            (C::Pick, row.pick.into()),
            (C::Draining, row.draining.into()),
            (C::Health, row.health.word().into()),
            (C::Version, 1_i64.into()),
            (C::AnswerLife, row.incarnation.0.into()),
            (C::AnswerWaitMs, millis(row.wait).into()),
            (C::Wire, i16::from(SPOKEN).into()),
        ];
        let there = if self.answers { 18 } else { 15 };
        let (columns, values): (Vec<C>, Vec<SimpleExpr>) = columns.into_iter().take(there).unzip();
        let mut insert = Query::insert();
        insert.into_table(server::Entity).columns(columns);
        insert.select_from(self.row(values)).expect("as many values as columns");
        insert
    }

    pub(super) fn own_links(&self, [first, second]: [ServerId; 2]) -> UpdateStatement {
        let own = self.link(ServerId::NEW);
        Query::update()
            .table(server::Entity)
            .value(C::FirstBuddy, self.link(first))
            .value(C::SecondBuddy, self.link(second))
            .and_where(Expr::col(C::Id).eq(own))
            .and_where(self.in_time())
            .take()
    }

    fn guarded(&self, guard: &Guard) -> Vec<SimpleExpr> {
        let mut conditions = vec![
            Expr::col(C::Id).eq(guard.id.0),
            Expr::col(C::Pool).eq(self.pool.0),
            Expr::col(C::FirstBuddy).eq(self.link(guard.first_buddy)),
            Expr::col(C::SecondBuddy).eq(self.link(guard.second_buddy)),
            Expr::col(C::Incarnation).eq(guard.incarnation.0),
        ];
        match guard.same {
            Same::All(version) => conditions.push(Expr::col(C::Version).eq(version)),
            Same::Accusation { votes, word } => {
                let slots = [(C::VoteFirstVoter, C::VoteFirstSince), (C::VoteSecondVoter, C::VoteSecondSince)];
                for ((voter, since), vote) in slots.into_iter().zip(votes) {
                    conditions.push(is(voter, vote.map(|(voter, _)| voter.0)));
                    conditions.push(is(since, vote.map(|(_, since)| since.as_us())));
                }
                let columns = word.into_iter().flat_map(|word| self.own_word(word));
                conditions.extend(columns.map(|(column, value)| is(column, value)));
            }
        }
        conditions.push(self.in_time());
        conditions
    }

    /// What a server says of itself, column by column.
    fn own_word(&self, (answering, [since, at]): OwnWord) -> impl Iterator<Item = (C, Option<i64>)> {
        let answer = answering.and_then(|answering| answering.answer);
        let there = if self.answers { 6 } else { 2 };
        let columns = [
            (C::AloneSince, since.map(DbTime::as_us)),
            (C::AloneAt, at.map(DbTime::as_us)),
            (C::AnswerLife, answering.map(|answering| answering.life.0)),
            (C::AnswerWaitMs, answering.map(|answering| millis(answering.wait).into())),
            (C::AnswerAt, answer.map(|answer| answer.at.as_us())),
            (C::AnswerHears, answer.map(|answer| answer.hears.0)),
        ];
        columns.into_iter().take(there)
    }

    pub(super) fn delete(&self, guard: &Guard) -> DeleteStatement {
        let mut delete = Query::delete().from_table(server::Entity).take();
        for condition in self.guarded(guard) {
            delete.and_where(condition);
        }
        delete
    }

    pub(super) fn update(&self, guard: &Guard, set: &RowSet) -> UpdateStatement {
        let mut update = Query::update().table(server::Entity).take();
        update.value(C::Version, Expr::col(C::Version).add(1));
        self.set(&mut update, set);
        self.set_vote(&mut update, Side::First, set.vote_first);
        self.set_vote(&mut update, Side::Second, set.vote_second);
        self.set_alone(&mut update, set.alone);
        if let Some(wait) = set.wait.filter(|_| self.answers) {
            let life = set.incarnation.unwrap_or(guard.incarnation);
            update
                .value(C::AnswerLife, life.0)
                .value(C::AnswerWaitMs, millis(wait))
                .value(C::Wire, i16::from(SPOKEN))
                .value(C::AnswerAt, Option::<i64>::None)
                .value(C::AnswerHears, Option::<i64>::None);
        }
        for condition in self.guarded(guard) {
            update.and_where(condition);
        }
        update
    }

    /// It compares no version and no link: nothing that others write makes the answer wrong.
    pub(super) fn answer(&self, id: ServerId, life: Incarnation, set: AnswerSet) -> UpdateStatement {
        let mut update = Query::update().table(server::Entity).take();
        update.value(C::Version, Expr::col(C::Version).add(1));
        if let Some(hears) = set.hears {
            update.value(C::AnswerAt, clock::now(self.backend)).value(C::AnswerHears, hears.0);
        } else {
            // Another life's answer goes. MySQL sets one column after the other, so the life has to come after these.
            for column in [C::AnswerAt, C::AnswerHears] {
                let own = CaseStatement::new().case(Expr::col(C::AnswerLife).eq(life.0), Expr::col(column));
                update.value(column, own);
            }
        }
        update
            .value(C::AnswerLife, life.0)
            .value(C::AnswerWaitMs, millis(set.wait))
            .value(C::Wire, i16::from(SPOKEN))
            .and_where(Expr::col(C::Id).eq(id.0))
            .and_where(Expr::col(C::Pool).eq(self.pool.0))
            .and_where(Expr::col(C::Incarnation).eq(life.0))
            .and_where(self.in_time())
            .take()
    }

    fn set(&self, update: &mut UpdateStatement, set: &RowSet) {
        if let Some(id) = set.first_buddy {
            update.value(C::FirstBuddy, self.link(id));
        }
        if let Some(id) = set.second_buddy {
            update.value(C::SecondBuddy, self.link(id));
        }
        if let Some(incarnation) = set.incarnation {
            update.value(C::Incarnation, incarnation.0);
        }
        if let Some(card) = &set.card {
            update
                .value(C::Boot, card.boot.0.as_str())
                .value(C::Address, card.address.to_string())
                .value(C::NoticePort, i32::from(card.notice_port))
                .value(C::RouteAddress, card.clients.address.map(|a| a.to_string()))
                .value(C::RoutePort, card.clients.port.map(i32::from))
                .value(C::Weight, i32::from(card.clients.weight));
        }
        if let Some(draining) = set.draining {
            update.value(C::Draining, draining);
        }
        if let Some(health) = set.health {
            update.value(C::Health, health.word());
        }
    }

    fn set_vote(&self, update: &mut UpdateStatement, side: Side, vote: VoteSet) {
        let [voter, of, since, at, kind] = match side {
            Side::First => {
                [C::VoteFirstVoter, C::VoteFirstIncarnation, C::VoteFirstSince, C::VoteFirstAt, C::VoteFirstKind]
            }
            Side::Second => {
                [C::VoteSecondVoter, C::VoteSecondIncarnation, C::VoteSecondSince, C::VoteSecondAt, C::VoteSecondKind]
            }
        };
        let now = || clock::now(self.backend);
        match vote {
            VoteSet::Keep => {}
            VoteSet::Clear => {
                for column in [voter, of, since, at] {
                    update.value(column, Option::<i64>::None);
                }
                update.value(kind, Option::<String>::None);
            }
            VoteSet::Cast { voter: by, incarnation, kind: what } => {
                update
                    .value(voter, self.link(by))
                    .value(of, incarnation.0)
                    .value(since, now())
                    .value(at, now())
                    .value(kind, what.word());
            }
            VoteSet::Renew => {
                // An empty slot stays empty: there is no half vote.
                let renewed = CaseStatement::new().case(Expr::col(voter).is_not_null(), now());
                update.value(at, renewed);
            }
        }
    }

    fn set_alone(&self, update: &mut UpdateStatement, alone: AloneSet) {
        let now = || clock::now(self.backend);
        let kind = match alone {
            AloneSet::Keep => return,
            AloneSet::Clear => {
                update.value(C::AloneSince, Option::<i64>::None).value(C::AloneAt, Option::<i64>::None);
                None
            }
            AloneSet::Mark(kind) => {
                update.value(C::AloneSince, now()).value(C::AloneAt, now());
                Some(kind.word())
            }
            AloneSet::Renew => {
                update.value(C::AloneAt, now());
                return;
            }
        };
        if self.alone_kind {
            update.value(C::AloneKind, kind.map(str::to_owned));
        }
    }

    /// All of them in one statement, which the deadline guards like any other.
    pub(super) fn events(&self, drafts: &[EventDraft]) -> InsertStatement {
        use event::Column as E;
        let mut rows = drafts.iter().map(|draft| {
            self.row(vec![
                self.pool.0.into(),
                clock::now(self.backend),
                draft.body.kind().word().into(),
                draft.subject.map(|id| self.link(id)).into(),
                draft.subject_name.as_str().into(),
                draft.by.as_str().into(),
                detail(draft).into(),
            ])
        });
        let mut insert = Query::insert();
        insert.into_table(event::Entity).columns([
            E::Pool,
            E::At,
            E::Kind,
            E::Subject,
            E::SubjectName,
            E::SaidBy,
            E::Detail,
        ]);
        if let Some(mut first) = rows.next() {
            first.unions(rows.map(|row| (UnionType::All, row)));
            insert.select_from(first).expect("as many values as columns");
        }
        insert
    }
}

/// Whether the column has this value: `NULL` equals nothing in SQL.
fn is(column: C, value: Option<i64>) -> SimpleExpr {
    value.map_or_else(|| Expr::col(column).is_null(), |value| Expr::col(column).eq(value))
}

fn detail(draft: &EventDraft) -> String {
    let text = draft.body.detail().to_string();
    if text.len() <= DETAIL_MAX { text } else { draft.body.clone().brief().detail().to_string() }
}
