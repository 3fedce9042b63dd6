//! A pool under a virtual clock: no sockets, no database, no threads.

pub mod table;
