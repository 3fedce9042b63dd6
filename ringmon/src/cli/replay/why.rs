//! Why was it removed? The chain of decisions that led to it, and a summary in words.

mod case;

use super::super::exit::Error;
use super::describe::needed;
use super::files::clock;
use super::op::{self, about, listed, ms, reason};
use super::play::Line;
use case::{Case, Doubt, DoubtKind};
use ringmon_core::notice::NoticeBody;
use ringmon_core::{EventKind, ServerId, Word as _};
use ringmon_sim::replay::{Decisions, What};

/// The answer.
#[derive(Debug)]
pub struct Why {
    pub chain: Vec<Line>,
    pub text: String,
}

/// What led to the last removal of this server in these lines; or, without one, to its last suspicion.
pub fn why(name: &str, lines: &[Line], names: &Decisions) -> Result<Why, Error> {
    let Some(end) = last_end(name, lines) else {
        let known = names.names();
        return Err(Error::NotThere(if known.iter().any(|known| known == name) {
            format!("nothing happened to {name} in this part of the recording")
        } else {
            format!("{name} does not occur in this part of the recording; it tells of {}", listed(&known))
        }));
    };
    let begin = begin(name, lines, end);
    let (from, until) = (lines[begin].wall_us, lines[end].wall_us + AFTERWARDS_US);
    let within = lines.iter().filter(|line| (from..=until).contains(&line.wall_us));
    let chain: Vec<Line> = within.filter(|line| belongs(name, line, names)).cloned().collect();
    let case = Case::of(name, &chain, names);
    Ok(Why { text: text(name, &case), chain })
}

/// A splice this soon after a removal belongs to it.
const AFTERWARDS_US: i64 = 100_000;

fn is(line: &Line, name: &str, kinds: &[EventKind]) -> bool {
    matches!(&line.decision.what, What::Told(event) if event.subject == name && kinds.contains(&event.kind()))
}

const GONE: [EventKind; 4] = [EventKind::Down, EventKind::AgentLost, EventKind::Left, EventKind::Removed];
const DOUBTED: [EventKind; 2] = [EventKind::Suspect, EventKind::AgentSilent];

/// The end of the story: the last time that it was removed, or else the last line about it.
fn last_end(name: &str, lines: &[Line]) -> Option<usize> {
    let told = |line: &Line| matches!(&line.decision.what, What::Told(event) if event.subject == name);
    let gone = lines.iter().rposition(|line| is(line, name, &GONE));
    gone.or_else(|| lines.iter().rposition(|line| is(line, name, &DOUBTED)).and(lines.iter().rposition(told)))
}

/// The beginning of the story: the first doubt after it was last known to be well. For a server that was found removed
/// without any doubt, it is a second before that.
fn begin(name: &str, lines: &[Line], end: usize) -> usize {
    let well = [EventKind::Alive, EventKind::AgentBack];
    let ended = lines[..end].iter().rposition(|line| is(line, name, &GONE)).map_or(0, |at| at + 1);
    let before = &lines[ended..end];
    let doubt = before.iter().rposition(|line| is(line, name, &DOUBTED));
    // A suspicion that healed just before is another story.
    let first = match doubt {
        Some(last) => {
            let healed = before[..last].iter().rposition(|line| is(line, name, &well)).map_or(0, |at| at + 1);
            before[healed..].iter().position(|line| is(line, name, &DOUBTED)).map(|at| ended + healed + at)
        }
        None => None,
    };
    first.unwrap_or_else(|| {
        let from = lines[end].wall_us - 1_000_000;
        lines.iter().position(|line| line.wall_us >= from).unwrap_or(end)
    })
}

/// Events that may have to do with any server.
const ALWAYS: [EventKind; 8] = [
    EventKind::Frozen,
    EventKind::Thawed,
    EventKind::Void,
    EventKind::Buddies,
    EventKind::DatabaseAway,
    EventKind::DatabaseBack,
    EventKind::TableWentBack,
    EventKind::Moving,
];

/// Whether a decision belongs to the story.
fn belongs(name: &str, line: &Line, names: &Decisions) -> bool {
    let named = |id: &ServerId| names.name(*id) == name;
    match &line.decision.what {
        What::Told(event) => event.subject == name || ALWAYS.contains(&event.kind()),
        What::Asked(op) => about(op).iter().any(named),
        What::Came { asked, done } => {
            let seen = &done.snapshot;
            let asked = asked.as_ref().is_some_and(|(op, _)| about(op).iter().any(named));
            // An operation that only read is not shown, but it says who voted, and who removed the server.
            let read = seen.rows.values().any(|row| row.card.name == name) || seen.events.keys().any(named);
            asked || read || done.result.is_err()
        }
        What::Sent(_, notice) | What::Heard(_, notice) => match notice.body {
            NoticeBody::Voted { subject }
            | NoticeBody::Spliced { subject }
            | NoticeBody::Removed { subject }
            | NoticeBody::Changed { subject } => named(&subject),
            NoticeBody::Ask { address } => names.name_at(address) == name,
            NoticeBody::Proof { .. } | NoticeBody::Outage { .. } => true,
            NoticeBody::ProbeMe { .. } | NoticeBody::Follow { .. } => false,
        },
        What::Fault { .. } | What::Link(_) | What::Host(..) => true,
        What::Service(_) | What::Weight(_) | What::Began(_) | What::Stop(_) | What::Drain | What::Ended(_) => false,
    }
}

/// The whole story in plain words.
fn text(name: &str, case: &Case) -> String {
    let mut said = vec![outcome(name, case)];
    said.extend(suspicion(name, case));
    said.extend(votes(name, case));
    said.extend(waits(case));
    said.extend(at_last(name, case));
    if !case.faults.is_empty() {
        said.push(format!("Meanwhile {} had its own faults: {}.", case.me, case.faults.join(", ")));
    }
    said.join(" ")
}

fn outcome(name: &str, case: &Case) -> String {
    let me = &case.me;
    let Some((at, kind)) = case.gone else {
        return format!("{name} was not removed here.");
    };
    let when = clock(at);
    let after = case.last_heard_us().filter(|_| kind == EventKind::Down || kind == EventKind::AgentLost);
    let after = after.map(|heard| {
        format!(", {:.1} ms after {me} had last heard {}", super::files::ms_between(heard, at), case.heard_what())
    });
    let after = after.unwrap_or_default();
    let whom = match &case.by {
        Some(by) if by == me => format!("by {me} itself, whose recording this is"),
        Some(by) => format!("by {by}; {me}, whose recording this is, saw it in the table"),
        None => format!("and {me} saw it in the table"),
    };
    if kind == EventKind::Left {
        return format!("{name} left the ring by itself or by an operator's word at {when} ({whom}).");
    }
    if kind == EventKind::Removed {
        let by = case.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        let voters = &case.voters;
        let word = if voters.is_empty() { String::new() } else { format!(" on the word of {}", listed(voters)) };
        return format!("{name} found at {when} that it had been removed{by}{word}.");
    }
    if kind == EventKind::AgentLost {
        return format!("The agent of {name} did not come back, so {name} was removed at {when}{after}, {whom}.");
    }
    format!("{name} was removed at {when}{after}, {whom}.")
}

fn suspicion(name: &str, case: &Case) -> Option<String> {
    let doubt = case.suspect.as_ref()?;
    let (me, at) = (&case.me, clock(doubt.at));
    Some(match &doubt.kind {
        DoubtKind::Agent { silence_ms } => format!(
            "{me} missed the pulse of {name}'s agent at {at}: \
             the host answered, and no pulse had come for {silence_ms:?} ms."
        ),
        DoubtKind::Host(s) => format!(
            "{me} suspected {name} at {at}, after {} misses in a row{} and {:?} ms without a reply.",
            s.misses,
            needed(s),
            s.silence_ms
        ),
    })
}

fn votes(name: &str, case: &Case) -> Option<String> {
    let own = case.voted.map(|at| format!("{} voted against {name} at {}", case.me, clock(at)));
    let told = case.heard.as_ref().map(|(at, from)| format!("{from} told of its own vote at {}", clock(*at)));
    let seen = case.seen.iter().filter(|(voter, _)| **voter != case.me).map(|(voter, at)| {
        format!("{voter}'s vote was first seen in the table at {}, when it was {} old", clock(at.0), ms(at.1))
    });
    let all: Vec<String> = own.into_iter().chain(told).chain(seen).collect();
    let withdrawn = case.withdrawn.map(|at| format!(" At {} {} took its vote back.", clock(at), case.me));
    (!all.is_empty()).then(|| format!("{}.{}", all.join("; "), withdrawn.unwrap_or_default()))
}

fn waits(case: &Case) -> Option<String> {
    if case.waits.is_empty() {
        return None;
    }
    let each: Vec<String> = case
        .waits
        .iter()
        .map(|wait| {
            let span = super::files::ms_between(wait.from, wait.until);
            let times = if wait.times == 1 { "asked once".to_owned() } else { format!("asked {} times", wait.times) };
            format!("for {span:.1} ms ({times}) because {} [{}]", reason(wait.held), wait.held.word())
        })
        .collect();
    Some(format!("The removal was held {}.", each.join(", then ")))
}

/// What was true when the removal was written.
fn at_last(name: &str, case: &Case) -> Option<String> {
    let end = case.removal.as_ref()?;
    let by = case.by.as_deref().unwrap_or("the remover");
    let mut parts = Vec::new();
    if let Some((silence, misses)) = end.deaf {
        let asked = case.suspect.as_ref().filter(|_| by == case.me).and_then(Doubt::silence_asked_ms);
        let asked = asked.map(|asked| format!("; {asked:?} ms of silence were asked for, R6")).unwrap_or_default();
        parts.push(format!("{by} had been deaf to {name} for {} ({misses} misses{asked})", ms(silence)));
    }
    if let Some(silence) = end.own_silence.filter(|_| by != case.me) {
        parts.push(format!("{} for {}", case.me, ms(silence)));
    }
    let ages: Vec<String> = end
        .votes
        .iter()
        .map(|vote| format!("{}'s vote was {} old", vote.voter, vote.age.map_or_else(|| "not".to_owned(), op::ms)))
        .collect();
    if !ages.is_empty() {
        parts.push(ages.join(", "));
    }
    if let Some((silence, misses)) = end.kernel {
        parts.push(format!("the other witness's kernel had been deaf to it for {} ({misses} misses)", ms(silence)));
    }
    if let Some(hold) = end.hold {
        parts.push(format!("it had {} to answer", ms(hold)));
    }
    let voters = if case.voters.is_empty() {
        String::new()
    } else {
        format!(" It stood on the word of {}.", listed(&case.voters))
    };
    (!parts.is_empty()).then(|| format!("When the removal was decided, {}.{voters}", parts.join("; ")))
}
