//! Strikes faults.

use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::Signal;

use super::Fault;
use crate::clock::now_ns;
use crate::event::Event;
use crate::lab::Lab;
use crate::ring::Ring;
use crate::server::State;
use crate::view::View;

/// A fault that struck.
#[derive(Clone, Debug)]
pub struct Blow {
    /// Which fault it is.
    pub fault: Fault,
    /// The servers that it struck.
    pub subjects: Vec<String>,
    /// Taken just before the order was given, so that every time measured from it is rather too long. In nanoseconds.
    pub at_ns: u64,
    /// The ring before the fault.
    pub before: Ring,
    /// What the agents believed before the fault.
    pub(super) view: View,
}

impl Lab {
    /// Strikes these servers, and remembers the state before.
    ///
    /// # Errors
    /// It could not be done, and may be half done.
    pub fn strike(&mut self, fault: Fault, subjects: &[String]) -> anyhow::Result<Blow> {
        let before = self.ring()?;
        self.listen()?;
        let view = self.view().clone();
        let subjects = subjects.to_vec();
        let at_ns = now_ns();
        self.struck(at_ns);
        let blow = Blow { fault, at_ns, before, view, subjects };
        match fault {
            Fault::Crash | Fault::AdjacentCrash => self.crash(&blow.subjects)?,
            Fault::Isolated => {
                let ports = self.ports(&blow.subjects)?;
                self.network.change(|faults| faults.isolated.extend(ports))?;
                self.mark_all(&blow.subjects, State::Isolated);
            }
            Fault::AgentKill => {
                self.signal_all(&blow.subjects, Signal::SIGKILL)?;
                self.mark_all(&blow.subjects, State::Killed);
            }
            Fault::AgentStop => {
                self.signal_all(&blow.subjects, Signal::SIGSTOP)?;
                self.mark_all(&blow.subjects, State::Stopped);
            }
            Fault::AgentPause => self.pause(&blow, Duration::from_secs(1))?,
            Fault::Leave => {
                self.signal_all(&blow.subjects, Signal::SIGTERM)?;
                self.mark_all(&blow.subjects, State::Left);
            }
            Fault::Join => {
                for name in &blow.subjects {
                    self.add(name)?;
                    self.start(name, &[])?;
                }
            }
            Fault::Return => self.bring_back(&blow.subjects)?,
        }
        Ok(blow)
    }

    /// Drops all frames of these servers and freezes their agents. Unlike [`Self::strike`] it does not read the table
    /// first.
    ///
    /// # Errors
    /// It could not be done, and may be half done.
    pub fn crash(&mut self, names: &[String]) -> anyhow::Result<()> {
        let ports = self.ports(names)?;
        self.network.change(|faults| faults.cut.extend(ports))?;
        self.signal_all(names, Signal::SIGSTOP)?;
        self.mark_all(names, State::Crashed);
        Ok(())
    }

    /// Freezes the agents for this long, and until each of them was missed: what nobody saw would be no fault.
    fn pause(&mut self, blow: &Blow, span: Duration) -> anyhow::Result<()> {
        self.signal_all(&blow.subjects, Signal::SIGSTOP)?;
        self.hold(span)?;
        let missed = blow.subjects.iter().try_for_each(|name| {
            let silent = |event: &Event| event.is("agent_silent", name) && event.server != *name;
            self.event(&format!("the pulse of {name} is missed"), blow.at_ns, silent).map(drop)
        });
        self.signal_all(&blow.subjects, Signal::SIGCONT)?;
        missed
    }

    fn bring_back(&mut self, names: &[String]) -> anyhow::Result<()> {
        let ports = self.ports(names)?;
        self.network.change(|faults| {
            for port in &ports {
                faults.cut.remove(port);
                faults.isolated.remove(port);
            }
        })?;
        for name in names {
            match self.server(name)?.state {
                State::New | State::Running | State::Isolated => {}
                State::Crashed | State::Stopped => self.signal(name, Signal::SIGCONT)?,
                State::Killed | State::Left => {
                    self.server(name)?.agent()?.wait(Duration::from_secs(10))?;
                    self.start(name, &[])?;
                }
            }
        }
        self.mark_all(names, State::Running);
        Ok(())
    }

    fn ports(&self, names: &[String]) -> anyhow::Result<Vec<u8>> {
        names.iter().map(|name| Ok(self.server(name)?.number)).collect()
    }

    fn signal_all(&self, names: &[String], signal: Signal) -> anyhow::Result<()> {
        names.iter().try_for_each(|name| self.signal(name, signal).with_context(|| format!("for {name}")))
    }

    fn mark_all(&mut self, names: &[String], state: State) {
        for name in names {
            self.mark(name, state);
        }
    }
}
