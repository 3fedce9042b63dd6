//! What must hold in every state, and what must come true in the end.

use super::age::Borders;
use super::happen::Event;
use super::state::{Place, State, at, slot};
use super::table::{Tables, place_of};
use ringmon_core::row::Mode;
use ringmon_core::{Outcome, ring};

/// What was true just before something was written.
pub(super) struct Promise<'a> {
    pub tables: &'a Tables,
    pub before: &'a State,
}

impl Promise<'_> {
    /// What this write broke; `after` is the state after it.
    pub fn broken(&self, after: &State, event: Event, outcome: &Outcome) -> Option<String> {
        let table = self.tables.build(after);
        if let Some(damage) = ring::check(table.rows.values()).first() {
            return Some(format!("the ring is not whole: {damage}"));
        }
        let Outcome::Removed { removed, .. } = outcome else { return None };
        let world = &self.tables.world;
        if world.frozen || world.mode == Mode::Observe {
            return Some("a server was removed, and nobody may be".to_owned());
        }
        removed.iter().find_map(|removal| self.heard(event, place_of(removal.server)))
    }

    /// A well server was removed that a well one hears, and heard when the removal was read.
    fn heard(&self, event: Event, gone: Place) -> Option<String> {
        let (Event::Commits(by, side) | Event::CommitsUnheard(by, side)) = event else { return None };
        if self.before.silence(by, gone).is_none() {
            return Some(format!(
                "{} removed {}, and hears it",
                self.tables.card(by).name,
                self.tables.card(gone).name
            ));
        }
        let flight = at(&self.before.flights, by)[slot(side)].as_ref()?;
        let finding = flight.claim().findings.iter().find(|finding| finding.server == gone)?;
        let still = finding.heard & self.before.witnesses(gone);
        let other = (0..4).find(|other| still & 1 << other != 0)?;
        let name = |place| self.tables.card(place).name.as_str();
        Some(format!("{} removed {}, which {} hears", name(by), name(gone), name(other)))
    }
}

impl State {
    /// The well servers that hear this well one and are heard by it, and say nothing else in the table. *Well*: it runs
    /// in its place, reaches the database, and what it writes comes in time. (Links are cut both ways here. Of two that
    /// hear each other again, one does so first, by a probe's time: nobody else can know by then.)
    pub fn witnesses(&self, gone: Place) -> u8 {
        let well = |place: Place| self.acts(place) && self.server(place).served >= Borders::WAITED;
        let accused = |by| self.row(gone).is_some_and(|row| row.votes.iter().flatten().any(|vote| vote.voter == by));
        let both = |by| self.silence(by, gone).is_none() && self.silence(gone, by).is_none();
        let hears = |by: &Place| *by != gone && well(*by) && both(*by) && !accused(*by);
        let all = self.members().filter(|by| well(gone) && hears(by));
        all.fold(0, |bits, by| bits | 1 << by)
    }
}

impl Tables {
    /// Whether the dead are gone, and only they, once no more happens: all faults but deaths end, and from now on
    /// everybody does what it has to do.
    pub fn ends_well(&self, from: &State) -> Result<(), String> {
        let mut state = from.clone();
        (state.cut, state.isolated, state.halves, state.late, state.left) = Default::default();
        for server in &mut state.servers {
            if !server.database {
                (server.database, server.served) = (true, 0);
            }
        }
        let dead = |state: &State| state.members().filter(|place| !state.server(*place).lives).collect::<Vec<_>>();
        let before = state.members().filter(|place| state.server(*place).lives).count();
        for _ in 0..Self::ROUNDS {
            self.round(&mut state)?;
            if dead(&state).is_empty() {
                return Ok(());
            }
        }
        let entitled = before > 1 || before == 1 && state.members().count() == 2;
        match dead(&state).first() {
            Some(stays) if entitled => Err(format!("{} is dead and stays in the table", self.card(*stays).name)),
            Some(_) | None => Ok(()),
        }
    }

    const ROUNDS: u32 = 24;

    /// Everybody acts once, and then time passes.
    fn round(&self, state: &mut State) -> Result<(), String> {
        let acts = |event: &Event| !matches!(event, Event::Ages(_) | Event::Begins(..) | Event::Ends(..));
        // Each event leads to a state in which it is no longer possible, or changes nothing.
        for _ in 0..3 {
            for event in self.events(state).into_iter().filter(acts) {
                if self.events(state).contains(&event) {
                    self.follow(state, event)?;
                }
            }
        }
        for (site, _, _) in state.sites() {
            let event = Event::Ages(site);
            if self.events(state).contains(&event) {
                self.follow(state, event)?;
            }
        }
        Ok(())
    }

    fn follow(&self, state: &mut State, event: Event) -> Result<(), String> {
        match self.happen(state, event) {
            super::happen::Next::To(next) => *state = *next,
            super::happen::Next::Wrong(why) => return Err(why),
        }
        Ok(())
    }
}

impl State {
    /// One line for each server.
    pub fn lines(&self) -> Vec<String> {
        let name = |place: Place| char::from(b'a' + place);
        let line = |place: Place| {
            let row = self.row(place)?;
            let server = self.server(place);
            let deaf: String = (0..4).filter(|other| at(at(&self.silent, place), *other).is_some()).map(name).collect();
            let votes: Vec<String> = row
                .votes
                .iter()
                .flatten()
                .map(|vote| format!("{}(class {}, {})", name(vote.voter), vote.since.class, vote.at))
                .collect();
            let lives = if server.lives { "" } else { " dead" };
            let database = if server.database { "" } else { " without database" };
            let alone = row.alone.map_or_else(String::new, |mark| format!(", alone {mark:?}"));
            Some(format!(
                "{}{lives}{database}: does not hear [{deaf}], accused by [{}]{alone}",
                name(place),
                votes.join(" ")
            ))
        };
        (0..4).filter_map(line).collect()
    }
}
