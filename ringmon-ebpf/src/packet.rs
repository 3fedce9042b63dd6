//! A packet between the two pointers that the kernel gives.

use aya_ebpf::programs::{TcContext, XdpContext};
use ringmon_common::frame::{FRAME_LEN, LONG_FRAME_LEN, Plain, Source};
use ringmon_common::{Frame, Testimony};

/// A packet while a program runs.
pub struct Packet {
    start: usize,
    end: usize,
    /// How long it is, if it may go on in other pages; 0: it ends at `end`.
    length: usize,
}

impl Packet {
    /// A frame as a driver received it.
    #[inline(always)]
    pub fn received(ctx: &XdpContext) -> Self {
        Self { start: ctx.data(), end: ctx.data_end(), length: 0 }
    }

    /// A frame in a socket buffer.
    #[inline(always)]
    pub fn buffered(ctx: &TcContext) -> Self {
        Self { start: ctx.data(), end: ctx.data_end(), length: ctx.len() as usize }
    }

    /// Whether a frame in a socket buffer is as long as a probe, and not all of it can be seen: drivers may leave what
    /// is behind the headers in pages of their own.
    #[inline(always)]
    pub fn is_partial(&self) -> bool {
        match self.length {
            FRAME_LEN => self.start + FRAME_LEN > self.end,
            LONG_FRAME_LEN => self.start + LONG_FRAME_LEN > self.end,
            _ => false,
        }
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
        self.start + length >= self.end && self.length <= length
    }
}
