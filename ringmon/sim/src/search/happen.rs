//! What can happen next in a state.

use std::sync::Arc;

use super::duty;
use super::promise::Promise;
use super::state::{Flight, Place, Row, Rows, Server, Site, State, at, at_mut, slot};
use super::table::{Read, Tables, id, place_of};
use super::world::{Kind, World};
use ringmon_core::edit::{AnswerSet, NewRow, RowWrite, Same};
use ringmon_core::op::TableOp;
use ringmon_core::{Health, Outcome, Plan, Rule, Side, VoteKind};

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A fault begins. The numbers say whom it befalls.
    Begins(Kind, Place, Place),
    /// A fault ends.
    Ends(Kind, Place, Place),
    /// This age comes into the next class.
    Ages(Site),
    /// The first server hears the second one again.
    Hears(Place, Place),
    /// A server votes, or gets a removal ready.
    Accuses(Place, Side),
    /// A removal that is ready is committed, or is not.
    Commits(Place, Side),
    /// The same, but its answer is lost.
    CommitsUnheard(Place, Side),
    /// A server takes its votes back.
    Withdraws(Place),
    /// A server says that it hears nobody, or says so again.
    Marks(Place),
    /// A server answers votes: it hears that one.
    Answers(Place, Place),
    /// A server that was gone takes its row again.
    TakesOver(Place),
}

/// What an event led to.
pub(super) enum Next {
    To(Box<State>),
    /// A promise is broken.
    Wrong(String),
}

impl Tables {
    /// Everything that can happen in this state.
    pub fn events(&self, state: &State) -> Vec<Event> {
        let world = &self.world;
        let mut events = Vec::with_capacity(32);
        self.faults(state, &mut events);
        events.extend(
            state.sites().into_iter().map(|(site, _, _)| Event::Ages(site)).filter(|e| self.may_age(state, *e)),
        );
        for me in state.members() {
            // An answer that was begun is written.
            let suspects =
                Side::BOTH.into_iter().filter_map(|side| state.buddy(me, side)).any(|b| state.suspects(me, b));
            let answers_first = suspects && duty::owes(state, me, false);
            for other in state.members() {
                if state.silence(me, other).is_some() && state.may_hear(me, other) && !answers_first {
                    events.push(Event::Hears(me, other));
                }
            }
            if state.server(me).returns && state.server(me).database {
                events.push(Event::TakesOver(me));
            }
            if !state.acts(me) {
                continue;
            }
            for side in Side::BOTH {
                match &at(&state.flights, me)[slot(side)] {
                    Some(Flight::Ready { .. }) => {
                        events.push(Event::Commits(me, side));
                        if state.left > 0 && world.kinds.contains(&Kind::LostAnswer) {
                            events.push(Event::CommitsUnheard(me, side));
                        }
                    }
                    Some(Flight::Again(_)) => events.push(Event::Accuses(me, side)),
                    None if duty::claim(world, state, me, side).is_some() => events.push(Event::Accuses(me, side)),
                    None => {}
                }
            }
            if !duty::untrue(world, state, me).is_empty() {
                events.push(Event::Withdraws(me));
            }
            if duty::may_answer(state, me) {
                events.extend(duty::hears(state, me).map(|other| Event::Answers(me, other)));
            }
            if duty::must_mark(state, me) {
                events.push(Event::Marks(me));
            }
        }
        events
    }

    fn faults(&self, state: &State, events: &mut Vec<Event>) {
        let n = self.world.servers;
        let mut fault = |kind, one, other, is: bool| {
            if is && self.world.heals {
                events.push(Event::Ends(kind, one, other));
            } else if !is && state.left > 0 && self.world.kinds.contains(&kind) {
                events.push(Event::Begins(kind, one, other));
            }
        };
        for one in state.members() {
            for other in state.members().filter(|other| one < *other) {
                fault(Kind::Link, one, other, at(&state.cut, one) & 1 << other != 0);
            }
            let server = state.server(one);
            fault(Kind::Isolated, one, one, state.isolated & 1 << one != 0);
            fault(Kind::Dead, one, one, !server.lives);
            fault(Kind::Database, one, one, !server.database);
        }
        if n == 4 {
            match state.halves {
                Some(from) => fault(Kind::Halves, from, from, true),
                None => (0..2).for_each(|from| fault(Kind::Halves, from, from, false)),
            }
        }
        fault(Kind::Late, 0, 0, state.late);
    }

    /// What this event leads to.
    pub fn happen(&self, state: &State, event: Event) -> Next {
        let mut next = state.clone();
        let outcome = match event {
            Event::Begins(kind, one, other) => {
                next.left -= 1;
                next.fault(kind, one, other, true);
                None
            }
            Event::Ends(kind, one, other) => {
                next.fault(kind, one, other, false);
                None
            }
            Event::Ages(site) => {
                next.grow(site);
                None
            }
            Event::Hears(me, other) => {
                for one in next.members().filter(|one| *one == other || self.world.at_once).collect::<Vec<_>>() {
                    if next.may_hear(me, one) {
                        *next.silence_mut(me, one) = None;
                    }
                }
                None
            }
            Event::Accuses(me, side) => self.accuse(&mut next, me, side),
            Event::Commits(me, side) => self.commits(&mut next, me, side, false),
            Event::CommitsUnheard(me, side) => {
                next.left -= 1;
                self.commits(&mut next, me, side, true)
            }
            Event::Withdraws(me) => {
                let subjects = duty::untrue(&self.world, &next, me).into_iter().map(id).collect();
                self.at_once(&mut next, &TableOp::Withdraw { me: id(me), subjects })
            }
            Event::Marks(me) => {
                let op =
                    TableOp::Alone { me: id(me), incarnation: Self::life_of(&next, me), alone: Some(VoteKind::Host) };
                self.at_once(&mut next, &op)
            }
            Event::Answers(me, other) => {
                let set = AnswerSet { wait: World::WAIT, hears: Some(id(other)) };
                let op = TableOp::Answer { me: id(me), incarnation: Self::life_of(&next, me), set };
                self.at_once(&mut next, &op)
            }
            Event::TakesOver(me) => self.take_over(&mut next, me),
        };
        if let Event::Accuses(me, _) | Event::Answers(me, _) | Event::Marks(me) = event {
            next.looks(me);
        }
        let promise = Promise { tables: self, before: state };
        if let Some(wrong) = outcome.and_then(|outcome| promise.broken(&next, event, &outcome)) {
            return Next::Wrong(wrong);
        }
        self.put_right(&mut next);
        Next::To(Box::new(next))
    }

    /// An operation of one row: its read and its transaction with nothing in between.
    fn at_once(&self, state: &mut State, op: &TableOp) -> Option<Outcome> {
        let table = self.build(state);
        match Self::read(op, &table, false) {
            Read::Writes(plan) => self.commit(state, &plan, 0, true),
            Read::Ended => None,
        }
    }

    fn take_over(&self, state: &mut State, me: Place) -> Option<Outcome> {
        let table = self.build(state);
        let row = table.rows.get(&id(me))?;
        let new = NewRow {
            card: self.card(me).clone(),
            incarnation: Self::life_of(state, me),
            pick: row.pick,
            health: Health::Passing,
            wait: World::WAIT,
            draining: false,
        };
        let outcome = self.at_once(state, &TableOp::TakeOver { row: row.into(), new });
        at_mut(&mut state.servers, me).returns = false;
        outcome
    }

    /// Reads all. A vote is written at once, a removal is kept for later.
    fn accuse(&self, state: &mut State, me: Place, side: Side) -> Option<Outcome> {
        let old = at_mut(&mut state.flights, me)[slot(side)].take().map(|flight| flight.claim().clone());
        let again = old.is_some() && !self.world.stubborn;
        let mut claim = old.or_else(|| duty::claim(&self.world, state, me, side))?;
        // Whoever is heard when a removal is read must not be removed, however old the claim is.
        for finding in &mut claim.findings {
            finding.heard = state.witnesses(finding.server);
        }
        let op = self.accusation(state, me, side, &claim);
        let Read::Writes(plan) = Self::read(&op, &self.build(state), again) else { return None };
        let Outcome::Removed { removed, .. } = &plan.outcome else { return self.commit(state, &plan, 0, true) };
        let gone = removed.iter().fold(0, |gone, one| gone | 1 << place_of(one.server));
        let ready = Flight::Ready { claim, plan: Arc::from(plan), rows: Arc::new(state.rows), gone, read: 0 };
        at_mut(&mut state.flights, me)[slot(side)] = Some(ready);
        None
    }

    fn commits(&self, state: &mut State, me: Place, side: Side, unheard: bool) -> Option<Outcome> {
        let flight = at_mut(&mut state.flights, me)[slot(side)].take()?;
        let Flight::Ready { claim, plan, read, .. } = flight else { return None };
        let check = state.holds(me, &claim);
        let outcome = self.commit(state, &plan, read, check);
        if unheard && outcome.is_some() || outcome.is_none() && check {
            at_mut(&mut state.flights, me)[slot(side)] = Some(Flight::Again(claim));
        }
        outcome
    }

    /// Brings everything that follows at once: silences begin, and operations that cannot matter any more end.
    fn put_right(&self, state: &mut State) {
        let members: Vec<Place> = state.members().collect();
        let since = state.stamp();
        for me in &members {
            let accused = state.row(*me).is_some_and(|row| row.votes.iter().flatten().next().is_some());
            at_mut(&mut state.servers, *me).challenged &= accused;
            for other in &members {
                if me != other
                    && state.server(*me).lives
                    && !state.connected(*me, *other)
                    && state.silence(*me, *other).is_none()
                {
                    state.clock += 1;
                    let which = state.clock;
                    *state.silence_mut(*me, *other) = Some(super::state::Silence { since, which });
                }
            }
            for side in Side::BOTH {
                let flight = at_mut(&mut state.flights, *me)[slot(side)].take();
                let kept = flight.and_then(|flight| self.kept(state, *me, side, flight));
                at_mut(&mut state.flights, *me)[slot(side)] = kept;
            }
        }
    }

    /// What is left of an operation.
    fn kept(&self, state: &State, me: Place, side: Side, flight: Flight) -> Option<Flight> {
        if !state.holds(me, flight.claim()) && self.world.keeps(Rule::R7) {
            return None;
        }
        let same = |flight: &Flight| match flight {
            Flight::Ready { plan, rows, .. } => state.is_as_read(plan, rows, !self.world.keeps(Rule::R8)),
            Flight::Again(_) => false,
        };
        if same(&flight) {
            return Some(flight);
        }
        let claim = flight.claim().clone();
        let fresh = duty::claim(&self.world, state, me, side);
        (fresh.as_ref() != Some(&claim)).then_some(Flight::Again(claim))
    }
}

impl State {
    fn fault(&mut self, kind: Kind, one: Place, other: Place, is: bool) {
        let set = |bits: &mut u8, place: Place| {
            *bits = if is { *bits | 1 << place } else { *bits & !(1 << place) };
        };
        match kind {
            Kind::Link => {
                set(at_mut(&mut self.cut, one), other);
                set(at_mut(&mut self.cut, other), one);
            }
            Kind::Isolated => set(&mut self.isolated, one),
            Kind::Halves => self.halves = is.then_some(one),
            Kind::Database => {
                let server = at_mut(&mut self.servers, one);
                (server.database, server.served) = (!is, 0);
            }
            Kind::Late => self.late = is,
            Kind::LostAnswer => {}
            Kind::Dead => {
                let database = self.server(one).database;
                *at_mut(&mut self.servers, one) = Server { lives: !is, returns: !is, database, ..Server::NEW };
                *at_mut(&mut self.silent, one) = [None; World::MOST];
                *at_mut(&mut self.flights, one) = [None, None];
            }
        }
    }

    /// It has read its own row.
    fn looks(&mut self, me: Place) {
        let accused = self.row(me).is_some_and(|row| row.votes.iter().any(Option::is_some));
        at_mut(&mut self.servers, me).challenged |= accused;
    }

    /// A server is no longer in the table.
    pub fn vanish(&mut self, place: Place) {
        *at_mut(&mut self.rows, place) = None;
        *at_mut(&mut self.silent, place) = [None; World::MOST];
        *at_mut(&mut self.flights, place) = [None, None];
        for other in 0..4 {
            *self.silence_mut(other, place) = None;
        }
    }

    fn may_hear(&self, me: Place, other: Place) -> bool {
        me != other && self.connected(me, other) && !self.server(other).returns
    }

    /// Whether the silences that this claim rests on go on (R7).
    fn holds(&self, me: Place, claim: &super::state::Claim) -> bool {
        claim
            .findings
            .iter()
            .all(|finding| self.silence(me, finding.server).is_some_and(|silence| silence.which == finding.which))
            && self.is_confirmed(me, claim)
    }

    /// Whether the far end's kernel still says so. Of one that is not heard any more, the last word counts.
    pub fn is_confirmed(&self, me: Place, claim: &super::state::Claim) -> bool {
        let (Some(which), Some(far), [finding]) = (claim.confirmed, claim.far, claim.findings.as_slice()) else {
            return true;
        };
        let silence = self.silence(far, finding.server);
        self.silence(me, far).is_some() || silence.is_some_and(|silence| silence.which == which)
    }

    /// Whether all rows that this plan writes are still as it read them.
    fn is_as_read(&self, plan: &Plan, rows: &Rows, links_only: bool) -> bool {
        plan.writes.iter().all(|write| match write {
            RowWrite::Update { guard, .. } | RowWrite::Delete(guard) => {
                let place = place_of(guard.id);
                at(rows, place).zip(self.row(place)).is_some_and(|(was, row)| {
                    row.links == was.links && (links_only || row.life == was.life && is_same(&was, row, guard.same))
                })
            }
            RowWrite::Insert { .. } | RowWrite::Answer { .. } => true,
        })
    }
}

/// Whether what is compared of a row is as it was read. A mark that was renewed is younger.
fn is_same(was: &Row, is: &Row, same: Same) -> bool {
    let Same::Accusation { word, .. } = same else { return was.version == is.version };
    let votes = |row: &Row| row.votes.map(|vote| vote.map(|vote| (vote.voter, vote.life, vote.since.born)));
    let answer = |row: &Row| row.answer.map(|(hears, stamp)| (hears, stamp.born));
    let older = |(was, is): ((u8, u8), (u8, u8))| was.0 <= is.0 && was.1 <= is.1;
    let alone = was.alone.is_some() == is.alone.is_some() && was.alone.zip(is.alone).is_none_or(older);
    votes(was) == votes(is) && (word.is_none() || answer(was) == answer(is) && alone)
}
