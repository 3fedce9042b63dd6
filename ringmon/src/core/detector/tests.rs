//! Every state with everything that can happen in it, and what must never follow from a fault of one's own.

use super::*;
use crate::core::Profile;
use crate::core::rng::Rng;

/// When everything happens; long after anything the states were made of.
const NOW: Time = Time::from_ns(100_000_000_000);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn limits() -> Limits {
    Limits::new(&Profile::Default.tuning())
}

/// A watch that is in this state for a while, and its last reading.
fn watch_in(state: State) -> (Detector, WatchReading) {
    let then = NOW - ms(10_000);
    let silent = WatchReading { began: NOW - ms(20_000), ..WatchReading::default() };
    let heard = |pulse| WatchReading { replies: 9, last_reply: Some(then), last_pulse: Some(pulse), ..silent.clone() };
    let reading = match state {
        State::Waiting => silent,
        State::Alive => heard(then - ms(10)),
        State::AgentSilent => heard(then - ms(501)),
        State::Suspect => WatchReading { consecutive: 5, misses: 5, ..heard(then - ms(10)) },
    };
    let mut detector = Detector::default();
    detector.observe(then, &reading, &limits());
    assert_eq!(detector.state(), state);
    (detector, reading)
}

#[derive(Clone, Copy, Debug)]
enum Happens {
    /// An authenticated reply with a fresh pulse.
    Reply,
    /// An authenticated reply whose pulse is too old.
    Pulseless,
    /// A plain echo, long after the last pulse.
    Plain,
    /// A plain echo, shortly after a pulse that was heard, if any was.
    PlainSoon,
    /// One miss less than is needed.
    FewMisses,
    /// As many misses as are needed.
    Misses,
    /// As many, in a silence that this server may have made itself.
    OwnFault,
    /// A fault that was over before the silence began.
    OldFault,
}

const EVERYTHING: [Happens; 8] = [
    Happens::Reply,
    Happens::Pulseless,
    Happens::Plain,
    Happens::PlainSoon,
    Happens::FewMisses,
    Happens::Misses,
    Happens::OwnFault,
    Happens::OldFault,
];

fn happen(state: State, what: Happens) -> (State, Option<Change>) {
    let (mut detector, before) = watch_in(state);
    let proved = WatchReading { consecutive: 0, ..before.clone() };
    let missed = |n| WatchReading { consecutive: n, misses: before.misses + u64::from(n), ..before.clone() };
    let reading = match what {
        Happens::Reply => WatchReading { last_reply: Some(NOW), last_pulse: Some(NOW - ms(60)), ..proved },
        Happens::Pulseless => WatchReading { last_reply: Some(NOW), last_pulse: Some(NOW - ms(501)), ..proved },
        Happens::Plain => WatchReading { last_plain: Some(NOW), ..proved },
        Happens::PlainSoon => {
            let last_pulse = before.last_pulse.map(|_| NOW - ms(100));
            WatchReading { began: NOW - ms(300), last_plain: Some(NOW), last_pulse, ..proved }
        }
        Happens::FewMisses => missed(before.consecutive.max(4)),
        Happens::Misses => missed(before.consecutive.max(5)),
        Happens::OwnFault => {
            let change = detector.fault(LocalFault::SenderLate, NOW - ms(30_000), NOW, &before);
            let after = detector.observe(NOW, &missed(5), &limits());
            return (detector.state(), change.or(after));
        }
        Happens::OldFault => {
            let until = before.silent_since();
            assert_eq!(detector.fault(LocalFault::SenderLate, NOW - ms(30_000), until, &before), None);
            missed(before.consecutive.max(5))
        }
    };
    let change = detector.observe(NOW, &reading, &limits());
    (detector.state(), change)
}

#[test]
fn every_state_with_everything_that_can_happen() {
    use State::{AgentSilent as S, Alive as A, Suspect as X, Waiting as W};
    let table = [
        // Reply, Pulseless, Plain, PlainSoon, FewMisses, Misses, OwnFault, OldFault
        (W, [A, S, S, W, W, X, W, X]),
        (A, [A, S, S, A, A, X, A, X]),
        (S, [A, S, S, A, S, X, S, X]),
        (X, [A, S, S, A, X, X, A, X]),
    ];
    for (from, expected) in table {
        for (what, to) in EVERYTHING.into_iter().zip(expected) {
            let (state, change) = happen(from, what);
            assert_eq!(state, to, "{from:?} and {what:?}");
            let told = match what {
                Happens::OwnFault => Some(Change::Void(LocalFault::SenderLate)),
                _ if from == to => None,
                _ => Some(Change::Moved(from, to)),
            };
            assert_eq!(change, told, "{from:?} and {what:?}");
        }
    }
}

#[test]
fn a_suspect_that_was_never_heard_and_answers_with_a_plain_echo_is_waited_for() {
    let began = NOW - ms(300);
    let mut detector = Detector::default();
    let silent = WatchReading { began, consecutive: 5, ..WatchReading::default() };
    detector.observe(NOW - ms(100), &silent, &limits());
    let echo = WatchReading { last_plain: Some(NOW), consecutive: 0, ..silent };
    assert_eq!(detector.observe(NOW, &echo, &limits()), Some(Change::Moved(State::Suspect, State::Waiting)));
    let later = WatchReading { last_plain: Some(NOW + ms(201)), ..echo };
    assert_eq!(
        detector.observe(NOW + ms(201), &later, &limits()),
        Some(Change::Moved(State::Waiting, State::AgentSilent))
    );
}

#[test]
fn silence_alone_does_not_make_an_agent_look_gone() {
    // One probe a second: between two replies the pulse grows older than the limit.
    let limits = Limits::new(&Profile::Gentle.tuning());
    let mut detector = Detector::default();
    let reading = WatchReading { last_reply: Some(NOW), last_pulse: Some(NOW - ms(90)), ..WatchReading::default() };
    detector.observe(NOW, &reading, &limits);
    assert_eq!(detector.observe(NOW + ms(1100), &reading, &limits), None);
    assert_eq!(detector.state(), State::Alive);
}

#[test]
fn after_an_own_fault_as_many_probes_must_be_missed_again() {
    let (mut detector, before) = watch_in(State::Alive);
    let silent = WatchReading { consecutive: 40, ..before };
    detector.fault(LocalFault::LoopLate, NOW - ms(500), NOW, &silent);
    let mut at = NOW;
    while detector.state() != State::Suspect {
        at = at + ms(1);
        detector.observe(at, &silent, &limits());
        assert!(at < NOW + ms(200), "never suspected");
    }
    assert_eq!(at, NOW + ms(100), "five intervals");
    assert_eq!(detector.silent_since(VoteKind::Host, &silent), NOW, "what was before does not count");
    assert_eq!(detector.misses(at, &silent, &limits()), 5);
}

#[test]
fn a_fault_after_the_suspicion_was_formed_leaves_it_and_shortens_its_silence() {
    let (mut detector, reading) = watch_in(State::Suspect);
    assert_eq!(detector.fault(LocalFault::LoopLate, NOW - ms(500), NOW, &reading), None);
    assert_eq!(detector.state(), State::Suspect);
    assert_eq!(detector.silent_since(VoteKind::Host, &reading), NOW);
    assert_eq!(
        detector.silent_since(VoteKind::Agent, &reading),
        reading.pulseless_since(),
        "a pulse is told by others"
    );
}

#[test]
fn a_void_is_told_once_a_silence() {
    let (mut detector, before) = watch_in(State::Alive);
    let silent = WatchReading { consecutive: 9, ..before.clone() };
    detector.fault(LocalFault::LinkDown, NOW - ms(500), NOW + ms(1000), &silent);
    assert_eq!(detector.observe(NOW, &silent, &limits()), Some(Change::Void(LocalFault::LinkDown)));
    assert_eq!(detector.observe(NOW + ms(1), &silent, &limits()), None);
    let reply = WatchReading { last_reply: Some(NOW + ms(2)), last_pulse: Some(NOW), consecutive: 0, ..before };
    detector.observe(NOW + ms(2), &reply, &limits());
    let again = WatchReading { consecutive: 9, ..reply };
    assert_eq!(detector.observe(NOW + ms(3), &again, &limits()), Some(Change::Void(LocalFault::LinkDown)));
}

#[test]
fn enough_for_a_removal_is_both_time_and_misses() {
    let limits = limits();
    assert!(limits.enough(ms(320), 16));
    assert!(!limits.enough(ms(319), 16));
    assert!(!limits.enough(ms(5000), 15));
    let turbo = Limits::new(&Profile::Turbo.tuning());
    assert!(!turbo.enough(ms(99), 30), "never less than 100 ms");
    assert!(turbo.enough(ms(100), 30));
}

/// Whatever happens, a suspicion rests on enough misses, and none is formed within its own time after a fault.
#[test]
fn no_history_makes_a_suspicion_too_early() {
    for seed in 0..500 {
        let mut rng = Rng::new(seed);
        let (mut detector, mut now) = (Detector::default(), NOW);
        let mut reading = WatchReading { began: now, ..WatchReading::default() };
        let mut clean = now;
        for _ in 0..200 {
            now = now + rng.between(Duration::ZERO, ms(25));
            match rng.below(10) {
                0 => {
                    let from = now - rng.between(Duration::ZERO, ms(300));
                    detector.fault(LocalFault::SenderLate, from, now, &reading);
                    clean = now;
                }
                1 | 2 => {
                    reading.consecutive = 0;
                    reading.last_reply = Some(now);
                    reading.last_pulse = Some(now);
                }
                _ => reading.consecutive += 1,
            }
            let change = detector.observe(now, &reading, &limits());
            if matches!(change, Some(Change::Moved(_, State::Suspect))) {
                assert!(reading.consecutive >= 5, "seed {seed}");
                let since = clean.max(reading.silent_since());
                assert!(clean <= reading.silent_since() || now.since(since) >= ms(100), "seed {seed}");
            }
            if reading.consecutive == 0 && reading.last_reply.is_some() {
                assert_eq!(detector.state(), State::Alive, "seed {seed}: a reply ends every suspicion");
            }
        }
    }
}
