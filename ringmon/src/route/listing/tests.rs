use std::fs;

use super::super::kit::{Wires, active};
use super::*;

/// What a file of this format contains after a list of one server, and after one of two.
async fn written(format: Format) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list.json");
    let (mut wires, lists, report) = Wires::new(active(&["a"]));
    tokio::spawn(run(ListingTarget { path: path.clone(), format }, lists, "web".to_owned(), report));
    wires.in_step(1).await;
    let first = fs::read_to_string(&path).unwrap();
    wires.send(active(&["a", "b"]));
    wires.in_step(2).await;
    (first, fs::read_to_string(&path).unwrap())
}

#[tokio::test]
async fn each_format_follows_the_list() {
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let (first, second) = written(Format::Prometheus { default_port: None }).await;
    assert_eq!(json(&first)[0]["targets"][0], "10.0.0.1:80");
    assert_eq!(json(&second)[1]["targets"][0], "10.0.0.2:80");
    let (first, second) = written(Format::Envoy { cluster: Some("c".to_owned()), default_port: None }).await;
    assert_eq!(json(&first)["resources"][0]["cluster_name"], "c");
    assert_ne!(json(&first)["version_info"], json(&second)["version_info"]);
    let (_, second) = written(Format::Json).await;
    assert_eq!(json(&second)["routed"][1]["name"], "b");
    assert_eq!(json(&second)["servers"][0]["routed"], true);
}

#[tokio::test]
async fn a_missing_folder_is_a_problem_until_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("later/list.json");
    let (mut wires, lists, report) = Wires::new(active(&["a"]));
    let target = ListingTarget { path: path.clone(), format: Format::Json };
    tokio::spawn(run(target, lists, "web".to_owned(), report));
    wires.problem("is there a folder").await;
    fs::create_dir(path.parent().unwrap()).unwrap();
    wires.in_step(1).await;
    assert!(path.exists());
}
