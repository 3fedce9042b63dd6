//! These tests have no Envoy. Instead they have the messages of the published protos (API v3), field by field, in the
//! JSON form of proto3. They refuse a field that the protos do not have, a type that the protos do not give, and a
//! value that their `validate.rules` forbid.

use serde::Deserialize;

use super::*;
use crate::show::listed;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DiscoveryResponse {
    version_info: String,
    resources: Vec<ClusterLoadAssignment>,
    type_url: String,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClusterLoadAssignment {
    #[serde(rename = "@type")]
    any: String,
    cluster_name: String,
    endpoints: Vec<LocalityLbEndpoints>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct LocalityLbEndpoints {
    lb_endpoints: Vec<LbEndpoint>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct LbEndpoint {
    endpoint: Endpoint,
    health_status: HealthStatus,
    /// `UInt32Value`, `gte: 1`.
    load_balancing_weight: std::num::NonZeroU32,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Endpoint {
    address: Address,
    hostname: String,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Address {
    socket_address: SocketAddress,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct SocketAddress {
    /// For EDS: a direct IP address, without brackets.
    address: std::net::IpAddr,
    /// `lte: 65535`.
    port_value: u16,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum HealthStatus {
    Healthy,
    Unhealthy,
    Draining,
}

fn read(routes: &Routes, clusters: &[&str], default_port: Option<u16>) -> (DiscoveryResponse, usize) {
    let clusters: Vec<String> = clusters.iter().map(|&name| name.to_owned()).collect();
    let (text, left_out) = render(routes, "web", &clusters, default_port);
    let response: DiscoveryResponse = serde_json::from_str(&text).unwrap();
    assert_eq!(response.type_url, "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment");
    for resource in &response.resources {
        assert_eq!(resource.any, response.type_url);
        assert!(!resource.cluster_name.is_empty(), "min_len: 1");
        assert_eq!(resource.endpoints.len(), 1, "one locality, or priorities would be needed");
    }
    (response, left_out)
}

fn statuses(response: &DiscoveryResponse) -> Vec<(&str, &HealthStatus, u32)> {
    let all = &response.resources[0].endpoints[0].lb_endpoints;
    all.iter().map(|e| (e.endpoint.hostname.as_str(), &e.health_status, e.load_balancing_weight.get())).collect()
}

#[test]
fn every_standing_has_a_health() {
    let routes = listed(&[
        ("a", Standing::Active),
        ("d", Standing::Draining),
        ("f", Standing::Failing),
        ("k", Standing::Kept),
        ("s", Standing::Suspect),
    ]);
    let (response, left_out) = read(&routes, &[], None);
    assert_eq!(left_out, 0);
    assert_eq!(response.resources[0].cluster_name, "web");
    let expected = [
        ("a", &HealthStatus::Healthy, 100),
        ("d", &HealthStatus::Draining, 100),
        ("f", &HealthStatus::Unhealthy, 100),
        ("k", &HealthStatus::Healthy, 100),
        ("s", &HealthStatus::Unhealthy, 100),
    ];
    assert_eq!(statuses(&response), expected);
}

#[test]
fn weight_0_drains_unless_nobody_has_a_weight() {
    let mut routes = listed(&[("a", Standing::Active), ("b", Standing::Active)]);
    routes.servers[0].weight = 0;
    let expected = [("a", &HealthStatus::Draining, 1), ("b", &HealthStatus::Healthy, 100)];
    assert_eq!(statuses(&read(&routes, &[], None).0), expected);
    routes.servers[1].standing = Standing::Failing;
    let expected = [("a", &HealthStatus::Healthy, 1), ("b", &HealthStatus::Unhealthy, 100)];
    assert_eq!(statuses(&read(&routes, &[], None).0), expected);
}

#[test]
fn a_client_gets_the_clusters_that_it_asks_for() {
    let routes = listed(&[("a", Standing::Active)]);
    let (response, _) = read(&routes, &["y", "x", "y"], None);
    let names: Vec<&str> = response.resources.iter().map(|r| r.cluster_name.as_str()).collect();
    assert_eq!(names, ["x", "y"]);
    assert_eq!(response.resources[0].endpoints, response.resources[1].endpoints);
    let many: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(read(&routes, &many, None).0.resources.len(), MOST_CLUSTERS);
}

#[test]
fn the_version_changes_with_the_list_and_only_with_it() {
    let mut routes = listed(&[("a", Standing::Active)]);
    let version = |routes: &Routes| read(routes, &[], None).0.version_info;
    let first = version(&routes);
    assert_eq!(first, version(&routes.clone()));
    routes.servers[0].weight = 99;
    assert_ne!(first, version(&routes));
}

#[test]
fn ports_and_addresses() {
    let mut routes = listed(&[("a", Standing::Active), ("b", Standing::Active)]);
    routes.servers[0].port = None;
    routes.servers[1].address = "2001:db8::1".parse().unwrap();
    let (response, left_out) = read(&routes, &[], None);
    assert_eq!((response.resources[0].endpoints[0].lb_endpoints.len(), left_out), (1, 1));
    let (response, left_out) = read(&routes, &[], Some(8080));
    let first = &response.resources[0].endpoints[0].lb_endpoints[0].endpoint.address.socket_address;
    assert_eq!((first.port_value, left_out), (8080, 0));
}

#[test]
fn a_request_may_say_more_than_is_read() {
    let request = |text| serde_json::from_str::<Request>(text);
    let text = r#"{"version_info":"1","node":{"id":"x","extensions":[{}]},"resource_names":["web"],"type_url":"t"}"#;
    assert_eq!(request(text).unwrap().resource_names, ["web"]);
    assert_eq!(request(r#"{"resourceNames":["web"]}"#).unwrap().resource_names, ["web"]);
    assert_eq!(request("{}").unwrap(), Request::default());
    assert!(request(r#"{"resource_names":"web"}"#).is_err());
}
