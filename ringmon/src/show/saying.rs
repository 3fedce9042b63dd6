//! Events in sentences, and which of them a person should see.

use std::time::Duration;

use ringmon_core::blindness::Blindness;
use ringmon_core::edit::Held;
use ringmon_core::event::{Evidence, Joined, Left, Removed, Service, Suspected};
use ringmon_core::host::HostChange;
use ringmon_core::row::Health;
use ringmon_core::{EventBody, EventKind, VoteKind, Word as _};

use super::in_units;

/// Whether something is, or may be, wrong: a log's WARN.
#[must_use]
pub const fn is_warning(body: &EventBody) -> bool {
    match body.kind() {
        EventKind::HostChanged => {
            let gone = matches!(body, EventBody::HostChanged { change: HostChange::AddressGone, .. });
            gone || matches!(body, EventBody::HostChanged { change: HostChange::InterfaceGone, .. })
        }
        // Every removal waits for these for a moment.
        EventKind::Held => {
            !matches!(body, EventBody::Held { why: Held::TooYoung | Held::TooShort | Held::NoSecondVote })
        }
        EventKind::Down
        | EventKind::AgentSilent
        | EventKind::AgentLost
        | EventKind::Removed
        | EventKind::Frozen
        | EventKind::Braked
        | EventKind::BrokenLink
        | EventKind::Moving
        | EventKind::Waiting
        | EventKind::DatabaseAway
        | EventKind::TableWentBack
        | EventKind::Blind => true,
        EventKind::Joined
        | EventKind::Buddies
        | EventKind::Alive
        | EventKind::Suspect
        | EventKind::AgentGone
        | EventKind::Vote
        | EventKind::VoteWithdrawn
        | EventKind::AgentBack
        | EventKind::Left
        | EventKind::Rejoined
        | EventKind::Thawed
        | EventKind::Forgotten
        | EventKind::Repaired
        | EventKind::Void
        | EventKind::DatabaseBack
        | EventKind::SeesAgain
        | EventKind::Service => false,
    }
}

/// The event as a sentence about `subject`, a server or the pool, that is [clean]. Who reports it is not in it.
#[must_use]
pub fn sentence(subject: &str, body: &EventBody) -> String {
    clean(&raw(subject, body))
}

/// Names and reasons come from tables and from the output of programs: what could move a terminal's cursor, begin
/// another line, or turn the order of what follows (Unicode's UAX #9) is shown as a mark.
#[must_use]
pub fn clean(text: &str) -> String {
    let turns =
        |c| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    text.replace(|c: char| c.is_control() || turns(c), "\u{fffd}")
}

fn raw(subject: &str, body: &EventBody) -> String {
    let s = if subject.is_empty() { "the pool" } else { subject };
    match body {
        EventBody::Joined(joined) => format!("{s} joined the ring{}", place(joined)),
        EventBody::Rejoined(joined) => format!("{s} is back after a removal{}", place(joined)),
        EventBody::Buddies { first, second } => match (first.as_deref(), second.as_deref()) {
            (Some(first), Some(second)) if first != second => format!("{s} is now between {first} and {second}"),
            (Some(one), _) | (_, Some(one)) => format!("{s} is now beside {one} alone"),
            (None, None) => format!("{s} is now alone on its ring"),
        },
        EventBody::Alive { .. } => format!("{s} is heard"),
        EventBody::Suspect(suspected) => format!("{s} does not answer: {}", misses(suspected)),
        EventBody::Vote { kind, .. } => format!("voted against {s}: {} is silent", whose(*kind)),
        EventBody::VoteWithdrawn { .. } => format!("took back the vote against {s}"),
        EventBody::Down(removed) => format!("{s} was removed: its host did not answer{}", proof(removed)),
        EventBody::AgentLost(removed) => format!("{s} was removed: its agent did not come back{}", proof(removed)),
        EventBody::AgentGone { .. } => format!("the agent of {s} has ended: its host answers for itself"),
        EventBody::AgentSilent { silence_ms } => {
            format!("{s} has no pulse for {}: its host answers, its agent does not", span(*silence_ms))
        }
        EventBody::AgentBack {} => format!("the agent of {s} is back"),
        EventBody::Left(Left { by, .. }) => match by.as_deref().filter(|by| *by != subject) {
            Some(by) => format!("{s} left the ring: {by} made it leave"),
            None => format!("{s} left the ring"),
        },
        EventBody::Removed { cause: Some(cause) } => {
            format!("{s} finds itself removed: {} (by {})", raw(subject, &cause.body), cause.by)
        }
        EventBody::Removed { cause: None } => format!("{s} finds itself removed, and no event says why"),
        EventBody::Frozen(frozen) => format!("nobody is removed from {s} any more: {}", frozen.why),
        EventBody::Thawed { .. } => format!("servers are removed from {s} again"),
        EventBody::Braked(braked) => format!(
            "the brake holds back the removal of {}: {} servers are gone, and at most {} may be",
            several(&braked.due),
            braked.gone,
            braked.limit
        ),
        EventBody::Forgotten {} => format!("{s} is given up: the brake counts it no longer"),
        EventBody::Repaired(repaired) => format!("the ring was repaired: {} rows have other links", repaired.rows),
        EventBody::Void { fault, suspicions } => {
            format!(
                "{suspicions} suspicions do not count: {} (`ringmon explain {}`)",
                plain(fault.word()),
                fault.word()
            )
        }
        EventBody::Held { why } => {
            format!("the removal of {s} waits: {} (`ringmon explain {}`)", plain(why.word()), why.word())
        }
        EventBody::BrokenLink { .. } => format!("{s} is heard by others, and not from here: a link is broken"),
        EventBody::Moving { misplaced_ms } => {
            format!("{s} moves to another place: it has heard neither buddy for {}", span(*misplaced_ms))
        }
        EventBody::Waiting { why } => format!("{s} cannot join yet: {why}"),
        EventBody::DatabaseAway { cause } => format!("the database does not answer: {cause}"),
        EventBody::DatabaseBack { away_ms } => format!("the database answers again, after {}", span(*away_ms)),
        EventBody::TableWentBack(_) => {
            format!("the table of {s} is an older one (a restore, or a failover that lost commits)")
        }
        EventBody::Blind { all: true, why } => format!("{s} sees nobody: {}", obstacle(*why)),
        EventBody::Blind { all: false, why } => format!("{s} cannot be seen from here: {}", obstacle(*why)),
        EventBody::SeesAgain { all: true, blind_ms } => format!("{s} sees again, after {}", span(*blind_ms)),
        EventBody::SeesAgain { all: false, blind_ms } => format!("{s} can be seen again, after {}", span(*blind_ms)),
        EventBody::HostChanged { change, interface } => match change {
            HostChange::Renamed => format!("the interface of {s} is called {interface} now"),
            HostChange::AddressGone => format!("{s} has lost its address: {interface} no longer has it"),
            HostChange::AddressBack => format!("{s} has its address again, on {interface}"),
            HostChange::InterfaceGone => format!("{s} has lost its interface: there is no {interface} any more"),
            HostChange::InterfaceBack => format!("{s} has its interface again: {interface}"),
        },
        EventBody::Service(service) => about_service(s, service),
    }
}

/// Why a server is blind, for a person.
#[must_use]
pub const fn obstacle(why: Blindness) -> &'static str {
    match why {
        Blindness::Filtered => "a filter of this machine drops its probes",
        Blindness::NoRoute => "this machine has no route for its probes",
        Blindness::NoAddress => "this machine no longer has the address that it probes from",
        Blindness::NoDevice => "the interface is gone",
        Blindness::LinkDown => "the interface is down",
        Blindness::NeighboursFull => "the kernel's neighbour table is full",
        Blindness::Unstamped => "its probes are sent, and the kernel never saw one leave",
        Blindness::NoAnswer => "its probes leave and others' arrive, but nobody answers",
        Blindness::ReceivePath => "its probes leave, and nothing of anybody arrives",
        Blindness::Unknown => "nothing proves life and nothing is missed, for an unknown cause",
    }
}

fn place(joined: &Joined) -> &'static str {
    if joined.kept_place { ", at its old place" } else { "" }
}

const fn whose(kind: VoteKind) -> &'static str {
    match kind {
        VoteKind::Host => "its host",
        VoteKind::Agent => "its agent",
    }
}

fn misses(suspected: &Suspected) -> String {
    let Suspected { misses, needed, silence_ms, .. } = suspected;
    format!("{misses} misses in {} ({needed} were needed)", span(*silence_ms))
}

fn proof(removed: &Removed) -> String {
    let seen = removed.evidence.clone().or_else(|| removed.witnessed()).unwrap_or_default();
    let Evidence { silence_ms, pulseless_ms, .. } = seen;
    let silent = silence_ms.or(pulseless_ms).map(|ms| format!(" for {}", span(ms))).unwrap_or_default();
    if removed.voters.is_empty() { silent } else { format!("{silent} ({} agreed)", several(&removed.voters)) }
}

fn about_service(s: &str, service: &Service) -> String {
    let why = [service.check.as_deref(), service.why.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(": ");
    let why = if why.is_empty() { why } else { format!(" ({why})") };
    match (service.draining, service.health) {
        (Some(true), _) => format!("{s} drains: it gets no new clients"),
        (Some(false), _) => format!("{s} no longer drains: it gets clients again"),
        (None, Some(Health::Failing)) => format!("the service of {s} fails{why}"),
        (None, Some(Health::Passing)) => format!("the service of {s} works"),
        (None, None) if let Some(weight) = service.weight => format!("{s} has the weight {weight} now"),
        (None, Some(Health::Unknown) | None) => format!("whether the service of {s} works is not known"),
    }
}

/// Milliseconds in the unit that suits them. An event of another version may hold any number.
fn span(ms: f64) -> String {
    in_units(Duration::from_secs_f64((ms.max(0.0) / 1_000.0).min(1e9)))
}

/// Names, but not a hundred of them.
fn several(names: &[String]) -> String {
    const MOST: usize = 4;
    match names {
        [] => "some servers".to_owned(),
        names if names.len() <= MOST => names.join(", "),
        names => format!("{} and {} more", names[..MOST].join(", "), names.len() - MOST),
    }
}

fn plain(word: &str) -> String {
    word.replace('_', " ")
}

#[cfg(test)]
mod tests;
