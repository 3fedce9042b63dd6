//! Faults that can happen to a server.

use super::host::Host;
use super::world::World;
use ringmon_core::engine::Input;
use ringmon_core::row::Address;
use ringmon_core::{BootToken, PoolKeys};

/// A fault, and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Frames are dropped and the processes stand still.
    Crash,
    /// The end of [`Self::Crash`] or [`Self::Isolate`]: frames pass, and processes go on where they were.
    Return,
    /// Frames are dropped; the database can still be reached.
    Isolate,
    /// The agent is killed: from now on the kernel's own ICMP answers.
    Kill,
    /// The agent stands still; its programs go on answering.
    Stop,
    /// The end of [`Self::Stop`]: the agent goes on.
    Continue,
    /// The machine loses its power: no frames, no processes, and its kernel has forgotten its neighbours.
    PowerOff,
    /// The end of [`Self::PowerOff`]: frames pass, and a new agent process begins.
    PowerOn,
    /// A new agent process begins (also on a server that never had one).
    Start,
    /// The agent is told to leave the pool and to stop.
    Leave,
    /// This server cannot reach the database.
    LoseDatabase,
    /// The end of [`Self::LoseDatabase`].
    FindDatabase,
    /// A filter drops this server's probes before they leave. It answers others' probes as before.
    Blind,
    /// The end of [`Self::Blind`].
    See,
}

impl World {
    /// Makes a fault happen to a server now.
    pub fn befall(&mut self, host: usize, fault: Fault) {
        let now = self.now;
        self.note(host, &format!("--- {fault:?}"));
        self.stir(host);
        let h = &mut self.hosts[host];
        h.changed = now;
        match fault {
            Fault::Crash => (h.frozen, h.cut) = (true, true),
            Fault::Isolate => h.cut = true,
            Fault::Stop => h.frozen = true,
            Fault::LoseDatabase => h.database_cut = true,
            Fault::FindDatabase => h.database_cut = false,
            Fault::Blind => h.blind = true,
            Fault::See => h.blind = false,
            Fault::Return => {
                h.cut = false;
                self.thaw(host);
            }
            Fault::Continue => self.thaw(host),
            Fault::Kill => self.end(host, None),
            Fault::PowerOff => {
                h.cut = true;
                self.forget_neighbours(host);
                self.end(host, None);
            }
            Fault::PowerOn => {
                h.cut = false;
                self.start(host);
            }
            Fault::Start => self.start(host),
            Fault::Leave => self.feed(host, Input::Stop { leave: true }),
        }
    }

    /// Ends every fault: cuts, freezes and outages. Agents that are gone are started again.
    pub fn heal(&mut self) {
        self.network.mend(self.now);
        let own = (0..self.hosts.len()).filter(|host| self.hosts[*host].copy_of.is_none());
        for a in own.collect::<Vec<_>>() {
            self.befall(a, Fault::FindDatabase);
            if self.hosts[a].is_blind() {
                self.hosts[a].blind_to.clear();
                self.befall(a, Fault::See);
            }
            self.befall(a, Fault::Return);
            if self.hosts[a].engine.is_none() && self.hosts[a].life > 0 {
                self.befall(a, Fault::Start);
            }
        }
        self.network.loss_permille = 0;
        self.database_away = false;
        self.slow = None;
        self.notices_lost = false;
        self.database.answers_lost = false;
        self.hosts.iter_mut().for_each(|h| h.slow = None);
    }

    /// Copies one server's name and state directory to another machine, as a cloned image does. The copy's agent must
    /// not run yet.
    pub fn copy_state(&mut self, from: usize, to: usize) {
        let Host { name, boot, disk, keys, .. } = &self.hosts[from];
        let (name, boot, disk, keys) = (name.clone(), boot.clone(), disk.clone(), keys.clone());
        self.note(to, &format!("--- has the state directory of {name}"));
        self.forget_drain(&name);
        let copy = &mut self.hosts[to];
        (copy.name, copy.boot, copy.disk, copy.keys) = (name, boot, disk, keys);
    }

    /// Starts another machine with a copy of this server's state, which reaches the database and no server.
    pub(super) fn copy_of(&mut self, host: usize) {
        let seed = self.rng.word();
        self.hosts.push(Host::new(self.hosts.len(), seed));
        let copy = self.hosts.len() - 1;
        self.hosts[copy].copy_of = Some(host);
        self.copy_state(host, copy);
        self.befall(copy, Fault::Isolate);
        self.befall(copy, Fault::Start);
    }

    /// Switches the copies of this server off for good.
    pub(super) fn end_copies(&mut self, host: usize) {
        let copies: Vec<usize> = (0..self.hosts.len()).filter(|h| self.hosts[*h].copy_of == Some(host)).collect();
        copies.into_iter().for_each(|copy| self.end(copy, None));
    }

    /// Empties this server's state directory. Its agent must not run.
    pub fn lose_state(&mut self, host: usize) {
        self.note(host, "--- has lost its state directory");
        self.forget_drain(&self.hosts[host].name.clone());
        let h = &mut self.hosts[host];
        (h.disk, h.boot) = (None, BootToken(format!("{} again", h.boot.0)));
        h.keys = PoolKeys::default();
    }

    /// Gives this server another address. Its agent must not run.
    pub fn readdress(&mut self, host: usize, address: Address) {
        self.note(host, &format!("--- has the address {address}"));
        self.hosts[host].address = address;
    }

    /// Deletes this server's neighbour entries: a probe to a silent server cannot even leave.
    pub fn forget_neighbours(&mut self, host: usize) {
        self.hosts[host].resolved.clear();
    }

    /// A filter drops this server's probes of that one alone, before they leave; with `on` false, it lets them pass.
    pub fn blind_to(&mut self, host: usize, other: usize, on: bool) {
        self.stir(host);
        let now = self.now;
        let h = &mut self.hosts[host];
        h.changed = now;
        if on {
            h.blind_to.insert(other)
        } else {
            h.blind_to.remove(&other)
        };
    }

    /// Stops all frames between this group and the other servers; with `cut` false, lets them pass again.
    pub fn partition(&mut self, group: &[usize], cut: bool) {
        self.network.partition(group, cut, self.now);
    }
}
