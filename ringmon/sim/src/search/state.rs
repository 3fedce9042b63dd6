//! A state: the table, who hears whom, and what is under way.

use std::sync::Arc;

use super::age::{Borders, Sort, Stamp};
use super::world::World;
use ringmon_core::{Plan, Side};

/// Servers by their place in the first ring.
pub(super) type Place = u8;

/// A row, in normal form: servers by place, stamps by class, its life by whether votes are older.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// First and second buddy.
    pub links: [Place; 2],
    /// How often the row was taken over.
    pub life: u8,
    /// The votes of the first-buddy and the second-buddy side.
    pub votes: [Option<Vote>; 2],
    /// Classes of the alone mark: since when, and when it was renewed.
    pub alone: Option<(u8, u8)>,
    /// Whom this life of the server hears, and when it said so.
    pub answer: Option<(Place, Stamp)>,
    /// Grows with each write. Only whether it is still the same counts.
    pub version: i64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Vote {
    pub voter: Place,
    pub life: u8,
    pub since: Stamp,
    /// Class of the last renewal.
    pub at: u8,
}

/// The table, by place.
pub(super) type Rows = [Option<Row>; World::MOST];

/// What one server does not hear.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silence {
    /// Since when.
    pub since: Stamp,
    /// Which silence: an operation rests on this one, and on no later one.
    pub which: u32,
}

/// A machine and its agent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Server {
    pub lives: bool,
    /// Whether it has come back and must take its row again.
    pub returns: bool,
    pub database: bool,
    /// Class of the time for which the database has served it.
    pub served: u8,
    /// Whether it knows of votes against it.
    pub challenged: bool,
}

/// What an accusation says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// Nearest first.
    pub findings: Vec<Finding>,
    pub far: Option<Place>,
    /// The silence of the only server that is accused, as the far end's kernel confirms it.
    pub confirmed: Option<u32>,
    /// It removes all others (R2).
    pub all: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub server: Place,
    pub life: u8,
    pub which: u32,
    pub enough: bool,
    pub proved: bool,
    /// The well servers that heard it, if it is well too.
    pub heard: u8,
}

/// A removal under way.
#[derive(Clone, Debug)]
pub(super) enum Flight {
    /// It begins again with the same claim: another commit came in between, or the answer to its own was lost.
    Again(Claim),
    /// Everything is read, and the transaction comes next.
    Ready {
        claim: Claim,
        plan: Arc<Plan>,
        /// The table as it was read.
        rows: Arc<Rows>,
        /// Which servers it removes.
        gone: u8,
        /// Class of the age of its clock.
        read: u8,
    },
}

impl Flight {
    pub const fn claim(&self) -> &Claim {
        match self {
            Self::Again(claim) | Self::Ready { claim, .. } => claim,
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub rows: Rows,
    pub servers: [Server; World::MOST],
    pub silent: [[Option<Silence>; World::MOST]; World::MOST],
    /// Of each server, one operation for each side.
    pub flights: [[Option<Flight>; 2]; World::MOST],
    /// Which links are cut: for each server, a bit for each other one.
    pub cut: [u8; World::MOST],
    pub isolated: u8,
    /// The first of two neighbours that are cut off from the other two.
    pub halves: Option<Place>,
    /// Writes may come too late.
    pub late: bool,
    /// How many faults may still happen.
    pub left: u8,
    /// The last number that was given to a stamp or silence.
    pub clock: u32,
}

/// Where a stamp is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Site {
    /// The silence of the second server for the first.
    Silence(Place, Place),
    Since(Place, Side),
    At(Place, Side),
    AloneSince(Place),
    AloneAt(Place),
    Read(Place, Side),
    Answer(Place),
    Served(Place),
}

impl Server {
    /// It has just begun, or begun again.
    pub const NEW: Self = Self { lives: true, returns: false, database: true, served: 0, challenged: false };
}

pub(super) const fn slot(side: Side) -> usize {
    match side {
        Side::First => 0,
        Side::Second => 1,
    }
}

pub(super) fn at<T>(list: &[T; World::MOST], place: Place) -> &T {
    &list[usize::from(place)]
}

pub(super) fn at_mut<T>(list: &mut [T; World::MOST], place: Place) -> &mut T {
    &mut list[usize::from(place)]
}

impl State {
    /// Everybody is well and hears everybody.
    pub fn first(world: &World) -> Self {
        let n = world.servers;
        let row = |place: u8| Row {
            links: [(place + 1) % n, (place + n - 1) % n],
            life: 0,
            votes: [None, None],
            alone: None,
            answer: None,
            version: 1,
        };
        let mut rows = [None; World::MOST];
        for place in 0..n {
            *at_mut(&mut rows, place) = Some(row(place));
        }
        Self {
            rows,
            servers: [Server { served: Borders::WAITED, ..Server::NEW }; World::MOST],
            silent: [[None; World::MOST]; World::MOST],
            flights: Default::default(),
            cut: [0; World::MOST],
            isolated: 0,
            halves: None,
            late: false,
            left: world.faults,
            clock: 0,
        }
    }

    pub fn row(&self, place: Place) -> Option<&Row> {
        at(&self.rows, place).as_ref()
    }

    pub fn server(&self, place: Place) -> &Server {
        at(&self.servers, place)
    }

    pub fn silence(&self, of: Place, about: Place) -> Option<Silence> {
        *at(at(&self.silent, of), about)
    }

    pub fn silence_mut(&mut self, of: Place, about: Place) -> &mut Option<Silence> {
        at_mut(at_mut(&mut self.silent, of), about)
    }

    /// Servers in the table.
    pub fn members(&self) -> impl Iterator<Item = Place> + '_ {
        (0..4).filter(|place| self.row(*place).is_some())
    }

    pub fn buddy(&self, of: Place, side: Side) -> Option<Place> {
        self.row(of).map(|row| row.links[slot(side)])
    }

    /// Whether frames pass between two living servers.
    pub fn connected(&self, one: Place, other: Place) -> bool {
        let bits = 1 << one | 1 << other;
        let parted = self.halves.is_some_and(|from| self.is_near(from, one) != self.is_near(from, other));
        self.server(one).lives
            && self.server(other).lives
            && at(&self.cut, one) & 1 << other == 0
            && self.isolated & bits == 0
            && !parted
    }

    /// Whether a server is one of the two neighbours that begin with `from`, in the first ring of four.
    const fn is_near(&self, from: Place, place: Place) -> bool {
        (place + 4 - from) % 4 < 2
    }

    /// Whether a server runs, has its place and reaches the database.
    pub fn acts(&self, place: Place) -> bool {
        let server = self.server(place);
        server.lives && server.database && !server.returns && self.row(place).is_some()
    }

    pub fn stamp(&mut self) -> Stamp {
        self.clock += 1;
        Stamp { class: 0, born: self.clock }
    }

    /// Whether `of` has noticed that it does not hear `about`.
    pub fn suspects(&self, of: Place, about: Place) -> bool {
        self.silence(of, about).is_some_and(|silence| silence.since.class >= Borders::SUSPECT)
    }

    /// Whether another server hears it and can say so to this one (R12).
    pub fn proved(&self, me: Place, suspect: Place) -> bool {
        let hears = |one, other| self.server(one).lives && self.silence(one, other).is_none();
        self.members().any(|w| w != me && w != suspect && !self.server(w).returns && hears(w, suspect) && hears(me, w))
    }

    /// The stamps in this state, with their sorts and classes.
    pub fn sites(&self) -> Vec<(Site, Sort, u8)> {
        let mut sites = Vec::with_capacity(16);
        for place in self.members() {
            let row = self.row(place).into_iter();
            for (site, vote) in row.clone().flat_map(|row| Side::BOTH.map(|side| (side, row.votes[slot(side)]))) {
                if let Some(vote) = vote {
                    sites.push((Site::Since(place, site), Sort::Since, vote.since.class));
                    sites.push((Site::At(place, site), Sort::At, vote.at));
                }
            }
            for (since, at) in row.filter_map(|row| row.alone) {
                sites.push((Site::AloneSince(place), Sort::AloneSince, since));
                sites.push((Site::AloneAt(place), Sort::AloneAt, at));
            }
            if let Some((_, stamp)) = self.row(place).and_then(|row| row.answer) {
                sites.push((Site::Answer(place), Sort::Answer, stamp.class));
            }
            if self.acts(place) {
                sites.push((Site::Served(place), Sort::Served, self.server(place).served));
            }
            for side in Side::BOTH {
                if let Some(Flight::Ready { read, .. }) = &at(&self.flights, place)[slot(side)] {
                    sites.push((Site::Read(place, side), Sort::Read, *read));
                }
            }
        }
        // Silences that began together get older together.
        let mut begun = Vec::with_capacity(4);
        for (about, of) in self.members().flat_map(|about| self.members().map(move |of| (about, of))) {
            if let Some(silence) = self.silence(of, about)
                && !begun.contains(&silence.since.born)
            {
                begun.push(silence.since.born);
                sites.push((Site::Silence(about, of), Sort::Silence, silence.since.class));
            }
        }
        sites
    }

    /// All silences.
    pub fn silences_mut(&mut self) -> impl Iterator<Item = &mut Silence> {
        self.silent.iter_mut().flatten().flatten()
    }

    /// The stamps whose order counts for the removal of this server: votes against it, silences,
    /// and its answer. Youngest first.
    pub fn order(&self, about: Place) -> Vec<(Site, Sort, Stamp)> {
        let mut order: Vec<(Site, Sort, Stamp)> = Vec::with_capacity(6);
        for of in self.members() {
            if let Some(silence) = self.silence(of, about) {
                order.push((Site::Silence(about, of), Sort::Silence, silence.since));
            }
        }
        for side in Side::BOTH {
            if let Some(vote) = self.row(about).and_then(|row| row.votes[slot(side)]) {
                order.push((Site::Since(about, side), Sort::Since, vote.since));
            }
        }
        if let Some((_, stamp)) = self.row(about).and_then(|row| row.answer) {
            order.push((Site::Answer(about), Sort::Answer, stamp));
        }
        order.sort_by_key(|(_, _, stamp)| std::cmp::Reverse(stamp.born));
        order
    }

    /// The stamp at this place, if its order counts.
    pub fn ordered(&mut self, site: Site) -> Option<&mut Stamp> {
        match site {
            Site::Silence(about, of) => self.silence_mut(of, about).as_mut().map(|silence| &mut silence.since),
            Site::Since(about, side) => {
                let row = at_mut(&mut self.rows, about).as_mut()?;
                row.votes[slot(side)].as_mut().map(|vote| &mut vote.since)
            }
            Site::Answer(about) => at_mut(&mut self.rows, about).as_mut()?.answer.as_mut().map(|answer| &mut answer.1),
            Site::At(..) | Site::AloneSince(_) | Site::AloneAt(_) | Site::Read(..) | Site::Served(_) => None,
        }
    }

    /// The class of the stamp at this place.
    pub fn class(&self, site: Site) -> Option<u8> {
        match site {
            Site::Silence(about, of) => self.silence(of, about).map(|silence| silence.since.class),
            Site::Since(about, side) => self.row(about)?.votes[slot(side)].map(|vote| vote.since.class),
            Site::Answer(about) => self.row(about)?.answer.map(|(_, stamp)| stamp.class),
            Site::At(about, side) => self.row(about)?.votes[slot(side)].map(|vote| vote.at),
            Site::AloneSince(place) => self.row(place)?.alone.map(|mark| mark.0),
            Site::AloneAt(place) => self.row(place)?.alone.map(|mark| mark.1),
            Site::Served(place) => Some(self.server(place).served),
            Site::Read(place, side) => match &at(&self.flights, place)[slot(side)] {
                Some(Flight::Ready { read, .. }) => Some(*read),
                Some(Flight::Again(_)) | None => None,
            },
        }
    }

    /// The same, to change it.
    pub fn class_mut(&mut self, site: Site) -> Option<&mut u8> {
        let row = |rows, place| at_mut::<Option<Row>>(rows, place).as_mut();
        match site {
            Site::Silence(..) | Site::Since(..) | Site::Answer(_) => self.ordered(site).map(|stamp| &mut stamp.class),
            Site::At(about, side) => row(&mut self.rows, about)?.votes[slot(side)].as_mut().map(|vote| &mut vote.at),
            Site::AloneSince(place) => row(&mut self.rows, place)?.alone.as_mut().map(|mark| &mut mark.0),
            Site::AloneAt(place) => row(&mut self.rows, place)?.alone.as_mut().map(|mark| &mut mark.1),
            Site::Served(place) => Some(&mut at_mut(&mut self.servers, place).served),
            Site::Read(place, side) => match &mut at_mut(&mut self.flights, place)[slot(side)] {
                Some(Flight::Ready { read, .. }) => Some(read),
                Some(Flight::Again(_)) | None => None,
            },
        }
    }
}
