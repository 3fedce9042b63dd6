//! The machine of a measurement.

use std::fs;

use serde::Serialize;

/// The machine before anything was started.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// What is measured on it: `detect`, `store`.
    pub bench: &'static str,
    /// Always `machine`.
    pub who: &'static str,
    /// How many processors it has.
    pub cores: usize,
    /// The release of its kernel.
    pub kernel: String,
    /// The mean number of runnable tasks over the last 1, 5 and 15 minutes.
    pub load: [f32; 3],
}

impl Machine {
    /// This machine, now. What cannot be read is empty.
    #[must_use]
    pub fn look(bench: &'static str) -> Self {
        let text = |file: &str| fs::read_to_string(file).unwrap_or_default().trim().to_owned();
        Self {
            bench,
            who: "machine",
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: text("/proc/sys/kernel/osrelease"),
            load: parse_load(&text("/proc/loadavg")),
        }
    }

    /// Whether other programs use so much of it that small times mean little.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.load[0] > 0.5
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cores, kernel, load, .. } = self;
        write!(f, "{cores} cores, Linux {kernel}, load average {} {} {} before the start", load[0], load[1], load[2])
    }
}

fn parse_load(text: &str) -> [f32; 3] {
    let mut load = [0.0; 3];
    for (place, word) in load.iter_mut().zip(text.split(' ')) {
        *place = word.parse().unwrap_or_default();
    }
    load
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_numbers_are_read_from_a_load_average() {
        assert_eq!(parse_load("2.11 1.48 0.69 1/120 4711"), [2.11, 1.48, 0.69]);
        assert_eq!(parse_load(""), [0.0; 3]);
    }
}
