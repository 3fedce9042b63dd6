//! These need root and BPF, and fail where they cannot run.

mod netns;
mod packets;
mod run;
mod veth;
