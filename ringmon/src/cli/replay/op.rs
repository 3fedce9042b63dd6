//! Operations on the table and their outcomes, in words.

use std::time::Duration;

use serde_json::{Value, json};

use ringmon_core::edit::{Held, Outcome, TableSnapshot};
use ringmon_core::engine::TableDone;
use ringmon_core::op::{Accusation, Finding, Place, TableOp};
use ringmon_core::{DbTime, ServerId, ServerRow, Side, Time, VoteKind, Word as _};
use ringmon_sim::replay::Decisions;

/// With one digit after the point.
pub fn ms(span: Duration) -> String {
    format!("{:.1} ms", span.as_secs_f64() * 1e3)
}

/// Names in a sentence.
pub fn listed(names: &[String]) -> String {
    match names {
        [] => "nobody".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The accusation in an operation.
pub const fn accusation(op: &TableOp) -> Option<&Accusation> {
    match op {
        TableOp::Accuse(a) | TableOp::RemoveAll(a) => Some(a),
        TableOp::View { .. }
        | TableOp::FindSelf { .. }
        | TableOp::Ahead { .. }
        | TableOp::PickPlace { .. }
        | TableOp::PickWitnesses { .. }
        | TableOp::Join { .. }
        | TableOp::Move { .. }
        | TableOp::TakeOver { .. }
        | TableOp::Leave { .. }
        | TableOp::Withdraw { .. }
        | TableOp::Alone { .. }
        | TableOp::Answer { .. }
        | TableOp::SetService { .. }
        | TableOp::SetDraining { .. }
        | TableOp::SetFrozen { .. }
        | TableOp::Forget { .. } => None,
    }
}

/// The servers that an operation is about.
pub fn about(op: &TableOp) -> Vec<ServerId> {
    match op {
        TableOp::Accuse(a) | TableOp::RemoveAll(a) => a.findings.iter().map(|f| f.server).collect(),
        TableOp::Withdraw { subjects, .. } => subjects.clone(),
        TableOp::Leave { id, .. } | TableOp::SetDraining { id, .. } => vec![*id],
        TableOp::View { .. }
        | TableOp::FindSelf { .. }
        | TableOp::Ahead { .. }
        | TableOp::PickPlace { .. }
        | TableOp::PickWitnesses { .. }
        | TableOp::Join { .. }
        | TableOp::Move { .. }
        | TableOp::TakeOver { .. }
        | TableOp::Alone { .. }
        | TableOp::Answer { .. }
        | TableOp::SetService { .. }
        | TableOp::SetFrozen { .. }
        | TableOp::Forget { .. } => Vec::new(),
    }
}

/// Whether it only reads.
pub const fn reads(op: &TableOp) -> bool {
    matches!(
        op,
        TableOp::View { .. }
            | TableOp::FindSelf { .. }
            | TableOp::Ahead { .. }
            | TableOp::PickPlace { .. }
            | TableOp::PickWitnesses { .. }
    )
}

/// What the operation asks for.
pub fn asked(op: &TableOp, at: Time, names: &Decisions) -> String {
    let listed_ids = |ids: &[ServerId]| listed(&ids.iter().map(|id| names.name(*id)).collect::<Vec<_>>());
    match op {
        TableOp::Accuse(a) => accuse(a, at, names),
        TableOp::RemoveAll(a) => {
            format!(
                "remove everybody else, because nobody is heard and the database answers: {}",
                findings(a, at, names)
            )
        }
        TableOp::Withdraw { subjects, .. } => format!("take back the votes against {}", listed_ids(subjects)),
        TableOp::Leave { id, .. } => format!("leave the ring ({id})"),
        TableOp::Join { place: Some(place), .. } => format!("join {}", between(place, names)),
        TableOp::Move { place, .. } => format!("move {}", between(place, names)),
        TableOp::Join { place: None, .. } => "join the empty pool".to_owned(),
        TableOp::TakeOver { row, .. } => format!("take the own row {} again", row.id),
        TableOp::Answer { set, .. } => match set.hears {
            Some(id) => format!("answer votes: {} is heard, and an answer takes {}", names.name(id), ms(set.wait)),
            None => format!("write that an answer takes {}", ms(set.wait)),
        },
        TableOp::Alone { alone: Some(VoteKind::Host), .. } => "mark the own row: no host is heard".to_owned(),
        TableOp::Alone { alone: Some(VoteKind::Agent), .. } => "mark the own row: nobody is heard".to_owned(),
        TableOp::Alone { alone: None, .. } => "take the mark back: somebody is heard".to_owned(),
        TableOp::SetService { health, weight, .. } => {
            let weight = weight.map_or_else(String::new, |weight| format!(", weight {weight}"));
            format!("write the service's health: {}{weight}", health.word())
        }
        TableOp::SetDraining { id, draining: true, .. } => format!("send no new clients to {id}"),
        TableOp::SetDraining { id, draining: false, .. } => format!("send clients to {id} again"),
        TableOp::SetFrozen { frozen: Some(why), .. } => format!("freeze the pool: {why}"),
        TableOp::SetFrozen { frozen: None, .. } => "thaw the pool".to_owned(),
        TableOp::Forget { name, .. } => format!("count {name} no longer as gone"),
        TableOp::View { known, .. } => format!("read the own row, and of {}", listed_ids(known)),
        TableOp::FindSelf { name, address } => format!("who is {name}, and who has {address}"),
        TableOp::Ahead { side, count, .. } => format!("read {count} servers along the {} side", side.word()),
        TableOp::PickPlace { .. } => "pick a place to join".to_owned(),
        TableOp::PickWitnesses { picks } => format!("pick {} witnesses to be asked", picks.len()),
    }
}

fn between(place: &Place, names: &Decisions) -> String {
    let silent = place.silent.map(|id| format!(", of whom {} does not answer", names.name(id))).unwrap_or_default();
    format!("between {} and {}{silent}", names.name(place.at.id), names.name(place.next.id))
}

fn accuse(a: &Accusation, at: Time, names: &Decisions) -> String {
    let beyond = match a.far_end {
        Some(id) => {
            let confirms = if a.confirmed.is_some() { ", and its kernel confirms it" } else { "" };
            format!("{} beyond is heard{confirms}", names.name(id))
        }
        None => "nobody beyond is heard yet".to_owned(),
    };
    let mute: Vec<String> = a.mute.passed.iter().map(|id| names.name(*id)).collect();
    let past = if mute.is_empty() { String::new() } else { format!("past {} that cannot vote, ", mute.join(", ")) };
    format!("{past}vote, and remove who has not answered in time: {}; {beyond}", findings(a, at, names))
}

fn findings(a: &Accusation, at: Time, names: &Decisions) -> String {
    let one = |f: &Finding| {
        let what = match f.silence.kind {
            VoteKind::Host => format!("no reply for {} ({} misses)", ms(at.since(f.silence.since)), f.misses),
            VoteKind::Agent => format!("no pulse for {}", ms(at.since(f.silence.since))),
        };
        let proved = if f.proved { ", heard by an asked witness" } else { "" };
        let short = if f.enough { "" } else { ", not long enough for a removal" };
        format!("{}: {what}{short}{proved}", names.name(f.server))
    };
    a.findings.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// What the operation saw, and its outcome.
pub fn came(asked: Option<&TableOp>, done: &TableDone, names: &Decisions) -> String {
    let took = ms(done.took);
    let outcome = match &done.result {
        Err(failure) => return format!("no answer: {} ({took})", failure.cause),
        Ok(outcome) => outcome,
    };
    let name = |id: &ServerId| names.name(*id);
    let said = match outcome {
        Outcome::Read => "read".to_owned(),
        Outcome::Joined { kept_place: true, .. } => "the own row again, at its old place".to_owned(),
        Outcome::Joined { kept_place: false, .. } => "joined".to_owned(),
        Outcome::Left => "the row is gone".to_owned(),
        Outcome::Voted { subjects, held } => {
            let why = held.map_or_else(String::new, |held| format!("; held ({}): {}", held.word(), reason(held)));
            format!("voted against {}{why}", listed(&subjects.iter().map(name).collect::<Vec<_>>()))
        }
        Outcome::Withdrawn => "the votes are taken back".to_owned(),
        Outcome::AloneMarked => "the mark is written".to_owned(),
        Outcome::Removed { removed, ends } => format!(
            "removed {}; {} and {} are buddies now",
            listed(
                &removed
                    .iter()
                    .map(|r| format!("{} (on the word of {})", r.name, listed(&r.voters)))
                    .collect::<Vec<_>>()
            ),
            name(&ends.0),
            name(&ends.1)
        ),
        Outcome::Written => "written".to_owned(),
        Outcome::Braked => "the brake holds: too many servers are gone, nobody was removed (R11)".to_owned(),
        Outcome::Held(held) => format!("held ({}): {}", held.word(), reason(*held)),
        Outcome::Stale => "the table is not as it was believed, nothing was written".to_owned(),
        Outcome::Overtaken => {
            "a reply or another's change came at the last moment, nothing was written (R7)".to_owned()
        }
        Outcome::NameTaken { address } => format!("the name is that of a server at {address}"),
        Outcome::AddressTaken { name } => format!("the address is that of {name}"),
    };
    let subjects = asked.map(about).unwrap_or_default();
    let saw: Vec<String> = subjects.iter().filter_map(|id| seen(*id, &done.snapshot, names)).collect();
    let saw = if saw.is_empty() { String::new() } else { format!("; saw {}", saw.join("; ")) };
    format!("{said}{saw} ({took})")
}

/// The votes in a row that was read.
fn seen(id: ServerId, snapshot: &TableSnapshot, names: &Decisions) -> Option<String> {
    let Some(row) = snapshot.rows.get(&id) else {
        return snapshot.read_at.as_ns().gt(&0).then(|| format!("no row of {} any more", names.name(id)));
    };
    let votes: Vec<String> = votes(row, snapshot.db_now, names).into_iter().map(|v| v.text()).collect();
    let votes = if votes.is_empty() { "no votes".to_owned() } else { votes.join(" and ") };
    Some(format!("against {}: {votes}", row.card.name))
}

/// A vote at the moment when it was read.
#[derive(Clone, Debug)]
pub struct Standing {
    pub voter: String,
    pub kind: VoteKind,
    /// `None`: it is from the future.
    pub age: Option<Duration>,
    pub renewed: Option<Duration>,
}

impl Standing {
    fn text(&self) -> String {
        let age = self.age.map_or_else(|| "from the future".to_owned(), |age| format!("{} old", ms(age)));
        format!("{}'s vote ({}), {age}", self.voter, self.kind.word())
    }
}

/// The votes in a row, by the clock that was read with it.
pub fn votes(row: &ServerRow, db_now: DbTime, names: &Decisions) -> Vec<Standing> {
    let votes = Side::BOTH.into_iter().filter_map(|side| row.vote(side));
    votes
        .map(|vote| Standing {
            voter: names.name(vote.voter),
            kind: vote.kind,
            age: db_now.since(vote.since),
            renewed: db_now.since(vote.at),
        })
        .collect()
}

/// Why a removal was not made, for people.
pub const fn reason(held: Held) -> &'static str {
    match held {
        Held::NoSecondVote => "the other witness has no vote that counts",
        Held::TooYoung => "the accused has not had the time that it needs to answer (R3)",
        Held::Answered => "the accused answered in its row, or has a moment to find whom it hears (R4)",
        Held::OtherSilence => "the other vote is older than this silence, so it is about another one (R5)",
        Held::TooShort => "the silence is not long enough for a removal (R6)",
        Held::AgentTimeout => "the host lives, and its agent may still come back",
        Held::UnhealthyVoter => "this server hears nobody, and the pool does not let it remove all others (R2)",
        Held::AloneBlocked => "another server is alone too, or accuses this one (R2)",
        Held::Proved => "an asked witness hears it (R12)",
        Held::Overtaken => "the table changed meanwhile, or was read too long ago (R7)",
        Held::Frozen => "the pool is frozen (R11)",
        Held::Observing => "the pool, or this agent, only observes (R11)",
        Held::Brake => "the brake holds: too many servers are gone (R11)",
    }
}

/// For `--json`.
pub fn detail(asked: Option<&TableOp>, done: &TableDone, names: &Decisions) -> Value {
    let subjects = asked.map(about).unwrap_or_default();
    let rows = subjects.iter().filter_map(|id| done.snapshot.rows.get(id));
    let of_row = |row: &ServerRow| {
        let votes: Vec<Value> = votes(row, done.snapshot.db_now, names)
            .iter()
            .map(|v| {
                let ms = |age: Option<Duration>| age.map(|age| age.as_secs_f64() * 1e3);
                json!({ "voter": v.voter, "kind": v.kind, "age_ms": ms(v.age), "renewed_ms": ms(v.renewed) })
            })
            .collect();
        (row.card.name.clone(), json!(votes))
    };
    json!({
        "outcome": done.result.as_ref().ok(),
        "failure": done.result.as_ref().err(),
        "votes": rows.map(of_row).collect::<serde_json::Map<_, _>>(),
        "took_ms": done.took.as_secs_f64() * 1e3,
    })
}
