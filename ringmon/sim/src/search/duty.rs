//! What a server has to do in a state: the engine as a few lines.
//!
//! It follows `engine/member`: `ahead` and `side` (whom to accuse), `footing` and `alone` (R2), `side/accuse` (when to
//! take a vote back).

use super::age::Borders;
use super::state::{Claim, Finding, Place, State};
use super::world::World;
use ringmon_core::row::Alone;
use ringmon_core::{Rule, Side};

/// The silent servers on one side, and what is beyond them.
struct Run {
    silent: Vec<Place>,
    far: Option<Place>,
    all: bool,
}

fn run(state: &State, me: Place, side: Side) -> Run {
    let mut silent = Vec::new();
    let mut next = state.buddy(me, side);
    while let Some(place) = next.filter(|place| *place != me && silent.len() < World::MOST) {
        if !state.suspects(me, place) {
            return Run { silent, far: Some(place), all: false };
        }
        silent.push(place);
        next = state.buddy(place, side);
    }
    Run { all: !silent.is_empty(), silent, far: None }
}

/// What this server says against its neighbours on this side now.
pub(super) fn claim(world: &World, state: &State, me: Place, side: Side) -> Option<Claim> {
    let here = run(state, me, side);
    let there = run(state, me, side.opposite());
    if here.all {
        return (side == Side::First && may_be_alone(world, state, me))
            .then(|| claim_of(world, state, me, here.silent, None));
    }
    let hears = state.members().any(|other| other != me && state.silence(me, other).is_none());
    if here.silent.is_empty() || !hears && world.keeps(Rule::R2) {
        return None;
    }
    let firm = there.silent.is_empty() || !world.keeps(Rule::R2) || here.far.is_some() && there.far.is_some();
    let far = here.far.filter(|_| firm);
    let count = if far.is_some() { here.silent.len() } else { 1 };
    let silent = here.silent.into_iter().take(count).collect();
    Some(claim_of(world, state, me, silent, far))
}

fn claim_of(world: &World, state: &State, me: Place, silent: Vec<Place>, far: Option<Place>) -> Claim {
    let all = far.is_none() && silent.len() + 1 == state.members().count();
    let finding = |server: Place| {
        let silence = state.silence(me, server);
        Finding {
            server,
            life: state.row(server).map_or(0, |row| row.life),
            which: silence.map_or(0, |silence| silence.which),
            enough: silence.is_some_and(|s| s.since.class >= Borders::ENOUGH) || !world.keeps(Rule::R6),
            proved: world.keeps(Rule::R12) && state.proved(me, server),
            heard: state.witnesses(server),
        }
    };
    let confirmed = far.and_then(|far| confirmed(world, state, me, far, &silent));
    Claim { findings: silent.into_iter().map(finding).collect(), far, confirmed, all }
}

/// The silence that the far end's kernel confirms: as long as a removal needs, while it hears somebody.
fn confirmed(world: &World, state: &State, me: Place, far: Place, silent: &[Place]) -> Option<u32> {
    let [suspect] = silent else { return None };
    let answers = state.server(far).lives && state.silence(me, far).is_none() && hears(state, far).next().is_some();
    let silence = state.silence(far, *suspect).filter(|_| answers && world.keeps(Rule::R3))?;
    (silence.since.class >= Borders::ENOUGH).then_some(silence.which)
}

/// Whether a server that hears nobody may remove all others (R2).
fn may_be_alone(world: &World, state: &State, me: Place) -> bool {
    let others = || state.members().filter(|other| *other != me);
    let hasty = !world.keeps(Rule::R2);
    let reached = others().any(|other| state.connected(me, other)) && !hasty;
    let entitled = others().count() == 1 || world.alone == Alone::All || hasty;
    entitled && !reached && is_deaf(state, me)
}

/// Whether it has noticed that it hears nobody.
pub(super) fn is_deaf(state: &State, me: Place) -> bool {
    let mut others = state.members().filter(|other| *other != me).peekable();
    others.peek().is_some() && others.all(|other| state.suspects(me, other))
}

/// Whether the alone mark has to be written.
pub(super) fn must_mark(state: &State, me: Place) -> bool {
    let due = state.row(me).is_some_and(|row| row.alone.is_none());
    due && is_deaf(state, me)
}

/// Whose votes this server must take back: of those that it hears, and of those that others hear (R12).
pub(super) fn untrue(world: &World, state: &State, me: Place) -> Vec<Place> {
    let mine =
        |about: Place| state.row(about).is_some_and(|row| row.votes.iter().flatten().any(|vote| vote.voter == me));
    let spared = |about: Place| world.keeps(Rule::R12) && state.proved(me, about) && !accuses(state, about, me);
    state.members().filter(|about| mine(*about) && (state.silence(me, *about).is_none() || spared(*about))).collect()
}

fn accuses(state: &State, one: Place, other: Place) -> bool {
    let life = state.row(one).map(|row| row.life);
    let votes = state.row(other).map(|row| row.votes);
    votes.iter().flatten().flatten().any(|vote| vote.voter == one && Some(vote.life) == life)
}

/// Whether it misses a buddy, or knows that it is accused: then it says whom it hears.
fn must_answer(state: &State, me: Place) -> bool {
    let misses = |side| state.buddy(me, side).is_some_and(|buddy| buddy != me && state.silence(me, buddy).is_some());
    Side::BOTH.into_iter().any(misses) || state.server(me).challenged || is_doubted(state, me)
}

/// Whether a buddy that it hears does not hear it, as that one's kernel says in its replies.
fn is_doubted(state: &State, me: Place) -> bool {
    let buddies = Side::BOTH.into_iter().filter_map(|side| state.buddy(me, side)).filter(|buddy| *buddy != me);
    let mut doubting = buddies.filter(|buddy| state.silence(me, *buddy).is_none() && state.suspects(*buddy, me));
    doubting.any(|buddy| state.server(buddy).lives)
}

/// Whom it can name.
pub(super) fn hears(state: &State, me: Place) -> impl Iterator<Item = Place> {
    state.members().filter(move |other| *other != me && state.silence(me, *other).is_none())
}

/// Whether it may write an answer: not sooner than 0.4 s after its last one.
pub(super) fn may_answer(state: &State, me: Place) -> bool {
    must_answer(state, me)
        && state.row(me).is_some_and(|row| row.answer.is_none_or(|(_, at)| at.class >= Borders::RENEW))
}

/// Whether a well server must say something before time goes on: its first answer while it is accused, or the next one
/// before the last one is `overdue`.
pub(super) fn owes(state: &State, me: Place, overdue: bool) -> bool {
    let silent = overdue || !has_answered(state, me);
    state.acts(me) && !state.late && silent && must_answer(state, me) && hears(state, me).next().is_some()
}

fn has_answered(state: &State, me: Place) -> bool {
    let answer = state.row(me).and_then(|row| row.answer);
    answer.is_some_and(|(_, at)| at.class < Borders::OVERDUE)
}

/// Whether it hears nobody, has not noticed, and has said nothing. That is over after a few misses, and a vote waits
/// for longer: had the server heard anybody before that, it would have answered.
pub(super) fn is_deaf_unaware(state: &State, me: Place) -> bool {
    let deaf = hears(state, me).next().is_none() && !is_deaf(state, me);
    state.acts(me) && !state.late && deaf && !has_answered(state, me)
}

/// Whether a well server must say before votes get older whom it hears, or that it hears nobody: one write each.
pub(super) fn owes_a_word(state: &State, me: Place) -> bool {
    owes(state, me, false) || state.acts(me) && !state.late && must_mark(state, me)
}
