//! ringmon's BPF programs. `ringmon_xdp` answers probes and takes replies; `ringmon_ingress` does the same where the
//! XDP slot is not to be had. `ringmon_egress` stamps the probes that leave. One timer for each watch counts the probes
//! without an answer. They decide nothing.

#![no_std]
#![no_main]
#![expect(internal_features, reason = "this target has atomic read-modify-write in no other way")]
#![feature(core_intrinsics)]

mod answer;
mod atomic;
mod maps;
mod observe;
mod packet;
mod stamp;
mod testify;
mod timer;

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::{TC_ACT_SHOT, xdp_action};
use aya_ebpf::helpers::bpf_redirect;
use aya_ebpf::macros::{classifier, xdp};
use aya_ebpf::programs::{TcContext, XdpContext};
use aya_log_ebpf::{debug, trace};
use ringmon_common::frame::{ECHO_REQUEST, Found, recognise, recognise_leaving};
use ringmon_common::tag::Tagger;
use ringmon_common::wire::Direction;
use ringmon_common::{Action, Frame, Incident, Testimony, Verdict};

use packet::Packet;

/// "The next program, please": the same number for tcx (`TCX_NEXT`) and for cls_bpf (`TC_ACT_UNSPEC`).
const NEXT: i32 = -1;
/// The kind of a frame that was sent to this host's own hardware address (linux/if_packet.h).
const PACKET_HOST: u32 = 0;

/// Answers probes in place, takes replies, and leaves everything else alone.
#[xdp]
pub fn ringmon_xdp(ctx: XdpContext) -> u32 {
    let verdict = match maps::own_address() {
        Some(own) => inspect(&ctx, own, Packet::received(&ctx)),
        None => Err(Verdict::Other),
    };
    match judge(&ctx, verdict) {
        Action::Pass => xdp_action::XDP_PASS,
        Action::Drop => xdp_action::XDP_DROP,
        Action::Send => xdp_action::XDP_TX,
    }
}

/// The same behind the XDP slot, for frames in socket buffers. A reply leaves through the interface of its probe.
#[classifier]
pub fn ringmon_ingress(ctx: TcContext) -> i32 {
    // SAFETY: the context that the kernel gave us.
    let (kind, tagged, index) = unsafe {
        let buffer = ctx.skb.skb;
        ((*buffer).pkt_type, (*buffer).vlan_tci & 0xfff != 0, (*buffer).ifindex)
    };
    // A frame for a VLAN belongs to another interface, on top of this one. VLAN 0 is none: a tag for priority alone.
    let Some(own) = maps::own_address().filter(|_| kind == PACKET_HOST && !tagged) else { return NEXT };
    if Packet::buffered(&ctx).is_partial() && ctx.pull_data(ctx.len()).is_err() {
        return NEXT;
    }
    let verdict = inspect(&ctx, own, Packet::buffered(&ctx));
    match judge(&ctx, verdict) {
        Action::Pass => NEXT,
        Action::Drop => TC_ACT_SHOT,
        // SAFETY: has no conditions.
        Action::Send => unsafe { bpf_redirect(index, 0) as i32 },
    }
}

/// Counts the verdict, and says what becomes of the packet.
#[inline(always)]
fn judge(ctx: &impl EbpfContext, verdict: Result<Verdict, Verdict>) -> Action {
    let verdict = verdict.unwrap_or_else(|why| why);
    if !matches!(verdict, Verdict::Other) {
        maps::count(verdict.index());
        trace!(ctx, "verdict {}", verdict.index());
    }
    verdict.action()
}

#[inline(always)]
fn inspect(ctx: &impl EbpfContext, own: [u8; 4], mut packet: Packet) -> Result<Verdict, Verdict> {
    let Found { frame, direction, testimony } = recognise(&packet, own)?;
    let payload = &frame.payload;
    let key = maps::key(payload.key_id).ok_or(Verdict::UnknownKey)?;
    let peer = frame.head.from;
    match direction {
        Direction::Probe if frame.echo.kind == ECHO_REQUEST => {
            let now = maps::now();
            let tagger = asking(key.v4(peer, own, payload), testimony);
            if tagger.probe(payload) != payload.tag {
                return Err(Verdict::WrongTag);
            }
            debug!(ctx, "answering a probe from {:i}", peer);
            let (frame, testimony) = packet.probe_mut(testimony.is_some()).ok_or(Verdict::Truncated)?;
            answer::answer(frame, testimony, tagger, now)
        }
        Direction::Probe => {
            if asking(key.v4(own, peer, payload), testimony).probe(payload) != payload.tag {
                return Err(Verdict::WrongTag);
            }
            debug!(ctx, "plain echo from {:i}", peer);
            Ok(observe::observe(payload, peer, direction, None))
        }
        Direction::Reply => {
            let tagger = asking(key.v4(own, peer, payload), testimony);
            let tag = match testimony {
                Some(testimony) => tagger.testified(payload, testimony),
                None => tagger.reply(payload),
            };
            if tag != payload.tag {
                return Err(Verdict::WrongTag);
            }
            debug!(ctx, "reply from {:i}", peer);
            Ok(observe::observe(payload, peer, direction, testimony))
        }
    }
}

/// Version 2 adds the question to what probe and reply have in common.
#[inline(always)]
fn asking(tagger: Tagger, testimony: Option<&Testimony>) -> Tagger {
    match testimony {
        Some(testimony) => tagger.asking(testimony),
        None => tagger,
    }
}

/// Stamps the probes that leave. It never changes or delays a packet.
///
/// It checks the tag: any user may be allowed to send an echo request from here, and must not pass for the agent.
#[classifier]
pub fn ringmon_egress(ctx: TcContext) -> i32 {
    // SAFETY: the context that the kernel gave us.
    let forwarded = unsafe { (*ctx.skb.skb).ingress_ifindex } != 0;
    if !forwarded
        && let Some(own) = maps::own_address()
        && let Some((frame, testimony)) = recognise_leaving(&Packet::buffered(&ctx), own)
    {
        let Frame { head, payload, .. } = frame;
        let tag = maps::key(payload.key_id).map(|key| asking(key.v4(own, head.to, payload), testimony).probe(payload));
        if tag == Some(payload.tag) {
            debug!(&ctx, "a probe leaves for {:i}", head.to);
            stamp::stamp(payload, head.to);
        } else {
            maps::count(Incident::StampForged.index());
        }
    }
    NEXT
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    loop {}
}

/// The kernel asks for this: the helpers in use are only for GPL-compatible programs.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
