//! Faults that can happen to a server.

use super::world::World;
use ringmon_core::engine::Input;

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
        for a in 0..self.hosts.len() {
            self.befall(a, Fault::FindDatabase);
            self.befall(a, Fault::Return);
            if self.hosts[a].engine.is_none() && self.hosts[a].life > 0 {
                self.befall(a, Fault::Start);
            }
        }
        self.network.loss_permille = 0;
        self.database_away = false;
        self.slow = None;
        self.notices_lost = false;
        self.hosts.iter_mut().for_each(|h| h.slow = None);
    }

    /// Deletes this server's neighbour entries: a probe to a silent server cannot even leave.
    pub fn forget_neighbours(&mut self, host: usize) {
        self.hosts[host].resolved.clear();
    }

    /// Stops all frames between this group and the other servers; with `cut` false, lets them pass again.
    pub fn partition(&mut self, group: &[usize], cut: bool) {
        self.network.partition(group, cut, self.now);
    }
}
