//! Counts the results of cargo's test harness.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::progress;

/// How many tests, or checks, passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: u32,
    pub failed: u32,
    /// They did not run.
    pub ignored: u32,
}

impl Tally {
    pub fn check(holds: bool) -> Self {
        Self { passed: u32::from(holds), failed: u32::from(!holds), ignored: 0 }
    }

    /// From a line of the harness: `test result: ok. 12 passed; 0 failed; 0 ignored; ...`.
    fn of_line(line: &str) -> Option<Self> {
        let rest = line.strip_prefix("test result: ")?;
        let number = |word: &str| {
            let at = rest.split([';', '.']).find_map(|part| part.trim().strip_suffix(word))?;
            at.trim().parse().ok()
        };
        Some(Self { passed: number("passed")?, failed: number("failed")?, ignored: number("ignored")? })
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

/// Runs a test command, passes its lines on and adds them up. A command that fails without a failing test (it did not
/// compile, it was killed) counts as one failure.
pub fn count(stage: &str, command: &mut Command) -> Tally {
    progress::say(stage);
    let mut tally = Tally::default();
    let status = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().and_then(|mut child| {
        for line in child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines()) {
            let line = line?;
            if let Some(more) = Tally::of_line(&line) {
                tally += more;
            }
            progress::print(&line);
        }
        child.wait()
    });
    match status {
        Ok(status) if status.success() => {}
        Ok(_) if tally.failed > 0 => {}
        Ok(status) => {
            progress::say(&format!("{stage}: {status}"));
            tally += Tally::check(false);
        }
        Err(error) => {
            progress::say(&format!("{stage}: {error}"));
            tally += Tally::check(false);
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn a_result_line_is_added_up() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s";
        assert_eq!(Tally::of_line(line), Some(Tally { passed: 12, failed: 3, ignored: 1 }));
        assert_eq!(Tally::of_line("test a::b ... ok"), None);
    }
}
