//! The list as Envoy reads it: the answer of an endpoint discovery service, REST or file
//! (`envoy/service/discovery/v3/discovery.proto` and `envoy/config/endpoint/v3/endpoint{,_components}.proto`, as JSON).
//!
//! The list has all known servers. A server that is not routed has a `health_status` that says so, and Envoy's own page
//! (`/clusters`) then shows why it gets no clients. Envoy's panic threshold counts these servers, so turn it off in the
//! cluster: this list has a threshold of its own.

use ringmon_common::siphash::SipHash24;
use serde::Deserialize;
use serde_json::{Value, json};

use ringmon_core::route::{Route, Routes, Standing};

/// The type of the resources.
pub const TYPE_URL: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";

/// The pool is repeated for every cluster in the request. This bound keeps a small request from asking for a huge
/// answer.
pub const MOST_CLUSTERS: usize = 64;

/// The part of a `DiscoveryRequest` that matters here. Unknown fields are ignored, because Envoy adds new ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Request {
    /// The clusters that it asks for; empty: all.
    #[serde(alias = "resourceNames")]
    pub resource_names: Vec<String>,
}

/// The document, and how many servers it leaves out because they have no port and there is no default. Every cluster in
/// the request gets this pool's servers. A request without clusters gets one with the pool's name.
#[must_use]
pub fn render(routes: &Routes, pool: &str, clusters: &[String], default_port: Option<u16>) -> (String, usize) {
    let weighted = routes.routed().any(|route| route.weight > 0);
    let (mut endpoints, mut left_out) = (Vec::new(), 0);
    for route in &routes.servers {
        match route.port.or(default_port) {
            Some(port) => endpoints.push(endpoint(route, port, weighted)),
            None => left_out += 1,
        }
    }
    let mut names: Vec<&str> = clusters.iter().map(String::as_str).take(MOST_CLUSTERS).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        names.push(pool);
    }
    let assignment =
        |name| json!({"@type": TYPE_URL, "cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]});
    let resources = Value::from(names.into_iter().map(assignment).collect::<Vec<_>>());
    // The same list has the same version on every router. It is not secret, so the key is zero.
    let version = format!("{:016x}", SipHash24::of(&[0; 16], resources.to_string().as_bytes()));
    (json!({"version_info": version, "type_url": TYPE_URL, "resources": resources}).to_string(), left_out)
}

fn endpoint(route: &Route, port: u16, weighted: bool) -> Value {
    let address = json!({"socket_address": {"address": route.address, "port_value": port}});
    json!({
        "endpoint": {"address": address, "hostname": route.name},
        "health_status": health(route, weighted),
        // The proto demands at least 1.
        "load_balancing_weight": route.weight.max(1),
    })
}

/// A routed server of weight 0 gets no clients while others have weights, as in [`Routes::pick`]. Envoy knows no weight
/// 0. Draining has the same effect, and keeps what is under way.
fn health(route: &Route, weighted: bool) -> &'static str {
    match route.standing {
        Standing::Active | Standing::Kept if route.weight == 0 && weighted => "DRAINING",
        Standing::Active | Standing::Kept => "HEALTHY",
        Standing::Draining => "DRAINING",
        Standing::Failing | Standing::Suspect => "UNHEALTHY",
    }
}

#[cfg(test)]
mod tests;
