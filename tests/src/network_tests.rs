use super::*;

/// Whether one ping is answered within this many seconds.
fn answers_within(seconds: &str, from: &Namespace, to: Ipv4Addr) -> bool {
    from.command("ping", &["-c", "1", "-W", seconds, &to.to_string()], "").is_ok()
}

fn answers(from: &Namespace, to: Ipv4Addr) -> bool {
    answers_within("1", from, to)
}

/// Whether one of ten pings is answered: links need a moment, and a busy machine may need more.
fn hears(from: &Namespace, to: Ipv4Addr) -> bool {
    (0..10).any(|_| answers(from, to))
}

#[test]
fn servers_and_hub_hear_each_other() {
    let network = Network::new(None).unwrap();
    let (a, _b) = (network.plug(1).unwrap(), network.plug(2).unwrap());
    assert!(hears(&a, address(2)));
    assert!(hears(&a, HUB));
}

#[test]
fn a_server_that_is_plugged_in_later_cuts_nobody_off_from_the_hub() {
    let network = Network::new(None).unwrap();
    let servers: Vec<Namespace> = (1..=2).map(|n| network.plug(n).unwrap()).collect();
    assert!(servers.iter().all(|server| hears(server, HUB)));
    let _third = network.plug(3).unwrap();
    // As low as an address of a veth can be. A bridge without an address of its own would take it, and give up the one
    // that it had from one of the two others. The server at that port hears it all the same, but the other one does
    // not.
    network.hub().ip("link set p3 address 02:00:00:00:00:01\n").unwrap();
    // Only one ping: after several, they would have asked again where the hub is.
    assert!(servers.iter().all(|server| answers_within("5", server, HUB)));
}

#[test]
fn a_cut_server_hears_nobody_and_an_isolated_one_only_the_hub() {
    let mut network = Network::new(None).unwrap();
    let (a, b) = (network.plug(1).unwrap(), network.plug(2).unwrap());
    network.change(|faults| faults.cut = [1].into()).unwrap();
    assert!(!answers(&a, HUB));
    assert!(!answers(&a, address(2)));
    assert!(hears(&b, HUB));
    network.change(|faults| *faults = Faults { isolated: [1].into(), ..Faults::default() }).unwrap();
    assert!(hears(&a, HUB));
    assert!(!answers(&b, address(1)));
    network.change(|faults| *faults = Faults::default()).unwrap();
    assert!(hears(&a, address(2)));
}

#[test]
fn groups_and_pairs_keep_apart_what_they_say() {
    let mut network = Network::new(None).unwrap();
    let servers: Vec<Namespace> = (1..=4).map(|n| network.plug(n).unwrap()).collect();
    network.change(|faults| faults.groups = vec![[1, 2].into(), [3, 4].into()]).unwrap();
    assert!(hears(&servers[0], address(2)));
    assert!(!answers(&servers[0], address(3)));
    assert!(hears(&servers[3], HUB));
    network.change(|faults| *faults = Faults { broken: [(1, 4)].into(), ..Faults::default() }).unwrap();
    assert!(!answers(&servers[3], address(1)));
    assert!(hears(&servers[3], address(2)));
}

/// How many of this many pings are answered.
fn answered(from: &Namespace, to: Ipv4Addr, pings: u32) -> u32 {
    let args = ["-c", &pings.to_string(), "-i", "0.01", "-W", "1", &to.to_string()];
    let text = from.command("ping", &args, "").unwrap();
    text.split(", ")
        .find_map(|part| part.strip_suffix(" received"))
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("{text}"))
}

#[test]
fn loss_is_a_share_of_the_frames() {
    let mut network = Network::new(None).unwrap();
    let (a, _b) = (network.plug(1).unwrap(), network.plug(2).unwrap());
    assert!(hears(&a, address(2)), "so that no address has to be resolved through the loss");
    network.change(|faults| faults.loss = [(2, 50)].into()).unwrap();
    let received = answered(&a, address(2), 60);
    // A quarter of 60 round trips: anything from 1 to 44 is possible by chance.
    assert!((1..45).contains(&received), "{received} of 60");
}

#[test]
fn one_way_loss_strikes_each_packet_once() {
    let mut network = Network::new(None).unwrap();
    let (a, _b) = (network.plug(1).unwrap(), network.plug(2).unwrap());
    assert!(hears(&a, address(2)));
    network.change(|faults| faults.one_way_loss = 20).unwrap();
    let received = answered(&a, address(2), 400);
    // 64 % of 400 round trips are 256, with a deviation of 10. With loss struck twice each way it would be 164, with
    // none 400.
    assert!((205..310).contains(&received), "{received} of 400");
}

#[test]
fn what_is_lost_to_the_hub_is_lost_to_nobody_else() {
    let mut network = Network::new(None).unwrap();
    let (a, _b) = (network.plug(1).unwrap(), network.plug(2).unwrap());
    assert!(hears(&a, address(2)) && hears(&a, HUB));
    network.change(|faults| faults.hub_loss = [(1, 50)].into()).unwrap();
    let received = answered(&a, HUB, 60);
    assert!((1..45).contains(&received), "{received} of 60");
    assert_eq!(answered(&a, address(2), 60), 60);
}

#[test]
fn every_port_passes_in_the_driver_and_nothing_is_mounted_for_it() {
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let before = mounts();
    let object = crate::lab::Options::built("debug").pass.unwrap();
    let network = Network::new(Some(&object)).unwrap();
    let (a, _b) = (network.plug(1).unwrap(), network.plug(2).unwrap());
    let ports = network.hub().command("ip", &["-brief", "link"], "").unwrap();
    let details = network.hub().command("ip", &["link", "show", "p1"], "").unwrap();
    assert!(details.contains("prog/xdp"), "{ports}\n{details}");
    assert!(hears(&a, address(2)));
    assert_eq!(mounts(), before);
}
