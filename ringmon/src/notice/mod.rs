//! Authenticated, acknowledged datagrams between agents.
