//! What can befall a server.

use super::world::World;
use ringmon_core::engine::Input;

/// A fault, and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Frames are dropped and the processes stand still.
    Crash,
    /// The end of [`Self::Crash`] or [`Self::Isolate`]: frames pass, processes go on where they were.
    Return,
    /// Frames are dropped; the database is still reached.
    Isolate,
    /// The agent is killed: the kernel's own ICMP answers from now on.
    Kill,
    /// The agent stands still; its programs answer.
    Stop,
    /// The agent goes on.
    Continue,
    /// A new agent process begins (also on a server that never had one).
    Start,
    /// A clean shutdown.
    Leave,
    /// The database cannot be reached from here.
    LoseDatabase,
    /// It can again.
    FindDatabase,
}

impl World {
    /// This befalls that server now.
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
            Fault::Start => self.start(host),
            Fault::Leave => self.feed(host, Input::Stop { leave: true }),
        }
    }

    /// Everything that befell anybody is over: cuts, freezes, outages; agents that are gone are started again.
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

    /// This server has no neighbour entries: a probe to a silent server cannot even leave.
    pub fn forget_neighbours(&mut self, host: usize) {
        self.hosts[host].resolved.clear();
    }

    /// Frames pass between the two groups no more, or do again.
    pub fn partition(&mut self, group: &[usize], cut: bool) {
        self.network.partition(group, cut, self.now);
    }
}
