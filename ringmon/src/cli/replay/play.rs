//! Replays files one after the other.

use super::files::{File, moment};
use ringmon_sim::recording::{Damage, Header, Reader, Record, Wrong};
use ringmon_sim::replay::{Decision, Decisions, Joint, Played, Replay};

/// A decision, with the wall clock.
#[derive(Clone, Debug)]
pub struct Line {
    pub wall_us: i64,
    /// The server whose agent decided.
    pub server: String,
    pub decision: Decision,
}

/// Something about the recording itself.
#[derive(Debug)]
pub struct Note {
    pub text: String,
}

/// How the replay ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// How many calls were replayed.
    pub calls: u64,
    /// The first call whose result differs from the recorded one.
    pub parted: Option<String>,
    /// What cannot be read, and whether the reason is that another version wrote it.
    pub damage: Option<(String, bool)>,
    /// What a person should know, but is no error.
    pub notes: Vec<String>,
}

type Take<'a> = dyn FnMut(&Decisions, Result<Line, Note>) -> anyhow::Result<()> + 'a;

/// Replays all files.
///
/// # Errors
/// The errors of `take`.
pub fn play(files: &[File], decisions: &mut Decisions, take: &mut Take<'_>) -> anyhow::Result<Ended> {
    let mut ended = Ended::default();
    let mut replay: Option<Replay> = None;
    for (place, file) in files.iter().enumerate() {
        let last = place + 1 == files.len();
        let Ok(mut reader) = Reader::open(&file.bytes) else { continue };
        let header = reader.header().clone();
        let engine = match reader.next() {
            Some(Ok(Record::Checkpoint(engine))) => *engine,
            Some(Err(damage)) => {
                ended.damage(file, &damage, last);
                continue;
            }
            Some(Ok(Record::Call(_))) | None => {
                let offset = reader.offset();
                ended.damage(file, &Damage { offset, wrong: Wrong::CutOff }, last);
                continue;
            }
        };
        let text = match &mut replay {
            None => {
                replay = Some(Replay::new(header.clone(), engine));
                decisions.forget();
                about(file, &header)
            }
            Some(replay) => joint(replay.go_on(header.clone(), engine), file, &header, decisions, &mut ended),
        };
        let Some(replay) = &mut replay else { continue };
        decisions.begin(&replay.snapshot(header.mono));
        take(decisions, Err(Note { text }))?;
        for record in reader {
            match record {
                Ok(Record::Call(call)) => {
                    let played = replay.play(*call);
                    ended.calls += 1;
                    ended.compare(file, &header, &played);
                    for decision in decisions.of(&played) {
                        let (wall_us, server) = (header.wall_us_at(decision.at), header.server.clone());
                        take(decisions, Ok(Line { wall_us, server, decision }))?;
                    }
                }
                Ok(Record::Checkpoint(_)) => {}
                Err(damage) => ended.damage(file, &damage, last),
            }
        }
    }
    Ok(ended)
}

fn about(file: &File, header: &Header) -> String {
    let Header { server, pool, ringmon, first, .. } = header;
    let (path, at) = (file.path.display(), moment(header.wall_us));
    format!("{path}: {server} of pool {pool}, recorded by ringmon {ringmon} from {at} on, beginning with call {first}")
}

/// How this file follows the one before it.
fn joint(joint: Joint, file: &File, header: &Header, decisions: &mut Decisions, ended: &mut Ended) -> String {
    let about = about(file, header);
    match joint {
        Joint::Seamless => about,
        Joint::Astray => {
            let call = header.first;
            ended.parted.get_or_insert_with(|| {
                format!("the replay has come to another state than the agent at call {call} ({})", file.path.display())
            });
            about
        }
        Joint::Gap(missing) => {
            decisions.forget();
            format!("{about}; {missing} calls before it were not recorded")
        }
        Joint::Afresh => {
            decisions.forget();
            format!("{about}; another run of the agent")
        }
    }
}

impl Ended {
    fn damage(&mut self, file: &File, damage: &Damage, last: bool) {
        let text = format!("{}: {damage}; everything before it was replayed", file.path.display());
        // A killed agent leaves its last file like this: that is no error.
        if last && damage.wrong == Wrong::CutOff {
            self.notes.push(text);
        } else {
            // Its checksum fits, so it is as it was written.
            let foreign = matches!(damage.wrong, Wrong::Unreadable(_));
            self.damage.get_or_insert((text, foreign));
        }
    }

    fn compare(&mut self, file: &File, header: &Header, played: &Played) {
        if self.parted.is_some() || played.agrees() {
            return;
        }
        let kinds = |said: &Option<ringmon_sim::recording::Said>| {
            said.as_ref().map_or_else(|| "nothing".to_owned(), |said| format!("{} ({:016x})", said.kinds, said.hash))
        };
        let own = env!("CARGO_PKG_VERSION");
        let version = if header.ringmon == own {
            String::new()
        } else {
            format!("; ringmon {} recorded it, and this is {own}", header.ringmon)
        };
        self.parted = Some(format!(
            "the replay parts from what was recorded at call {}, {}, in {}: then it said {}, now {}{version}",
            played.number,
            moment(header.wall_us_at(played.call.at)),
            file.path.display(),
            kinds(&played.call.said),
            kinds(&played.said),
        ));
    }
}
