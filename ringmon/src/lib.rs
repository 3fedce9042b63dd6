//! ringmon: failure detection for server pools.
//!
//! The crate is a house of rooms; `ARCHITECTURE.md` has the plan and `tests/rooms` reads the imports that keep it true.
//! Everyone may import [`ringmon_core`], which is pure, and [`show`]; the side rooms ([`datapath`], [`store`],
//! [`notice`], [`route`], [`observe`], [`record`], [`service`]) import nobody else; [`agent`] joins them in one event
//! loop, [`router`] in another; [`cli`] is what a person types.

#![cfg_attr(
    test,
    allow(
        clippy::wildcard_enum_match_arm,
        reason = "a test panics at whatever it did not expect, and need not name it"
    )
)]

pub mod agent;
pub mod cli;
pub mod clock;
pub mod config;
pub mod datapath;
pub mod disk;
pub mod notice;
pub mod observe;
pub mod record;
pub mod route;
pub mod router;
pub mod service;
pub mod show;
pub mod store;
pub mod supervisor;
