//! An operator who drains servers, as `ringmon drain` and `ringmon undrain` do. The operator's last word is held
//! against the table: it lasts over restarts and removals.

use std::collections::BTreeMap;

use super::routers::Router;
use super::world::World;
use ringmon_core::op::TableOp;
use ringmon_core::{ServerId, Time};

/// What the operator last said about each server, by its name, and when; `None`: nobody knows any more.
pub(super) type Drains = BTreeMap<String, (Option<bool>, Time)>;

impl World {
    /// The operator drains a server, or ends that. Without a row, or without the database, nothing is done.
    pub fn set_draining(&mut self, host: usize, draining: bool) {
        let name = self.hosts[host].name.clone();
        let Some(row) = self.table.named(&name).cloned().filter(|_| !self.database_away) else { return };
        let by = "operator".to_owned();
        let op = TableOp::SetDraining { id: row.id, incarnation: None, draining, by };
        if self.table.run_plain(&op).is_err() {
            return;
        }
        self.note(host, &format!("--- the operator says: draining {draining}"));
        self.drains.insert(name, (Some(draining), self.now));
        if !self.notices_lost {
            self.nudge(&row);
        }
        self.check_table();
    }

    /// Nobody knows any more what the operator said about this server: its state directory is lost or copied, or it
    /// never heard of it.
    pub(super) fn forget_drain(&mut self, name: &str) {
        self.drains.entry(name.to_owned()).and_modify(|(said, _)| *said = None);
    }

    /// Whether routers may not have read yet that this server gets clients again.
    pub(super) fn was_drained(&self, name: &str) -> bool {
        self.drains.get(name).is_some_and(|(_, at)| self.now.since(*at) <= Router::EVERY * 2)
    }

    /// A row says what the operator said, also if it is a new one. A server that ends before it has heard of it cannot
    /// know.
    pub(super) fn check_drains(&mut self, touched: &[ServerId]) {
        if self.drains.is_empty() || touched.is_empty() {
            return;
        }
        for (name, (said, _)) in self.drains.clone() {
            let Some(said) = said else { continue };
            let kept = |host: &&super::Host| {
                let knows = host.disk.as_ref().is_some_and(|kept| kept.drained == said);
                host.name == name && host.copy_of.is_none() && knows
            };
            match self.table.named(&name).map(|row| row.draining) {
                Some(draining) if draining != said => {
                    self.violate(format!(
                        "the operator said draining {said} about {name}, and its row says {draining}"
                    ));
                    self.forget_drain(&name);
                }
                None if !self.hosts.iter().any(|host| kept(&host)) => self.forget_drain(&name),
                Some(_) | None => {}
            }
        }
    }
}
