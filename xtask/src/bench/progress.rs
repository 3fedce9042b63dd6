//! What a person sees for half an hour.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::progress::say;

/// How often a line is printed where it cannot be overwritten.
const EVERY: Duration = Duration::from_secs(15);

/// What is being done, and how long the rest will take.
pub struct Progress {
    begin: Instant,
    /// Estimates: of what is over, of what is under way, and of everything.
    over: Duration,
    current: Duration,
    whole: Duration,
    what: String,
    said: Instant,
    terminal: bool,
}

impl Progress {
    pub fn new(whole: Duration) -> Self {
        say(&format!("this takes about {}", words(whole)));
        let now = Instant::now();
        let terminal = std::io::stderr().is_terminal();
        let (over, current) = (Duration::ZERO, Duration::ZERO);
        Self { begin: now, over, current, whole, what: String::new(), said: now, terminal }
    }

    /// The next piece begins; it should take this long.
    pub fn next(&mut self, what: &str, estimate: Duration) {
        self.over += self.current;
        self.current = estimate;
        what.clone_into(&mut self.what);
        say(&format!("{what}{}", self.left(0.0)));
        self.said = Instant::now();
    }

    /// This share of it is over; `detail` says more.
    pub fn share(&mut self, share: f64, detail: &str) {
        let line = format!("{}: {detail}{}", self.what, self.left(share));
        if self.terminal {
            if self.said.elapsed() > Duration::from_millis(200) {
                self.said = Instant::now();
                eprint!("\rxtask: {line}\x1b[K");
                // A terminal that is gone is no reason to stop measuring.
                let _ = std::io::stderr().flush();
            }
        } else if self.said.elapsed() > EVERY {
            self.said = Instant::now();
            say(&line);
        }
    }

    pub fn done(&self, result: &str) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
        say(&format!("{}: {result}", self.what));
    }

    /// How long everything took.
    pub fn took(&self) -> String {
        words(self.begin.elapsed())
    }

    /// The rest of the estimates, corrected by how wrong they were so far.
    fn left(&self, share: f64) -> String {
        let over = self.over + self.current.mul_f64(share.clamp(0.0, 1.0));
        let rest = self.whole.saturating_sub(over);
        let wrong = if over > Duration::from_secs(60) {
            (self.begin.elapsed().as_secs_f64() / over.as_secs_f64()).clamp(0.5, 3.0)
        } else {
            1.0
        };
        format!(", about {} left", words(rest.mul_f64(wrong)))
    }
}

fn words(span: Duration) -> String {
    let seconds = span.as_secs();
    if seconds < 90 { format!("{seconds} s") } else { format!("{} min", (seconds + 30) / 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_times_are_seconds_and_long_ones_minutes() {
        assert_eq!(words(Duration::from_secs(89)), "89 s");
        assert_eq!(words(Duration::from_secs(90)), "2 min");
        assert_eq!(words(Duration::from_secs(149)), "2 min");
    }

    #[test]
    fn what_is_left_shrinks_as_pieces_are_done() {
        let mut progress = Progress::new(Duration::from_secs(50));
        progress.next("one", Duration::from_secs(20));
        assert_eq!(progress.left(0.5), ", about 40 s left");
        progress.next("two", Duration::from_secs(30));
        assert_eq!(progress.left(0.0), ", about 30 s left");
        assert_eq!(progress.left(1.0), ", about 0 s left");
    }
}
