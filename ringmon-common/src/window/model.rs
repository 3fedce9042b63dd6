//! loom tries the orders in which one CPU may see another's stores on arm64.

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::cell::model::Word;

const fn times(at: u64) -> Times {
    Times { sent_ns: at, deadline_ns: at }
}

const OLD: u64 = 1;
const NEW: u64 = OLD + WINDOW as u64;

/// The old probe waits in its place.
fn place<const PLAIN: bool>() -> Arc<Place<Word<PLAIN>>> {
    let word = Word::new;
    Arc::new(Place { mark: word(mark(OLD, state::WAITING)), sent_ns: word(10), deadline_ns: word(10) })
}

/// A new probe takes the place while replies to both come in.
fn replies<const PLAIN: bool>() {
    let place = place::<PLAIN>();
    let egress = Arc::clone(&place);
    let leaves = thread::spawn(move || egress.enter(NEW, times(20)));
    for (seq, own) in [(OLD, times(10)), (NEW, times(20))] {
        if let Ok(times) = place.answer(seq, 5) {
            assert_eq!(times, own, "the times of another probe");
        }
    }
    leaves.join().unwrap();
}

#[test]
fn a_reply_never_sees_the_times_of_another_probe() {
    loom::model(replies::<false>);
}

/// Shows that the model finds what is wrong without barriers.
#[test]
#[should_panic(expected = "the times of another probe")]
fn without_barriers_a_reply_does() {
    loom::model(replies::<true>);
}

/// A new probe takes the place while the timer looks at both.
fn timer<const PLAIN: bool>() {
    let place = place::<PLAIN>();
    let egress = Arc::clone(&place);
    let leaves = thread::spawn(move || egress.enter(NEW, times(20)));
    for (seq, own) in [(OLD, Due::Missed(times(10))), (NEW, Due::Later(20))] {
        let due = place.expire(seq, 15);
        assert!(due == own || due == Due::Gone, "the deadline of another probe");
    }
    leaves.join().unwrap();
}

#[test]
fn the_timer_never_sees_the_deadline_of_another_probe() {
    loom::model(timer::<false>);
}

#[test]
#[should_panic(expected = "the deadline of another probe")]
fn without_barriers_the_timer_does() {
    loom::model(timer::<true>);
}

/// An older probe leaves while the timer moves past its place. One of them must see the other.
fn late<const PLAIN: bool>() {
    let word = Word::new;
    let place = Place { mark: word(0), sent_ns: word(0), deadline_ns: word(0) };
    let world = Arc::new((place, Span::<Word<PLAIN>> { cursor: word(1), last_sent: word(5) }));
    let egress = Arc::clone(&world);
    let leaves = thread::spawn(move || {
        egress.0.enter(OLD, times(10));
        egress.1.entered(OLD);
    });
    let (place, span) = (&world.0, &world.1);
    let missed = matches!(place.expire(OLD, 15), Due::Missed(_));
    span.pass(OLD, place);
    leaves.join().unwrap();
    assert!(missed || span.first() == Some(OLD), "nobody looks at it any more");
}

#[test]
fn a_probe_that_leaves_late_is_looked_at() {
    loom::model(late::<false>);
}

#[test]
#[should_panic(expected = "nobody looks at it any more")]
fn without_barriers_it_is_not() {
    loom::model(late::<true>);
}
