//! Atomic changes of map values. The target has the instructions (BPF ISA v3), but `core::sync::atomic` offers only
//! loads and stores there.

use core::intrinsics::{AtomicOrdering, atomic_cxchg, atomic_xadd, atomic_xchg};

use ringmon_common::cell::Cell;

/// Adds, and says what was there before.
///
/// # Safety
/// `at` points into a map value.
#[inline(always)]
pub unsafe fn add(at: *mut u64, more: u64) -> u64 {
    // SAFETY: by the caller; map values are aligned to 8.
    unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::SeqCst }>(at, more) }
}

/// Stores, and says what was there before.
///
/// # Safety
/// `at` points into a map value.
#[inline(always)]
pub unsafe fn swap(at: *mut u64, value: u64) -> u64 {
    // SAFETY: as above.
    unsafe { atomic_xchg::<u64, { AtomicOrdering::SeqCst }>(at, value) }
}

/// Stores `new` if `old` is there; says whether it was.
///
/// # Safety
/// `at` points into a map value.
#[inline(always)]
pub unsafe fn change(at: *mut u64, old: u64, new: u64) -> bool {
    // SAFETY: as above.
    unsafe { atomic_cxchg::<u64, { AtomicOrdering::SeqCst }, { AtomicOrdering::SeqCst }>(at, old, new).1 }
}

/// Reads what another CPU or the agent may be writing: once, whole.
///
/// # Safety
/// `at` points into a map value.
#[inline(always)]
pub unsafe fn get(at: *const u64) -> u64 {
    // SAFETY: as above.
    unsafe { at.read_volatile() }
}

/// Writes what another CPU or the agent may be reading: once, whole.
///
/// # Safety
/// `at` points into a map value.
#[inline(always)]
pub unsafe fn set(at: *mut u64, value: u64) {
    // SAFETY: as above.
    unsafe { at.write_volatile(value) }
}

/// A word of a map value, as a [`Cell`].
///
/// The intrinsics above become instructions that return the old value, and those are full barriers.
#[derive(Clone, Copy)]
pub struct Word(*mut u64);

impl Word {
    /// # Safety
    /// `at` points into a map value.
    #[inline(always)]
    pub const unsafe fn new(at: *mut u64) -> Self {
        Self(at)
    }
}

impl Cell for Word {
    #[inline(always)]
    fn get(&self) -> u64 {
        // SAFETY: as `new` asks for, here and below.
        unsafe { get(self.0) }
    }

    #[inline(always)]
    fn set(&self, value: u64) {
        // SAFETY: as above.
        unsafe { set(self.0, value) }
    }

    #[inline(always)]
    fn swap(&self, value: u64) -> u64 {
        // SAFETY: as above.
        unsafe { swap(self.0, value) }
    }

    #[inline(always)]
    fn change(&self, old: u64, new: u64) -> bool {
        // SAFETY: as above.
        unsafe { change(self.0, old, new) }
    }
}
