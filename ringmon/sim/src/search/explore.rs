//! Breadth first through all states, so that what is found is told in as few events as can be.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::{Duration, Instant};

use super::happen::{Event, Next};
use super::state::State;
use super::table::Tables;
use super::world::World;

/// How far a search may go.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// At most this many states.
    pub states: usize,
    /// For at most this long.
    pub time: Duration,
    /// From one state of this many, it is checked that everything ends well.
    pub every: u64,
}

/// How a search ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Every state was seen, and every promise holds.
    Complete,
    /// A promise is broken: which one, what happened on the way, and how the servers were before.
    Found {
        /// The promise.
        wrong: String,
        /// What happened, in order.
        story: Vec<String>,
        /// One line for each server.
        servers: Vec<String>,
    },
    /// A limit was reached first.
    Unfinished,
}

/// What a search saw.
#[derive(Clone, Debug)]
pub struct Report {
    /// How it ended.
    pub end: End,
    /// Different states.
    pub states: usize,
    /// Steps from one state to another.
    pub steps: u64,
    /// The longest way to a state. If the search did not end, all states nearer than this were seen.
    pub depth: usize,
    /// States from which it was checked that everything ends well.
    pub ended_well: u64,
    /// How long it took.
    pub took: Duration,
}

/// The keys are hashes already.
#[derive(Clone, Copy, Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {}
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// For each state, the state before it and what happened.
type Seen = HashMap<u64, (u64, Option<Event>), BuildHasherDefault<AsItIs>>;

struct Search<'a> {
    tables: Tables,
    limits: Limits,
    seen: Seen,
    report: Report,
    began: Instant,
    tell: &'a mut dyn FnMut(&Report, usize),
}

/// Goes through a world. `tell` is told now and then how far it is, and how many states wait.
pub fn search(world: &World, limits: Limits, tell: &mut dyn FnMut(&Report, usize)) -> Report {
    let report = Report { end: End::Complete, states: 1, steps: 0, depth: 0, ended_well: 0, took: Duration::ZERO };
    let tables = Tables::new(world);
    let mut search = Search { tables, limits, seen: Seen::default(), report, began: Instant::now(), tell };
    search.run();
    search.report.took = search.began.elapsed();
    search.report
}

impl Search<'_> {
    fn run(&mut self) {
        let first = State::first(&self.tables.world);
        let key = first.key(&self.tables.world);
        self.seen.insert(key, (key, None));
        let mut layer = vec![(key, first)];
        while !layer.is_empty() {
            let mut next = Vec::new();
            for (key, state) in layer {
                if let Err(end) = self.expand(key, &state, &mut next) {
                    self.report.end = end;
                    return;
                }
            }
            self.report.depth += usize::from(!next.is_empty());
            layer = next;
        }
    }

    fn expand(&mut self, key: u64, state: &State, layer: &mut Vec<(u64, State)>) -> Result<(), End> {
        for event in self.tables.events(state) {
            self.report.steps += 1;
            match self.tables.happen(state, event) {
                Next::Wrong(wrong) => return Err(self.found(key, wrong, Some(event))),
                Next::To(next) => self.arrive(key, event, *next, layer)?,
            }
        }
        if self.report.steps % 512 < 8 {
            self.report.took = self.began.elapsed();
            (self.tell)(&self.report, layer.len());
            if self.report.took > self.limits.time {
                return Err(End::Unfinished);
            }
        }
        Ok(())
    }

    fn arrive(&mut self, from: u64, event: Event, next: State, layer: &mut Vec<(u64, State)>) -> Result<(), End> {
        let key = next.key(&self.tables.world);
        if self.seen.contains_key(&key) {
            return Ok(());
        }
        self.seen.insert(key, (from, Some(event)));
        self.report.states += 1;
        if key.is_multiple_of(self.limits.every) && self.tables.promises_an_end() {
            self.report.ended_well += 1;
            if let Err(wrong) = self.tables.ends_well(&next) {
                return Err(self.found(key, wrong, None));
            }
        }
        layer.push((key, next));
        if self.report.states >= self.limits.states { Err(End::Unfinished) } else { Ok(()) }
    }

    /// Tells the way to this state, by going it again.
    fn found(&self, key: u64, wrong: String, last: Option<Event>) -> End {
        let mut way: Vec<Event> = last.into_iter().collect();
        let mut at = key;
        while let Some((before, Some(event))) = self.seen.get(&at) {
            way.push(*event);
            at = *before;
        }
        way.reverse();
        let mut state = State::first(&self.tables.world);
        for event in &way[..way.len() - usize::from(last.is_some())] {
            if let Next::To(next) = self.tables.happen(&state, *event) {
                state = *next;
            }
        }
        let mut story: Vec<String> = way.iter().map(Event::to_string).collect();
        if last.is_none() {
            story.push("all faults but deaths end, and everybody acts in turn".to_owned());
        }
        End::Found { wrong, story, servers: state.lines() }
    }
}

impl Tables {
    const fn promises_an_end(&self) -> bool {
        !self.world.frozen && matches!(self.world.mode, ringmon_core::row::Mode::Act)
    }
}
