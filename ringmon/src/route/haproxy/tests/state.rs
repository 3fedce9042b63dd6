//! Answers as HAProxy 2.6 gave them, and worse ones.

use proptest::prelude::*;

use super::super::command::State;
use super::super::error::Error;
use super::super::state::parse;

const ANSWER: &str = "1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight \
srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state \
srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl \
srv_check_port srv_check_addr srv_agent_addr srv_agent_port
3 b 1 one fd00::1 0 1 256 1 0 1 0 0 0 0 0 0 - 5 - 0 0 - - 0
3 b 2 two 127.0.0.1 0 8 0 1 0 8 2 0 6 0 0 0 - 19002 - 0 0 - - 0
3 b 1300000005 six - 2 32 7 7 0 1 0 0 0 0 0 1 six.example 80 - 0 0 - - 0
4 other 1 one 127.0.0.1 2 0 1 1 0 1 0 2 0 0 0 0 - 19001 - 0 0 - - 0
";

#[test]
fn servers_are_read_by_the_names_of_the_columns() {
    let servers = parse(ANSWER, "b").unwrap();
    assert_eq!(servers.keys().collect::<Vec<_>>(), ["one", "six", "two"]);
    let one = &servers["one"];
    assert_eq!((one.address, one.port, one.weight), (Some("fd00::1".parse().unwrap()), 5, 256));
    assert_eq!((one.state, one.ours, one.checks), (State::Maint, false, false));
    let two = &servers["two"];
    assert_eq!((two.state, two.weight, two.checks), (State::Drain, 0, true));
    // Its name does not resolve (bit 32): the resolver set that, so it is no maintenance that ringmon can end.
    let six = &servers["six"];
    assert_eq!((six.state, six.ours, six.address), (State::Ready, true, None));
}

#[test]
fn what_cannot_be_read_says_why() {
    assert!(matches!(parse("Can't find backend.\n", "b"), Err(Error::NoBackend(name)) if name == "b"));
    for (text, why) in [
        ("", "begins with"),
        ("2\n# be_name\n", "begins with `2`"),
        ("1\n", "no column"),
        (&ANSWER.replace("srv_admin_state", "x"), "no column `srv_admin_state`"),
        (&ANSWER.replace("0 8 0 1", "0 ? 0 1"), "`?` is no srv_admin_state"),
        (&ANSWER[..ANSWER.find(" 19002").unwrap()], "`` is no srv_port"),
    ] {
        let error = parse(text, "b").unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(cut in 0..ANSWER.len(), junk in "\\PC{0,20}|[0-9 \n#]{0,20}") {
        let _ = parse(&format!("{}{junk}{}", &ANSWER[..cut], &ANSWER[cut..]), "b");
        let _ = parse(&junk, "b");
    }
}
