//! What must be undone, however the program ends: by a drop, a panic or a signal.
//!
//! A panic unwinds and drops. A signal undoes the whole list, newest first, and exits. Each entry runs once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

type Deed = Box<dyn FnOnce() + Send>;

static PENDING: Mutex<BTreeMap<u64, Deed>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(0);
/// The exit code if a signal is the intended end; negative: it is not.
static ASKED_FOR: AtomicI32 = AtomicI32::new(-1);
/// A signal came: everything is being undone, and then the program ends.
static ENDING: AtomicBool = AtomicBool::new(false);

fn pending() -> MutexGuard<'static, BTreeMap<u64, Deed>> {
    PENDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs its action when dropped, or earlier if a signal ends the program.
#[derive(Debug)]
#[must_use = "dropping it undoes at once"]
pub struct Undo {
    id: u64,
}

impl Undo {
    /// Runs `deed` once: when this is dropped, or on SIGINT, SIGTERM or SIGHUP.
    pub fn later(deed: impl FnOnce() + Send + 'static) -> Self {
        on_signals();
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        pending().insert(id, Box::new(deed));
        Self { id }
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        let deed = pending().remove(&self.id);
        if let Some(deed) = deed {
            deed();
        }
    }
}

/// From now on a signal is the intended end of this program. Everything is undone, and the exit code is this one.
pub fn end_by_signal(code: i32) {
    ASKED_FOR.store(code, Ordering::Relaxed);
    on_signals();
}

/// Does not return once a signal has come. It is for code that would take what is being undone for a failure, and start
/// again.
pub fn stand_still_if_ending() {
    while ENDING.load(Ordering::Relaxed) {
        std::thread::park();
    }
}

/// From now on a signal undoes everything before it ends the program (exit code 128 + signal).
fn on_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| match signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]) {
        Ok(mut signals) => {
            std::thread::spawn(move || {
                if let Some(signal) = signals.forever().next() {
                    ENDING.store(true, Ordering::Relaxed);
                    eprintln!("signal {signal}: cleaning up");
                    everything();
                    let code = ASKED_FOR.load(Ordering::Relaxed);
                    std::process::exit(if code < 0 { 128 + signal } else { code });
                }
            });
        }
        Err(error) => eprintln!("signals cannot be caught ({error}): Ctrl-C will leave things behind"),
    });
}

/// Undoes everything that is pending, newest first.
fn everything() {
    loop {
        let newest = pending().pop_last();
        let Some((_, deed)) = newest else { return };
        deed();
    }
}
