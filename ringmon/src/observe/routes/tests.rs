use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::listen;
use super::super::tests::exposition::read;
use super::super::tests::removal;
use super::*;
use crate::show::listed;
use ringmon_core::route::{Panic, Standing};

pub fn board() -> RouteBoard {
    let count = |name, label, value| Count { name, label, value };
    let mut routes = listed(&[("a", Standing::Active), ("b", Standing::Kept), ("c", Standing::Suspect)]);
    routes.panic = Some(Panic { left: 1, of: 4 });
    let target = |target: &str, problem: Option<&str>| TargetView {
        target: target.to_owned(),
        in_step: problem.is_none(),
        problem: problem.map(str::to_owned),
    };
    RouteBoard {
        pool: "web".to_owned(),
        stale: true,
        database: Some(Away { seconds: 2.5, why: "connection refused".to_owned() }),
        routes: Arc::new(routes),
        targets: vec![target("nginx \"1\"", None), target("hook", Some("it failed"))],
        counts: vec![
            count("routes_reads", "pool", 3),
            count("routes_read_failures", "", 1),
            count("routes_notices", "", 1),
            count("routes_table_went_back", "", 1),
        ],
        default_port: None,
        members: ["a", "b", "c"]
            .into_iter()
            .zip([1, 2, 3])
            .map(|(n, at)| (n.to_owned(), [192, 0, 2, at].into()))
            .collect(),
        faults: Some(2),
        missing: [("d".to_owned(), removal())].into(),
    }
}

async fn server(first: RouteBoard) -> (SocketAddr, watch::Sender<Arc<RouteBoard>>) {
    let (sender, boards) = watch::channel(Arc::new(first));
    let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, boards, Origin { schema: 4, ca: None, clock: Default::default }));
    (addr, sender)
}

/// Returns status, headers and body.
async fn ask(addr: SocketAddr, request: &str, body: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let length = body.len();
    let head = format!("{request} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // A server that refuses a body need not read it to its end.
    let _ = stream.write_all(body.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let (status, headers) = head.split_once("\r\n").unwrap();
    (status.split(' ').nth(1).unwrap().parse().unwrap(), headers.to_lowercase(), body.to_owned())
}

async fn get(addr: SocketAddr, path: &str) -> (u16, String, String) {
    ask(addr, &format!("GET {path}"), "").await
}

async fn discover(addr: SocketAddr, body: &str) -> (u16, String, String) {
    ask(addr, "POST /v3/discovery:endpoints", body).await
}

fn parsed(answer: (u16, String, String)) -> Value {
    let (status, headers, body) = answer;
    assert_eq!(status, 200, "{body}");
    assert!(headers.contains("content-type: application/json"), "{headers}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn the_whole_board_is_json() {
    let (addr, _boards) = server(board()).await;
    let json = parsed(get(addr, "/routes").await);
    assert_eq!(json["pool"], "web");
    assert_eq!(json["stale"], true);
    assert_eq!(json["database"]["why"], "connection refused");
    assert_eq!(json["routes"]["servers"][2]["standing"], "suspect");
    assert_eq!(json["routes"]["panic"]["of"], 4);
    assert_eq!(json["targets"][1]["problem"], "it failed");
    assert_eq!(json["counts"][0]["value"], 3);
    let (status, _, body) = get(addr, "/").await;
    assert_eq!(status, 200);
    for path in ["/routes", "/http_sd", "/http_sd/all", "/v3/discovery:endpoints", "/metrics", "/healthz", "/readyz"] {
        assert!(body.contains(path), "{path} is not in the index");
    }
}

#[tokio::test]
async fn prometheus_gets_the_newest_list() {
    let (addr, boards) = server(board()).await;
    let json = parsed(get(addr, "/http_sd").await);
    assert_eq!(json.as_array().unwrap().len(), 2);
    assert_eq!(json[1]["targets"][0], "10.0.0.2:80");
    let mut routes = listed(&[("a", Standing::Active)]);
    routes.servers[0].port = None;
    boards.send_replace(Arc::new(RouteBoard { routes: Arc::new(routes), default_port: Some(9100), ..board() }));
    assert_eq!(parsed(get(addr, "/http_sd").await)[0]["targets"][0], "10.0.0.1:9100");
}

#[tokio::test]
async fn the_dead_are_targets_too_so_that_they_fail() {
    let (addr, _boards) = server(RouteBoard { default_port: Some(9100), ..board() }).await;
    let json = parsed(get(addr, "/http_sd/all").await);
    let of = |group: &Value| {
        let labels = &group["labels"];
        let word = |key: &str| labels[key].as_str().unwrap_or_default().to_owned();
        (word("ringmon_server"), word("__meta_ringmon_standing"), group["targets"][0].as_str().unwrap().to_owned())
    };
    let all: Vec<_> = json.as_array().unwrap().iter().map(of).collect();
    let target = |name: &str, standing: &str, at: &str| (name.to_owned(), standing.to_owned(), at.to_owned());
    assert_eq!(
        all,
        [
            target("a", "active", "10.0.0.1:80"),
            target("b", "kept", "10.0.0.2:80"),
            target("c", "suspect", "10.0.0.3:80"),
            target("d", "removed", "192.0.2.4:9100"),
        ]
    );
    let json = parsed(get(addr, "/http_sd/all?port=7464").await);
    let at: Vec<_> = json.as_array().unwrap().iter().map(|group| of(group).2).collect();
    assert_eq!(at, ["192.0.2.1:7464", "192.0.2.2:7464", "192.0.2.3:7464", "192.0.2.4:7464"]);
    for wrong in ["?port=", "?port=0", "?port=x", "?x"] {
        assert_eq!(get(addr, &format!("/http_sd/all{wrong}")).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn envoy_gets_the_clusters_that_it_asks_for() {
    let (addr, _boards) = server(board()).await;
    let json = parsed(discover(addr, "{}").await);
    assert_eq!(json["resources"][0]["cluster_name"], "web");
    assert_eq!(json["resources"][0]["endpoints"][0]["lb_endpoints"][2]["health_status"], "UNHEALTHY");
    let json = parsed(discover(addr, r#"{"node":{"id":"n"},"resource_names":["one","two"]}"#).await);
    let names: Vec<&Value> = json["resources"].as_array().unwrap().iter().map(|r| &r["cluster_name"]).collect();
    assert_eq!(names, ["one", "two"]);
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let (addr, _boards) = server(board()).await;
    for body in ["", "{", "[1]", r#"{"resource_names": 7}"#] {
        let (status, _, said) = discover(addr, body).await;
        assert_eq!(status, 400, "{body}");
        assert!(said.starts_with("not a DiscoveryRequest: "), "{said}");
    }
    let many = serde_json::json!({"resource_names": vec!["x"; envoy::MOST_CLUSTERS + 1]});
    assert_eq!(discover(addr, &many.to_string()).await.0, 400);
    let long = format!("{{}}{}", " ".repeat(LONGEST));
    assert_eq!(discover(addr, &long).await.0, 413);
    assert_eq!(discover(addr, &format!("{{}}{}", " ".repeat(LONGEST - 2))).await.0, 200);
    assert_eq!(get(addr, "/v3/discovery:endpoints").await.0, 405);
    assert_eq!(get(addr, "/secrets").await.0, 404);
}

#[tokio::test]
async fn nothing_known_is_not_an_empty_list() {
    let nothing = RouteBoard { routes: Arc::default(), ..board() };
    let (addr, boards) = server(nothing.clone()).await;
    let why = "no list yet: the database does not answer: connection refused\n";
    for answer in [get(addr, "/http_sd").await, get(addr, "/readyz").await, discover(addr, "{}").await] {
        assert_eq!((answer.0, answer.2.as_str()), (503, why));
    }
    boards.send_replace(Arc::new(RouteBoard { database: None, ..nothing }));
    assert_eq!(get(addr, "/readyz").await.2, "no list yet: no server of pool web was seen\n");
    assert_eq!(get(addr, "/healthz").await.0, 200);
    // All servers are known, and none is routed: that is a list, too.
    let nobody = Arc::new(listed(&[("a", Standing::Draining)]));
    boards.send_replace(Arc::new(RouteBoard { routes: nobody, ..board() }));
    assert_eq!(get(addr, "/readyz").await.0, 200);
    assert_eq!(parsed(get(addr, "/http_sd").await), serde_json::json!([]));
}

#[tokio::test]
async fn metrics_have_both_forms() {
    const OPEN: &str = "GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text\r\nX:";
    let (addr, boards) = server(board()).await;
    let (_, headers, body) = get(addr, "/metrics").await;
    assert!(headers.contains("content-type: text/plain; version=0.0.4") && body.contains("ringmon_route{"), "{body}");
    let (status, headers, body) = ask(addr, OPEN, "").await;
    assert_eq!(status, 200);
    assert!(headers.contains("content-type: application/openmetrics-text; version=1.0.0"), "{headers}");
    let page = read(&body).unwrap();
    let value = |name, labels: &[(&str, &str)]| page.value(name, labels);
    assert_eq!(value("ringmon_route", &[("server", "c"), ("standing", "suspect")]), Some(1.0));
    assert_eq!(value("ringmon_route", &[("server", "c"), ("standing", "active")]), Some(0.0));
    assert_eq!(value("ringmon_route", &[("server", "b"), ("standing", "kept")]), Some(1.0));
    assert_eq!(value("ringmon_routes_routed", &[]), Some(2.0));
    assert_eq!(value("ringmon_routes_panic", &[]), Some(1.0));
    assert_eq!(value("ringmon_routes_stale", &[]), Some(1.0));
    assert_eq!(value("ringmon_routes_database_up", &[]), Some(0.0));
    assert_eq!(value("ringmon_routes_database_away_seconds", &[]), Some(2.5));
    assert_eq!(value("ringmon_route_target_in_step", &[("target", "nginx \"1\"")]), Some(1.0));
    assert_eq!(value("ringmon_route_target_in_step", &[("target", "hook")]), Some(0.0));
    assert_eq!(value("ringmon_routes_reads_total", &[("kind", "pool")]), Some(3.0));
    assert_eq!(value("ringmon_pool_members", &[]), Some(3.0));
    assert_eq!(value("ringmon_pool_members_expected", &[]), Some(4.0));
    assert_eq!(value("ringmon_ring_faults", &[]), Some(2.0));
    let removed = value("ringmon_server_removed_timestamp_seconds", &[("server", "d"), ("kind", "down")]);
    assert_eq!(removed, Some(1_800_000_000.5));
    boards.send_replace(Arc::new(RouteBoard { database: None, ..board() }));
    let page = read(&ask(addr, OPEN, "").await.2).unwrap();
    assert_eq!(page.value("ringmon_routes_database_up", &[]), Some(1.0));
    assert_eq!(page.value("ringmon_routes_database_away_seconds", &[]), Some(0.0));
}
