//! A packet between the two pointers that the kernel gives.

use ringmon_common::frame::{FRAME_LEN, Plain, Source};
use ringmon_common::{Frame, Testimony};

/// A packet while a program runs.
pub struct Packet {
    start: usize,
    end: usize,
}

impl Packet {
    /// Between a context's `data` and `data_end`.
    #[inline(always)]
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The frame, to be rewritten, and the testimony if one is behind it. After this call, references from
    /// [`Source::at`] must not be used any more.
    #[inline(always)]
    pub fn probe_mut(&mut self, is_long: bool) -> Option<(&'static mut Frame, Option<&'static mut Testimony>)> {
        let behind = self.start + FRAME_LEN;
        if behind > self.end || (is_long && behind + size_of::<Testimony>() > self.end) {
            return None;
        }
        // SAFETY: inside the packet, `Plain`, not the same bytes, and nothing else writes to them.
        unsafe {
            let testimony = if is_long { Some(&mut *(behind as *mut Testimony)) } else { None };
            Some((&mut *(self.start as *mut Frame), testimony))
        }
    }
}

impl Source<'static> for Packet {
    #[inline(always)]
    fn at<T: Plain>(&self, offset: usize) -> Option<&'static T> {
        if self.start + offset + size_of::<T>() > self.end {
            return None;
        }
        // SAFETY: inside the packet, which lives as long as the program runs, and `Plain`.
        Some(unsafe { &*((self.start + offset) as *const T) })
    }

    #[inline(always)]
    fn ends_by(&self, length: usize) -> bool {
        self.start + length >= self.end
    }
}
