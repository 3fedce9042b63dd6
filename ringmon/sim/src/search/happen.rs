//! What can happen next in a state.

use std::fmt;
use std::sync::Arc;

use super::age::{Borders, Sort, Stamp};
use super::duty;
use super::promise::Promise;
use super::state::{Flight, Place, Server, Site, State, at, at_mut, slot};
use super::table::{Read, Tables, id, place_of};
use super::world::{Kind, World};
use ringmon_core::edit::{AnswerSet, NewRow};
use ringmon_core::op::TableOp;
use ringmon_core::{Health, Outcome, Rule, Side};

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
    /// A server takes that back.
    Unmarks(Place),
    /// A server answers votes: it hears that one.
    Answers(Place, Place),
    /// A server that was gone takes its row again.
    TakesOver(Place),
}

/// What an event led to.
pub(super) enum Next {
    /// Nothing that differs.
    Nothing,
    To(State),
    /// A promise is broken.
    Wrong(String),
}

impl Tables {
    /// Everything that can happen in this state.
    pub fn events(&self, state: &State) -> Vec<Event> {
        let world = &self.world;
        let mut events = Vec::with_capacity(32);
        self.faults(state, &mut events);
        events.extend(state.sites().into_iter().map(|(site, _, _)| Event::Ages(site)).filter(|e| self.may_age(state, *e)));
        for me in state.members() {
            for other in state.members() {
                if state.silence(me, other).is_some() && state.may_hear(me, other) {
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
            if duty::must_mark(world, state, me) {
                events.push(Event::Marks(me));
            }
            if duty::may_unmark(world, state, me) {
                events.push(Event::Unmarks(me));
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

    /// Whether this age may come into its next class: no older stamp would be younger then, and nobody owes a word
    /// that has to come before.
    fn may_age(&self, state: &State, event: Event) -> bool {
        let Event::Ages(site) = event else { return false };
        let (sort, about) = sort_of(site);
        let Some(class) = state.class(site) else { return false };
        let Some(border) = self.borders.high(sort, class) else { return false };
        let first = |side| state.row(about).and_then(|row| row.votes[slot(side)]);
        match site {
            Site::Since(..) if duty::owes(state, about, false) => return false,
            Site::Served(_) if state.members().any(|other| duty::owes(state, other, false)) => return false,
            // A server that can be heard again is heard before the last answer of before is stale.
            Site::Answer(me)
                if class == Borders::RENEW
                    && (duty::owes(state, me, true) || state.members().any(|of| state.is_late_to_hear(of, me))) =>
            {
                return false;
            }
            Site::Silence(about, of) => return self.may_silence_age(state, of, about, border),
            Site::At(_, side) => {
                let Some(vote) = first(side) else { return false };
                if self.borders.high(Sort::Since, vote.since.class).is_some_and(|high| high <= border) {
                    return false;
                }
                // A well voter renews its vote, or takes it back.
                if state.acts(vote.voter) && !state.late {
                    return false;
                }
            }
            Site::AloneAt(me) => {
                if state.acts(me) && !state.late {
                    return false;
                }
            }
            Site::Since(..)
            | Site::Answer(_)
            | Site::AloneSince(_)
            | Site::Read(..)
            | Site::Served(_) => {}
        }
        let order = state.order(about);
        let Some((_, _, stamp)) = order.iter().find(|(other, _, _)| *other == site).copied() else { return true };
        let blocks = |(_, other, older): &(Site, Sort, Stamp)| {
            older.born < stamp.born
                && *other == Sort::Silence
                && self.borders.high(*other, older.class).is_some_and(|high| high <= border)
        };
        !order.iter().any(blocks) && leads(&order, site)
    }

    /// Silences that began together get older together, and those that began earlier do so earlier.
    fn may_silence_age(&self, state: &State, of: Place, about: Place, border: u64) -> bool {
        let Some(silence) = state.silence(of, about) else { return false };
        let Stamp { class, born } = silence.since;
        let all = || state.silent.iter().flatten().flatten().map(|silence| silence.since);
        if all().any(|other| other.class == class && other.born < born) {
            return false;
        }
        // Who can be heard again is heard at once, unless its address must be resolved first. And who misses a buddy
        // says whom it hears while that silence is still short.
        let short = class < Borders::ENOUGH;
        let begun = |me: Place, other: Place| state.silence(me, other).is_some_and(|one| one.since.born == born);
        let waits = |me: Place| {
            state.members().any(|other| begun(me, other) && (state.connected(me, other) || class == Borders::SUSPECT && duty::owes(state, me, false)))
        };
        if short && state.members().any(waits) {
            return false;
        }
        let blocked = |about: Place| {
            let order = state.order(about);
            let begins = order.iter().any(|(_, sort, stamp)| *sort == Sort::Silence && stamp.born == born);
            let older = |(_, sort, stamp): &(Site, Sort, Stamp)| {
                *sort != Sort::Silence
                    && stamp.born < born
                    && self.borders.high(*sort, stamp.class).is_some_and(|high| high <= border)
            };
            begins && order.iter().any(older)
        };
        !state.members().any(blocked)
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
            Event::Marks(me) | Event::Unmarks(me) => {
                let incarnation = Self::life_of(&next, me);
                let alone = matches!(event, Event::Marks(_));
                self.at_once(&mut next, &TableOp::Alone { me: id(me), incarnation, alone })
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
        Next::To(next)
    }

    /// An operation of one row: its read and its transaction with nothing in between.
    fn at_once(&self, state: &mut State, op: &TableOp) -> Option<Outcome> {
        let table = self.build(state);
        match Self::read(op, &table) {
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
        };
        let outcome = self.at_once(state, &TableOp::TakeOver { row: row.into(), new });
        at_mut(&mut state.servers, me).returns = false;
        outcome
    }

    /// Reads all. A vote is written at once, a removal is kept for later.
    fn accuse(&self, state: &mut State, me: Place, side: Side) -> Option<Outcome> {
        let again = at_mut(&mut state.flights, me)[slot(side)].take();
        let claim = again.map(|flight| flight.claim().clone()).or_else(|| duty::claim(&self.world, state, me, side))?;
        let op = self.accusation(state, me, side, &claim);
        let Read::Writes(plan) = Self::read(&op, &self.build(state)) else { return None };
        match &plan.outcome {
            Outcome::Removed { removed, .. } => {
                let gone = removed.iter().fold(0, |gone, one| gone | 1 << place_of(one.server));
                let ready = Flight::Ready { heard: state.witnesses(gone), claim, plan: Arc::from(plan), gone, read: 0 };
                at_mut(&mut state.flights, me)[slot(side)] = Some(ready);
                None
            }
            _ => self.commit(state, &plan, 0, true),
        }
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
                if me != other && state.server(*me).lives && !state.connected(*me, *other) && state.silence(*me, *other).is_none()
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
            Flight::Ready { plan, .. } => state.is_as_read(plan, !self.world.keeps(Rule::R8)),
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

/// Of stamps of one sort and class, which of them is older does not count, unless another sort stands between.
fn leads(order: &[(Site, Sort, Stamp)], site: Site) -> bool {
    let Some(at) = order.iter().position(|(other, _, _)| *other == site) else { return true };
    let (_, sort, stamp) = order[at];
    let mut between = false;
    for (_, other, older) in &order[at + 1..] {
        if *other == sort && older.class == stamp.class && between {
            return false;
        }
        between |= *other == Sort::Silence;
    }
    true
}

/// The sort of the stamp there, and the server whose removal it counts for.
const fn sort_of(site: Site) -> (Sort, Place) {
    match site {
        Site::Silence(about, _) => (Sort::Silence, about),
        Site::Since(about, _) => (Sort::Since, about),
        Site::At(about, _) => (Sort::At, about),
        Site::AloneSince(me) => (Sort::AloneSince, me),
        Site::AloneAt(me) => (Sort::AloneAt, me),
        Site::Read(me, _) => (Sort::Read, me),
        Site::Answer(me) => (Sort::Answer, me),
        Site::Served(me) => (Sort::Served, me),
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

    /// This stamp comes into its next class, and is older than those of its sort that stay.
    fn grow(&mut self, site: Site) {
        if let Site::Silence(about, of) = site {
            let born = self.silence(of, about).map(|silence| silence.since.born);
            let together = self.silences_mut().filter(|silence| Some(silence.since.born) == born);
            together.for_each(|silence| silence.since.class += 1);
            return;
        }
        let (sort, about) = sort_of(site);
        let order = self.order(about);
        if let Some(stamp) = self.ordered(site).copied() {
            let oldest = order.iter().rfind(|(_, other, older)| *other == sort && older.class == stamp.class);
            if let Some((passed, _, older)) = oldest.copied()
                && passed != site
            {
                if let Some(other) = self.ordered(passed) {
                    other.born = stamp.born;
                }
                if let Some(own) = self.ordered(site) {
                    own.born = older.born;
                }
            }
        }
        if let Some(class) = self.class_mut(site) {
            *class += 1;
        }
        if let Site::Answer(me) = site
            && let Some(row) = at_mut(&mut self.rows, me)
        {
            row.answer = row.answer.filter(|(_, stamp)| stamp.class <= Borders::RENEW);
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

    /// Whether it could be heard, and is not heard yet.
    fn is_late_to_hear(&self, of: Place, about: Place) -> bool {
        self.silence(of, about).is_some() && self.connected(of, about)
    }

    /// Whether the silences that this claim rests on go on (R7).
    fn holds(&self, me: Place, claim: &super::state::Claim) -> bool {
        claim.findings.iter().all(|finding| {
            self.silence(me, finding.server).is_some_and(|silence| silence.which == finding.which)
        })
    }

    /// Whether all rows that this plan writes are still as it read them.
    fn is_as_read(&self, plan: &ringmon_core::Plan, links_only: bool) -> bool {
        use ringmon_core::RowWrite;
        plan.writes.iter().all(|write| match write {
            RowWrite::Update { guard, .. } | RowWrite::Delete(guard) => {
                self.row(place_of(guard.id)).is_some_and(|row| {
                    let links = row.links == [place_of(guard.first_buddy), place_of(guard.second_buddy)];
                    links && (links_only || row.version == guard.version)
                })
            }
            RowWrite::Insert { .. } | RowWrite::Answer { .. } => true,
        })
    }
}

fn name(place: Place) -> char {
    char::from(b'a' + place)
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = |f: &mut fmt::Formatter<'_>, kind: Kind, one: Place, other: Place, ends: &str| {
            let (a, b) = (name(one), name(other));
            match kind {
                Kind::Link => write!(f, "{ends}: the link between {a} and {b} is cut"),
                Kind::Isolated => write!(f, "{ends}: {a} is cut off from all others"),
                Kind::Halves => write!(f, "{ends}: {a} and its first buddy are cut off from the other two"),
                Kind::Dead => write!(f, "{ends}: {a} is dead"),
                Kind::Database => write!(f, "{ends}: {a} does not reach the database"),
                Kind::Late => write!(f, "{ends}: what is written may come too late"),
                Kind::LostAnswer => write!(f, "{ends}: an answer is lost"),
            }
        };
        match *self {
            Self::Begins(kind, one, other) => fault(f, kind, one, other, "from now on"),
            Self::Ends(kind, one, other) => fault(f, kind, one, other, "no longer"),
            Self::Ages(Site::Silence(about, of)) => write!(f, "time passes: {} has not heard {} for longer", name(of), name(about)),
            Self::Ages(Site::Since(about, side)) => write!(f, "time passes: the vote on the {side:?} side of {} gets older", name(about)),
            Self::Ages(Site::At(about, side)) => write!(f, "time passes: nobody renews the vote on the {side:?} side of {}", name(about)),
            Self::Ages(Site::AloneSince(me)) => write!(f, "time passes: the alone mark of {} gets older", name(me)),
            Self::Ages(Site::AloneAt(me)) => write!(f, "time passes: {} does not renew its alone mark", name(me)),
            Self::Ages(Site::Answer(me)) => write!(f, "time passes: the answer of {} gets older", name(me)),
            Self::Ages(Site::Served(me)) => write!(f, "time passes: the database serves {} again", name(me)),
            Self::Answers(me, other) => write!(f, "{} answers that it hears {}", name(me), name(other)),
            Self::Ages(Site::Read(me, _)) => write!(f, "time passes: what {} has read gets older", name(me)),
            Self::Hears(me, other) => write!(f, "{} hears {} again", name(me), name(other)),
            Self::Accuses(me, side) => write!(f, "{} accuses its {side:?} side", name(me)),
            Self::Commits(me, side) => write!(f, "{} commits its removal on the {side:?} side", name(me)),
            Self::CommitsUnheard(me, side) => write!(f, "{} commits its removal on the {side:?} side, and the answer is lost", name(me)),
            Self::Withdraws(me) => write!(f, "{} takes its votes back", name(me)),
            Self::Marks(me) => write!(f, "{} says that it hears nobody", name(me)),
            Self::Unmarks(me) => write!(f, "{} takes its alone mark back", name(me)),
            Self::TakesOver(me) => write!(f, "{} is back and takes its row again", name(me)),
        }
    }
}
