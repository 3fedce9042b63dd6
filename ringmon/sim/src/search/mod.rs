//! Every interleaving of small worlds, over the real operations on the table.
//!
//! A state is the table, who hears whom, and the removals under way. [`search`] goes through all states of a [`World`]
//! breadth first, so what it finds is told in as few events as can be. It checks in each state that the rows are one
//! ring, that nobody is removed where nobody may be, and that no well server is removed that a well one hears (and
//! heard when the removal was read, and does not accuse). From a sample of the states it lets all faults but deaths end
//! and everybody act in turn, and checks that the dead leave the table.
//!
//! # What is left out, and why nothing is missed by that
//!
//! - **Ages are classes.** Between two borders that the rules compare an age with, one moment is like another. Time
//!   passes when an age comes into its next class. Ages that no rule compares may do so in any order, which allows more
//!   than real clocks do. Kept is the order of silences, and how votes and answers stand to silences (R4, R5).
//! - **Silences of one fault begin together.** Real ones differ by less than a suspicion takes. A server that notices
//!   later is one that acts later, which it may.
//! - **A server knows the ring as it is.** An accusation of an older ring ends as stale and writes nothing.
//! - **Small writes are one step**: one row, compared with what was read, so a write in between undoes them.
//!   A removal is two: everything is read, and later it is committed, or is not. All its reads are one moment, because
//!   the rows that it relies on are compared; *this does not cover* what it reads and does not write (the pool's row).
//! - **Renewals are no events.** A well server renews its votes and marks in time, so they do not get old.
//! - **What counts for nothing is not there**: votes of former lives (R8), answers and marks that are stale.
//! - **A witness who hears the suspect, and whom the accuser hears, has said so** (R12). Who must answer, does so
//!   before a vote is as old as its row's wait; only [`Kind::Late`] breaks that. Both are what the rules assume of
//!   time.
//! - **A kernel's word is that server's own silence**, as of now; when the far end is not heard any more, as of then.
//! - **The ring turned or mirrored is the same state**; versions and ids do not count. States are known by a hash of 64
//!   bits: among ten million, one pair is confused with a chance of one in 400,000.
//!
//! # What is not in these worlds
//!
//! Joins and leaves, drains, agents that die alone, the brake, one-way cuts, a database that stops for all. Nobody
//! joins again. In worlds of four, a server hears everybody again at one moment. After a fault, only addresses that
//! must be resolved again keep a server deaf, and only if the silence was long enough for a removal.

mod age;
mod cases;
mod duty;
mod explore;
mod happen;
mod key;
mod promise;
mod state;
mod table;
mod tell;
#[cfg(test)]
mod tests;
mod time;
mod world;

pub use cases::Case;
pub use explore::{End, Limits, Report, search};
pub use world::{Kind, World};
