//! The pages that people type from: `docs/getting-started.md` works from top to bottom, and the `ringmon` commands in
//! the code blocks of some pages exist, with the flags that the pages give them.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use ringmon_tests::engine::find;
use ringmon_tests::folder::Folder;
use ringmon_tests::lab::Options;
use ringmon_tests::namespace::Namespace;
use ringmon_tests::process::{Launch, Process, tail};
use ringmon_tests::turn::Turn;

type Result<T = ()> = anyhow::Result<T>;

/// The page that is run.
const STARTED: &str = "docs/getting-started.md";
/// Where that page puts its files. Nothing else uses this place.
const MADE: &str = "/tmp/ringmon-start";
/// What the page needs besides ringmon, a shell and its usual tools.
const PROGRAMS: [&str; 10] = [
    "curl",
    "haproxy",
    "ip",
    "mariadb",
    "mariadb-install-db",
    "mariadbd",
    "prometheus",
    "promtool",
    "python3",
    "unshare",
];
/// It takes about 20 s on two quiet cores.
const LIMIT: Duration = Duration::from_secs(180);
/// Begins the line that is printed before a block is run.
const BLOCK: &str = "=== block ";
/// Begins a line that [`AROUND`] prints.
const LEFT: &str = "left behind: ";

/// Runs in mount and process namespaces of its own, as process 1 there: when it ends, everything does that it started.
/// The named network namespaces are in a /run of its own. $1 is ringmon's source folder, $2 the page as a script.
const AROUND: &str = r#"
mount -t tmpfs start /run || exit 1
cd "$1" || exit 1
bash "$2" </dev/null
code=$?
[ "$code" = 0 ] || exit "$code"
for name in /run/netns/start-*; do
    [ ! -e "$name" ] || echo "left behind: $name"
done
for place in /proc/[0-9]*; do
    [ "$place" = /proc/1 ] || { name=$(cat "$place/comm" 2>/dev/null) && echo "left behind: a process, $name"; }
done
exit 0
"#;

/// One fenced block of a page.
#[derive(Debug)]
struct Block {
    /// What stands behind its fence.
    language: String,
    /// Its lines.
    text: String,
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

fn blocks(page: &str) -> Result<Vec<Block>> {
    let text = std::fs::read_to_string(root().join(page)).with_context(|| format!("cannot read {page}"))?;
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(language), None) => open = Some(Block { language: language.trim().to_owned(), text: String::new() }),
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    ensure!(open.is_none(), "{page}: its last block has no end");
    Ok(blocks)
}

/// The blocks as one script that ends at the first failure, and says before each block which one it is.
fn script(blocks: &[Block]) -> String {
    let mut text = String::from("set -eu -o pipefail\n");
    for (at, block) in blocks.iter().enumerate() {
        let first = block.text.lines().next().unwrap_or_default().replace('\'', r"'\''");
        // Writing into a string cannot fail.
        let _ = writeln!(text, "echo '{BLOCK}{} after '\"$SECONDS\"' s: {first}'\n{}", at + 1, block.text);
    }
    text
}

/// The last block that this output speaks of.
fn last<'a>(blocks: &'a [Block], output: &str) -> Option<&'a Block> {
    let line = output.lines().rev().find_map(|line| line.strip_prefix(BLOCK))?;
    let number: usize = line.split(' ').next()?.parse().ok()?;
    blocks.get(number.checked_sub(1)?)
}

/// The built binary's folder first, and root's programs too.
fn path(binary: &Path) -> Result<OsString> {
    let before = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = vec![binary.parent().context("a binary in a folder")?.to_owned()];
    folders.extend(std::env::split_paths(&before));
    folders.extend(["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from));
    std::env::join_paths(folders).context("a folder in PATH with a colon")
}

/// The last lines of what ran in the background.
fn logs() -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(MADE).into_iter().flatten().flatten() {
        let file = entry.path();
        if file.extension().is_some_and(|end| end == "log") {
            // Writing into a string cannot fail.
            let _ = writeln!(text, "the end of {}:\n{}", file.display(), tail(&file, 5));
        }
    }
    text
}

/// Removes the page's folder if it is there, and says whether it was. What wrote into it may be just ending.
fn remove_made() -> Result<bool> {
    let end = Instant::now() + Duration::from_secs(10);
    let was_there = Path::new(MADE).exists();
    while Path::new(MADE).exists() {
        if let Err(error) = std::fs::remove_dir_all(MADE)
            && Instant::now() > end
        {
            return Err(error).with_context(|| format!("cannot remove {MADE}"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(was_there)
}

#[test]
fn getting_started_works_from_top_to_bottom() -> Result {
    for program in PROGRAMS {
        find(program)?;
    }
    let binary = Options::built("debug").binary;
    ensure!(binary.exists(), "{} is not there: build it with `cargo xtask build`", binary.display());
    let _turn = Turn::wait();
    ensure!(!Path::new(MADE).exists(), "{MADE} is there: does somebody follow {STARTED} just now? If not, remove it");
    let blocks: Vec<Block> = blocks(STARTED)?.into_iter().filter(|block| block.language == "sh").collect();
    ensure!(!blocks.is_empty(), "{STARTED} has no block of sh");

    let folder = Folder::new()?;
    let (file, log) = (folder.path().join("page.sh"), folder.path().join("page.log"));
    std::fs::write(&file, script(&blocks)).context("cannot write the script")?;
    let mut args: Vec<OsString> =
        ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", AROUND, "around"]
            .map(OsString::from)
            .to_vec();
    args.extend([root().into_os_string(), file.into_os_string()]);
    let env = vec![("PATH".into(), path(&binary)?)];
    let process =
        Process::start(&Namespace::new()?, Launch { program: find("unshare")?, args, env, log: log.clone() })?;
    let ended = process.wait(LIMIT);
    // If it still runs, this ends it and all that it started.
    drop(process);

    let logs = logs();
    let stayed = remove_made()?;
    let output = std::fs::read_to_string(&log).context("cannot read what the page printed")?;
    for line in output.lines().filter(|line| line.starts_with(BLOCK)) {
        println!("{line}");
    }
    let why = match ended {
        Ok(status) if status.success() => None,
        Ok(status) => Some(status.to_string()),
        Err(error) => Some(format!("{error:#}")),
    };
    if let Some(why) = why {
        let text = last(&blocks, &output).map_or("(none was begun)", |block| block.text.as_str());
        bail!("{STARTED}: {why}, in this block:\n{text}\nthe end of its output:\n{}\n{logs}", tail(&log, 30));
    }
    let left: Vec<&str> = output.lines().filter_map(|line| line.strip_prefix(LEFT)).collect();
    ensure!(left.is_empty(), "{STARTED} left behind: {left:?}");
    ensure!(!stayed, "{STARTED} left {MADE} behind");
    Ok(())
}

/// The words after `ringmon` in each of its command lines.
fn command_lines(block: &str) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for line in block.replace("\\\n", " ").lines() {
        let words: Vec<&str> = line.split_whitespace().take_while(|word| !word.starts_with('#')).collect();
        for (at, pair) in words.windows(2).enumerate() {
            // In `runuser -u ringmon -- ringmon config check` the first one is a user.
            let begins = pair[1].trim_start_matches('-').starts_with(|first: char| first.is_ascii_lowercase());
            if pair[0] == "ringmon" && begins {
                all.push(until_end(&words[at + 1..]));
            }
        }
    }
    all
}

/// The words of one command, without quotes and brackets around them.
fn until_end(words: &[&str]) -> Vec<String> {
    let mut command = Vec::new();
    for word in words {
        if word.starts_with(['|', '&', '>', ';', '}']) {
            break;
        }
        let bare = word.trim_matches(['"', '\'', '(', ')', ';', '`']);
        if !bare.is_empty() {
            command.push(bare.to_owned());
        }
        if word.ends_with(';') {
            break;
        }
    }
    command
}

fn help(binary: &Path, words: &[&str]) -> Result<String> {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RINGMON_") {
            command.env_remove(name);
        }
    }
    let output = command.args(words).arg("--help").stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {}", binary.display()))?;
    ensure!(output.status.success(), "no help: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The commands that a help lists, in lines with two spaces before the name.
fn commands(help: &str) -> BTreeSet<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The long flags that a help lists, in lines such as `  -f, --follow` and `      --wait [<SPAN>]`.
fn flags(help: &str) -> BTreeSet<String> {
    let lines = help.lines().filter(|line| line.trim_start().starts_with('-'));
    let words = lines.flat_map(|line| line.split_whitespace().take(2)).filter(|word| word.starts_with("--"));
    words.map(|word| word.split(['=', '[', ',']).next().unwrap_or(word).to_owned()).collect()
}

/// Whether there is such a command, with such flags.
fn parses(binary: &Path, line: &[String]) -> Result {
    let mut path: Vec<&str> = Vec::new();
    let mut said = help(binary, &path)?;
    let mut rest = line;
    while let Some((word, others)) = rest.split_first() {
        let known = commands(&said);
        if known.is_empty() || word.starts_with('-') {
            break;
        }
        ensure!(known.contains(word), "there is no {word}, but {known:?}");
        path.push(word);
        said = help(binary, &path)?;
        rest = others;
    }
    let known = flags(&said);
    for word in rest.iter().filter(|word| word.starts_with("--")) {
        let flag = word.split('=').next().unwrap_or(word);
        ensure!(known.contains(flag), "there is no {flag}, but {known:?}");
    }
    Ok(())
}

#[test]
fn the_commands_on_the_pages_exist_with_their_flags() -> Result {
    let binary = Options::built("debug").binary;
    ensure!(binary.exists(), "{} is not there: build it with `cargo xtask build`", binary.display());
    let mut wrong = Vec::new();
    for page in ["README.md", "docs/install.md", STARTED] {
        let blocks = blocks(page)?;
        // Configurations and outputs have a language of their own.
        let shell = blocks.iter().filter(|block| ["", "sh"].contains(&block.language.as_str()));
        let lines: Vec<Vec<String>> = shell.flat_map(|block| command_lines(&block.text)).collect();
        ensure!(!lines.is_empty(), "{page} has no command of ringmon's");
        println!("{page}: {} commands", lines.len());
        for line in lines {
            if let Err(error) = parses(&binary, &line) {
                wrong.push(format!("{page}: ringmon {}: {error:#}", line.join(" ")));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
