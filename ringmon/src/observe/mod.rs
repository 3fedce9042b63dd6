//! Metrics, HTTP, event log: reads snapshots, never the engine.
