//! Feeds packets to a program without a network (bpf(2), `BPF_PROG_TEST_RUN`).

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// The part of `union bpf_attr` that `BPF_PROG_TEST_RUN` uses (linux/bpf.h).
#[repr(C)]
#[derive(Default)]
struct TestRun {
    program: u32,
    retval: u32,
    size_in: u32,
    size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    ctx_size_in: u32,
    ctx_size_out: u32,
    ctx_in: u64,
    ctx_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    padding: u32,
}

const BPF_PROG_TEST_RUN: nix::libc::c_int = 10;

#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The program's return value.
    pub action: u32,
    /// The packet afterwards.
    pub packet: Vec<u8>,
    /// How long one run took, in nanoseconds (the mean of all runs).
    pub ns: u32,
}

/// Feeds `packet` to a program `repeat` times. The packet is not restored in between.
pub fn run(program: impl AsFd, packet: &[u8], repeat: u32) -> Outcome {
    let mut out = vec![0; 4096];
    let mut attr = TestRun {
        program: program.as_fd().as_raw_fd() as u32,
        size_in: packet.len() as u32,
        size_out: out.len() as u32,
        data_in: packet.as_ptr() as u64,
        data_out: out.as_mut_ptr() as u64,
        repeat,
        ..TestRun::default()
    };
    // SAFETY: the buffers live, and their sizes are right; the struct has the kernel's layout.
    let done = unsafe {
        nix::libc::syscall(nix::libc::SYS_bpf, BPF_PROG_TEST_RUN, &raw mut attr, size_of::<TestRun>() as u32)
    };
    assert_eq!(done, 0, "BPF_PROG_TEST_RUN: {}", io::Error::last_os_error());
    out.truncate(attr.size_out as usize);
    Outcome { action: attr.retval, packet: out, ns: attr.duration }
}
