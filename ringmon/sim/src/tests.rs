//! Pools that go through faults.

mod blind;
mod corners;
mod cuts;
mod database;
mod drains;
mod epoch;
mod faults;
mod golden;
mod kit;
mod mixed;
mod places;
mod random;
mod routes;
mod rules;
mod rules_out;
mod scale;
mod scenarios;
mod starts;
mod testimony;
