//! Words that several CPUs use at the same time, and how their changes stay in order.
//!
//! x86 keeps stores in program order, and loads too; arm64 keeps neither. BPF has ordered loads and stores only since
//! Linux 6.15. But an instruction that changes a word and returns the old value is a full barrier on every CPU: see
//! `Documentation/atomic_t.txt` of Linux, section "ORDERING", and for BPF commit b1e7cee96127.

#[cfg(target_has_atomic = "64")]
use core::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst, fence};

/// One such word.
pub trait Cell {
    /// Reads the word, in no order with other words.
    fn get(&self) -> u64;
    /// Writes the word, in no order with other words.
    fn set(&self, value: u64);
    /// Writes the word, and returns the old value. A full barrier.
    fn swap(&self, value: u64) -> u64;
    /// Writes `new` if the word is `old`, and returns whether it was. A full barrier if it was.
    fn change(&self, old: u64, new: u64) -> bool;
}

/// In user space.
#[cfg(target_has_atomic = "64")]
impl Cell for &AtomicU64 {
    fn get(&self) -> u64 {
        self.load(Relaxed)
    }

    fn set(&self, value: u64) {
        self.store(value, Relaxed);
    }

    fn swap(&self, value: u64) -> u64 {
        fence(SeqCst);
        let before = AtomicU64::swap(self, value, Relaxed);
        fence(SeqCst);
        before
    }

    fn change(&self, old: u64, new: u64) -> bool {
        fence(SeqCst);
        let changed = self.compare_exchange(old, new, Relaxed, Relaxed).is_ok();
        fence(SeqCst);
        changed
    }
}

/// Gives a value of several words to another owner, for example a slot to another watch.
///
/// `key` is the word that names the owner. It is 0 while the others are written.
#[inline(always)]
pub fn hand_over(key: &impl Cell, owner: u64, write: impl FnOnce()) {
    key.swap(0);
    write();
    key.swap(owner);
}

/// Copies such a value, and returns its owner with it; `None`: it had no owner, or got another one meanwhile.
///
/// `barrier` keeps loads in order. After Boehm, "Can Seqlocks Get Along With Programming Language Memory Models?",
/// MSPC 2012.
#[inline(always)]
pub fn steady<T>(key: &impl Cell, barrier: impl Fn(), copy: impl FnOnce() -> T) -> Option<(u64, T)> {
    let owner = key.get();
    barrier();
    let value = copy();
    barrier();
    (owner != 0 && key.get() == owner).then_some((owner, value))
}

#[cfg(test)]
pub(crate) mod model;
