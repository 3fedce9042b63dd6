//! What opening says when something is missing or in the way, and that closing leaves nothing.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aya::programs::{TcAttachType, XdpMode};
use nix::libc;

use super::super::attach;
use super::super::netlink::Netlink;
use super::super::object::{self, Object};
use super::super::{Options, open};
use super::netns::{ADDRESSES, INTERFACE, Namespace, pair};
use super::veth::{opened, options, runtime, spec};
use crate::datapath::{Datapath, Error};
use crate::show::{DatapathChoice, DatapathMode, ErrorKind, HasKind as _};

fn refused(namespace: &Namespace, options: Options) -> Error {
    let runtime = runtime();
    opened(&runtime, namespace, options).err().expect("it cannot be opened")
}

/// Whether a program runs in the driver of the interface there.
fn native_program(namespace: &Namespace) -> bool {
    namespace.run(|| {
        let index = nix::net::if_::if_nametoindex(INTERFACE).expect("the interface");
        Netlink::open().and_then(|mut netlink| netlink.link(index, None)).expect("look at it").native_program
    })
}

#[test]
fn auto_takes_native_only_where_answers_arrive() {
    let (runtime, ends) = (runtime(), pair());
    // The far end has no program: answers would vanish.
    let careful = opened(&runtime, &ends[0], options(0, DatapathChoice::Auto)).expect("open");
    assert_eq!(careful.mode(), DatapathMode::XdpGeneric);
    drop(careful);
    let far = opened(&runtime, &ends[1], options(1, DatapathChoice::XdpNative)).expect("open");
    let native = opened(&runtime, &ends[0], options(0, DatapathChoice::Auto)).expect("open");
    assert_eq!((far.mode(), native.mode()), (DatapathMode::XdpNative, DatapathMode::XdpNative));
}

#[test]
fn a_busy_slot_is_named_and_worked_behind() {
    let (runtime, ends) = (runtime(), pair());
    for first in [XdpMode::Driver, XdpMode::Skb] {
        let _holder = ends[0].run(|| {
            let mut object = Object::load(0).expect("load the programs: run cargo xtask test");
            object::xdp(&mut object.ebpf).expect("the program").attach(INTERFACE, first).expect("attach");
            object
        });
        for second in [DatapathChoice::XdpNative, DatapathChoice::XdpGeneric] {
            let error = refused(&ends[0], options(0, second));
            assert!(matches!(&error, Error::Busy { interface, .. } if interface == INTERFACE), "{error:?}");
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            let text = error.to_string();
            let named = "already has an XDP program (ringmon_xdp, program ";
            assert!(text.contains(named) && text.contains("--datapath tc"), "{text}");
        }
        let behind = opened(&runtime, &ends[0], options(0, DatapathChoice::Auto)).expect("open");
        assert_eq!(behind.mode(), DatapathMode::Tc);
    }
}

/// Whatever way it wants to go: only a privileged process may see who has the XDP slot.
#[test]
fn one_agent_answers_for_an_address() {
    let (runtime, ends) = (runtime(), pair());
    let first = opened(&runtime, &ends[0], options(0, DatapathChoice::XdpGeneric)).expect("open");
    for second in [DatapathChoice::XdpGeneric, DatapathChoice::Tc, DatapathChoice::Auto] {
        let error = refused(&ends[0], options(0, second));
        assert!(matches!(&error, Error::Claimed { .. }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let named = format!("another ringmon agent (process {}) answers for {}", std::process::id(), ADDRESSES[0]);
        assert!(error.to_string().contains(&named), "{error}");
    }
    drop(first);
    opened(&runtime, &ends[0], options(0, DatapathChoice::Tc)).expect("the address is free again");
}

#[test]
fn closing_leaves_nothing_attached() {
    let (runtime, ends) = (runtime(), pair());
    for _ in 0..3 {
        let mut datapath =
            opened(&runtime, &ends[0], options(0, DatapathChoice::XdpNative)).expect("open, again and again");
        ends[0].run(|| datapath.watch(&spec(ADDRESSES[1])).expect("watch"));
        assert!(native_program(&ends[0]));
        let readings = datapath.readings();
        drop(datapath);
        assert!(!native_program(&ends[0]));
        // Threads that still have the readings go on reading, and nothing moves.
        assert!(readings.read(spec(ADDRESSES[1]).id).is_some());
    }
}

#[test]
fn what_is_not_there_is_named() {
    let [a, _b] = pair();
    let refused = |change: fn(&mut Options)| {
        let mut options = options(0, DatapathChoice::Auto);
        change(&mut options);
        let error = refused(&a, options);
        (error.kind(), error.to_string())
    };
    type Case = (fn(&mut Options), &'static str);
    let cases: [Case; 5] = [
        (|o| o.interface = "eth77".to_owned(), "there is no interface eth77"),
        (|o| o.interface = "lo".to_owned(), "no Ethernet interface"),
        (|o| o.address = [10, 78, 0, 1].into(), "no address 10.78.0.1"),
        (|o| o.address = [0; 16].into(), "only IPv4"),
        (|o| o.keys.clear(), "no key"),
    ];
    for (change, expected) in cases {
        let (kind, text) = refused(change);
        assert!(kind == ErrorKind::Configuration && text.contains(expected), "{kind:?}: {text}");
    }
}

/// aya asks the kernel once in a process what it can do. Who may ask must be the first to ask.
fn know_the_kernel() {
    Object::load(0).map(drop).expect("load the programs: run cargo xtask test");
}

/// Gives up root for this thread alone: unlike libc's function, the system call does not tell the other threads.
fn be_nobody() {
    const NOBODY: libc::c_long = 65534;
    // SAFETY: takes numbers.
    let done = unsafe { libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) };
    assert_eq!(done, 0, "setresuid");
}

#[test]
fn missing_privileges_are_named() {
    let [a, _b] = pair();
    know_the_kernel();
    let runtime = runtime();
    let error = a.run(|| {
        be_nobody();
        let _guard = runtime.enter();
        open(options(0, DatapathChoice::Auto)).err().expect("nobody may not")
    });
    assert_eq!(error.kind(), ErrorKind::Permission);
    assert!(error.to_string().contains("CAP_BPF, CAP_NET_ADMIN, CAP_NET_RAW and CAP_PERFMON"), "{error}");
    let error = a.run(|| {
        be_nobody();
        Object::load(0).err().expect("nobody may not")
    });
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
}

/// Gives up CAP_PERFMON, and CAP_SYS_ADMIN, which has it in it, for this thread alone (capset(2), version 3).
fn be_without_perfmon() {
    #[repr(C)]
    struct Header(u32, i32);
    let (header, mut sets) = (Header(0x2008_0522, 0), [0u32; 6]);
    // SAFETY: version 3 reads a header of two numbers and fills two sets of three.
    let got = unsafe { libc::syscall(libc::SYS_capget, &raw const header, &raw mut sets) };
    // Effective, permitted and inheritable; the capabilities from 32 on follow in the same order.
    sets[0] &= !(1 << 21);
    sets[3] &= !(1 << (38 - 32));
    // SAFETY: as above; it is only read.
    let set = unsafe { libc::syscall(libc::SYS_capset, &raw const header, &raw const sets) };
    assert_eq!((got, set), (0, 0), "capget, capset");
}

/// The kernel's verifier would say it in pages.
#[test]
fn a_missing_perfmon_is_named() {
    let [a, _b] = pair();
    know_the_kernel();
    let error = a.run(|| {
        be_without_perfmon();
        Object::load(0).err().expect("the verifier rejects it")
    });
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
    assert!(error.to_string().contains("CAP_PERFMON") && error.to_string().len() < 200, "{error}");
}

/// On kernels before 6.6 the program stays when an agent is killed. The next agent takes it off.
#[test]
fn the_classic_egress_hook_works_and_is_never_doubled() {
    let [a, _b] = pair();
    let attached = || {
        let shown = std::process::Command::new("tc").args(["filter", "show", "dev", INTERFACE, "egress"]).output();
        String::from_utf8(shown.expect("run tc (iproute2)").stdout)
            .expect("text")
            .matches(" ringmon_egress direct-action")
            .count()
    };
    a.run(|| {
        let egress = || {
            let mut object = Object::load(0).expect("load the programs: run cargo xtask test");
            attach::classic(object::egress(&mut object.ebpf).expect("the program"), INTERFACE, TcAttachType::Egress)
                .expect("attach");
            object
        };
        // As if its agent had been killed: nobody takes it off.
        std::mem::forget(egress());
        assert_eq!(attached(), 1);
        let second = egress();
        assert_eq!(attached(), 1);
        drop(second);
        assert_eq!(attached(), 0);
    });
}

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("the page").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_programs_log_lines_reach_the_agents_log() {
    let (ends, page) = (pair(), Page::default());
    let theirs = page.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || theirs.clone())
        .finish();
    // With only one subscriber, tracing keeps the answer of the first thread that comes to a line. Threads of other
    // tests have no subscriber, so their answer would be "no".
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    ends[0].run(|| {
        let _scope = tracing::subscriber::set_default(subscriber);
        tracing::callsite::rebuild_interest_cache();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let _guard = runtime.enter();
        let log = Some(tracing::Level::DEBUG);
        let mut datapath = open(Options { bpf_log: log, ..options(0, DatapathChoice::XdpGeneric) }).expect("open");
        datapath.watch(&spec(ADDRESSES[1])).expect("watch");
        let begin = Instant::now();
        let text = || String::from_utf8(page.0.lock().expect("the page").clone()).expect("text");
        let wanted = [format!("a probe leaves for {}", ADDRESSES[1]), format!("plain echo from {}", ADDRESSES[1])];
        while !wanted.iter().all(|line| text().contains(line)) {
            assert!(begin.elapsed() < Duration::from_secs(20), "no such lines: {}", text());
            runtime.block_on(tokio::time::sleep(Duration::from_millis(5)));
        }
        assert!(text().contains("ringmon::bpf"), "{}", text());
    });
}
