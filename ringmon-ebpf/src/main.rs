//! ringmon's BPF programs. `ringmon_xdp` answers probes and takes in replies, `ringmon_egress` stamps the probes that
//! leave, a timer for each watch counts those that stay unanswered. They decide nothing.

#![no_std]
#![no_main]

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    loop {}
}

/// What the kernel asks for: the helpers in use are for GPL-compatible programs.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
