//! A packet between the two pointers that the kernel gives.

use ringmon_common::Frame;
use ringmon_common::frame::{Plain, Source};

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

    /// The frame, to be rewritten. After this call, references from [`Source::at`] must not be used any more.
    #[inline(always)]
    pub fn frame_mut(&mut self) -> Option<&'static mut Frame> {
        if self.start + size_of::<Frame>() > self.end {
            return None;
        }
        // SAFETY: inside the packet, `Plain`, and nothing else writes to it.
        Some(unsafe { &mut *(self.start as *mut Frame) })
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
