//! The house keeps its plan: these tests read every import of the sources and hold it against ARCHITECTURE.md.
//!
//! A path counts wherever it stands: in a `use`, in an expression, in a macro. `super::`, `self::`, groups, aliases and
//! globs are followed to what they mean, so that a hole in a wall is found however it is cut. Each test also tests
//! itself with holes.

#![cfg_attr(
    test,
    allow(
        clippy::wildcard_enum_match_arm,
        reason = "the syntax of Rust has more kinds of things than are asked for here"
    )
)]

#[cfg(test)]
mod circles;
#[cfg(test)]
mod house;
#[cfg(test)]
mod meaning;
#[cfg(test)]
mod paths;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod shape;
#[cfg(test)]
mod syntax;
#[cfg(test)]
mod walls;
