use std::process::{Command, Stdio};

use super::*;

#[test]
fn only_what_is_new_is_left() {
    let before = Census { programs: BTreeSet::from(["1 a".to_owned()]), ..Census::default() };
    let mut after = before.clone();
    assert_eq!(after.left_since(&before), []);
    after.programs.insert("2 b".to_owned());
    after.mounts.insert("bpf on /x".to_owned());
    let left: Vec<String> = after.left_since(&before).iter().map(ToString::to_string).collect();
    assert_eq!(left, ["mount bpf on /x", "BPF program 2 b"]);
}

#[test]
fn what_ended_is_no_leftover() {
    let before = Census { programs: BTreeSet::from(["1 a".to_owned()]), ..Census::default() };
    assert_eq!(Census::default().left_since(&before), []);
}

/// A process of another run. It waits for its input to end.
///
/// `spawn` returns while the kernel still sets up the new program: execve(2) lets the parent go on when it leaves the
/// old memory, and only then writes the environment. Until then its mark reads as empty.
fn somebody_else() -> std::process::Child {
    let mut cat = Command::new("cat");
    let cat = cat.env(RUN, "somebody-else").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while !is_marked(cat.id(), "somebody-else") {
        assert!(Instant::now() < end, "the process never shows its mark");
        std::thread::yield_now();
    }
    cat
}

fn namespace(name: String) -> Leftover {
    Leftover { kind: "namespace", name }
}

#[test]
fn what_is_named_after_a_process_of_another_run_is_theirs_until_it_ends() {
    let mut other = somebody_else();
    let theirs = namespace(format!("/run/netns/rm-x-{}", other.id()));
    let (ours, nobodys) = (format!("/run/netns/rm-x-{}", std::process::id()), "/run/netns/rm-x".to_owned());
    let others = Others::of("nobody");
    assert!(others.own(&theirs));
    assert!(!others.own(&namespace(ours)) && !others.own(&namespace(nobodys)));
    assert!(!Others::of("somebody-else").own(&theirs), "of that run it is a leftover");
    drop(other.stdin.take());
    other.wait().unwrap();
    assert!(!Others::of("nobody").own(&theirs));
}

#[test]
fn a_program_is_theirs_who_hold_it() {
    let descriptor = "pos:\t0\nflags:\t02000002\nprog_type:\t6\nprog_id:\t4304\nrun_cnt:\t0\n";
    let others = Others::holding(others::program_of(descriptor).into_iter().collect());
    let program = |name: &str| Leftover { kind: "BPF program", name: name.to_owned() };
    assert!(others.own(&program("4304 ringmon_xdp")));
    assert!(!others.own(&program("430 ringmon_xdp")) && !others.own(&program("43040 ringmon_xdp")));
    assert_eq!(others::program_of("pos:\t0\nmap_id:\t4304\n"), None);
}
