//! Network namespaces without a name. They end with the last descriptor and process that hold them, so that even a
//! killed lab leaves none.

use std::fs::File;
use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use anyhow::{Context, bail};
use nix::sched::{CloneFlags, setns, unshare};

/// A handle. Clones are the same namespace.
#[derive(Clone, Debug)]
pub struct Namespace {
    file: Arc<File>,
}

type Job = Box<dyn FnOnce() + Send>;

/// The one thread that enters namespaces. It lives as long as this process, and starts every child: a death signal
/// comes when the *thread* that started a child ends (prctl(2), `PR_SET_PDEATHSIG`), and test threads end early.
static HAND: LazyLock<Mutex<Sender<Job>>> = LazyLock::new(|| {
    let (jobs, todo) = mpsc::channel::<Job>();
    std::thread::spawn(move || {
        for job in todo {
            job();
        }
    });
    Mutex::new(jobs)
});

/// Runs `work` on that thread and waits for it.
fn on_hand<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> anyhow::Result<T> {
    let (answer, answered) = mpsc::channel();
    let job: Job = Box::new(move || {
        // The caller may have panicked meanwhile. Then nobody wants the answer.
        let _ = answer.send(work());
    });
    HAND.lock().unwrap_or_else(PoisonError::into_inner).send(job).ok().context("the lab's thread ended")?;
    answered.recv().context("the lab's thread panicked")
}

fn current() -> io::Result<File> {
    File::open("/proc/thread-self/ns/net")
}

impl Namespace {
    /// A new and empty namespace, with its loopback up and without IPv6.
    ///
    /// # Errors
    /// This process is not root, or this kernel has no namespaces.
    pub fn new() -> anyhow::Result<Self> {
        let made = std::thread::spawn(|| -> anyhow::Result<Self> {
            unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network namespace (are you root?)")?;
            Ok(Self { file: Arc::new(current().context("cannot open a network namespace")?) })
        });
        let namespace = made.join().map_err(|_| anyhow::anyhow!("making a namespace panicked"))??;
        namespace.run(|| {
            for scope in ["all", "default"] {
                // A kernel without IPv6 has nothing to switch off.
                let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6"), "1");
            }
        })?;
        namespace.ip("link set lo up\n")?;
        Ok(namespace)
    }

    /// The namespace of this process.
    ///
    /// # Errors
    /// There is no /proc.
    pub fn own() -> anyhow::Result<Self> {
        let file = File::open("/proc/self/ns/net").context("cannot open this process's network namespace")?;
        Ok(Self { file: Arc::new(file) })
    }

    /// Runs `work` inside. Sockets that it opens and children that it starts belong to the namespace for good.
    ///
    /// # Errors
    /// The namespace cannot be entered.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> anyhow::Result<T> {
        let file = Arc::clone(&self.file);
        on_hand(move || {
            setns(&*file, CloneFlags::CLONE_NEWNET).context("cannot enter a network namespace")?;
            Ok(work())
        })?
    }

    /// A path for `ip link ... netns`.
    #[must_use]
    pub fn path(&self) -> String {
        use std::os::fd::AsRawFd;
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }

    /// Runs `program` inside to its end, and returns its output.
    ///
    /// # Errors
    /// It did not start, or it failed: then the error has its output.
    pub fn command(&self, program: &str, args: &[&str], input: &str) -> anyhow::Result<String> {
        let program = program.to_owned();
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let what = format!("{program} {}", args.join(" "));
        let started = self.run(move || {
            let mut command = Command::new(program);
            command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn()
        })?;
        let mut child = started.with_context(|| format!("cannot run {what}"))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that does not read its input has a better reason, which comes with its output.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().with_context(|| format!("cannot read what {what} says"))?;
        if !output.status.success() {
            bail!("{what} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs these lines as `ip -batch`.
    ///
    /// # Errors
    /// One of them failed. Those before it are done.
    pub fn ip(&self, lines: &str) -> anyhow::Result<String> {
        self.command("ip", &["-batch", "-"], lines).with_context(|| format!("in the batch:\n{lines}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_has_nothing_but_its_own_loopback() {
        let namespace = Namespace::new().unwrap();
        let links = namespace.command("ip", &["-brief", "link"], "").unwrap();
        assert_eq!(links.lines().count(), 1, "{links}");
        assert!(links.starts_with("lo"), "{links}");
    }

    #[test]
    fn what_fails_inside_says_what_it_was() {
        let namespace = Namespace::new().unwrap();
        let error = format!("{:#}", namespace.ip("link set nosuch up\n").unwrap_err());
        assert!(error.contains("nosuch"), "{error}");
    }
}
