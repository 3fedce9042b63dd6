//! The normal form of a state, as a number: which states are the same.
//!
//! Versions and names of silences are left out, and only the order of stamps counts. All rotations and reflections of
//! the first ring are the same state.

use std::hash::{DefaultHasher, Hasher as _};

use super::age::Sort;
use super::state::{Flight, Place, Row, Site, State, Vote, at, slot};
use super::world::World;
use ringmon_core::{Rule, Side};

/// A way to see the ring: turned, and perhaps from behind.
struct View {
    /// The new place of each old one.
    to: [u8; World::MOST],
    /// The old place at each new one.
    from: [u8; World::MOST],
    mirrored: bool,
}

impl View {
    fn all(n: u8) -> impl Iterator<Item = Self> {
        let views = (0..n).flat_map(|turn| [(turn, false), (turn, true)]);
        views.filter(move |(_, mirrored)| !(*mirrored && n < 3)).map(move |(turn, mirrored)| {
            let mut view = Self { to: [9; World::MOST], from: [9; World::MOST], mirrored };
            for old in 0..n {
                let new = if mirrored { (turn + n - old) % n } else { (old + turn) % n };
                view.to[usize::from(old)] = new;
                view.from[usize::from(new)] = old;
            }
            view
        })
    }

    fn moved(&self, old: Place) -> u8 {
        self.to[usize::from(old)]
    }

    const fn side(&self, side: Side) -> Side {
        if self.mirrored { side.opposite() } else { side }
    }

    fn bits(&self, bits: u8) -> u8 {
        (0..4).filter(|old| bits & 1 << old != 0).fold(0, |new, old| new | 1 << self.moved(old))
    }
}

/// Of every stamp whose order counts: its class, and its place among those of another sort. Silences of each server
/// about each other one, then votes.
struct Orders {
    silences: [[(u8, u8); World::MOST]; World::MOST],
    votes: [[u8; 2]; World::MOST],
    answers: [u8; World::MOST],
    /// Whether votes of former lives count for nothing (R8).
    r8: bool,
}

impl Orders {
    fn of(state: &State, r8: bool) -> Self {
        let mut orders = Self {
            silences: [[(0, 0); World::MOST]; World::MOST],
            votes: [[0; 2]; World::MOST],
            answers: [0; World::MOST],
            r8,
        };
        let all = state.silent.iter().flatten().flatten().map(|silence| silence.since.born);
        let mut begun: Vec<u32> = all.collect();
        begun.sort_unstable();
        begun.dedup();
        for about in state.members() {
            let (mut level, mut last) = (0, None);
            for (site, sort, stamp) in state.order(about) {
                // Of votes and answers, it only counts which silences are younger.
                if sort == Sort::Silence {
                    level += u8::from(last != Some(stamp.born));
                    last = Some(stamp.born);
                }
                let seen = 1 + stamp.class * 16 + level;
                match site {
                    Site::Silence(_, of) => {
                        let place = begun.binary_search(&stamp.born).unwrap_or_default();
                        orders.silences[usize::from(of)][usize::from(about)] =
                            (seen, u8::try_from(place).unwrap_or(u8::MAX));
                    }
                    Site::Since(_, side) => orders.votes[usize::from(about)][slot(side)] = seen,
                    Site::Answer(me) => orders.answers[usize::from(me)] = seen,
                    Site::At(..) | Site::AloneSince(_) | Site::AloneAt(_) | Site::Read(..) | Site::Served(_) => {}
                }
            }
        }
        orders
    }
}

impl State {
    /// The number of this state: the same for states that are the same but for the names of the servers.
    pub fn key(&self, world: &World) -> u64 {
        let orders = Orders::of(self, world.keeps(Rule::R8));
        let mut bytes = Vec::with_capacity(160);
        let mut number = |view: View| {
            bytes.clear();
            self.write(&view, &orders, world.servers, &mut bytes);
            let mut hasher = DefaultHasher::new();
            hasher.write(&bytes);
            hasher.finish()
        };
        View::all(world.servers).map(&mut number).min().unwrap_or_default()
    }

    fn write(&self, view: &View, orders: &Orders, n: u8, out: &mut Vec<u8>) {
        let halves = self.halves.map_or(9, |from| {
            let pair = [view.moved(from), view.moved((from + 1) % 4)];
            if pair == [0, 3] || pair == [3, 0] { 1 } else { pair[0].min(pair[1]) % 2 }
        });
        out.extend([self.left, u8::from(self.late), view.bits(self.isolated), halves]);
        for new in 0..n {
            let old = view.from[usize::from(new)];
            let server = self.server(old);
            let flags = [server.lives, server.returns, server.database, server.challenged];
            let flags = flags.into_iter().fold(server.served, |bits, flag| bits << 1 | u8::from(flag));
            out.extend([flags, view.bits(*at(&self.cut, old))]);
            for other in 0..n {
                let (seen, begun) = orders.silences[usize::from(old)][usize::from(view.from[usize::from(other)])];
                out.extend([seen, begun]);
            }
            match self.row(old) {
                Some(row) => self.write_row(view, orders, old, row, out),
                None => out.push(0),
            }
            for side in Side::BOTH {
                self.write_flight(view, old, view.side(side), out);
            }
        }
    }

    fn write_row(&self, view: &View, orders: &Orders, old: Place, row: &Row, out: &mut Vec<u8>) {
        out.push(1);
        let r8 = orders.r8;
        for side in Side::BOTH.map(|side| slot(view.side(side))) {
            out.push(view.moved(row.links[side]));
            let counts = |vote: &Vote| !r8 || self.row(vote.voter).is_some_and(|voter| voter.life == vote.life);
            match row.votes[side].filter(counts) {
                None => out.push(0),
                Some(vote) => {
                    let lives = self.row(vote.voter).map(|voter| voter.life == vote.life);
                    let life = lives.map_or(2, u8::from);
                    let order = orders.votes[usize::from(old)][side];
                    out.extend([1 + view.moved(vote.voter), life, vote.at, order]);
                }
            }
        }
        out.push(row.answer.map_or(0, |(hears, _)| 1 + view.moved(hears)));
        out.push(orders.answers[usize::from(old)]);
        out.push(row.alone.map_or(0, |(since, at)| 1 + since * 8 + at));
    }

    fn write_flight(&self, view: &View, old: Place, side: Side, out: &mut Vec<u8>) {
        let Some(flight) = &at(&self.flights, old)[slot(side)] else {
            out.push(0);
            return;
        };
        match flight {
            Flight::Again(_) => out.push(1),
            Flight::Ready { gone, read, .. } => out.extend([2, view.bits(*gone), *read]),
        }
        let claim = flight.claim();
        let confirmed = claim.confirmed.map_or(0, |_| 1 + u8::from(self.is_confirmed(old, claim)));
        out.extend([u8::from(claim.all), claim.far.map_or(9, |far| view.moved(far)), confirmed]);
        for finding in &claim.findings {
            let holds = self.silence(old, finding.server).is_some_and(|silence| silence.which == finding.which);
            let life = self.row(finding.server).is_some_and(|row| row.life == finding.life);
            let flags = [finding.enough, finding.proved, holds, life];
            out.push(view.bits(finding.heard));
            out.push(flags.into_iter().fold(view.moved(finding.server), |bits, flag| bits << 1 | u8::from(flag)));
        }
    }
}
