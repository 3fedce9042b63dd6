//! Lists for the tests of everything that shows or writes them.

use ringmon_core::route::{Route, Routes, Standing};
use ringmon_core::row::Address;
use ringmon_core::{Incarnation, ServerId};

/// A list of servers with these names and standings; the first is 10.0.0.1:80.
#[must_use]
pub fn listed(servers: &[(&str, Standing)]) -> Routes {
    let route = |(at, (name, standing)): (u8, &(&str, Standing))| Route {
        id: ServerId(i64::from(at)),
        name: (*name).to_owned(),
        incarnation: Incarnation(1),
        address: Address::from([10, 0, 0, at]),
        port: Some(80),
        weight: 100,
        standing: *standing,
    };
    Routes { servers: (1..).zip(servers).map(route).collect(), ..Routes::default() }
}
