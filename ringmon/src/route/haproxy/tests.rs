//! The plan and the reader are pure functions, and tested as such. The rest is tested against a real HAProxy, which
//! must be installed.

mod dynamic;
mod kept;
mod plan;
mod real;
mod reload;
mod rig;
mod socket;
mod state;
mod target;
mod voice;

use ringmon_core::route::{Route, Routes, Standing};
use ringmon_core::{Incarnation, ServerId};

/// A route to 10.0.0.id, without a port, of weight 1.
fn route(id: u8, name: &str, standing: Standing) -> Route {
    Route {
        id: ServerId(id.into()),
        name: name.to_owned(),
        incarnation: Incarnation(1),
        address: [10, 0, 0, id].into(),
        port: None,
        weight: 1,
        standing,
    }
}

fn routes(servers: impl IntoIterator<Item = Route>) -> Routes {
    Routes { servers: servers.into_iter().collect(), ..Routes::default() }
}
