//! After the demo: a pool to look at.

use std::time::Duration;

use ringmon_tests::lab::Lab;
use ringmon_tests::undo;

/// Says how to look at the pool, and goes on printing transitions until a signal ends this process with this exit code.
///
/// # Errors
/// An event log cannot be read any more.
pub fn until_ctrl_c(lab: &mut Lab, code: i32) -> anyhow::Result<()> {
    undo::end_by_signal(code);
    eprintln!("{}", how_to_look(lab));
    loop {
        lab.listen()?;
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn how_to_look(lab: &Lab) -> String {
    let binary = lab.binary().display().to_string();
    let environment: Vec<String> = lab
        .environment()
        .iter()
        .map(|(name, value)| format!("{}='{}'", name.to_string_lossy(), value.to_string_lossy()))
        .collect();
    let hub = lab.network.hub().path();
    let mut lines = vec![
        "It goes on until Ctrl-C. In another terminal, as root:".to_owned(),
        format!("  export {}", environment.join(" ")),
        format!("  nsenter --net={hub} {binary} ring show"),
    ];
    for server in lab.servers() {
        if let Some(pid) = server.agent().ok().filter(|agent| agent.ended().is_none()).map(|agent| agent.pid()) {
            lines.push(format!("  nsenter --net=/proc/{pid}/ns/net {binary} status    # {}", server.name));
            lines.push(format!("    kill -9 {pid}    # its agent; log and events are in {}", server.folder.display()));
        }
    }
    lines.join("\n")
}
