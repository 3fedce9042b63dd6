use proptest::prelude::*;

use super::super::metrics::render;
use super::exposition::{Page, read};
use super::{board, machine, origin, watch};

fn page(board: std::sync::Arc<crate::show::Board>) -> Page {
    let text = render(board, &origin(), machine()).unwrap();
    read(&text).unwrap_or_else(|why| panic!("{why}\n{text}"))
}

#[test]
fn every_number_is_there_under_its_name() {
    let page = page(board(vec![watch(0, "b", "alive"), watch(1, "c", "suspect")]));
    let b = &[("server", "b"), ("purpose", "buddy")][..];
    for (name, labels, value) in [
        ("ringmon_probes_sent_total", b, 100.0),
        ("ringmon_probes_unsent_total", b, 4.0),
        ("ringmon_probes_unresolved_total", b, 1.0),
        ("ringmon_replies_total", b, 97.0),
        ("ringmon_replies_late_total", b, 2.0),
        ("ringmon_misses_total", b, 3.0),
        ("ringmon_consecutive_misses", b, 1.0),
        ("ringmon_silence_seconds", b, 1.0),
        ("ringmon_watch_state", &[("server", "b"), ("purpose", "buddy"), ("state", "alive")], 1.0),
        ("ringmon_watch_state", &[("server", "b"), ("purpose", "buddy"), ("state", "suspect")], 0.0),
        ("ringmon_watch_state", &[("server", "c"), ("purpose", "buddy"), ("state", "suspect")], 1.0),
        ("ringmon_rtt_seconds_count", b, 33.0),
        ("ringmon_agent_info", &[("name", "a"), ("address", "192.0.2.7"), ("interface", "eth0")], 1.0),
        ("ringmon_link_up", &[], 1.0),
        ("ringmon_draining", &[], 0.0),
        ("ringmon_broken_link", &[("server", "e"), ("direction", "out")], 1.0),
        ("ringmon_server_removed_timestamp_seconds", &[("server", "d"), ("kind", "down")], 1_800_000_000.5),
        ("ringmon_notices_undelivered_total", &[("peer", "192.0.2.3")], 6.0),
        ("ringmon_database_operation_seconds_bucket", &[("le", "0.005")], 2.0),
        ("ringmon_database_operation_seconds_bucket", &[("le", "+Inf")], 3.0),
        ("ringmon_incidents_total", &[("kind", "event_lost")], 1.0),
        ("ringmon_datapath_info", &[("mode", "xdp-native")], 1.0),
        ("ringmon_phase", &[("phase", "member")], 1.0),
        ("ringmon_phase", &[("phase", "joining")], 0.0),
        ("ringmon_incarnation", &[], 1.7e15),
        ("ringmon_frozen", &[], 1.0),
        ("ringmon_braked", &[], 1.0),
        ("ringmon_observing", &[], 1.0),
        ("ringmon_votes_total", &[], 4.0),
        ("ringmon_removals_total", &[], 5.0),
        ("ringmon_rejoins_total", &[], 1.0),
        ("ringmon_voids_total", &[("reason", "link_down")], 2.0),
        ("ringmon_held_total", &[("rule", "too_young")], 3.0),
        ("ringmon_database_up", &[], 0.0),
        ("ringmon_database_away_seconds", &[], 2.0),
        ("ringmon_table_went_back_total", &[], 1.0),
        ("ringmon_answer_wait_seconds", &[], 0.073),
        ("ringmon_alone", &[], 1.0),
        ("ringmon_verdicts_total", &[("kind", "answered")], 7.0),
        ("ringmon_verdicts_total", &[("kind", "wrong_tag")], 8.0),
        ("ringmon_notices_total", &[("kind", "sent")], 9.0),
        ("ringmon_check_passing", &[("check", "tcp:127.0.0.1:80")], 1.0),
        ("ringmon_check_passing", &[("check", "exec:/a \"b\"")], 0.0),
        ("ringmon_check_seconds", &[("check", "tcp:127.0.0.1:80")], 0.002),
        ("ringmon_events_total", &[("kind", "unwritten")], 1.0),
    ] {
        assert_eq!(page.value(name, labels), Some(value), "{name} {labels:?}");
    }
}

#[test]
fn a_check_without_a_result_is_neither_good_nor_bad() {
    let page = page(board(vec![]));
    assert_eq!(page.value("ringmon_check_passing", &[("check", "systemd:x.service")]), None);
}

#[test]
fn round_trips_are_in_seconds_and_none_is_lost() {
    let page = page(board(vec![watch(0, "b", "alive")]));
    let bucket =
        |le: &str| page.value("ringmon_rtt_seconds_bucket", &[("server", "b"), ("purpose", "buddy"), ("le", le)]);
    assert_eq!(bucket("0.000004096"), None, "ten buckets are enough");
    assert_eq!(bucket("0.000016384"), Some(30.0));
    assert_eq!(bucket("4.294967296"), Some(30.0));
    assert_eq!(bucket("+Inf"), Some(33.0));
}

#[test]
fn a_watch_that_ended_is_gone_from_the_page() {
    let before = render(board(vec![watch(0, "b", "alive"), watch(1, "c", "alive")]), &origin(), machine()).unwrap();
    let after = render(board(vec![watch(0, "b", "alive")]), &origin(), machine()).unwrap();
    assert!(before.contains(r#"server="c""#));
    assert!(!after.contains(r#"server="c""#), "{after}");
}

#[test]
fn every_sample_but_those_of_the_process_names_the_pool() {
    let page = page(board(vec![watch(0, "b", "alive")]));
    for sample in &page.0 {
        let process = sample.name.starts_with("process_");
        assert_eq!(sample.labels.get("pool").map(String::as_str), (!process).then_some("web \"1\""), "{sample:?}");
    }
    assert!(page.value("process_threads", &[]).is_some_and(|threads| threads >= 1.0));
    assert_eq!(page.value("ringmon_incidents_total", &[("kind", "stamped")]), None, "a probe that left is no incident");
}

#[test]
fn an_empty_board_is_a_page_too() {
    let page = page(std::sync::Arc::default());
    assert_eq!(page.value("ringmon_database_up", &[]), Some(1.0));
    assert_eq!(page.value("ringmon_datapath_info", &[("mode", "none")]), Some(1.0));
}

proptest! {
    #[test]
    fn no_name_breaks_a_page(names in proptest::collection::vec(any::<String>(), 1..4)) {
        let watches = (0..).zip(&names).map(|(slot, name)| watch(slot, name, "alive")).collect();
        let page = page(board(watches));
        for name in &names {
            let sent = page.value("ringmon_probes_sent_total", &[("server", name), ("purpose", "buddy")]);
            prop_assert_eq!(sent, Some(100.0));
        }
    }
}
