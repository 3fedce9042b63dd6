//! Maps of the kernel as memory of this process (bpf(2), `BPF_F_MMAPABLE`), which is read and written without system
//! calls.
//!
//! Every value consists of 64-bit words, and programs, timers and threads write them at any moment. So no reference is
//! made to a whole value. Words are read and written one at a time, atomically, and each is true by itself.

use std::io;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use ringmon_common::layout::{Histogram, Identity, Outstanding, Prober, Watch};

/// Values that consist only of `u64`s.
///
/// # Safety
/// Size a multiple of 8, no other field, all bit patterns valid.
pub unsafe trait Words: Copy {}
// SAFETY: repr(C), and all fields are u64.
unsafe impl Words for Watch {}
// SAFETY: as above.
unsafe impl Words for Outstanding {}
// SAFETY: as above.
unsafe impl Words for Identity {}
// SAFETY: an array of u64.
unsafe impl Words for Histogram {}
// SAFETY: repr(C), and all fields are u64, or arrays of them.
unsafe impl Words for Prober {}
// SAFETY: a u64.
unsafe impl Words for u64 {}

#[derive(Debug)]
pub struct Mapped<T> {
    start: NonNull<AtomicU64>,
    bytes: NonZeroUsize,
    entries: u32,
    value: PhantomData<T>,
}

// SAFETY: the memory belongs to no thread, and is only used as atomics.
unsafe impl<T: Words> Send for Mapped<T> {}
// SAFETY: as above.
unsafe impl<T: Words> Sync for Mapped<T> {}

impl<T: Words> Mapped<T> {
    const WORDS: usize = size_of::<T>() / 8;

    /// Maps an array map with this many entries.
    ///
    /// # Errors
    /// As mmap(2): the map is no array, or a smaller one.
    pub fn new(map: impl AsFd, entries: u32) -> io::Result<Self> {
        let bytes = size_of::<T>() * entries as usize;
        let bytes = NonZeroUsize::new(bytes.next_multiple_of(4096)).ok_or(io::ErrorKind::InvalidInput)?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping, wherever the kernel likes.
        let start = unsafe { mmap(None, bytes, protection, MapFlags::MAP_SHARED, map, 0) }?;
        Ok(Self { start: start.cast(), bytes, entries, value: PhantomData })
    }

    fn words(&self, index: u32) -> Option<&[AtomicU64]> {
        if index >= self.entries {
            return None;
        }
        // SAFETY: inside the mapping, which lives as long as `self`; aligned, since it begins with a page.
        Some(unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(index as usize * Self::WORDS), Self::WORDS) })
    }

    /// The word at this byte offset (`offset_of!`) of a value.
    #[must_use]
    pub fn word(&self, index: u32, offset: usize) -> Option<&AtomicU64> {
        self.words(index)?.get(offset / 8)
    }

    /// Copies a value word by word.
    #[must_use]
    pub fn load(&self, index: u32) -> Option<T> {
        let words = self.words(index)?;
        let mut value = std::mem::MaybeUninit::<T>::uninit();
        for (at, word) in words.iter().enumerate() {
            // SAFETY: `words` is as long as the value.
            unsafe { value.as_mut_ptr().cast::<u64>().add(at).write(word.load(Ordering::Relaxed)) };
        }
        // SAFETY: all words were written, and any words are a value.
        Some(unsafe { value.assume_init() })
    }

    /// Zeroes a value word by word.
    pub fn clear(&self, index: u32) {
        for word in self.words(index).into_iter().flatten() {
            word.store(0, Ordering::Relaxed);
        }
    }
}

impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        // SAFETY: our own mapping, and every reference into it has the lifetime of `self`.
        // It cannot fail with what mmap returned. If it did, nothing could be done about it.
        let _ = unsafe { munmap(self.start.cast(), self.bytes.get()) };
    }
}
