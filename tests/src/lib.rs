//! A lab of network namespaces with real agents and a real database, and what its users need around it: the end-to-end
//! tests in `tests/`, and the demo in `xtask`.
//!
//! Nothing here outlives its owner. Namespaces have no name and end with their last file descriptor, processes get a
//! death signal, and [`undo`] undoes everything else: on drop, on panic and on Ctrl-C.

pub mod bench;
pub mod board;
pub mod cells;
pub mod census;
pub mod clients;
pub mod clock;
pub mod database;
pub mod engine;
pub mod event;
pub mod fault;
pub mod folder;
pub mod haproxy;
pub mod http;
pub mod kernel;
pub mod lab;
pub mod namespace;
pub mod network;
pub mod passing;
pub mod process;
pub mod prometheus;
pub mod ring;
pub mod router;
pub mod routes;
pub mod server;
pub mod service;
pub mod turn;
pub mod undo;
pub mod view;
pub mod web;
