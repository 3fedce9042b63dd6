use std::collections::BTreeMap;

use serde::Deserialize;

use ringmon_core::route::Standing;

use super::*;
use crate::show::listed;

/// The documented format, and nothing else.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetGroup {
    targets: Vec<String>,
    labels: BTreeMap<String, String>,
}

fn read(text: &str) -> Vec<TargetGroup> {
    serde_json::from_str(text).unwrap()
}

#[test]
fn every_routed_server_is_a_group_with_its_labels() {
    let routes = listed(&[("a", Standing::Active), ("b", Standing::Suspect), ("c", Standing::Kept)]);
    let (text, left_out) = render(&routes, "web", None);
    let groups = read(&text);
    assert_eq!(left_out, 0);
    assert_eq!(groups.iter().map(|g| g.targets.join(",")).collect::<Vec<_>>(), ["10.0.0.1:80", "10.0.0.3:80"]);
    let labels = [
        ("__meta_ringmon_id", "1"),
        ("__meta_ringmon_name", "a"),
        ("__meta_ringmon_pool", "web"),
        ("__meta_ringmon_weight", "100"),
        ("ringmon_server", "a"),
    ];
    assert_eq!(groups[0].labels, labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
}

#[test]
fn a_server_without_a_port_gets_the_default_or_is_counted() {
    let mut routes = listed(&[("a", Standing::Active), ("b", Standing::Active), ("c", Standing::Draining)]);
    routes.servers[0].port = None;
    routes.servers[2].port = None;
    let (text, left_out) = render(&routes, "web", Some(9100));
    assert_eq!((read(&text)[0].targets[0].as_str(), left_out), ("10.0.0.1:9100", 0));
    let (text, left_out) = render(&routes, "web", None);
    assert_eq!((read(&text).len(), left_out), (1, 1), "who is not routed is not missed");
}

#[test]
fn an_address_of_version_6_stands_in_brackets_and_names_are_escaped() {
    let mut routes = listed(&[("a\"\\\n", Standing::Active)]);
    routes.servers[0].address = "2001:db8::1".parse().unwrap();
    let (text, _) = render(&routes, "web", None);
    let groups = read(&text);
    assert_eq!(groups[0].targets, ["[2001:db8::1]:80"]);
    assert_eq!(groups[0].labels["ringmon_server"], "a\"\\\n");
}

#[test]
fn nobody_routed_is_an_empty_list() {
    assert_eq!(render(&listed(&[("a", Standing::Draining)]), "web", None), ("[]".to_owned(), 0));
}
