//! The table of a state, as the operations see it, and what they made of it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::age::{Borders, Sort, age};
use super::state::{Claim, Place, Row, Site, State, Vote, at, at_mut, slot};
use super::world::World;
use ringmon_common::wire::VERSION;
use ringmon_core::card::{Card, Clients};
use ringmon_core::edit::{RowWrite, Same};
use ringmon_core::evidence::Confirmed;
use ringmon_core::op::{Accusation, Finding, Mute, TableOp};
use ringmon_core::row::{Answer, Answering};
use ringmon_core::virtual_table::{Commit, VirtualTable};
use ringmon_core::{
    BootToken, DbTime, Health, Incarnation, Outcome, Plan, Rule, ServerId, ServerRow, Side, Silence, Step,
    TableSnapshot, Time, VoteKind, WatchId,
};

/// Now, in every state.
const NOW: DbTime = DbTime::from_us(1_700_000_000_000_000);
/// Now, on every server's own clock.
const HERE: Time = Time::from_ns(1_000_000_000_000);

/// What every state of a world has in common.
pub(super) struct Tables {
    pub world: World,
    pub borders: Borders,
    empty: VirtualTable,
    cards: Vec<Card>,
}

/// What an operation came to, once it has read everything.
pub(super) enum Read {
    Ended,
    Writes(Box<Plan>),
}

pub(super) fn id(place: Place) -> ServerId {
    ServerId(i64::from(place) + 1)
}

pub(super) fn place_of(id: ServerId) -> Place {
    u8::try_from(id.0 - 1).unwrap_or(u8::MAX)
}

fn life(life: u8) -> Incarnation {
    Incarnation(NOW.as_us() + i64::from(life))
}

impl Tables {
    pub fn new(world: &World) -> Self {
        let mut empty = VirtualTable::new(NOW);
        empty.pool.rules = world.rules();
        empty.pool.frozen = world.frozen.then(|| "an operator said so".to_owned());
        empty.links_only = !world.keeps(Rule::R8);
        let cards = (0..world.servers).map(|place| Card {
            name: char::from(b'a' + place).to_string(),
            address: Ipv4Addr::new(10, 0, 0, place + 1).into(),
            notice_port: 7464,
            clients: Clients { address: None, port: None, weight: 1 },
            boot: BootToken(String::new()),
        });
        Self { world: world.clone(), borders: world.borders(), empty, cards: cards.collect() }
    }

    /// How old each of these is: as young as its class and its order allow.
    fn ages(&self, state: &State, about: Place) -> Vec<(Site, Duration)> {
        let mut ages = Vec::new();
        let (mut silence, mut word) = (0, 0);
        for (place, (site, sort, stamp)) in (0..).zip(state.order(about)) {
            let low = self.borders.low(sort, stamp.class);
            let least = if sort == Sort::Silence { low.max(word).max(silence) } else { low.max(silence) };
            let kind = if sort == Sort::Silence { &mut silence } else { &mut word };
            *kind = least.max(*kind);
            ages.push((site, age(least, place)));
        }
        ages
    }

    fn plain(&self, sort: Sort, class: u8) -> DbTime {
        NOW - age(self.borders.low(sort, class), 0)
    }

    /// The table as it is in this state.
    pub fn build(&self, state: &State) -> VirtualTable {
        let mut table = self.empty.clone();
        for place in state.members() {
            if let Some(row) = state.row(place) {
                table.place(self.row(state, place, row));
            }
        }
        table
    }

    fn row(&self, state: &State, place: Place, row: &Row) -> ServerRow {
        let ages = self.ages(state, place);
        let vote = |side| {
            row.votes[slot(side)].map(|vote: Vote| ringmon_core::Vote {
                voter: id(vote.voter),
                voter_incarnation: life(vote.life),
                since: NOW - found(&ages, Site::Since(place, side)),
                at: self.plain(Sort::At, vote.at),
                kind: VoteKind::Host,
            })
        };
        ServerRow {
            id: id(place),
            card: self.cards[usize::from(place)].clone(),
            first_buddy: id(row.links[0]),
            second_buddy: id(row.links[1]),
            incarnation: life(row.life),
            pick: i64::from(place),
            draining: false,
            health: Health::Passing,
            vote_first: vote(Side::First),
            vote_second: vote(Side::Second),
            alone_since: row.alone.map(|(since, _)| self.plain(Sort::AloneSince, since)),
            alone_at: row.alone.map(|(_, at)| self.plain(Sort::AloneAt, at)),
            alone_kind: row.alone.map(|_| VoteKind::Host),
            answering: Some(Answering {
                life: life(row.life),
                wait: World::WAIT,
                wire: VERSION,
                answer: row
                    .answer
                    .map(|(hears, _)| Answer { at: NOW - found(&ages, Site::Answer(place)), hears: id(hears) }),
            }),
            version: row.version,
        }
    }

    /// Reads everything that the operation asks for, with nothing in between. `again`: an earlier attempt met a change.
    pub fn read(op: &TableOp, table: &VirtualTable, again: bool) -> Read {
        let mut seen = TableSnapshot { again, ..table.begin(HERE) };
        loop {
            match op.step(&seen) {
                Step::Read(lookups) => lookups.iter().for_each(|lookup| table.read(&mut seen, lookup)),
                Step::Apply(plan) => return Read::Writes(plan),
                Step::Done(_) => return Read::Ended,
            }
        }
    }

    /// Commits a plan that was read when its clock was of this class of age. `None`: nothing was written.
    pub fn commit(&self, state: &mut State, plan: &Plan, read: u8, check: bool) -> Option<Outcome> {
        let mut table = self.build(state);
        let late = age(self.borders.low(Sort::Read, read), 0);
        let late = if read == 0 { Duration::ZERO } else { late };
        let mut plan = Plan { deadline: plan.deadline - late, ..plan.clone() };
        // What is compared was found to be the same; only its stamps are older now.
        for write in &mut plan.writes {
            if let RowWrite::Update { guard, .. } | RowWrite::Delete(guard) = write
                && let Some(row) = table.rows.get(&guard.id)
                && !matches!(guard.same, Same::All(_))
            {
                *guard = guard.again(row);
            }
        }
        match table.commit(&plan, &mut || check) {
            Commit::Done(outcome) => {
                self.take_back(state, &table);
                Some(outcome)
            }
            Commit::Conflict | Commit::Late | Commit::Overtaken | Commit::Unanswered | Commit::Away => None,
        }
    }

    /// The rows that a commit wrote become rows of the state again.
    fn take_back(&self, state: &mut State, table: &VirtualTable) {
        let touched: BTreeMap<ServerId, Option<&ServerRow>> =
            table.touched.iter().map(|(id, _)| (*id, table.rows.get(id))).collect();
        for (id, row) in touched {
            let place = place_of(id);
            let Some(row) = row else {
                state.vanish(place);
                continue;
            };
            let new = self.taken(state, place, row);
            *at_mut(&mut state.rows, place) = Some(new);
        }
    }

    fn taken(&self, state: &mut State, place: Place, row: &ServerRow) -> Row {
        let was = state.row(place).copied();
        let votes = Side::BOTH.map(|side| {
            let vote = row.vote(side)?;
            let old = was.and_then(|was| was.votes[slot(side)]);
            let class = |stamp: DbTime, class: Option<u8>| if stamp == NOW { 0 } else { class.unwrap_or_default() };
            let since = match old {
                Some(old) if vote.since != NOW => old.since,
                Some(_) | None => state.stamp(),
            };
            let voter_life = u8::try_from(vote.voter_incarnation.0 - NOW.as_us()).unwrap_or_default();
            let at = class(vote.at, old.map(|old| old.at));
            Some(Vote { voter: place_of(vote.voter), life: voter_life, since, at })
        });
        let mark = |stamp: DbTime, old: Option<u8>| if stamp == NOW { 0 } else { old.unwrap_or_default() };
        let old = was.and_then(|was| was.alone);
        let alone = row
            .alone_since
            .zip(row.alone_at)
            .map(|(since, at)| (mark(since, old.map(|old| old.0)), mark(at, old.map(|old| old.1))));
        let answer = row.answering().and_then(|answering| answering.answer).map(|answer| {
            let old = was.and_then(|was| was.answer).filter(|_| answer.at != NOW);
            (place_of(answer.hears), old.map_or_else(|| state.stamp(), |(_, stamp)| stamp))
        });
        Row {
            links: [place_of(row.first_buddy), place_of(row.second_buddy)],
            life: u8::try_from(row.incarnation.0 - NOW.as_us()).unwrap_or(u8::MAX),
            votes,
            alone,
            answer,
            version: row.version,
        }
    }

    /// The operation that makes this claim.
    pub fn accusation(&self, state: &State, me: Place, side: Side, claim: &Claim) -> TableOp {
        let findings = claim.findings.iter().map(|finding| {
            let long = Duration::from_millis(3_001);
            let held = state.silence(me, finding.server).filter(|silence| silence.which == finding.which);
            let old =
                held.map_or(long, |_| found(&self.ages(state, finding.server), Site::Silence(finding.server, me)));
            Finding {
                server: id(finding.server),
                incarnation: life(finding.life),
                silence: Silence { watch: WatchId { slot: 0, generation: 1 }, kind: VoteKind::Host, since: HERE - old },
                misses: 20,
                enough: finding.enough,
                proved: finding.proved,
            }
        });
        let own = at(&state.rows, me).map_or(0, |row| row.life);
        let accusation = Accusation {
            me: id(me),
            incarnation: life(own),
            name: self.cards[usize::from(me)].name.clone(),
            side,
            mute: Mute::default(),
            findings: findings.collect(),
            confirmed: claim.confirmed.and_then(|_| self.confirmed(state, claim)),
            braked: false,
            far_end: claim.far.map(id),
            served: Duration::from_millis(self.borders.low(Sort::Served, state.server(me).served)),
            lag: Duration::ZERO,
            mode: ringmon_core::row::Mode::Act,
            tuning: self.world.tuning(),
        };
        if claim.all { TableOp::RemoveAll(accusation) } else { TableOp::Accuse(accusation) }
    }

    /// The far end's kernel has not heard it since.
    fn confirmed(&self, state: &State, claim: &Claim) -> Option<Confirmed> {
        let (far, suspect) = (claim.far?, claim.findings.first()?.server);
        let old = found(&self.ages(state, suspect), Site::Silence(suspect, far));
        let watch = WatchId { slot: 1, generation: 1 };
        Some(Confirmed { by: id(far), watch, of: id(suspect), since: HERE - old, misses: 20 })
    }

    /// A server's own card and row, for the operations on it.
    pub fn card(&self, place: Place) -> &Card {
        &self.cards[usize::from(place)]
    }

    pub fn life_of(state: &State, place: Place) -> Incarnation {
        life(state.row(place).map_or(0, |row| row.life))
    }
}

fn found(ages: &[(Site, Duration)], site: Site) -> Duration {
    ages.iter().find(|(at, _)| *at == site).map_or(Duration::ZERO, |(_, age)| *age)
}
