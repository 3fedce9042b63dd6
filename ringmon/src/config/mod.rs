//! What was typed, in files, environment and flags, and what it means.
