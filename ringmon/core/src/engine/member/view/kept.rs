//! What a server keeps on disk for its next start.

use super::{Place, View};
use crate::buddy::BuddyList;
use crate::engine::asks::Asks;
use crate::engine::contract::Output;
use crate::engine::facts::Facts;

impl View {
    /// The buddy list as it is on disk.
    pub const fn kept(&self) -> Option<&BuddyList> {
        self.kept.as_ref()
    }

    /// What this server needs at its next start, if that has changed.
    pub fn keep(&mut self, facts: &Facts, asks: &mut Asks) {
        let Some(Place { buddies: [first, second], .. }) = &self.place else { return };
        let (me, first, second) = (asks.me(), first.clone(), second.clone());
        let list = BuddyList { id: me.id, incarnation: me.incarnation, first, second, drained: facts.drained };
        if self.kept.as_ref() != Some(&list) {
            self.kept = Some(list.clone());
            asks.say(Output::Keep(list));
        }
    }
}
