//! Consumers of the active list: each keeps something that sends clients to servers in step with the routes.

pub mod haproxy;
