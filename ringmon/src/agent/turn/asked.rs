//! What signals make of a running agent: it stops, or obeys another configuration.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Turn;
use crate::agent::draining::{Draining, Plan};
use crate::agent::reload::{self, Fresh};
use crate::clock;
use crate::config::{Key, OnStop};
use crate::observe::EventLog;
use ringmon_core::Time;
use ringmon_core::engine::Input;
use ringmon_core::row::Health;

/// A clean shutdown ends after this time, whatever the database does.
const STOP_WITHIN: Duration = Duration::from_millis(1800);

impl Turn {
    /// The first signal takes this server out of the routes, if it is in any. The next one does not wait for that.
    pub(super) fn signalled(&mut self, now: Time, how: Option<OnStop>, plan: &Plan) {
        let leave = how.unwrap_or(plan.on_stop) == OnStop::Leave;
        let first = leave && self.draining.is_none() && self.stop_by.is_none();
        let Some((port, limit)) = plan.port.zip(plan.limit).filter(|_| first) else {
            return self.stop(now, leave);
        };
        tracing::info!(
            port,
            ?limit,
            "no new clients from now on; this server leaves when nobody is connected any more, or the time is up"
        );
        self.draining = Some(Draining::begin(now, (port, limit), plan));
        self.input(now, Input::Drain);
    }

    pub(super) fn drained(&mut self, now: Time) {
        let Some(draining) = self.draining.as_mut().filter(|draining| draining.due() <= now) else { return };
        if let Some(why) = draining.over(now, &self.engine.snapshot(now)) {
            tracing::info!("leaving: {why}");
            self.stop(now, true);
        }
    }

    pub(super) fn stop(&mut self, now: Time, leave: bool) {
        self.draining = None;
        if self.stop_by.is_none() {
            self.stop_by = Some(now + STOP_WITHIN);
            self.input(now, Input::Stop { leave });
        }
    }

    /// The configuration was read again. What can be obeyed now is.
    pub(super) fn reloaded(&mut self, now: Time, result: Result<Fresh, String>, plan: &mut Plan) {
        self.reload = reload::told(&self.reload, result.as_ref().map_err(String::as_str));
        self.told = true;
        let rooms = &mut self.rooms;
        let Ok(Fresh { config, changed, events, .. }) = result else {
            // Who rotates logs asks for no more than this.
            rooms.events.iter_mut().for_each(EventLog::reopen);
            return;
        };
        (plan.on_stop, plan.limit) = (config.on_stop, config.drain);
        if changed.contains(&Key::Weight) {
            plan.weight.store(config.weight, Ordering::Relaxed);
            self.input(now, Input::Weight(config.weight));
        }
        let rooms = &mut self.rooms;
        EventLog::replace(&mut rooms.events, events);
        if changed.iter().any(|key| key.name().starts_with("check")) {
            let none = config.service.checks.is_empty();
            let new = rooms.service.changed_to(config.service, &plan.worker, clock::now);
            let old = std::mem::replace(&mut rooms.service, new);
            plan.worker.spawn(old.stop());
            if none {
                self.input(now, Input::Service(Health::Unknown));
            }
        }
    }
}
