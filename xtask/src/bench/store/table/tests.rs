use super::*;

fn line(servers: u32, what: What, design: Design, ops_per_s: f64) -> StoreLine {
    StoreLine {
        bench: "store".to_owned(),
        engine: "mariadb".to_owned(),
        version: "11".to_owned(),
        buffer_pool_mib: Some(512),
        round_trip_ms: Some(0),
        servers,
        what,
        design,
        writers: 64,
        numbers: Some(Numbers {
            ops_per_s,
            p50_ms: Some(1.234),
            attempts_per_op: Some(1.5),
            max_attempts: Some(7),
            core_percent: Some(50.0),
            ..Numbers::default()
        }),
        ring_ok: Some(true),
        problem: None,
    }
}

fn row(text: &str, start: &str) -> Vec<String> {
    let found = text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no {start} in {text}"));
    found.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

#[test]
fn designs_stand_beside_each_other_with_ratio_and_growth() {
    let (ours, naive) = (Design::Ringmon, Design::LockEverything);
    let all = [
        line(10_000, What::Splice, ours, 2000.0),
        line(10_000, What::Splice, naive, 1000.0),
        line(1_000_000, What::Splice, ours, 1900.0),
        line(1_000_000, What::Splice, naive, 500.0),
    ];
    let text = text(&Machine::look("store"), &all);
    let small = row(&text, "| mariadb | 10,000 | splice");
    assert_eq!(small[3..8], ["2000 (0 to 0)", "1.23 / - / -", "1.50 (7)", "0.25", "lock-everything"]);
    assert_eq!(small[12..14], ["2.00", "-"]);
    assert_eq!(row(&text, "| mariadb | 1,000,000")[12..14], ["3.80", "0.95 (0.50)"]);
}

#[test]
fn what_failed_and_what_was_written_is_said() {
    let mut broken = line(100, What::Splice, Design::LockEverything, 9.0);
    broken.problem = Some("the ring is broken".to_owned());
    let mut idle = line(100, What::Idle, Design::Ringmon, 333.0);
    if let Some(numbers) = &mut idle.numbers {
        (numbers.needed_per_s, numbers.rows_written, numbers.errors) = (Some(333.3), Some(2), 3);
    }
    let text = text(&Machine::look("store"), &[broken, idle]);
    assert_eq!(row(&text, "| mariadb | 100 | splice")[14], "**FAILED** (beside it)");
    assert!(text.contains("FAILED: mariadb, 100 servers, splice, lock-everything: the ring is broken"), "{text}");
    let said = &row(&text, "| mariadb | 100 | idle")[14];
    assert_eq!(said, "needed 333/s, 50 % of a core, **2 rows written**, asked again 3 times");
}

#[test]
fn the_time_of_new_connections_is_the_difference() {
    let mut anew = line(100, What::Connect, Design::Ringmon, 9.0);
    if let Some(numbers) = &mut anew.numbers {
        numbers.p50_ms = Some(3.0);
    }
    let text = text(&Machine::look("store"), &[anew, line(100, What::Connected, Design::Ringmon, 9.0)]);
    assert!(text.contains("new connections make a look 1.77 ms longer"), "{text}");
}

#[test]
fn thousands_have_commas() {
    assert_eq!([0, 999, 1000, 1_000_000].map(thousands), ["0", "999", "1,000", "1,000,000"]);
}
