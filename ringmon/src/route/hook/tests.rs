use std::path::PathBuf;

use super::super::kit::{EAGER, PATIENT, Wires, active, is_gone, lines, script, until};
use super::*;
use crate::show::listed;

/// A hook, and the folder of its script.
struct Kit {
    folder: tempfile::TempDir,
    wires: Wires,
}

impl Kit {
    fn start(text: &str, limit: Duration, pace: Pace, first: Routes) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let target = HookTarget { line: script(folder.path(), text), limit };
        let (wires, lists, report) = Wires::new(first);
        tokio::spawn(paced(target, pace, lists, "web".to_owned(), report));
        Self { folder, wires }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn messages(&self) -> Vec<serde_json::Value> {
        lines(&self.at("out")).iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

const LONG: Duration = Duration::from_secs(30);

fn change<'a>(name: &'a str, was: Option<Standing>, now: Option<Standing>) -> Change<'a> {
    Change { name, was, now }
}

#[test]
fn changes_are_told_by_name() {
    let was = listed(&[("a", Standing::Active), ("b", Standing::Active), ("c", Standing::Active)]);
    let mut now = listed(&[("a", Standing::Active), ("b", Standing::Suspect)]);
    let active = Some(Standing::Active);
    let expected = [change("b", active, Some(Standing::Suspect)), change("c", active, None)];
    assert_eq!(changes(&was, &now), expected);
    assert_eq!(changes(&Routes::default(), &now).first(), Some(&change("a", None, active)));
    now.servers.truncate(1);
    now.servers[0].weight = 7;
    assert_eq!(changes(&was, &now)[0], change("a", active, active));
}

#[tokio::test]
async fn each_list_is_told_once() {
    let mut kit = Kit::start("cat >> $D/out", LONG, EAGER, active(&["a"]));
    kit.wires.in_step(1).await;
    kit.wires.send(active(&["a"]));
    kit.wires.send(listed(&[("a", Standing::Draining)]));
    kit.wires.in_step(2).await;
    let messages = kit.messages();
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0]["pool"], "web");
    assert_eq!(messages[0]["routes"][0]["address"], "10.0.0.1");
    assert_eq!(messages[0]["routes"][0]["routed"], true);
    assert_eq!(messages[0]["changed"], serde_json::json!([{"name": "a", "was": null, "now": "active"}]));
    assert_eq!(messages[1]["changed"], serde_json::json!([{"name": "a", "was": "active", "now": "draining"}]));
    assert_eq!(messages[1]["panic"], serde_json::Value::Null);
}

#[tokio::test]
async fn after_a_failure_the_changes_count_from_what_was_taken() {
    let text = "test -e $D/fine || { echo not yet >&2; exit 1; }; cat >> $D/out";
    let mut kit = Kit::start(text, LONG, EAGER, active(&["a"]));
    assert_eq!(kit.wires.problem("the hook").await, "the hook `sh` failed (exit status: 1): not yet");
    kit.wires.send(listed(&[("a", Standing::Failing)]));
    std::fs::write(kit.at("fine"), "").unwrap();
    kit.wires.until("told", |status| status.in_step).await;
    let last = kit.messages().pop().unwrap();
    assert_eq!(last["changed"], serde_json::json!([{"name": "a", "was": null, "now": "failing"}]));
}

#[tokio::test]
async fn only_one_runs_and_the_newest_list_is_next() {
    let text = "mkdir $D/busy || exit 9; cat >> $D/out; echo x >> $D/started; \
                while [ ! -e $D/go ]; do sleep 0.01; done; rmdir $D/busy";
    let mut kit = Kit::start(text, LONG, PATIENT, active(&["a"]));
    until("started", || lines(&kit.at("started")).len() == 1).await;
    kit.wires.send(active(&["a", "b"]));
    kit.wires.send(active(&["a", "b", "c"]));
    std::fs::write(kit.at("go"), "").unwrap();
    kit.wires.in_step(2).await;
    let messages = kit.messages();
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[1]["routes"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_hook_that_hangs_is_killed_with_its_children_and_the_next_list_is_told() {
    let text = "read line; echo \"$line\" | grep -q '\"b\"' && exit 0; \
                sleep 1000 & echo $! >> $D/pids; echo $$ >> $D/pids; echo stuck >&2; wait";
    let mut kit = Kit::start(text, Duration::from_secs(2), PATIENT, active(&["a"]));
    assert_eq!(kit.wires.problem("killed").await, "the hook `sh` was killed after 2s: stuck");
    let pids = lines(&kit.at("pids"));
    assert_eq!(pids.len(), 2);
    until("gone", || pids.iter().all(|pid| is_gone(pid))).await;
    kit.wires.send(active(&["a", "b"]));
    assert_eq!(kit.wires.in_step(1).await.problem, None);
}
