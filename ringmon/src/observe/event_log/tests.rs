//! The event log's lines, and what it does when it cannot write them.

use super::*;
use ringmon_core::event::Removed;
use ringmon_core::{EventBody, Time};

fn event(body: EventBody) -> Event {
    Event { mono: Time::from_ns(7), subject: "b".to_owned(), body }
}

#[test]
fn a_line_has_the_fields_that_others_script_against() {
    assert_eq!(
        line("2026-11-01T12:00:00.000000001Z", "a", &event(EventBody::AgentSilent { silence_ms: 512.5 })),
        concat!(
            r#"{"at":"2026-11-01T12:00:00.000000001Z","mono_ns":7,"server":"a","event":"agent_silent","#,
            r#""subject":"b","detail":{"silence_ms":512.5}}"#,
            "\n"
        )
    );
}

#[test]
fn lines_are_appended_and_there_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.jsonl");
    std::fs::write(&path, "{\"old\":1}\n").unwrap();
    let mut log = EventLog::open(&EventTarget::File(path.clone()), "a".to_owned()).unwrap();
    log.write(&event(EventBody::AgentBack {}));
    log.write(&event(EventBody::Down(Removed::default())));
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1]["event"], "agent_back");
    assert_eq!(lines[2]["event"], "down");
    let at = lines[2]["at"].as_str().unwrap();
    assert_eq!(at.len(), "2026-11-01T12:00:00.000000001Z".len(), "{at}");
    assert!(at.parse::<Timestamp>().is_ok() && at.ends_with('Z'), "{at}");
    assert!(lines[1]["at"].as_str().unwrap() <= at);
}

/// What logrotate(8) does: it moves the file away, and sends SIGHUP.
#[test]
fn after_the_file_was_moved_away_lines_go_into_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let (path, old) = (dir.path().join("events.jsonl"), dir.path().join("events.jsonl.1"));
    let target = EventTarget::File(path.clone());
    let mut log = Some(EventLog::open(&target, "a".to_owned()).unwrap());
    let write = |log: &mut Option<EventLog>| log.as_mut().unwrap().write(&event(EventBody::AgentBack {}));
    let lines = |path| std::fs::read_to_string(path).unwrap().lines().count();
    write(&mut log);
    std::fs::rename(&path, &old).unwrap();
    write(&mut log);
    assert_eq!(lines(&old), 2);
    log.as_mut().unwrap().reopen();
    write(&mut log);
    assert_eq!((lines(&old), lines(&path)), (2, 1));
    // A path that cannot be opened loses nothing.
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    log.as_mut().unwrap().reopen();
    write(&mut log);
    assert_eq!(log.as_ref().unwrap().failures(), 0);
}

#[test]
fn a_full_disk_is_counted_and_not_fatal() {
    let target = EventTarget::File(PathBuf::from("/dev/full"));
    let mut log = EventLog::open(&target, "a".to_owned()).unwrap();
    log.write(&event(EventBody::AgentBack {}));
    log.write(&event(EventBody::AgentBack {}));
    assert_eq!(log.failures(), 2);
}

/// Whoever opens it waits for a reader, unless it says that it does not want to.
#[test]
fn a_pipe_that_nobody_reads_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let error = EventLog::open(&EventTarget::File(pipe), "a".to_owned()).unwrap_err().to_string();
    assert!(error.contains("No such device or address"), "{error}");
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let target = EventTarget::File(PathBuf::from("/nowhere/events.jsonl"));
    let error = EventLog::open(&target, "a".to_owned()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot open the event log /nowhere/events.jsonl: No such file or directory (os error 2)"
    );
}
