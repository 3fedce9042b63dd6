//! What is written can be read again. Damage is reported at its place, and no record before it is lost.

use std::time::Duration;

use proptest::prelude::*;

use super::{Damage, Encoder, FORMAT, Foreign, Header, MAGIC, Reader, Record, Wrong};
use crate::{Fault, Settings, World};
use ringmon_core::engine::{Engine, Input};
use ringmon_core::{PoolKey, Time, WatchId, WatchReading};

const SECRET: [u8; 16] = *b"\xf1\x02\xe3\x14\xd5\x26\xc7\x38\xb9\x4a\xab\x5c\x9d\x6e\x8f\x70";

/// Everything that the first of three servers was told during `span`, in one file. The pool has a key.
fn recorded(span: Duration) -> Vec<u8> {
    let mut world = World::new(Settings::new(7, 3));
    world.table.pool.keys = vec![PoolKey { id: 1, secret: SECRET }];
    world.record(0);
    (0..3).for_each(|host| world.befall(host, Fault::Start));
    world.run_for(span);
    let files = world.tapes.get_mut(&0).unwrap().files();
    assert_eq!(files.len(), 1);
    files.into_iter().next().unwrap()
}

/// A record as text, to be compared.
fn text(record: &Record) -> String {
    format!("{record:?}")
}

/// The records that can be read, and the damage that ends them.
fn read(bytes: &[u8]) -> (Vec<String>, Option<Damage>) {
    let mut records = Vec::new();
    for record in Reader::open(bytes).unwrap() {
        match record {
            Ok(record) => records.push(text(&record)),
            Err(damage) => return (records, Some(damage)),
        }
    }
    (records, None)
}

/// Where each frame of a sound file ends.
fn ends(bytes: &[u8]) -> Vec<usize> {
    let mut reader = Reader::open(bytes).unwrap();
    let mut ends = vec![reader.offset()];
    while let Some(record) = reader.next() {
        record.unwrap();
        ends.push(reader.offset());
    }
    ends
}

#[test]
fn what_is_written_is_read_again() {
    let header = Header {
        ringmon: "0.0.0".to_owned(),
        server: "n1".to_owned(),
        pool: "p".to_owned(),
        wall_us: 1_700_000_000_000_000,
        mono: Time::from_ns(5_000_000),
        first: 17,
    };
    let mut world = World::new(Settings::new(1, 1));
    world.befall(0, Fault::Start);
    let engine = world.hosts[0].engine.as_ref().unwrap();
    let id = WatchId { slot: 3, generation: 2 };
    let reading = |sent| WatchReading { sent, last_reply: Some(Time::from_ns(9)), ..WatchReading::default() };
    let inputs = [
        Some(Input::Watch(id, reading(1))),
        Some(Input::Watch(id, reading(1))),
        None,
        Some(Input::Watch(id, reading(2))),
        Some(Input::Link(false)),
    ];
    let mut encoder = Encoder::default();
    encoder.file(&header, engine).unwrap();
    for (at, input) in (1..).zip(&inputs) {
        encoder.begin(Time::from_ns(at), input.as_ref()).unwrap();
        encoder.end(None).unwrap();
    }
    let bytes = encoder.take();
    let reader = Reader::open(&bytes).unwrap();
    assert_eq!(reader.header(), &header);
    assert_eq!(header.wall_us_at(Time::from_ns(4_000_000)), 1_699_999_999_999_000);
    let records: Vec<Record> = reader.map(Result::unwrap).collect();
    assert_eq!(records.len(), 6);
    let Record::Checkpoint(again) = &records[0] else { panic!("{:?}", records[0]) };
    assert_eq!(format!("{again:?}"), format!("{engine:?}"));
    for ((at, input), record) in (1..).zip(&inputs).zip(&records[1..]) {
        let Record::Call(call) = record else { panic!("{record:?}") };
        assert_eq!((call.at, format!("{:?}", call.input)), (Time::from_ns(at), format!("{input:?}")));
    }
    // The same reading again takes only a few bytes.
    let ends = ends(&bytes);
    assert!(ends[3] - ends[2] < 30 && ends[2] - ends[1] > 30, "{ends:?}");
}

#[test]
fn a_file_that_ends_anywhere_gives_all_whole_records_before() {
    let bytes = small();
    let (all, damage) = read(bytes);
    assert!(damage.is_none() && all.len() > 10, "{damage:?}, {} records", all.len());
    let ends = ends(bytes);
    println!("{} bytes, {} records", bytes.len(), all.len());
    for cut in 0..bytes.len() {
        let part = &bytes[..cut];
        if cut < ends[0] {
            let error = Reader::open(part).map(|_| ()).unwrap_err();
            let fits = match &error {
                Foreign::Damaged(damage) => damage.wrong == Wrong::CutOff,
                _ => false,
            };
            assert!(fits, "{cut}: {error}");
            continue;
        }
        let (records, damage) = read(part);
        let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
        assert!(records == all[..whole], "{cut}: {} of {whole}", records.len());
        let expected = (!ends.contains(&cut)).then_some(Damage { offset: ends[whole], wrong: Wrong::CutOff });
        assert_eq!(damage, expected, "{cut}");
    }
}

#[test]
fn the_pools_keys_are_not_in_it() {
    let bytes = recorded(Duration::from_secs(3));
    assert!(bytes.windows(3).any(|part| part == b"sim"), "the pool's name is");
    let doubled: Vec<u8> = SECRET.iter().flat_map(|b| if *b < 0x80 { vec![*b] } else { vec![0xcc, *b] }).collect();
    for secret in [&SECRET[..], &doubled, &SECRET[..8], &SECRET[8..]] {
        assert!(!bytes.windows(secret.len()).any(|part| part == secret));
    }
    assert!(!String::from_utf8_lossy(&bytes).contains("f102e314"));
}

#[test]
fn other_files_are_told_apart() {
    let open = |bytes: &[u8]| Reader::open(bytes).map(|_| ()).unwrap_err();
    assert_eq!(open(b"{\"at\":1}\n"), Foreign::Magic);
    // The first version's recordings hold another engine.
    for format in [1, FORMAT + 1] {
        let other = [&MAGIC[..], &format.to_be_bytes(), small()].concat();
        let refused = open(&other);
        assert_eq!(refused, Foreign::Format(format));
        assert!(refused.to_string().starts_with(&format!("it is of format {format}, ")), "{refused}");
    }
    let mut bytes = recorded(Duration::from_millis(100));
    // A whole file of a version whose readings have a field with another name.
    let at = bytes.windows(5).position(|part| part == b"began").unwrap();
    bytes[at..at + 5].copy_from_slice(b"begun");
    let frame = (0..at).rev().find(|i| super::frame::read(&bytes[*i..]).is_err_and(|e| e == Wrong::Checksum)).unwrap();
    let length = u32::from_be_bytes(bytes[frame..frame + 4].try_into().unwrap()) as usize;
    let checksum = crc32fast::hash(&bytes[frame + 8..frame + 8 + length]);
    bytes[frame + 4..frame + 8].copy_from_slice(&checksum.to_be_bytes());
    assert_eq!(open(&bytes), Foreign::Layout { recorded: env!("CARGO_PKG_VERSION").to_owned() });
}

fn small() -> &'static [u8] {
    static BYTES: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    BYTES.get_or_init(|| recorded(Duration::from_millis(150)))
}

proptest! {
    #[test]
    fn one_damaged_byte_costs_only_what_follows(at in 8_usize..1_000_000, flip in 1_u8..=255) {
        let mut bytes = small().to_vec();
        let at = at % (bytes.len() - 8) + 8;
        bytes[at] ^= flip;
        let ends = ends(small());
        match Reader::open(&bytes) {
            Err(error) => prop_assert!(at < ends[0], "{at}: {error}"),
            Ok(_) => {
                let (records, damage) = read(&bytes);
                let whole = ends.iter().filter(|end| **end <= at).count() - 1;
                prop_assert_eq!(damage.map(|d| d.offset), Some(ends[whole]));
                let (all, _) = read(small());
                prop_assert!(records == all[..whole]);
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), sound in any::<bool>()) {
        let magic = || [&MAGIC[..], &FORMAT.to_be_bytes()].concat();
        let mut file = if sound { small()[..ends(small())[1]].to_vec() } else { magic() };
        file.extend(&bytes);
        if let Ok(reader) = Reader::open(&file) {
            reader.for_each(drop);
        }
    }

    /// Frames that are whole, with nonsense in them.
    #[test]
    fn no_body_makes_it_panic(kind in 0_u8..9, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut file = small()[..ends(small())[1]].to_vec();
        let open = super::frame::begin(&mut file, kind);
        file.extend(&body);
        assert!(super::frame::end(&mut file, open));
        for record in Reader::open(&file).unwrap() {
            if let Ok(Record::Call(call)) = record {
                let mut engine: Box<Engine> = match Reader::open(small()).unwrap().next() {
                    Some(Ok(Record::Checkpoint(engine))) => engine,
                    other => panic!("{other:?}"),
                };
                if let Some(input) = call.input {
                    engine.handle(call.at, input);
                }
            }
        }
    }
}
