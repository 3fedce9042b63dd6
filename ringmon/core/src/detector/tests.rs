//! Every state with every input, and what must never follow from a fault of this server.

use super::*;
use crate::Profile;
use crate::rng::Rng;

/// The time of all inputs, long after everything that the states were made of.
const NOW: Time = Time::from_ns(100_000_000_000);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn tuning() -> Tuning {
    Profile::Default.tuning()
}

/// The lateness of a server that is never late.
const WELL: u32 = 1;

/// This time, at a server that is so many times as late as a healthy one and hears nobody else.
const fn seen(now: Time, factor: u32) -> Observer {
    Observer { now, factor, open_until: Time::ZERO }
}

/// A new watch, and how many misses it needs to suspect.
fn new() -> (Detector, u32) {
    let detector = Detector::default();
    let needed = detector.needed(WELL);
    (detector, needed)
}

/// A watch that has been in this state for 10 s, and its last reading.
fn watch_in(state: State) -> (Detector, WatchReading) {
    let then = NOW - ms(10_000);
    let silent = WatchReading { began: NOW - ms(20_000), ..WatchReading::default() };
    let heard = |pulse| WatchReading { replies: 9, last_reply: Some(then), last_pulse: Some(pulse), ..silent.clone() };
    let (mut detector, needed) = new();
    let reading = match state {
        State::Waiting => silent,
        State::Alive => heard(then - ms(10)),
        State::Restarting => WatchReading { last_plain: Some(then + ms(1)), ..heard(then - ms(10)) },
        State::AgentSilent => heard(then - ms(501)),
        State::Suspect => WatchReading { consecutive: needed, misses: needed.into(), ..heard(then - ms(10)) },
    };
    detector.observe(seen(then, WELL), &reading, &tuning());
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
    /// A plain echo, shortly after the last pulse, if there was one.
    PlainSoon,
    /// One miss less than needed.
    FewMisses,
    /// As many misses as needed.
    Misses,
    /// As many misses as needed, in a silence that this server may have caused itself.
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
    let needed = detector.needed(WELL);
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
        Happens::FewMisses => missed(before.consecutive.max(needed - 1)),
        Happens::Misses => missed(before.consecutive.max(needed)),
        Happens::OwnFault => {
            let change = detector.fault(LocalFault::SenderLate, NOW - ms(30_000), NOW, &before);
            let after = detector.observe(seen(NOW, WELL), &missed(needed), &tuning());
            return (detector.state(), change.or(after));
        }
        Happens::OldFault => {
            let until = before.silent_since();
            assert_eq!(detector.fault(LocalFault::SenderLate, NOW - ms(30_000), until, &before), None);
            missed(before.consecutive.max(needed))
        }
    };
    let change = detector.observe(seen(NOW, WELL), &reading, &tuning());
    (detector.state(), change)
}

#[test]
fn every_state_with_everything_that_can_happen() {
    use State::{AgentSilent as S, Alive as A, Restarting as R, Suspect as X, Waiting as W};
    let table = [
        // Reply, Pulseless, Plain, PlainSoon, FewMisses, Misses, OwnFault, OldFault
        (W, [A, S, S, W, W, X, W, X]),
        (A, [A, S, S, R, A, X, A, X]),
        (R, [A, S, S, R, R, X, R, X]),
        (S, [A, S, S, R, S, X, S, X]),
        (X, [A, S, S, R, X, X, A, X]),
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
    let (mut detector, needed) = new();
    let silent = WatchReading { began, consecutive: needed, ..WatchReading::default() };
    detector.observe(seen(NOW - ms(100), WELL), &silent, &tuning());
    let echo = WatchReading { last_plain: Some(NOW), consecutive: 0, ..silent };
    assert_eq!(
        detector.observe(seen(NOW, WELL), &echo, &tuning()),
        Some(Change::Moved(State::Suspect, State::Waiting))
    );
    let later = WatchReading { last_plain: Some(NOW + ms(201)), ..echo };
    assert_eq!(
        detector.observe(seen(NOW + ms(201), WELL), &later, &tuning()),
        Some(Change::Moved(State::Waiting, State::AgentSilent))
    );
}

#[test]
fn silence_alone_does_not_make_an_agent_look_gone() {
    // At one probe a second, the pulse grows older than the limit between two replies.
    let tuning = Profile::Gentle.tuning();
    let mut detector = Detector::default();
    let reading = WatchReading { last_reply: Some(NOW), last_pulse: Some(NOW - ms(90)), ..WatchReading::default() };
    detector.observe(seen(NOW, WELL), &reading, &tuning);
    assert_eq!(detector.observe(seen(NOW + ms(1100), WELL), &reading, &tuning), None);
    assert_eq!(detector.state(), State::Alive);
}

#[test]
fn after_an_own_fault_as_many_probes_must_be_missed_again() {
    let (mut detector, before) = watch_in(State::Alive);
    let needed = detector.needed(WELL);
    let missed = |n: u32| WatchReading { consecutive: n, misses: u64::from(n), patience: ms(30), ..before.clone() };
    detector.fault(LocalFault::LoopLate, NOW - ms(500), NOW, &missed(40));
    detector.observe(seen(NOW + ms(29), WELL), &missed(45), &tuning());
    assert_eq!(detector.misses(&missed(45)), 0, "these may have left before");
    detector.observe(seen(NOW + ms(30), WELL), &missed(46), &tuning());
    for more in 0..needed {
        assert_eq!(detector.state(), State::Alive);
        assert_eq!(detector.misses(&missed(46 + more)), more);
        detector.observe(seen(NOW + ms(32), WELL), &missed(46 + more + 1), &tuning());
    }
    assert_eq!(detector.state(), State::Suspect);
    let silent = missed(46 + needed);
    assert_eq!(detector.silent_since(VoteKind::Host, &silent), NOW, "what was before does not count");
}

#[test]
fn a_server_that_is_often_late_asks_for_more_misses() {
    let (mut detector, before) = watch_in(State::Alive);
    let needed = detector.needed(WELL);
    assert_eq!(detector.needed(3), needed * 3);
    let missed = |n: u32| WatchReading { consecutive: n, misses: u64::from(n), ..before.clone() };
    detector.observe(seen(NOW, 3), &missed(needed * 3 - 1), &tuning());
    assert_eq!(detector.state(), State::Alive);
    detector.observe(seen(NOW, 3), &missed(needed * 3), &tuning());
    assert_eq!(detector.state(), State::Suspect);
}

#[test]
fn a_watch_bursts_from_its_first_miss_on_for_a_bounded_number_of_probes() {
    let (detector, before) = watch_in(State::Alive);
    let missed = |n: u32| WatchReading { consecutive: n, ..before.clone() };
    let bursts = |n: u32, factor| detector.wants_burst(&missed(n), factor);
    assert!(!bursts(0, 1) && bursts(1, 1) && bursts(16, 1), "until there is enough for a removal");
    assert!(!bursts(24, 1) && !bursts(1000, 1));
    assert!(bursts(60, 9) && !bursts(96, 9), "never more than 96");
}

#[test]
fn somebody_else_must_be_heard_after_the_first_miss() {
    let (mut detector, before) = watch_in(State::Alive);
    let missed = |n: u32| WatchReading { consecutive: n, ..before.clone() };
    detector.observe(seen(NOW + ms(5), WELL), &missed(1), &tuning());
    detector.observe(seen(NOW + ms(25), WELL), &missed(2), &tuning());
    assert_eq!(detector.deaf_from(VoteKind::Host, &missed(2), &tuning()), NOW + ms(5));
    let pulseless = before.pulseless_since() + tuning().ears();
    assert_eq!(detector.deaf_from(VoteKind::Agent, &missed(2), &tuning()), pulseless);
    detector.fault(LocalFault::LoopLate, NOW, NOW + ms(40), &missed(2));
    assert_eq!(
        detector.deaf_from(VoteKind::Host, &missed(3), &tuning()),
        NOW + ms(40),
        "not before the own fault was over"
    );
    detector.observe(
        seen(NOW + ms(50), WELL),
        &WatchReading { last_reply: Some(NOW + ms(50)), ..missed(0) },
        &tuning(),
    );
    assert_eq!(detector.missed_at(), None);
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
    assert_eq!(detector.observe(seen(NOW, WELL), &silent, &tuning()), Some(Change::Void(LocalFault::LinkDown)));
    assert_eq!(detector.observe(seen(NOW + ms(1), WELL), &silent, &tuning()), None);
    let reply = WatchReading { last_reply: Some(NOW + ms(2)), last_pulse: Some(NOW), consecutive: 0, ..before };
    detector.observe(seen(NOW + ms(2), WELL), &reply, &tuning());
    let again = WatchReading { consecutive: 9, ..reply };
    assert_eq!(detector.observe(seen(NOW + ms(3), WELL), &again, &tuning()), Some(Change::Void(LocalFault::LinkDown)));
}

#[test]
fn a_removal_asks_for_what_outages_taught_and_for_more_from_a_late_server() {
    assert_eq!(silence_asked(Duration::ZERO, 1), ms(100));
    assert_eq!(silence_asked(ms(900), 1), ms(900));
    assert_eq!(silence_asked(ms(900), 4), ms(900));
    assert_eq!(silence_asked(Duration::ZERO, 4), ms(400));
    assert_eq!(silence_asked(ms(5000), 9), ms(2000), "and has an end");
}

/// In every history, a suspicion rests on enough misses, and none is formed within its own time after a fault.
#[test]
fn no_history_makes_a_suspicion_too_early() {
    for seed in 0..500 {
        let mut rng = Rng::new(seed);
        let ((mut detector, _), mut now) = (new(), NOW);
        let mut reading = WatchReading { began: now, ..WatchReading::default() };
        let (mut clean, mut clean_misses) = (now, 0);
        for _ in 0..200 {
            now = now + rng.between(Duration::ZERO, ms(25));
            match rng.below(10) {
                0 => {
                    let from = now - rng.between(Duration::ZERO, ms(300));
                    detector.fault(LocalFault::SenderLate, from, now, &reading);
                    (clean, clean_misses) = (now, reading.misses);
                }
                1 | 2 => {
                    reading.consecutive = 0;
                    reading.last_reply = Some(now);
                    reading.last_pulse = Some(now);
                }
                _ => {
                    reading.consecutive += 1;
                    reading.misses += 1;
                }
            }
            let change = detector.observe(seen(now, WELL), &reading, &tuning());
            if matches!(change, Some(Change::Moved(_, State::Suspect))) {
                assert!(reading.consecutive >= 3, "seed {seed}");
                let counted = reading.misses - clean_misses >= 3;
                assert!(clean <= reading.silent_since() || counted, "seed {seed}");
            }
            if reading.consecutive == 0 && reading.last_reply.is_some() {
                assert_eq!(detector.state(), State::Alive, "seed {seed}: a reply ends every suspicion");
            }
        }
    }
}

/// Others were heard until then.
const fn late(now: Time, open_until: Time) -> Observer {
    Observer { now, factor: 9, open_until }
}

#[test]
fn a_late_server_believes_a_miss_when_others_were_heard_after_its_deadline() {
    let (mut detector, before) = watch_in(State::Alive);
    let needed = detector.needed(WELL);
    let (left, deadline) = (NOW - ms(30), NOW - ms(1));
    let missed = WatchReading {
        consecutive: needed,
        misses: needed.into(),
        run_from: Some(left),
        run_until: Some(deadline),
        ..before
    };
    for fault in [LocalFault::SenderLate, LocalFault::LoopLate, LocalFault::TimerLate] {
        detector.fault(fault, NOW - ms(500), NOW, &missed);
    }
    detector.observe(late(NOW, deadline - ms(1)), &missed, &tuning());
    assert_eq!(detector.state(), State::Alive);
    assert!(detector.wants_others(&missed, 9), "it asks others to show that it hears");
    let change = detector.observe(late(NOW, deadline), &missed, &tuning());
    assert_eq!(change, Some(Change::Moved(State::Alive, State::Suspect)));
    assert_eq!(detector.silent_since(VoteKind::Host, &missed), left, "it has asked since then");
    assert_eq!(detector.fault(LocalFault::LoopLate, NOW - ms(900), NOW + ms(9), &missed), None);
    assert_eq!(detector.state(), State::Suspect, "whatever else was late");
}

#[test]
fn no_stamp_makes_up_for_a_link_that_was_down_or_a_machine_that_slept() {
    for fault in [LocalFault::LinkDown, LocalFault::Suspended, LocalFault::Deaf] {
        let (mut detector, before) = watch_in(State::Alive);
        let (left, deadline) = (NOW - ms(30), NOW - ms(1));
        let missed = WatchReading { consecutive: 40, run_from: Some(left), run_until: Some(deadline), ..before };
        detector.fault(fault, NOW - ms(500), left + ms(1), &missed);
        detector.observe(late(NOW, NOW), &missed, &tuning());
        assert_eq!(detector.state(), State::Alive, "{fault:?}");
        let later = WatchReading { run_from: Some(left + ms(1)), ..missed };
        detector.observe(late(NOW, NOW), &later, &tuning());
        assert_eq!(detector.state(), State::Suspect, "{fault:?} was over when these left");
    }
}
