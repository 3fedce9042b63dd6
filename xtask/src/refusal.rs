//! Reasons to stop that are no bugs, with the exit codes of sysexits.h, so that scripts can tell them apart.

/// One sentence that a person can act on, and an exit code.
#[derive(Debug)]
pub enum Refusal {
    /// The arguments make no sense (the code of clap's own usage errors).
    Usage(String),
    /// Something that is needed is missing and cannot be had (EX_UNAVAILABLE).
    Unavailable(String),
    /// This process may not do what is needed (EX_NOPERM).
    NotPermitted(String),
}

impl Refusal {
    pub fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Unavailable(_) => 69,
            Self::NotPermitted(_) => 77,
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Usage(text) | Self::Unavailable(text) | Self::NotPermitted(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Refusal {}
