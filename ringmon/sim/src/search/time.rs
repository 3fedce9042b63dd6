//! Time passes: which age may come into its next class now.

use super::age::{Borders, Sort, Stamp};
use super::duty;
use super::happen::Event;
use super::state::{Place, Site, State, at_mut, slot};
use super::table::Tables;

impl Tables {
    /// Whether this age may come into its next class: no older stamp would be younger then, and nobody owes a word
    /// that has to come before.
    pub fn may_age(&self, state: &State, event: Event) -> bool {
        let Event::Ages(site) = event else { return false };
        let (sort, about) = sort_of(site);
        let Some(class) = state.class(site) else { return false };
        let Some(border) = self.borders.high(sort, class) else { return false };
        let first = |side| state.row(about).and_then(|row| row.votes[slot(side)]);
        match site {
            Site::Since(..)
                if duty::owes_a_word(state, about)
                    || state.is_about_to_hear(about)
                    || duty::is_deaf_unaware(state, about) =>
            {
                return false;
            }
            Site::Served(_) if state.members().any(|other| duty::owes_a_word(state, other)) => return false,
            // A mark is a challenge to all others (R3).
            Site::AloneSince(_) if state.members().any(|other| duty::owes_a_word(state, other)) => return false,
            // It is renewed while there is a reason.
            Site::Answer(me) if class == Borders::RENEW && duty::owes(state, me, true) => return false,
            // A server that can be heard again is heard before the last answer of before is stale.
            Site::Answer(me)
                if class == Borders::OVERDUE && state.members().any(|of| state.is_late_to_hear(of, me)) =>
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
            // It is renewed while it is true, and stands until whom it hears is said.
            Site::AloneAt(me)
                if duty::owes(state, me, false) || state.acts(me) && !state.late && duty::is_deaf(state, me) =>
            {
                return false;
            }
            Site::Since(..)
            | Site::Answer(_)
            | Site::AloneSince(_)
            | Site::AloneAt(_)
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
        // Who can be heard again is heard at once, unless its address must be resolved first.
        let begun = |me: Place, other: Place| state.silence(me, other).is_some_and(|one| one.since.born == born);
        let waits = |me: Place| state.members().any(|other| begun(me, other) && state.connected(me, other));
        if class < Borders::ENOUGH && state.members().any(waits) {
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
}

impl State {
    /// This stamp comes into its next class, and is older than those of its sort that stay.
    pub fn grow(&mut self, site: Site) {
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
        // Answers and marks that are stale are as good as none.
        if let Site::Answer(me) | Site::AloneAt(me) = site
            && let Some(row) = at_mut(&mut self.rows, me)
        {
            row.answer = row.answer.filter(|(_, stamp)| stamp.class <= Borders::OVERDUE);
            row.alone = row.alone.filter(|(_, at)| *at == 0);
        }
    }

    /// Whether it hears nobody, and by its next probe it will hear somebody. A vote gets older by many probes.
    fn is_about_to_hear(&self, me: Place) -> bool {
        let soon = |other| self.silence(me, other).is_some_and(|silence| silence.since.class < Borders::ENOUGH);
        self.acts(me)
            && duty::hears(self, me).next().is_none()
            && self.members().any(|other| self.is_late_to_hear(me, other) && soon(other))
    }

    /// Whether it could be heard, and is not heard yet.
    fn is_late_to_hear(&self, of: Place, about: Place) -> bool {
        self.silence(of, about).is_some() && self.connected(of, about)
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
