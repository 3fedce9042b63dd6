//! The parts of a replay that are worth telling: what the engine concluded, and from what.

use std::collections::BTreeMap;

use super::Played;
use ringmon_core::buddy::{Buddy, BuddyList};
use ringmon_core::engine::{Input, Output, Snapshot, Stopped, TableDone};
use ringmon_core::evidence::LocalFault;
use ringmon_core::host::HostChange;
use ringmon_core::notice::Notice;
use ringmon_core::op::TableOp;
use ringmon_core::row::{Address, Health};
use ringmon_core::{Event, ServerId, Time};

/// Something worth telling.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The time of the call, on the monotonic clock of the agent.
    pub at: Time,
    /// The number of the call in which it happened.
    pub number: u64,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum What {
    /// The engine reported a transition.
    Told(Event),
    /// The engine asked for an operation on the table.
    Asked(TableOp),
    /// That operation ended.
    Came {
        /// The operation, and when it was asked for; `None` if that was before the recording.
        asked: Option<(TableOp, Time)>,
        /// What the operation saw and its result.
        done: Box<TableDone>,
    },
    /// A notice was sent to this address.
    Sent(Address, Notice),
    /// A notice came from this address.
    Heard(Address, Notice),
    /// The server's own evidence from a span of time was declared void.
    Fault {
        /// Why the evidence is void.
        fault: LocalFault,
        /// The begin of that span.
        from: Time,
        /// The end of that span.
        until: Time,
    },
    /// The interface came up (true) or went down.
    Link(bool),
    /// The interface of this name, or its address, changed.
    Host(HostChange, String),
    /// The service check's result changed.
    Service(Health),
    /// An operator changed the share of the clients.
    Weight(u16),
    /// The agent began, with this buddy list.
    Began(Option<BuddyList>),
    /// The agent was told to stop, and whether to leave the pool (true).
    Stop(bool),
    /// The agent was told that it will stop soon.
    Drain,
    /// The agent ended.
    Ended(Stopped),
}

/// Finds the decisions in a replay, and learns the servers' names on the way.
#[derive(Debug, Default)]
pub struct Decisions {
    names: BTreeMap<ServerId, String>,
    addresses: BTreeMap<Address, String>,
    asked: BTreeMap<u64, (TableOp, Time)>,
    faults: BTreeMap<LocalFault, Time>,
}

impl Decisions {
    /// A fault that goes on is told only once in this many nanoseconds.
    const FAULT_AGAIN_NS: u64 = 1_000_000_000;

    /// Learns the names that are known at a checkpoint.
    pub fn begin(&mut self, snapshot: &Snapshot) {
        if let Some(id) = snapshot.id {
            self.names.insert(id, snapshot.server.clone());
        }
        for watch in &snapshot.watches {
            self.meet(watch.server, &watch.name, watch.address);
        }
        if let Some(list) = &snapshot.buddies {
            self.meet_all(list);
        }
    }

    /// Forgets what was under way. Called where the calls that follow do not continue the calls seen so far.
    pub fn forget(&mut self) {
        self.asked.clear();
        self.faults.clear();
    }

    /// What is worth telling of this call, in order.
    pub fn of(&mut self, played: &Played) -> Vec<Decision> {
        let (at, number) = (played.call.at, played.number);
        let mut found = Vec::new();
        found.extend(played.call.input.as_ref().and_then(|input| self.input(input, at)));
        for output in &played.outputs {
            found.extend(self.output(output, at));
        }
        found.into_iter().map(|what| Decision { at, number, what }).collect()
    }

    /// The name of a server if the recording tells it, else its id.
    #[must_use]
    pub fn name(&self, id: ServerId) -> String {
        self.names.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }

    /// The name of the server at an address if the recording tells it, else the address.
    #[must_use]
    pub fn name_at(&self, address: Address) -> String {
        self.addresses.get(&address).cloned().unwrap_or_else(|| address.to_string())
    }

    /// The names of all servers that the recording tells of, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.names.values().cloned().collect();
        names.sort();
        names.dedup();
        names
    }

    fn meet(&mut self, id: ServerId, name: &str, address: Address) {
        if id != ServerId::NEW {
            self.names.insert(id, name.to_owned());
            self.addresses.insert(address, name.to_owned());
        }
    }

    fn meet_all(&mut self, list: &BuddyList) {
        for Buddy { id, name, address, .. } in list.first.iter().chain(&list.second) {
            self.meet(*id, name, *address);
        }
    }

    fn input(&mut self, input: &Input, at: Time) -> Option<What> {
        Some(match input {
            // Evidence: the engine's outputs tell what it led to.
            Input::Watch(..) | Input::Stranger(_) | Input::Asked { .. } | Input::Answered { .. } => return None,
            Input::Start { kept } => {
                kept.iter().for_each(|list| self.meet_all(list));
                What::Began(kept.clone())
            }
            Input::Fault { fault, from, until } => {
                let told = self.faults.get(fault).is_some_and(|told| at.as_ns() < told.as_ns() + Self::FAULT_AGAIN_NS);
                if told {
                    return None;
                }
                self.faults.insert(*fault, at);
                What::Fault { fault: *fault, from: *from, until: *until }
            }
            Input::Link(up) => What::Link(*up),
            Input::Host { change, interface } => What::Host(*change, interface.clone()),
            Input::Table(done) => {
                for row in done.snapshot.rows.values() {
                    self.meet(row.id, &row.card.name, row.card.address);
                }
                What::Came { asked: self.asked.remove(&done.ticket), done: Box::new(done.clone()) }
            }
            Input::Notice(notice, (from, _)) => What::Heard(*from, notice.clone()),
            Input::Service(health) => What::Service(*health),
            Input::Weight(weight) => What::Weight(*weight),
            Input::Stop { leave } => What::Stop(*leave),
            Input::Drain => What::Drain,
        })
    }

    fn output(&mut self, output: &Output, at: Time) -> Option<What> {
        Some(match output {
            Output::Watch(spec) => {
                // Of a server that others ask about, only the address is known.
                if spec.name != spec.address.to_string() {
                    self.meet(spec.server, &spec.name, spec.address);
                }
                return None;
            }
            Output::Unwatch(_) | Output::Keep(_) | Output::Identity { .. } => return None,
            Output::Table { ticket, op } => {
                self.asked.insert(*ticket, (op.clone(), at));
                What::Asked(op.clone())
            }
            Output::Send { to, notice, .. } => What::Sent(*to, notice.clone()),
            Output::Event(event) => What::Told(event.clone()),
            Output::Stopped(stopped) => What::Ended(stopped.clone()),
        })
    }
}
