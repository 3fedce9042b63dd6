//! What one of many writers can do, in either design.

use crate::meter::Done;

/// One writer with its own connection. An operation ends when it is done. After transient errors it is started again,
/// and they are counted.
pub trait Writer: Send + 'static {
    /// Reads once, so that its connection is open, and learns what it will vote about.
    fn prepare(&mut self, ids: &[i64]) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Its server joins at a random place.
    fn join(&mut self) -> impl Future<Output = anyhow::Result<Done>> + Send;

    /// Its server leaves; nothing, if it is not there.
    fn leave(&mut self) -> impl Future<Output = anyhow::Result<Option<Done>>> + Send;

    /// Both buddies of its server vote against it, and it is removed. `None`: something else is going on around it.
    fn remove(&mut self) -> impl Future<Output = anyhow::Result<Option<Done>>> + Send;

    /// One server of the pool votes against its buddy.
    fn vote(&mut self) -> impl Future<Output = anyhow::Result<Done>> + Send;

    /// Takes that vote back.
    fn withdraw(&mut self) -> impl Future<Output = anyhow::Result<Done>> + Send;

    /// A random server is chosen.
    fn pick(&mut self) -> impl Future<Output = anyhow::Result<Done>> + Send;
}
