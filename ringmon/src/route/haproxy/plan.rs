//! Plans what to do, from what HAProxy has and what the routes say. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::Options;
use super::command::{Change, Command, FIRST_ID, IDS, State, is_name};
use super::state::{Server, Servers};
use ringmon_core::ServerId;
use ringmon_core::route::{Route, Routes, Standing};

const MAX_WEIGHT: u16 = 256;

/// The commands in their order, and what cannot be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) commands: Vec<Command>,
    pub(super) problems: Vec<String>,
}

/// Plans the commands; deletions come last. `orphaned_sessions` are servers that were in the routes and are gone from
/// them, but still have sessions.
///
/// Empty routes mean that nothing is known, and then there is nothing to do: a database that cannot be read must not
/// empty a backend.
pub(super) fn plan(has: &Servers, routes: &Routes, orphaned_sessions: &BTreeSet<String>, options: &Options) -> Plan {
    if routes.servers.is_empty() {
        return Plan::default();
    }
    let planner = Planner { options, scale: Scale::of(routes, has) };
    let by_name: BTreeMap<&str, &Route> = routes.servers.iter().map(|route| (route.name.as_str(), route)).collect();
    let (mut ins, mut outs, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ends, mut deletions) = (Vec::new(), Vec::new());
    let mut somebody_stays = false;
    for (name, server) in has {
        let Some(route) = by_name.get(name.as_str()) else {
            set_state(&mut outs, name, server, State::Maint);
            if orphaned_sessions.contains(name) && options.kill_sessions {
                push(&mut ends, name, Change::Shutdown);
            }
            if options.dynamic && server.ours {
                push(&mut deletions, name, Change::Delete);
            }
            continue;
        };
        let want = wanted(route.standing);
        somebody_stays |= want == State::Ready && server.state == State::Ready;
        planner.keep(if want == State::Ready { &mut ins } else { &mut outs }, server, route, want);
    }
    let (mut without, mut portless, mut nameless) = (Vec::new(), Vec::new(), Vec::new());
    for route in routes.routed().filter(|route| !has.contains_key(&route.name)) {
        let port = route.port.or(options.default_port);
        match (is_name(&route.name), options.dynamic, port) {
            (false, _, _) => nameless.push(route.name.as_str()),
            (true, false, _) => without.push(route.name.as_str()),
            (true, true, None) => portless.push(route.name.as_str()),
            (true, true, Some(port)) => planner.add(&mut ins, route, port),
        }
    }
    tell(&mut problems, "HAProxy would not take the name of", &nameless);
    tell(&mut problems, "haproxy.cfg has no server for", &without);
    tell(&mut problems, "neither the route nor the options say a port for", &portless);
    // Servers are taken out first. But clients that find no server at all get an error at once, so if no server would
    // stay, new ones come first.
    let commands = if somebody_stays { [outs, ins, ends, deletions] } else { [ins, outs, ends, deletions] };
    Plan { commands: commands.concat(), problems }
}

const fn wanted(standing: Standing) -> State {
    match standing {
        Standing::Active | Standing::Kept => State::Ready,
        Standing::Draining => State::Drain,
        Standing::Failing | Standing::Suspect => State::Maint,
    }
}

fn push(to: &mut Vec<Command>, name: &str, change: Change) {
    to.push(Command { server: name.to_owned(), change });
}

fn set_state(to: &mut Vec<Command>, name: &str, server: &Server, want: State) {
    if server.state != want {
        push(to, name, Change::Set(want));
    }
}

/// One sentence for all names: a pool without its backend is one problem.
fn tell(problems: &mut Vec<String>, what: &str, names: &[&str]) {
    let few = names.iter().take(5).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => {}
        n @ 1..=5 => problems.push(format!("{what} {few} ({n})")),
        n => problems.push(format!("{what} {few} and {} more ({n})", n - 5)),
    }
}

struct Planner<'a> {
    options: &'a Options,
    scale: Scale,
}

impl Planner<'_> {
    /// A server whose route is known. Its address is set before it gets clients. It gets no more clients before its
    /// address changes.
    fn keep(&self, to: &mut Vec<Command>, server: &Server, route: &Route, want: State) {
        let name = &route.name;
        if want != State::Ready {
            set_state(to, name, server, want);
        }
        let port = route.port.or(self.options.default_port);
        if server.address != Some(route.address) || port.is_some_and(|port| port != server.port) {
            push(to, name, Change::Address { address: route.address, port });
        }
        if want == State::Ready {
            let weight = self.scale.weight(route);
            if server.weight != weight {
                push(to, name, Change::Weight(weight));
            }
            set_state(to, name, server, want);
            if server.ours && self.checks() && !server.checks {
                push(to, name, Change::Health);
            }
        }
    }

    fn add(&self, to: &mut Vec<Command>, route: &Route, port: u16) {
        let (weight, id) = (self.scale.weight(route), haproxy_id(route.id));
        push(to, &route.name, Change::Add { address: route.address, port, weight, id });
        push(to, &route.name, Change::Set(State::Ready));
        if self.checks() {
            push(to, &route.name, Change::Health);
        }
    }

    fn checks(&self) -> bool {
        self.options.add_options.split_whitespace().any(|word| word == "check")
    }
}

/// HAProxy keeps this id, so ringmon recognises the server as one that it added.
fn haproxy_id(id: ServerId) -> u32 {
    FIRST_ID + u32::try_from(id.0.rem_euclid(i64::from(IDS))).unwrap_or_default()
}

/// Weights are shares, relative to each other. HAProxy's end at 256.
enum Scale {
    /// All are equal, in HAProxy too: then its weights stay. Its static algorithms, such as `balance source`, allow
    /// nothing else.
    Alike(u16),
    /// Relative to the greatest; zero if all are zero, which is the same as if all were equal.
    Greatest(u16),
}

impl Scale {
    fn of(routes: &Routes, has: &Servers) -> Self {
        let mut theirs = routes.routed().filter_map(|route| has.get(&route.name)).map(|server| server.weight);
        let mut ours = routes.routed().map(|route| route.weight);
        let greatest = routes.routed().map(|route| route.weight).max().unwrap_or_default();
        match theirs.next() {
            Some(first) if first > 0 && theirs.all(|other| other == first) && ours.all(|other| other == greatest) => {
                Self::Alike(first)
            }
            // A server that is not routed counts too, so that the others' weights do not change when it comes back.
            Some(_) | None if greatest > 0 => {
                Self::Greatest(routes.servers.iter().map(|route| route.weight).max().unwrap_or_default())
            }
            Some(_) | None => Self::Greatest(0),
        }
    }

    fn weight(&self, route: &Route) -> u16 {
        match *self {
            Self::Alike(weight) => weight,
            Self::Greatest(0) => 1,
            Self::Greatest(most) if most <= MAX_WEIGHT || route.weight == 0 => route.weight,
            Self::Greatest(most) => {
                let scaled = u32::from(route.weight) * u32::from(MAX_WEIGHT) / u32::from(most);
                u16::try_from(scaled).unwrap_or(MAX_WEIGHT).max(1)
            }
        }
    }
}
