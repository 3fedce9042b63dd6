//! `pool ...`.

use serde_json::{Value, json};

use crate::kit::{Lab, POOL};

fn shown(lab: &Lab) -> Value {
    serde_json::from_str(&lab.says(&["pool", "show", "--json"]).out).unwrap()
}

#[test]
fn the_rules_are_shown_and_the_key_never() {
    let lab = Lab::new();
    let said = lab.says(&["pool", "show"]);
    assert_eq!(
        said.out,
        "pool           lab\nquorum         both\nagent_timeout  3s\nbrake          0.5\nalone          one\n\
         mode           act\nfrozen         no\nkeys           1 (never shown)\n\
         gone           nobody\n"
    );
    assert_eq!(
        shown(&lab),
        json!({
            "pool": POOL, "quorum": "both", "agent_timeout_seconds": 3.0, "brake": 0.5, "alone": "one",
            "mode": "act", "frozen": null, "key_ids": [1], "gone": [],
        })
    );
}

#[test]
fn rules_are_set_and_what_they_cost_is_said() {
    let lab = Lab::new();
    let said =
        lab.says(&["pool", "set", "quorum=single", "agent_timeout=1500ms", "brake=1", "alone=all", "mode=observe"]);
    assert_eq!(said.code, 0);
    for warned in ["quorum=single: ", "brake=1: ", "alone=all: ", "mode=observe: "] {
        assert!(said.err.contains(warned), "{}", said.err);
    }
    let pool = shown(&lab);
    assert_eq!((&pool["quorum"], &pool["agent_timeout_seconds"]), (&json!("single"), &json!(1.5)));
    assert_eq!((&pool["brake"], &pool["alone"], &pool["mode"]), (&json!(1.0), &json!("all"), &json!("observe")));
    assert_eq!(lab.says(&["pool", "set", "quorum=both", "agent_timeout=1h"]).code, 0);
    let pool = shown(&lab);
    assert_eq!(
        (&pool["alone"], &pool["agent_timeout_seconds"]),
        (&json!("all"), &json!(3600.0)),
        "what is not said stays"
    );
}

#[test]
fn settings_that_mean_nothing_change_nothing() {
    let lab = Lab::new();
    let before = shown(&lab);
    let rules = "quorum, agent_timeout, brake, alone, mode";
    for (setting, said) in [
        ("quorun=single", format!("there is no rule \"quorun\"; rules are {rules}; did you mean quorum?")),
        ("colour=red", format!("there is no rule \"colour\"; rules are {rules}")),
        ("quorum", format!("\"quorum\" is no KEY=VALUE; rules are {rules}")),
        ("quorum=three", "quorum is \"three\": it must be one of both, single".to_owned()),
        ("brake=2", "brake is \"2\": it must be a share of the pool from 0 to 1, like 0.5; 1 is no brake".to_owned()),
        (
            "brake=NaN",
            "brake is \"NaN\": it must be a share of the pool from 0 to 1, like 0.5; 1 is no brake".to_owned(),
        ),
        (
            "agent_timeout=5",
            "agent_timeout is \"5\": it must be a length of time from 100ms to 1h, like 500ms, 5s or 2m".to_owned(),
        ),
        (
            "agent_timeout=2h",
            "agent_timeout is \"2h\": it must be a length of time from 100ms to 1h, like 500ms, 5s or 2m".to_owned(),
        ),
    ] {
        let answer = lab.says(&["pool", "set", "mode=observe", setting]);
        assert_eq!((answer.code, answer.err), (2, format!("ringmon: {said}\n")));
    }
    let twice = lab.says(&["pool", "set", "mode=observe", "mode=act"]);
    assert_eq!((twice.code, twice.err.as_str()), (2, "ringmon: mode is said twice\n"));
    assert_eq!(shown(&lab), before);
}

#[test]
fn a_pool_is_frozen_and_thawed() {
    let lab = Lab::new();
    let said = lab.says(&["pool", "freeze", "--why", "moving racks"]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (0, "pool lab is frozen (moving racks): nobody is removed until `ringmon pool thaw`\n")
    );
    assert_eq!(shown(&lab)["frozen"], "moving racks");
    let said = lab.says(&["pool", "thaw"]);
    assert_eq!((said.code, said.out.as_str()), (0, "pool lab is not frozen\n"));
    assert_eq!(lab.says(&["pool", "thaw"]).code, 0, "twice is no mistake");
    assert_eq!(shown(&lab)["frozen"], Value::Null);
}

#[test]
fn pools_are_listed_made_and_deleted() {
    let lab = Lab::ring(&["a", "b"]);
    let said = lab.says(&["pool", "create", "web", "--quorum", "single"]);
    assert_eq!((said.code, said.out.as_str()), (0, "created pool web with a new key, quorum single\n"), "{said:?}");
    let again = lab.says(&["pool", "create", "web"]);
    assert_eq!(again.code, 78);
    assert!(again.err.contains("there is a pool 'web' in") && again.err.contains("left as it is"), "{}", again.err);
    let said = lab.says(&["pool", "list"]);
    assert_eq!(
        said.out,
        " pool  servers  quorum  mode  brake  frozen\n lab   2        both    act   0.5    no\n \
         web   0        single  act   0.5    no\n",
        "{}",
        said.out
    );
    let listed: Value = serde_json::from_str(&lab.says(&["pool", "list", "--json"]).out).unwrap();
    assert_eq!((&listed[0]["pool"], &listed[0]["servers"]), (&json!(POOL), &json!(2)));
    assert_eq!((&listed[1]["pool"], &listed[1]["key_ids"]), (&json!("web"), &json!([1])));

    let said = lab.says(&["pool", "delete", "web"]);
    assert_eq!((said.code, said.out.as_str()), (0, "deleted pool web with its rules, its keys and 0 events\n"));
    let said = lab.says(&["pool", "delete", POOL]);
    assert_eq!(said.code, 78);
    assert!(said.err.contains("has 2 servers: stop their agents, or take them out with `ringmon remove NAME`"));
    let said = lab.says(&["pool", "delete", "web"]);
    assert_eq!(said.code, 78);
    assert!(said.err.contains("there is no pool 'web'"), "{}", said.err);
    assert_eq!(lab.says(&["pool", "create", "a b"]).code, 2, "no name");
}

/// Nothing listens on these addresses.
#[test]
fn a_key_that_agents_do_not_show_to_know_replaces_none() {
    let lab = Lab::ring(&["a", "b"]);
    for _ in 0..2 {
        let said = lab.says(&["pool", "rotate-key", "--within", "1s"]);
        assert_eq!(said.code, 69, "{said:?}");
        assert!(
            said.err.contains("a, b not seen to accept key 2 after 1s. Both keys hold, nobody is harmed"),
            "{}",
            said.err
        );
        assert_eq!(shown(&lab)["key_ids"], json!([1, 2]));
    }
    let wrong = lab.says(&["pool", "rotate-key", "--within", "soon"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("a length of time like 90s, 15m, 12h or 30d"), "{}", wrong.err);
}

#[test]
fn the_key_of_a_pool_without_servers_is_changed_at_once() {
    let lab = Lab::new();
    let said = lab.says(&["pool", "rotate-key"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(
        said.out,
        "1 of 3: pool lab accepts key 2 beside key 1\n2 of 3: every agent accepts key 2; it is used from now on\n\
         3 of 3: every agent uses key 2; key 1 is out of the table, and agents forget it within half a minute\n"
    );
    assert_eq!(shown(&lab)["key_ids"], json!([2]));
}
