//! What goes over the socket. The test plays HAProxy.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;
use tokio::sync::watch;

use super::super::command::{Answer, Change, Command};
use super::super::error::Error;
use super::super::socket::{LINE, ask, lines, split};
use super::super::{Options, SocketAt, Target, run};
use super::{route, routes};
use crate::route::Status;
use ringmon_core::route::Standing;

#[test]
fn an_empty_line_ends_an_answer() {
    assert_eq!(split("\nNo such server.\n\n\n1\n# a\nb\n\n"), ["", "No such server.\n", "", "1\n# a\nb\n"]);
    assert_eq!(split("\nNo such ser"), [""], "an answer without its end is none");
}

#[test]
fn long_lines_are_split_and_no_command_is() {
    let commands: Vec<String> = (0..1000).map(|n| format!("set server web/server-{n} state maint")).collect();
    let lines = lines(&commands);
    assert_eq!(lines.iter().sum::<usize>(), 1000);
    let mut rest = commands.as_slice();
    for count in lines {
        let (line, after) = rest.split_at(count);
        assert!(line.join(";").len() < LINE);
        assert!(after.first().is_none_or(|next| line.join(";").len() + next.len() + 2 > LINE), "lines are full");
        rest = after;
    }
    assert_eq!(super::super::socket::lines(&["x".repeat(LINE * 2), "y".into()]), [1, 1]);
}

#[test]
fn answers_mean_what_haproxy_says() {
    let answer = |change, text: &str| Command { server: "one".into(), change }.answer(text);
    let address = Change::Address { address: [10, 0, 0, 1].into(), port: None };
    assert_eq!(
        answer(address.clone(), "IP changed from '::1' to '10.0.0.1' by 'stats socket command'\n"),
        Answer::Done
    );
    assert_eq!(answer(address, "Invalid addr 'x' by 'stats socket command'\n"), {
        Answer::Refused("Invalid addr 'x' by 'stats socket command'".into())
    });
    assert_eq!(answer(Change::Weight(1), "No such server.\n"), Answer::Refused("No such server.".into()));
    assert_eq!(answer(Change::Weight(1), "Permission denied\n"), Answer::Denied);
    let busy = "Server still has connections attached to it, cannot remove it.\n";
    assert_eq!(answer(Change::Delete, busy), Answer::Waits);
}

/// Sends the given answers, and returns what it was sent.
fn fake(
    reply: impl Fn(&str) -> Vec<u8> + Send + 'static,
) -> (tempfile::TempDir, SocketAt, watch::Receiver<Vec<String>>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let (told, heard) = watch::channel(Vec::new());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            let _ = stream.read_line(&mut line).await;
            let answer = reply(&line);
            told.send_modify(|lines| lines.push(line));
            let _ = stream.write_all(&answer).await;
            if answer.is_empty() {
                // It hangs for as long as the other end waits.
                let _ = stream.read_line(&mut String::new()).await;
            }
        }
    });
    (dir, SocketAt::Path(path), heard)
}

const STATE: &str = "\n1
# be_name srv_id srv_name srv_addr srv_admin_state srv_uweight srv_check_state srv_port
b 1 one 10.0.0.1 0 1 0 80
b 2 two 10.0.0.2 0 1 0 80

";

#[tokio::test]
async fn taking_a_server_out_is_one_round_trip() {
    let state = |line: &str| if line.contains("show") { STATE.into() } else { "\n".into() };
    let (_dir, socket, mut heard) = fake(state);
    let both = |two| Arc::new(routes([route(1, "one", Standing::Active), route(2, "two", two)]));
    let (list, listened) = watch::channel(both(Standing::Active));
    let (report, mut status) = watch::channel(Status::default());
    let options = Options { every: Duration::from_secs(3600), ..Options::default() };
    let task = tokio::spawn(run(Target { socket, backend: "b".into(), options }, listened, report));
    super::rig::soon(status.wait_for(|status| status.in_step)).await.unwrap();
    list.send_replace(both(Standing::Suspect));
    super::rig::soon(status.wait_for(|status| status.applied == 1)).await.unwrap();
    let lines = heard.borrow_and_update().clone();
    assert_eq!(lines, ["experimental-mode on;show servers state b\n", "set server b/two state maint\n"]);
    task.abort();
}

#[tokio::test]
async fn whatever_it_says_there_is_an_end() {
    let (_dir, socket, _) = fake(|_| Vec::new());
    assert!(matches!(super::rig::soon(ask(&socket, &["x".into()])).await, Err(Error::Late { .. })));
    let (_dir, socket, _) = fake(|_| vec![b'x'; 17 << 20]);
    assert!(matches!(super::rig::soon(ask(&socket, &["x".into()])).await, Err(Error::TooLong { .. })));
    let (_dir, socket, _) = fake(|_| b"\n\n".to_vec());
    let three = ["x".into(), "y".into(), "z".into()];
    let cut = super::rig::soon(ask(&socket, &three)).await;
    assert!(matches!(cut, Err(Error::Cut { answers: 2, commands: 3 })), "{cut:?}");
}
