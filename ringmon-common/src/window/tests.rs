//! One CPU is interrupted before each of its instructions in turn, and another CPU does all of its work there.

use std::boxed::Box;
use std::cell::{Cell as Slot, RefCell};
use std::rc::Rc;
use std::vec::Vec;

use super::*;

/// What happens before this access to a word.
type Interruption = (u32, Box<dyn FnOnce()>);

#[derive(Default)]
struct Clockwork {
    touched: Slot<u32>,
    interruption: RefCell<Option<Interruption>>,
}

#[derive(Clone, Default)]
struct Staged(Rc<Slot<u64>>, Rc<Clockwork>);

impl Staged {
    fn touch(&self) {
        let touched = self.1.touched.replace(self.1.touched.get() + 1);
        let due = self.1.interruption.borrow_mut().take_if(|(at, _)| *at == touched);
        if let Some((_, run)) = due {
            run();
        }
    }
}

impl Cell for Staged {
    fn get(&self) -> u64 {
        self.touch();
        self.0.get()
    }

    fn set(&self, value: u64) {
        self.touch();
        self.0.set(value);
    }

    fn swap(&self, value: u64) -> u64 {
        self.touch();
        self.0.replace(value)
    }

    fn change(&self, old: u64, new: u64) -> bool {
        self.touch();
        let there = self.0.get() == old;
        if there {
            self.0.set(new);
        }
        there
    }
}

const OLD: (u64, Times) = (7, Times { sent_ns: 10, deadline_ns: 100 });
const NEW: (u64, Times) = (7 + WINDOW as u64, Times { sent_ns: 5000, deadline_ns: 6000 });
/// The old probe's deadline has passed, the new one's has not.
const NOW: u64 = 200;

/// A place and the words of its watch. Either the old probe waits in it, or it is empty and probe 3 is the first one.
fn world(waits: bool) -> (Place<Staged>, Span<Staged>, Rc<Clockwork>) {
    let clockwork = Rc::new(Clockwork::default());
    let cell = |value| Staged(Rc::new(Slot::new(value)), Rc::clone(&clockwork));
    let place = Place { mark: cell(0), sent_ns: cell(0), deadline_ns: cell(0) };
    let span = Span { cursor: cell(if waits { OLD.0 } else { 3 }), last_sent: cell(OLD.0) };
    if waits {
        place.enter(OLD.0, OLD.1);
    }
    clockwork.touched.set(0);
    (place, span, clockwork)
}

/// Runs `main` again and again, interrupted by `other` before its first access, its second, and so on.
fn interrupted<T>(
    waits: bool,
    main: impl Fn(&Place<Staged>, &Span<Staged>) -> T,
    other: impl Fn(&Place<Staged>, &Span<Staged>) + Clone + 'static,
    check: impl Fn(T, &Place<Staged>, &Span<Staged>),
) {
    for at in 0.. {
        let (place, span, clockwork) = world(waits);
        let (their_place, their_span, other) = (place.clone(), span.clone(), other.clone());
        let run = move || other(&their_place, &their_span);
        *clockwork.interruption.borrow_mut() = Some((at, Box::new(run)));
        let result = main(&place, &span);
        if clockwork.interruption.borrow_mut().take().is_some() {
            assert!(at > 1, "nothing was interrupted");
            return;
        }
        check(result, &place, &span);
    }
}

fn replace(place: &Place<Staged>, _: &Span<Staged>) {
    place.enter(NEW.0, NEW.1);
}

fn stands(place: &Place<Staged>) -> (u64, Times) {
    (place.mark.get(), Times { sent_ns: place.sent_ns.get(), deadline_ns: place.deadline_ns.get() })
}

/// The new probe waits, unchanged.
fn waits(place: &Place<Staged>) {
    assert_eq!(stands(place), (mark(NEW.0, state::WAITING), NEW.1));
}

#[test]
fn a_miss_has_the_deadline_of_its_own_probe() {
    interrupted(
        true,
        |place, _| place.expire(OLD.0, NOW),
        replace,
        |due, place, _| {
            assert!(matches!(due, Due::Missed(Times { deadline_ns: 100, .. }) | Due::Gone), "{due:?}");
            waits(place);
        },
    );
}

#[test]
fn a_reply_is_measured_from_its_own_probe_and_takes_no_other() {
    interrupted(
        true,
        |place, _| place.answer(OLD.0, 50),
        replace,
        |reply, place, _| {
            assert!(reply == Ok(OLD.1) || reply == Err(Unasked::Stale), "{reply:?}");
            waits(place);
        },
    );
}

#[test]
fn a_probe_that_is_just_leaving_is_not_taken_for_the_one_before() {
    let looks: [fn(&Place<Staged>); 3] = [
        |place| assert!(matches!(place.expire(OLD.0, NOW), Due::Missed(Times { deadline_ns: 100, .. }) | Due::Gone)),
        |place| assert!(matches!(place.expire(NEW.0, NOW), Due::Later(6000) | Due::Gone)),
        |place| {
            let reply = place.answer(OLD.0, 50);
            assert!(reply == Ok(OLD.1) || reply == Err(Unasked::Stale), "{reply:?}");
        },
    ];
    for look in looks {
        interrupted(
            true,
            |place, _| place.enter(NEW.0, NEW.1),
            move |place, _| look(place),
            |_, place, _| waits(place),
        );
    }
}

#[test]
fn of_a_reply_and_the_timer_one_has_the_probe_and_a_late_reply_still_counts() {
    interrupted(
        true,
        |place, _| place.expire(OLD.0, NOW),
        |place, _| assert_eq!(place.answer(OLD.0, NOW), Ok(OLD.1)),
        |due, place, _| {
            assert!(matches!(due, Due::Missed(Times { deadline_ns: 100, .. }) | Due::Gone));
            assert_eq!(stands(place).0, mark(OLD.0, state::ANSWERED));
            assert_eq!(place.answer(OLD.0, NOW), Err(Unasked::Duplicate));
            assert_eq!(place.answer(OLD.0, 101 + LATE_NS), Err(Unasked::Stale));
        },
    );
}

/// Probe 3 leaves.
fn leave(place: &Place<Staged>, span: &Span<Staged>) {
    place.enter(3, OLD.1);
    span.entered(3);
}

/// The timer. Returns the misses that it found.
fn walk(place: &Place<Staged>, span: &Span<Staged>) -> Vec<u64> {
    let mut missed = Vec::new();
    while let Some(seq) = span.first() {
        if matches!(place.expire(seq, NOW), Due::Missed(_)) {
            missed.push(seq);
        }
        span.pass(seq, place);
    }
    missed
}

/// A probe that waited for its neighbour leaves after later ones, while the timer moves past its place.
#[test]
fn a_probe_that_leaves_late_is_not_gone_past() {
    interrupted(false, walk, leave, |mut missed, place, span| {
        // The probe starts the timer once more.
        missed.extend(walk(place, span));
        assert_eq!(missed, [3]);
    });
    let walked = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&walked);
    let timer = move |place: &Place<Staged>, span: &Span<Staged>| seen.borrow_mut().extend(walk(place, span));
    interrupted(false, leave, timer, |(), place, span| {
        walked.borrow_mut().extend(walk(place, span));
        assert_eq!(walked.take(), [3]);
    });
}

#[test]
fn what_lost_its_place_is_forgotten_and_said_once() {
    let (place, span, _) = world(true);
    assert!(place.enter(NEW.0, NEW.1), "the old one still waited");
    assert!(!place.enter(NEW.0, NEW.1), "the same again");
    span.entered(NEW.0);
    assert_eq!(span.first(), Some(OLD.0 + 1), "the old one's place is the new one's");
    place.answer(NEW.0, NOW).unwrap();
    assert!(!place.enter(NEW.0 + WINDOW as u64, NEW.1));
}
