//! Waits for a lab: on conditions, never for luck.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::Lab;
use crate::event::Event;
use crate::process::tail;
use crate::ring::Ring;
use crate::server::State;

/// How long a busy machine may take for something that normally takes a second.
pub const PATIENCE: Duration = Duration::from_secs(30);

impl Lab {
    /// Asks again and again until there is an answer, and reads the agents' events meanwhile.
    ///
    /// # Errors
    /// No answer came in time: the error has what the agents said last. Or asking failed.
    pub fn until<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut ask: impl FnMut(&mut Self) -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let end = Instant::now() + limit;
        loop {
            self.listen()?;
            if let Some(answer) = ask(self)? {
                return Ok(answer);
            }
            if Instant::now() > end {
                bail!("waited {limit:?} in vain until {what}\n{}", self.last_words());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for the first wanted event after `since_ns`.
    ///
    /// # Errors
    /// As [`Self::until`].
    pub fn event(
        &mut self,
        what: &str,
        since_ns: u64,
        mut wanted: impl FnMut(&Event) -> bool,
    ) -> anyhow::Result<Event> {
        self.until(what, PATIENCE, |lab| {
            Ok(lab.events().iter().find(|event| event.mono_ns >= since_ns && wanted(event)).cloned())
        })
    }

    /// Waits until exactly the running servers are on the ring, `ring check` finds nothing wrong, and every agent has
    /// the buddies that the table says and hears them.
    ///
    /// # Errors
    /// As [`Self::until`].
    pub fn until_whole(&mut self) -> anyhow::Result<Ring> {
        let expected = self.expected();
        self.until(&format!("the ring is {expected:?} and whole"), PATIENCE, |lab| lab.whole(&expected))
    }

    /// Waits until no agent has said anything for this long: what went before is over.
    ///
    /// # Errors
    /// As [`Self::until`].
    pub fn quiet(&mut self, span: Duration) -> anyhow::Result<()> {
        let mut since = (self.events().len(), Instant::now());
        self.until("nobody says anything", PATIENCE, |lab| {
            if lab.events().len() != since.0 {
                since = (lab.events().len(), Instant::now());
            }
            Ok((since.1.elapsed() >= span).then_some(()))
        })
    }

    /// Listens for this long. It is for what must not happen: no condition can wait for that.
    ///
    /// # Errors
    /// A log cannot be read.
    pub fn hold(&mut self, span: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + span;
        while Instant::now() < end {
            self.listen()?;
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// The servers that belong on the ring, by what was done to them.
    #[must_use]
    pub fn expected(&self) -> BTreeSet<String> {
        let running = self.servers().filter(|server| server.state == State::Running);
        running.map(|server| server.name.clone()).collect()
    }

    /// The ring, if it is whole and has exactly these servers. While the table cannot be read it is not whole.
    ///
    /// # Errors
    /// `ringmon` cannot be run.
    pub fn whole(&mut self, expected: &BTreeSet<String>) -> anyhow::Result<Option<Ring>> {
        // The agents' events cost nothing to read, but the table does. So it is read last.
        let all_hear = expected.iter().all(|name| {
            let belief = self.view().of(name);
            let buddies = [&belief.buddies.first, &belief.buddies.second];
            let alone = expected.len() == 1;
            buddies.into_iter().all(|buddy| buddy.as_ref().map_or(alone, |name| belief.hears.contains(name)))
        });
        if !all_hear {
            return Ok(None);
        }
        // It is asked again and again. Why it could not be read is among the last words.
        let Ok(ring) = self.ring() else { return Ok(None) };
        let agree = expected.iter().all(|name| ring.buddies(name) == Some(self.view().of(name).buddies));
        if ring.names() != *expected || !agree || self.ringmon(&["ring", "check"])?.code != 0 {
            return Ok(None);
        }
        Ok(Some(ring))
    }

    /// What helps to explain why something did not happen.
    #[must_use]
    pub fn last_words(&self) -> String {
        let mut text = String::from("the last events:\n");
        for event in &self.events()[self.events().len().saturating_sub(25)..] {
            let Event { mono_ns, server, event, subject, detail, .. } = event;
            let _ = writeln!(text, "  {:.3} {server}: {event} {subject} {detail}", ns_to_s(*mono_ns));
        }
        for server in self.servers() {
            let Ok(agent) = server.agent() else { continue };
            let ended = agent.ended().map_or(String::new(), |status| format!(", ended: {status}"));
            let _ = writeln!(text, "{} ({:?}{ended}):\n{}", server.name, server.state, tail(agent.log(), 6));
        }
        if let Ok(said) = self.ringmon(&["ring", "show"]) {
            let _ = writeln!(text, "the table:\n{}{}", said.out, said.err);
        }
        text
    }
}

fn ns_to_s(ns: u64) -> f64 {
    Duration::from_nanos(ns).as_secs_f64()
}
