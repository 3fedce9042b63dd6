//! What one of many writers can do, in whichever design.

use crate::meter::Done;

/// One writer with its own connection. An operation ends when it is done; transient errors are asked for again, and counted.
pub trait Writer: Send + 'static {
    /// Reads once, so that its connection is open, and what it will vote about.
    fn prepare(&mut self, ids: &[i64]) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Its server joins at a random place.
    fn join(&mut self) -> impl Future<Output = anyhow::Result<Done>> + Send;

    /// Its server leaves; nothing, if it is not there.
    fn leave(&mut self) -> impl Future<Output = anyhow::Result<Option<Done>>> + Send;

    /// Both buddies of its server vote against it, and it is removed. `None`: something else is going on around it.
    fn remove(&mut self) -> impl Future<Output = anyhow::Result<Option<Done>>> + Send;

    /// One server of the pool votes against its buddy.
    fn vote(&mut self) -> impl Future<Output = anyhow::Result<Done>> + Send;

    /// And takes that vote back.
    fn withdraw(&mut self) -> impl Future<Output = anyhow::Result<Done>> + Send;

    /// A random server is chosen.
    fn pick(&mut self) -> impl Future<Output = anyhow::Result<Done>> + Send;
}
