//! `ringmon replay` from outside, on recordings of simulated agents.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use ringmon_sim::{Fault, Settings, World};
use serde_json::Value;

use crate::kit::{Said, says};

/// Two consecutive files of a neighbour of s3, which crashes in the second one.
fn recording() -> &'static [Vec<u8>] {
    static FILES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    FILES.get_or_init(|| {
        let mut world = World::new(Settings::new(5, 5));
        for host in 0..5 {
            world.record(host);
            world.befall(host, Fault::Start);
        }
        world.table.pool.rules.brake_permille = 1000;
        assert!(world.run_until(Duration::from_secs(20), World::settled));
        world.tapes.values_mut().for_each(ringmon_sim::Tape::cut);
        world.run_for(Duration::from_secs(1));
        world.befall(2, Fault::Crash);
        world.run_for(Duration::from_secs(2));
        let line = world.log.iter().find(|l| l.event.kind() == ringmon_core::EventKind::Down).expect("s3 is removed");
        let host = line.host;
        world.tapes.get_mut(&host).expect("recorded").files()
    })
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (place, bytes) in recording().iter().enumerate() {
            folder.write(&format!("n-{place}.rec"), bytes);
        }
        folder
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn says(&self, words: &[&str]) -> Said {
        replay(self.0.path(), words)
    }
}

fn replay(path: &Path, words: &[&str]) -> Said {
    says(&[&["replay", path.to_str().unwrap()], words].concat())
}

#[test]
fn decisions_come_with_their_evidence_in_the_order_of_time() {
    let folder = Folder::new();
    let said = folder.says(&[]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let at = |what: &str| said.out.find(what).unwrap_or_else(|| panic!("{what:?} is not in {}", said.out));
    let suspect = at("suspect       s3       ");
    assert!(
        said.out[suspect..]
            .lines()
            .next()
            .is_some_and(|line| line.contains(" misses in a row") && line.contains("silent for "))
    );
    let asks = at("asks          s3       vote, and remove who has not answered in time: s3: no reply for ");
    let vote = at("vote          s3       the vote is in the table: host");
    let down = at("down          s3       is out of the table; ");
    assert!(suspect < asks && asks < vote && vote < down);
    assert!(said.out.contains("s3's") || said.out.contains("saw against s3: "), "{}", said.out);
    let joined = at("joined");
    assert!(joined < suspect && said.out.starts_with("--- "), "both files, the older one first");
}

#[test]
fn why_ends_in_words_and_in_json() {
    let folder = Folder::new();
    let said = folder.says(&["--why", "s3"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let (chain, text) = said.out.split_once("\n\n").unwrap();
    assert!(chain.lines().all(|line| !line.contains("joined")) && chain.contains("suspect       s3"), "{chain}");
    let text = text.replace('\n', " ");
    assert!(text.starts_with("s3 was removed at ") && text.contains("had been deaf to s3 for"), "{text}");
    let said = folder.says(&["--why", "s3", "--json"]);
    let lines: Vec<Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (last, chain) = lines.split_last().unwrap();
    assert_eq!(last["why"], "s3");
    assert!(last["text"].as_str().unwrap().starts_with("s3 was removed at "));
    assert!(chain.iter().any(|line| line["what"] == "down" && line["subject"] == "s3"), "{}", said.out);
    let held = chain.iter().find(|line| line["what"] == "table").unwrap();
    assert!(held["detail"]["votes"]["s3"].is_array() && held["detail"]["took_ms"].is_number(), "{held}");
    let said = folder.says(&["--why", "s9"]);
    assert_eq!(said.code, 1);
    assert!(
        said.err.starts_with("ringmon: s9 does not occur in this part of the recording; it tells of s"),
        "{said:?}"
    );
}

#[test]
fn a_span_of_time_is_cut_out() {
    let folder = Folder::new();
    let line = |said: &Said| said.out.lines().find(|l| l.contains("suspect       s3")).map(str::to_owned);
    let all = folder.says(&[]);
    let at = line(&all).unwrap()[..27].to_owned();
    let time = at[11..26].to_owned();
    for (words, there) in [
        (vec!["--from", &*at], true),
        (vec!["--until", &*at], true),
        (vec!["--from", &*time, "--until", &*time], true),
        (vec!["--from", "23:59:59"], false),
        (vec!["--until", "2001-01-01T00:00:00Z"], false),
    ] {
        let said = folder.says(&words);
        assert_eq!((said.code, line(&said).is_some()), (0, there), "{words:?}: {}", said.out);
    }
    let said = folder.says(&["--from", "noon"]);
    assert_eq!(said.code, 2);
    assert!(said.err.starts_with("ringmon: --from is \"noon\": it must be a moment in UTC, like "), "{said:?}");
}

#[test]
fn check_says_whether_it_comes_to_the_same() {
    let folder = Folder::new();
    let said = folder.says(&["--check"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains(" recorded calls came to the same again"), "{}", said.err);

    // The recorded silence differs from the one that made the agent suspect: every checksum fits, but the story does
    // not.
    let mut bytes = recording()[1].clone();
    let changed = change_a_result(&mut bytes);
    let folder = Folder::new();
    folder.write("n-1.rec", &bytes);
    let said = folder.says(&["--check"]);
    assert_eq!(said.code, 1, "{}", said.err);
    assert!(said.err.contains(&format!("parts from what was recorded at call {changed}, ")), "{changed}: {}", said.err);
    assert_eq!(folder.says(&[]).code, 0, "without --check it is only said");
}

/// Changes the hash of the result of one call, and corrects the checksum. Returns the number of the call.
fn change_a_result(bytes: &mut [u8]) -> u64 {
    let mut reader = ringmon_sim::recording::Reader::open(bytes).unwrap();
    let mut number = reader.header().first;
    let mut at = reader.offset();
    reader.next().unwrap().unwrap();
    loop {
        at = reader.offset().max(at);
        let ringmon_sim::recording::Record::Call(call) = reader.next().unwrap().unwrap() else { panic!() };
        if call.said.is_some() {
            break;
        }
        number += 1;
    }
    let length = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    // The hash is the last part of a call.
    bytes[at + 8 + length - 1] ^= 1;
    let checksum = crc32(&bytes[at + 8..at + 8 + length]);
    bytes[at + 4..at + 8].copy_from_slice(&checksum.to_be_bytes());
    number
}

/// IEEE 802.3, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[test]
fn damaged_files_are_told_with_the_place_and_replayed_up_to_it() {
    let whole = recording();
    let folder = Folder::new();
    // The last file of a killed agent ends inside a record.
    folder.write("n-1.rec", &whole[1][..whole[1].len() - 3]);
    let said = folder.says(&["--check"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("n-1.rec: the record at byte ") && said.err.contains("it is cut off"), "{}", said.err);
    assert!(said.out.contains("down          s3"), "everything before it is replayed");

    // A file that was begun on a full disk looks like this.
    let folder = Folder::new();
    folder.write("n-2.rec", b"");
    let said = folder.says(&["--check"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("n-2.rec: the record at byte 0 cannot be read: it is cut off"), "{}", said.err);

    // In the middle of a recording it is damage, and so is a changed byte.
    let folder = Folder::new();
    folder.write("n-0.rec", &whole[0][..whole[0].len() - 3]);
    let said = folder.says(&[]);
    assert_eq!(said.code, 65, "{}", said.err);
    assert!(said.out.contains("down          s3"), "the next file is replayed all the same");
    let mut bytes = whole[1].clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    let folder = Folder::new();
    folder.write("n-1.rec", &bytes);
    let said = folder.says(&[]);
    assert_eq!(said.code, 65);
    assert!(said.err.starts_with("ringmon: ") && said.err.contains("n-1.rec: the record at byte "), "{}", said.err);
}

#[test]
fn what_is_no_recording_is_refused() {
    let folder = Folder(tempfile::tempdir().unwrap());
    let foreign = folder.write("events.jsonl", b"{\"at\":1}\n");
    let said = replay(&foreign, &[]);
    assert_eq!(
        (said.code, said.err),
        (65, format!("ringmon: {}: this is no recording of ringmon\n", foreign.display()))
    );
    let newer = folder.write("newer.rec", b"ringm\0\x00\x63rest");
    let said = replay(&newer, &[]);
    assert_eq!(said.code, 78);
    assert!(said.err.contains("newer.rec: it is of format 99, and this version reads format 6; "), "{}", said.err);
    let said = replay(&folder.0.path().join("nowhere"), &[]);
    assert!(said.code == 2 && said.err.contains("there is no file "), "{said:?}");
    let empty = Folder(tempfile::tempdir().unwrap());
    let said = empty.says(&[]);
    assert!(said.code == 2 && said.err.contains("there is no recording (*.rec) in "), "{said:?}");
}
