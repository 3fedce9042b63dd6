//! What an engine said in one call, short enough to be kept with each call.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use ringmon_core::engine::Output;

/// What an engine said: the kinds of its outputs, and a hash of everything in them. Two equal values stand for the same
/// outputs, but for a chance of one in 2^64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// A letter for each output, in order: `w`atch, `u`nwatch, `t`able, `s`end, `e`vent, `k`eep, `i`dentity, `x`
    /// stopped.
    pub kinds: String,
    /// FNV-1a, 64 bits, of the `Debug` text of the outputs.
    pub hash: u64,
}

impl Default for Said {
    fn default() -> Self {
        Self { kinds: String::new(), hash: OFFSET }
    }
}

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// The hash of what is written into it (Fowler, Noll, Vo; draft-eastlake-fnv).
struct Fnv(u64);

impl std::fmt::Write for Fnv {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for byte in text.as_bytes() {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
        Ok(())
    }
}

impl Said {
    /// Adds one more output.
    pub fn add(&mut self, output: &Output) {
        self.kinds.push(letter(output));
        let mut hash = Fnv(self.hash);
        // Writing into a hash cannot fail.
        let _ = writeln!(hash, "{output:?}");
        self.hash = hash.0;
    }

    /// These outputs in short; `None` if there are none.
    #[must_use]
    pub fn of(outputs: &[Output]) -> Option<Self> {
        let mut said = Self::default();
        outputs.iter().for_each(|output| said.add(output));
        said.some()
    }

    /// `None` if the engine said nothing.
    #[must_use]
    pub fn some(self) -> Option<Self> {
        (!self.kinds.is_empty()).then_some(self)
    }
}

const fn letter(output: &Output) -> char {
    match output {
        Output::Watch(_) => 'w',
        Output::Unwatch(_) => 'u',
        Output::Table { .. } => 't',
        Output::Send { .. } => 's',
        Output::Event(_) => 'e',
        Output::Keep(_) => 'k',
        Output::Identity { .. } => 'i',
        Output::Stopped(_) => 'x',
    }
}
