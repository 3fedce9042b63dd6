//! One decision as one line.

use serde_json::{Map, Value, json};

use super::op::{self, accusation, listed, ms, reason};
use super::play::Line;
use crate::show::saying::obstacle;
use ringmon_core::engine::Stopped;
use ringmon_core::event::{RowSeen, Suspected, WentBack};
use ringmon_core::notice::{Notice, NoticeBody};
use ringmon_core::{Event, EventBody, Word as _};
use ringmon_sim::replay::{Decisions, What};

/// The parts of a line.
#[derive(Debug)]
pub struct Shown {
    pub word: String,
    pub subject: String,
    pub text: String,
    pub detail: Value,
}

/// The line; `None` if it is shown only with `all`.
pub fn describe(line: &Line, names: &Decisions, all: bool) -> Option<Shown> {
    let at = line.decision.at;
    let me = line.server.as_str();
    let shown = |word: &str, subject: &str, text: String, detail: Value| {
        Some(Shown { word: word.to_owned(), subject: subject.to_owned(), text, detail })
    };
    match &line.decision.what {
        What::Told(event) => shown(event.kind().word(), &event.subject, told(event), event.body.detail()),
        What::Asked(op) if op::reads(op) && !all => None,
        What::Asked(op) => {
            let served = accusation(op).map(|a| a.served.as_secs_f64() * 1e3);
            shown("asks", &subject_of(op, names), op::asked(op, at, names), json!({ "served_ms": served }))
        }
        What::Came { asked, done } => {
            let asked = asked.as_ref().map(|(op, _)| op);
            if done.result.is_ok() && asked.is_none_or(op::reads) && !all {
                return None;
            }
            let subject = asked.map(|op| subject_of(op, names)).unwrap_or_default();
            let text = match asked {
                Some(_) => op::came(asked, done, names),
                None => format!("an operation from before the recording: {}", op::came(None, done, names)),
            };
            shown("table", &subject, text, op::detail(asked, done, names))
        }
        What::Sent(to, notice) => {
            shown("tells", &names.name_at(*to), noticed(notice, names), json!({ "notice": notice.body }))
        }
        What::Heard(from, notice) => {
            shown("hears", &names.name_at(*from), noticed(notice, names), json!({ "notice": notice.body }))
        }
        What::Fault { fault, from, until } => {
            let (length, ago) = (ms(until.since(*from)), ms(at.since(*from)));
            let text = if from.as_ns() == 0 {
                format!("own evidence counts for nothing: {}", fault.word())
            } else {
                format!("own evidence of {length}, which began {ago} ago, counts for nothing: {}", fault.word())
            };
            shown("fault", me, text, json!({ "fault": fault, "from_ns": from.as_ns(), "until_ns": until.as_ns() }))
        }
        What::Link(up) => shown("link", me, if *up { "up" } else { "down" }.to_owned(), json!({ "up": up })),
        What::Host(change, interface) => {
            let text = format!("{} {interface}", change.word());
            shown("host", me, text, json!({ "change": change, "interface": interface }))
        }
        What::Weight(weight) => shown("weight", me, weight.to_string(), json!({ "weight": weight })),
        What::Service(health) => shown("service", me, health.word().to_owned(), json!({ "health": health })),
        What::Began(kept) => {
            let buddies = kept.iter().flat_map(|list| list.first.iter().chain(&list.second)).map(|b| b.name.clone());
            let text = match kept {
                Some(_) => format!("the agent began, with {} as kept buddies", listed(&buddies.collect::<Vec<_>>())),
                None => "the agent began".to_owned(),
            };
            shown("began", me, text, json!({ "kept": kept }))
        }
        What::Stop(leave) => shown("stop", me, "told to stop".to_owned(), json!({ "leave": leave })),
        What::Drain => shown("drain", me, "told to take no new clients: it will stop soon".to_owned(), Value::Null),
        What::Ended(stopped) => shown("ended", me, ended(stopped), Value::Null),
    }
}

fn subject_of(op: &ringmon_core::op::TableOp, names: &Decisions) -> String {
    op::about(op).first().map(|id| names.name(*id)).unwrap_or_default()
}

fn ended(stopped: &Stopped) -> String {
    match stopped {
        Stopped::Left => "left the ring".to_owned(),
        Stopped::Stayed => "stopped; its row stays".to_owned(),
        Stopped::RowRemains(why) => format!("stopped; its row stays: {why}"),
        Stopped::LeftByOperator => "stopped: an operator took it out of the ring".to_owned(),
        Stopped::Refused(why) => format!("refused: {why}"),
    }
}

fn noticed(notice: &Notice, names: &Decisions) -> String {
    match notice.body {
        NoticeBody::Voted { subject } => format!("a vote against {} is in the table", names.name(subject)),
        NoticeBody::Spliced { subject } => format!("the ring has changed around {}", names.name(subject)),
        NoticeBody::Removed { subject } => format!("{} is removed", names.name(subject)),
        NoticeBody::ProbeMe { address } => format!("please probe {}", names.name_at(address)),
        NoticeBody::Ask { address } => format!("do you hear {}? (R12)", names.name_at(address)),
        NoticeBody::Proof { age_ms, .. } => format!("yes, {age_ms} ms ago (R12)"),
        NoticeBody::Follow { seconds: 0 } => "tell me no more".to_owned(),
        NoticeBody::Follow { seconds } => format!("tell me of changes for {seconds} s"),
        NoticeBody::Changed { subject } => format!("the row of {} has changed", names.name(subject)),
        NoticeBody::Outage { silence_ms } => {
            format!("I was removed alive, after nobody had heard me for {silence_ms} ms (R6)")
        }
    }
}

/// An event in words. Fields that the words do not cover come after them.
fn told(event: &Event) -> String {
    let words = |said: &str| (said.to_owned(), Rest::Shown);
    let (said, rest) = match &event.body {
        EventBody::Suspect(s) => {
            (format!("{} misses in a row{}, silent for {:?} ms", s.misses, needed(s), s.silence_ms), Rest::Said)
        }
        EventBody::AgentGone { .. } => words("its host answers for itself: its agent has ended"),
        EventBody::AgentSilent { silence_ms } => {
            (format!("answers, but without a pulse for {silence_ms:?} ms"), Rest::Said)
        }
        EventBody::Vote { kind, side } => {
            let (kind, side) = (kind.word(), side.word());
            (format!("the vote is in the table: {kind}, as its neighbour on the ring's {side} side"), Rest::Said)
        }
        EventBody::VoteWithdrawn { kind } => (format!("the vote ({}) is taken back", kind.word()), Rest::Said),
        EventBody::Held { why } => (format!("not removed ({}): {}", why.word(), reason(*why)), Rest::Said),
        EventBody::Buddies { first, second } => {
            let [first, second] = [first, second].map(|name| name.as_deref().unwrap_or("nobody"));
            (format!("the buddies are {first} and {second} now"), Rest::Said)
        }
        EventBody::Waiting { why } => (format!("cannot enter the ring yet: {why}"), Rest::Said),
        EventBody::DatabaseAway { cause } => (format!("the database does not answer: {cause}"), Rest::Said),
        EventBody::DatabaseBack { away_ms } => {
            (format!("the database answers again, after {away_ms:?} ms"), Rest::Said)
        }
        EventBody::TableWentBack(back) => (went_back(back), Rest::Said),
        EventBody::Void { fault, suspicions } => {
            (format!("{suspicions} suspicions do not count: {}", fault.word()), Rest::Said)
        }
        EventBody::Blind { all: true, why } => {
            (format!("sees nobody ({}): {}", why.word(), obstacle(*why)), Rest::Said)
        }
        EventBody::Blind { all: false, why } => {
            (format!("cannot be seen from here ({}): {}", why.word(), obstacle(*why)), Rest::Said)
        }
        EventBody::SeesAgain { all: true, blind_ms } => (format!("sees again, after {blind_ms:?} ms"), Rest::Said),
        EventBody::SeesAgain { all: false, blind_ms } => {
            (format!("can be seen again, after {blind_ms:?} ms"), Rest::Said)
        }
        EventBody::HostChanged { change, interface } => {
            (format!("its interface or address changed ({}): {interface}", change.word()), Rest::Said)
        }
        EventBody::Down(_) => words("is out of the table"),
        EventBody::AgentLost(_) => words("is out of the table: its agent did not come back"),
        EventBody::Removed { .. } => words("found itself removed"),
        EventBody::BrokenLink { .. } => words("another server hears it: the link is broken, not the server (R12)"),
        EventBody::Moving { .. } => words("goes to another place on the ring: neither buddy hears it (R12)"),
        EventBody::Joined(_)
        | EventBody::Alive { .. }
        | EventBody::AgentBack {}
        | EventBody::Left(_)
        | EventBody::Rejoined(_)
        | EventBody::Frozen(_)
        | EventBody::Thawed { .. }
        | EventBody::Braked(_)
        | EventBody::Forgotten {}
        | EventBody::Repaired(_)
        | EventBody::Service(_) => words(""),
    };
    let rest = match rest {
        Rest::Said => String::new(),
        Rest::Shown => event.body.detail().as_object().map(fields).unwrap_or_default(),
    };
    if said.is_empty() || rest.is_empty() { said + &rest } else { format!("{said}; {rest}") }
}

/// The row that shows that the table went back in time.
fn went_back(WentBack { known, row, seen }: &WentBack) -> String {
    let state = |state: &RowSeen| {
        let (version, life) = (state.version.map(|v| format!("version {v}")), state.incarnation);
        let parts =
            [state.name.as_ref().map(|name| format!("of {name}")), version, life.map(|l| format!("life {}", l.0))];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    };
    let known = known.as_ref().map_or_else(|| "removed".to_owned(), state);
    let seen = seen.as_ref().map_or_else(|| "gone, and no event says why".to_owned(), state);
    format!("the table went back in time: the row of {row} was {known}, and is {seen}; starting from what is there")
}

/// Whether the words of an event cover all of its fields.
enum Rest {
    Said,
    /// Its fields follow.
    Shown,
}

/// How many misses a suspicion took.
pub fn needed(suspected: &Suspected) -> String {
    format!(" ({} were needed at a loss of {:.1} %)", suspected.needed, suspected.loss * 100.0)
}

/// Fields with their values.
fn fields(detail: &Map<String, Value>) -> String {
    let mut out = Vec::new();
    for (key, value) in detail.iter().filter(|(_, value)| !value.is_null()) {
        match value.as_object().map(fields) {
            Some(inner) if inner.is_empty() => {}
            Some(inner) => out.push(inner),
            None => out.push(format!("{key}={}", plain(value))),
        }
    }
    out.join(" ")
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(plain).collect::<Vec<_>>().join(","),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}
