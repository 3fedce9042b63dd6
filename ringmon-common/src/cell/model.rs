//! loom tries the orders in which one CPU may see another's stores on arm64.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::SeqCst, fence};
use loom::thread;

use super::*;

/// A word as [`Cell`] describes it. A `PLAIN` one has no barriers.
#[derive(Debug)]
pub struct Word<const PLAIN: bool>(AtomicU64);

impl<const PLAIN: bool> Word<PLAIN> {
    pub fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    fn barrier() {
        if !PLAIN {
            fence(SeqCst);
        }
    }
}

impl<const PLAIN: bool> Cell for Word<PLAIN> {
    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    fn swap(&self, value: u64) -> u64 {
        Self::barrier();
        let before = self.0.swap(value, Relaxed);
        Self::barrier();
        before
    }

    fn change(&self, old: u64, new: u64) -> bool {
        Self::barrier();
        let changed = self.0.compare_exchange(old, new, Relaxed, Relaxed).is_ok();
        Self::barrier();
        changed
    }
}

/// A value of two words is read while it goes from owner 1, which wrote 10 twice, to owner 2, which writes 20 twice.
fn read<const PLAIN: bool>() {
    let value = Arc::new([1, 10, 10].map(Word::<PLAIN>::new));
    let theirs = Arc::clone(&value);
    let writer = thread::spawn(move || {
        let [key, words @ ..] = &*theirs;
        hand_over(key, 2, || words.iter().for_each(|word| word.set(20)));
    });
    let [key, words @ ..] = &*value;
    let barrier = || {
        if !PLAIN {
            fence(Acquire)
        }
    };
    if let Some((owner, copy)) = steady(key, barrier, || [words[0].get(), words[1].get()]) {
        assert_eq!(copy, [owner * 10; 2], "words of another owner");
    }
    writer.join().unwrap();
}

#[test]
fn what_was_read_is_one_owners() {
    loom::model(read::<false>);
}

/// Shows that the model finds what is wrong without barriers.
#[test]
#[should_panic(expected = "words of another owner")]
fn without_barriers_it_is_not() {
    loom::model(read::<true>);
}
