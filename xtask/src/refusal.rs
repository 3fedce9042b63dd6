//! The reasons to stop that are nobody's bug, with the exit code of sysexits.h that scripts can tell them by.

/// One sentence a person can act on, and an exit code.
#[derive(Debug)]
pub enum Refusal {
    /// What was typed makes no sense (the code of clap's own usage errors).
    Usage(String),
    /// Something needed is not there and cannot be had (EX_UNAVAILABLE).
    Unavailable(String),
    /// This process may not do what is needed (EX_NOPERM).
    NotPermitted(String),
}

impl Refusal {
    /// The exit code.
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
