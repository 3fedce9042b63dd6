//! One timer of the kernel for the event loop, set to an absolute time (timerfd_create(2)).
//!
//! The runtime's own timers count milliseconds. Each one that is due sooner than the last costs a write to the
//! runtime's event descriptor and two empty waits, in addition to the wait that matters. This timer is exact, and one
//! system call.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::clock;
use ringmon_core::Time;

#[derive(Debug)]
pub struct Alarm {
    timer: AsyncFd<Timer>,
    set: Option<Time>,
}

/// The runtime knows what it waits for by its number.
#[derive(Debug)]
struct Timer(TimerFd);

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Alarm {
    /// A timer that is not set. Call it on a tokio runtime with I/O.
    ///
    /// # Errors
    /// As timerfd_create(2).
    pub fn new() -> io::Result<Self> {
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK)?;
        // SAFETY: the timer owns its file descriptor, keeps it while it lives, and never changes it.
        let timer = unsafe { AsyncFd::register_with_interest(Timer(timer), Interest::READABLE) };
        Ok(Self { timer: timer.map_err(io::Error::from)?, set: None })
    }

    /// Waits until then. Dropping the wait loses nothing: the next one may be for any other time.
    pub async fn at(&mut self, due: Time) {
        while clock::now() < due {
            if self.set != Some(due) {
                // Zero would turn the alarm off (timerfd_settime(2)). All other errors are about arguments that are not
                // used here.
                let at = TimeSpec::from_duration(Duration::from_nanos(due.as_ns().max(1)));
                let set = self.timer.get_ref().0.set(Expiration::OneShot(at), TimerSetTimeFlags::TFD_TIMER_ABSTIME);
                self.set = set.is_ok().then_some(due);
            }
            // An error means that the runtime is shutting down: nobody will be woken again.
            let Ok(mut rung) = self.timer.readable().await else { return std::future::pending().await };
            // It is not read: the next setting forgets that it rang, and it rings again.
            rung.clear_ready();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime")
    }

    fn soon(ms: u64) -> Time {
        clock::now() + Duration::from_millis(ms)
    }

    #[test]
    fn it_rings_at_its_time_and_never_before() {
        runtime().block_on(async {
            let mut alarm = Alarm::new().expect("a timer");
            for ms in [5, 1, 3, 0, 2] {
                let due = soon(ms);
                alarm.at(due).await;
                assert!(clock::now() >= due);
            }
        });
    }

    #[test]
    fn a_time_that_has_passed_is_not_waited_for() {
        runtime().block_on(async {
            let mut alarm = Alarm::new().expect("a timer");
            alarm.at(Time::ZERO).await;
            alarm.at(clock::now()).await;
        });
    }

    /// The loop drops its wait whenever something else happens, also when the alarm has just rung.
    #[test]
    fn a_wait_that_is_dropped_leaves_nothing_behind() {
        runtime().block_on(async {
            let [mut alarm, mut another] = [(); 2].map(|()| Alarm::new().expect("a timer"));
            let far = soon(1_000_000);
            for _ in 0..3 {
                tokio::select! {
                    biased;
                    () = alarm.at(far) => panic!("rung before its time"),
                    () = tokio::task::yield_now() => {}
                }
                let rung = soon(1);
                tokio::select! {
                    biased;
                    () = alarm.at(rung) => panic!("it was to be dropped while it rings"),
                    () = async {
                        while clock::now() < rung + Duration::from_millis(1) {
                            std::hint::spin_loop();
                        }
                    } => {}
                }
                // The runtime hears that it rang while nobody waits for it.
                another.at(soon(1)).await;
                let due = soon(2);
                alarm.at(due).await;
                assert!(clock::now() >= due);
            }
        });
    }
}
