//! The facts of one removal, collected from its chain.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::op::{Standing, about, accusation, votes};
use super::super::play::Line;
use ringmon_core::edit::{Held, Outcome, StoredEvent};
use ringmon_core::engine::TableDone;
use ringmon_core::event::{Removed, Suspected, VoteSeen};
use ringmon_core::notice::NoticeBody;
use ringmon_core::op::TableOp;
use ringmon_core::{Event, EventBody, EventKind, Time, VoteKind, Word as _};
use ringmon_sim::replay::{Decisions, What};

/// Times are of the wall clock, in microseconds since 1970.
#[derive(Debug, Default)]
pub struct Case {
    /// The server whose recording it is.
    pub me: String,
    /// The first suspicion.
    pub suspect: Option<Doubt>,
    /// When this server voted.
    pub voted: Option<i64>,
    pub withdrawn: Option<i64>,
    /// The first server that told of its vote, and when.
    pub heard: Option<(i64, String)>,
    /// For each other server's vote: when it was first seen, and its age then.
    pub seen: BTreeMap<String, (i64, Duration)>,
    pub waits: Vec<Wait>,
    pub faults: Vec<String>,
    /// When and how the server went.
    pub gone: Option<(i64, EventKind)>,
    pub by: Option<String>,
    pub voters: Vec<String>,
    pub removal: Option<Removal>,
    /// Since when nothing was heard.
    silent: Option<(i64, VoteKind)>,
}

/// A suspicion, as its event tells it.
#[derive(Debug)]
pub struct Doubt {
    pub at: i64,
    pub kind: DoubtKind,
}

/// What was silent.
#[derive(Debug)]
pub enum DoubtKind {
    Host(Suspected),
    /// The time without a pulse.
    Agent {
        silence_ms: f64,
    },
}

/// A span in which one rule held the removal.
#[derive(Debug, PartialEq)]
pub struct Wait {
    pub held: Held,
    pub from: i64,
    pub until: i64,
    pub times: u32,
}

/// What was true when the removal was written.
#[derive(Debug, Default)]
pub struct Removal {
    /// The silence and the misses of the server that removed.
    pub deaf: Option<(Duration, u64)>,
    /// The recorded server's silence.
    pub own_silence: Option<Duration>,
    pub votes: Vec<Standing>,
    /// What the other witness's kernel said in place of its vote: the silence and the misses.
    pub kernel: Option<(Duration, u64)>,
    pub hold: Option<Duration>,
}

impl Case {
    pub fn of(name: &str, chain: &[Line], names: &Decisions) -> Self {
        let mut case = Self::default();
        for line in chain {
            case.me.clone_from(&line.server);
            match &line.decision.what {
                What::Told(event) => case.told(name, line, event),
                What::Asked(op) => case.asked(name, line, op, names),
                What::Came { asked, done } => {
                    case.came(name, line, asked.as_ref().map(|(op, at)| (op, *at)), done, names);
                }
                What::Heard(from, notice) => {
                    let ours = matches!(notice.body, NoticeBody::Voted { subject } if names.name(subject) == name);
                    if ours {
                        case.heard.get_or_insert((line.wall_us, names.name_at(*from)));
                    }
                }
                What::Fault { fault, from, until } => {
                    case.faults.push(format!("{} ({:.1} ms)", fault.word(), until.since(*from).as_secs_f64() * 1e3));
                }
                What::Link(up) => case.faults.push(format!("link {}", if *up { "up" } else { "down" })),
                What::Host(change, interface) => case.faults.push(format!("{} {interface}", change.word())),
                What::Sent(..)
                | What::Service(_)
                | What::Weight(_)
                | What::Began(_)
                | What::Stop(_)
                | What::Drain
                | What::Ended(_) => {}
            }
        }
        case
    }

    /// When the last proof of life came.
    pub fn last_heard_us(&self) -> Option<i64> {
        self.silent.map(|(at, _)| at)
    }

    /// What that proof was of.
    pub fn heard_what(&self) -> &'static str {
        match self.silent {
            Some((_, VoteKind::Agent)) => "its agent's pulse",
            Some((_, VoteKind::Host)) | None => "from it",
        }
    }

    fn told(&mut self, name: &str, line: &Line, event: &Event) {
        let at = line.wall_us;
        if event.subject != name {
            return;
        }
        if let EventBody::Suspect(suspected) = &event.body {
            self.doubted(at, DoubtKind::Host(suspected.clone()));
        } else if let EventBody::AgentSilent { silence_ms } = event.body {
            self.doubted(at, DoubtKind::Agent { silence_ms });
        } else if let EventBody::Vote { .. } = event.body {
            self.voted = self.voted.or(Some(at));
        } else if let EventBody::VoteWithdrawn { .. } = event.body {
            self.withdrawn = Some(at);
        } else if super::GONE.contains(&event.kind()) {
            self.went(at, event);
        }
    }

    fn doubted(&mut self, at: i64, kind: DoubtKind) {
        if self.suspect.is_some() {
            return;
        }
        let doubt = Doubt { at, kind };
        let (silence_ms, of) = doubt.silence();
        self.silent = Some((at.saturating_sub(whole(silence_ms * 1e3)), of));
        self.suspect = Some(doubt);
    }

    fn went(&mut self, at: i64, event: &Event) {
        self.gone = Some((at, event.kind()));
        // A server that was removed itself learns so from the line in the event table.
        let (body, by, is_stored) = if let EventBody::Removed { cause: Some(cause) } = &event.body {
            (&cause.body, Some(cause.by.clone()), true)
        } else if let EventBody::Left(left) = &event.body {
            (&event.body, left.by.clone(), false)
        } else {
            (&event.body, None, false)
        };
        self.by = self.by.take().or(by);
        let Some((_, removed)) = body.removal() else { return };
        self.voters.clone_from(&removed.voters);
        if is_stored && self.removal.is_none() {
            self.removal = Some(Removal::stored(removed));
        }
    }

    /// The newest statement about since when it is silent: the pulse may have stopped before the host did.
    fn asked(&mut self, name: &str, line: &Line, op: &TableOp, names: &Decisions) {
        let finding = accusation(op).and_then(|a| a.findings.iter().find(|f| names.name(f.server) == name));
        if let Some(finding) = finding {
            let ago = line.decision.at.since(finding.silence.since).as_micros();
            let heard = line.wall_us.saturating_sub(i64::try_from(ago).unwrap_or(i64::MAX));
            self.silent = Some((heard, finding.silence.kind));
        }
    }

    fn came(&mut self, name: &str, line: &Line, asked: Option<(&TableOp, Time)>, done: &TableDone, names: &Decisions) {
        let ours = |id: &ringmon_core::ServerId| names.name(*id) == name;
        for row in done.snapshot.rows.values().filter(|row| row.card.name == name) {
            for vote in votes(row, done.snapshot.db_now, names) {
                let age = vote.age.unwrap_or_default();
                self.seen.entry(vote.voter).or_insert((line.wall_us, age));
            }
        }
        for (_, event) in done.snapshot.events.iter().filter(|(id, _)| ours(id)) {
            if let Some(event) = event {
                self.stored(line, event);
            }
        }
        let Some((op, _)) = asked.filter(|(op, _)| about(op).iter().any(ours)) else { return };
        let Ok(outcome) = &done.result else { return };
        if let Some(last) = self.waits.last_mut() {
            // Until the next statement, whatever it was, this rule held the removal.
            last.until = line.wall_us;
        }
        if let Outcome::Held(held) = outcome {
            match self.waits.last_mut() {
                Some(last) if last.held == *held => last.times += 1,
                Some(_) | None => {
                    self.waits.push(Wait { held: *held, from: line.wall_us, until: line.wall_us, times: 1 });
                }
            }
        }
        if let Outcome::Removed { removed, .. } = outcome
            && removed.iter().any(|r| r.name == name)
        {
            self.by = Some(line.server.clone());
            let a = accusation(op);
            let finding = a.and_then(|a| a.findings.iter().find(|f| names.name(f.server) == name));
            let row = done.snapshot.rows.values().find(|row| row.card.name == name);
            self.removal = Some(Removal {
                deaf: finding.map(|f| (done.snapshot.read_at.since(f.silence.since), f.misses.into())),
                own_silence: None,
                votes: row.map(|row| votes(row, done.snapshot.db_now, names)).unwrap_or_default(),
                kernel: a
                    .and_then(|a| a.confirmed)
                    .filter(|said| names.name(said.of) == name)
                    .map(|said| (done.snapshot.read_at.since(said.since), said.misses.into())),
                hold: row.map(|row| row.wait()),
            });
        }
    }

    /// Another server removed it: this is what that server wrote down.
    fn stored(&mut self, line: &Line, event: &StoredEvent) {
        if self.removal.is_some() || !matches!(event.kind(), EventKind::Down | EventKind::AgentLost | EventKind::Left) {
            return;
        }
        self.by = Some(event.by.clone());
        let us = self.silent.map(|(at, _)| line.wall_us.saturating_sub(at));
        let own = us.and_then(|us| u64::try_from(us).ok()).map(Duration::from_micros);
        let stored = event.body.removal().map(|(_, removed)| Removal::stored(removed)).unwrap_or_default();
        self.removal = Some(Removal { own_silence: own, ..stored });
    }
}

impl Doubt {
    /// How long the silence was by then, in milliseconds, and what was silent.
    const fn silence(&self) -> (f64, VoteKind) {
        match &self.kind {
            DoubtKind::Host(suspected) => (suspected.silence_ms, VoteKind::Host),
            DoubtKind::Agent { silence_ms } => (*silence_ms, VoteKind::Agent),
        }
    }

    /// The silence that the removal needed (R6).
    pub const fn silence_asked_ms(&self) -> Option<f64> {
        match &self.kind {
            DoubtKind::Host(suspected) => Some(suspected.silence_asked_ms),
            DoubtKind::Agent { .. } => None,
        }
    }
}

impl Removal {
    /// From a line of `event`.
    fn stored(removed: &Removed) -> Self {
        let ms = |value: Option<u64>| value.map(Duration::from_millis);
        let standing = |vote: &VoteSeen| Standing {
            voter: vote.voter.clone(),
            kind: vote.kind,
            age: ms(vote.age_ms),
            renewed: ms(vote.renewed_ms),
        };
        Self {
            deaf: ms(removed.silence_ms).zip(removed.misses.map(u64::from)),
            own_silence: None,
            votes: removed.votes.iter().flatten().map(standing).collect(),
            kernel: removed.kernel.as_ref().and_then(|said| {
                let silence = Duration::try_from_secs_f64(said.silence_ms? / 1e3).ok()?;
                Some((silence, said.misses?.into()))
            }),
            hold: ms(removed.hold_ms),
        }
    }
}

/// In whole microseconds.
#[expect(clippy::cast_possible_truncation, reason = "a silence has far fewer microseconds than fit")]
const fn whole(us: f64) -> i64 {
    us as i64
}
