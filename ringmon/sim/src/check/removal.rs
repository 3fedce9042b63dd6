//! What is promised of every removal, checked against what is true in the world and not against what any server
//! believes.
//!
//! For a removal because of silence (`down`):
//!
//! - no server that voted for it could reach the removed server, and not both of its buddies on the ring could;
//! - the remover's own silence was long enough (R6), as counted by its kernel;
//! - with `quorum = "both"`, the removed row held another server's vote, cast in a life that goes on, or another
//!   server's kernel counts what R6 requires; and one of its votes had stood for as long as the removed server needs to
//!   answer (R3); or it was an alone removal (R2), and its mark had stood for its time;
//! - no well member heard it (R12), **where that is promised**: see [`World::spoken_for`];
//! - it was not on the other side of a cut in two (R4): see [`World::across_a_cut`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::world::World;
use ringmon_core::edit::StoredEvent;
use ringmon_core::law;
use ringmon_core::row::{Alone, Quorum, ServerRow, Side, Vote};
use ringmon_core::{EventKind, ServerId};

/// What was true when a removal was decided may end before it commits: within R7's limit and a reading's age.
const R7: Duration = Duration::from_millis(700);

impl World {
    pub(super) fn check_down(&mut self, event: &StoredEvent, before: &[ServerRow]) {
        let Some(gone) = self.host(&event.subject_name) else { return };
        let voters = event.body.removal().map(|(_, removed)| removed.voters.as_slice()).unwrap_or_default();
        let mut voters: Vec<usize> = voters.iter().filter_map(|name| self.host(name)).collect();
        voters.extend(self.host(&event.by).filter(|by| !voters.contains(by)));
        let row = before.iter().find(|row| row.card.name == event.subject_name);
        if row.is_some_and(|row| row.card.address != self.hosts[gone].address) {
            // It lives at another address. Nobody is at the one that is removed.
            return;
        }
        let wrong = [
            self.reached_by_voters(gone, &voters),
            row.and_then(|row| self.reached_by_buddies(gone, row)),
            self.too_hasty(&event.by, gone),
            row.and_then(|row| self.without_witness(event, row, before)),
            self.spoken_for(gone, &voters, before),
            self.across_a_cut(gone, before),
        ];
        for what in wrong.into_iter().flatten() {
            self.violate(format!("{} is down, but {what}", event.subject_name));
        }
    }

    /// Checks that no server that voted for this removal could reach the removed one.
    fn reached_by_voters(&self, gone: usize, voters: &[usize]) -> Option<String> {
        let reach = voters.iter().filter(|voter| self.reaches_for(**voter, gone, Self::WELL));
        let names: Vec<&str> = reach.map(|voter| self.hosts[*voter].name.as_str()).collect();
        (!names.is_empty()).then(|| format!("{} said so and reach it", names.join(", ")))
    }

    fn reached_by_buddies(&self, gone: usize, row: &ServerRow) -> Option<String> {
        let well = |side| {
            let name = self.table.rows.get(&row.buddy(side)).map(|r| r.card.name.as_str())?;
            let buddy = self.host(name).filter(|b| *b != gone)?;
            (self.hosts[buddy].is_well() && self.reaches_for(buddy, gone, Self::WELL)).then_some(())
        };
        (well(Side::First).is_some() && well(Side::Second).is_some()).then(|| "both its buddies reach it".to_owned())
    }

    /// Checks R6, with the counts of the remover's kernel.
    fn too_hasty(&self, by: &str, gone: usize) -> Option<String> {
        let (silence, misses) = self.missed(by, gone)?;
        let (short, ms) = (silence < law::REMOVAL_SILENCE || misses < law::REMOVAL_MISSES, silence.as_millis());
        short.then(|| format!("{by}, who removed it, had missed {misses} of its probes in {ms} ms and no more (R6)"))
    }

    /// For how long this server's kernel has not heard it, and how many probes it missed since.
    fn missed(&self, by: &str, gone: usize) -> Option<(Duration, u32)> {
        let host = &self.hosts[self.host(by)?];
        let (_, reading) = host.datapath.of(self.hosts[gone].address)?;
        Some((host.clock(self.now).since(reading.silent_since()), reading.consecutive))
    }

    /// Whether the other witness's kernel took the place of its vote, and this is how its counts are.
    fn confirmed(&self, event: &StoredEvent, gone: usize) -> bool {
        let Some((_, removed)) = event.body.removal().filter(|(_, removed)| removed.kernel.is_some()) else {
            return false;
        };
        let Some(witness) = removed.voters.get(1) else { return false };
        // It said so, and something befell it since, so that its counts are gone with its agent; or it took its row
        // again in a new life, and begins anew; or it hears it again.
        let befell = |host: usize| self.now.since(self.hosts[host].changed) < R7;
        let again =
            self.table.events.iter().rev().take_while(|e| self.table.now().since(e.at).is_none_or(|age| age < R7));
        let mut again = again.filter(|e| e.kind() == EventKind::Joined && e.subject_name == *witness);
        if again.any(|e| e.body.detail()["kept_place"] == true) {
            return true;
        }
        let returned = |host| self.reaches_for(host, gone, Duration::ZERO) && !self.reaches_for(host, gone, R7);
        if self.host(witness).is_some_and(|host| befell(host) || returned(host)) {
            return true;
        }
        self.missed(witness, gone)
            .is_some_and(|(silence, misses)| silence >= law::REMOVAL_SILENCE && misses >= law::REMOVAL_MISSES)
    }

    /// Checks that there were two witnesses, or one that is alone and has said so for long enough.
    fn without_witness(&self, event: &StoredEvent, row: &ServerRow, before: &[ServerRow]) -> Option<String> {
        // What was read before the clock stepped back has no age now.
        let stepped = self.rough.stepped.is_some_and(|at| self.now.since(at) < R7);
        if stepped || self.table.pool.rules.quorum == Quorum::Single {
            return None;
        }
        let now = self.table.now();
        let life = |vote: &Vote| {
            let were = before.iter().chain(self.table.rows.values()).find(|r| r.id == vote.voter);
            were.filter(|r| r.incarnation == vote.voter_incarnation && r.card.name != event.by)
        };
        let counts = |vote: &Vote| life(vote).is_some() && now.since(vote.at).is_some_and(|a| a <= law::VOTE_LIFETIME);
        let votes = || Side::BOTH.into_iter().filter_map(|side| row.vote(side));
        let is_old = |vote: &Vote| now.since(vote.since).is_some_and(|age| age >= row.wait());
        let kernel = event.body.removal().is_some_and(|(_, removed)| removed.kernel.is_some());
        // A kernel's word takes the place of one of them, which may be left over or of another kind.
        // What was said in a life that is over may have been said by a clock that stepped back since.
        let lives = |vote: &&Vote| {
            let mut rows = before.iter().chain(self.table.rows.values());
            rows.any(|r| r.id == vote.voter && r.incarnation == vote.voter_incarnation)
        };
        let challenged = if kernel { votes().any(is_old) } else { votes().filter(lives).all(is_old) };
        let confirmed = self.host_at(row.card.address).is_some_and(|gone| self.confirmed(event, gone));
        let seconded = (votes().any(counts) || confirmed) && challenged;
        let by = before.iter().find(|r| r.card.name == event.by);
        let marked = by.and_then(|r| r.alone_since).and_then(|since| now.since(since));
        let renewed = by.and_then(|r| r.alone_at).and_then(|at| now.since(at)).is_some_and(|age| age <= Self::STEADY);
        let of_two = before.len() + self.table.rows.len() <= 3;
        let all = self.table.pool.rules.alone == Alone::All;
        let least = if of_two { law::ALONE_ONE } else { law::ALONE_MORE };
        let alone = marked.is_some_and(|age| age >= least) && renewed && (of_two || all);
        (!seconded && !alone).then(|| format!("besides {} nobody said so in time (two witnesses, or R2)", event.by))
    }

    /// A server that heard the removed one, where a server that is heard may not be removed.
    ///
    /// R12 asks three servers, so it promises this only where any three would do: of the servers that a voter may ask,
    /// all but at most two are well, hear the suspect, and are heard by the voter. A server that is **alone** asks no
    /// server. There the others object themselves (R2), so one well server that hears another well one is enough.
    /// Neither is promised while the database is slow or away, while notices or frames get lost, or when all this is
    /// younger than [`World::STEADY`]; nor with `quorum = "single"`.
    fn spoken_for(&self, gone: usize, voters: &[usize], before: &[ServerRow]) -> Option<String> {
        let rough = self.rough.database.max(self.rough.notices);
        let smooth = self.network.loss_permille == 0 && self.now.since(rough) > Self::STEADY;
        let small = self.table.rows.len() <= Self::SMALL;
        if !smooth || !small || self.table.pool.rules.quorum == Quorum::Single {
            return None;
        }
        let fit = |host: usize| self.is_fit(host);
        let hears = |host: usize| fit(host) && self.hears(host, gone);
        let name = |host: usize| self.hosts[host].name.as_str();
        let rows: BTreeMap<ServerId, &ServerRow> =
            self.table.rows.values().chain(before).map(|row| (row.id, row)).collect();
        let members: Vec<usize> = rows.values().filter_map(|row| self.host(&row.card.name)).collect();
        let others = |voter: usize| members.iter().copied().filter(move |m| *m != voter && *m != gone);
        if let [alone] = voters {
            let by = others(*alone).find(|w| hears(*w) && self.runs_for(gone, Self::STEADY))?;
            return Some(format!(
                "{} hears it, and {} removed it without a second witness (R2)",
                name(by),
                name(*alone)
            ));
        }
        for voter in voters.iter().copied().filter(|v| fit(*v)) {
            let asked: Vec<usize> = others(voter).collect();
            let heard: Vec<usize> = asked.iter().copied().filter(|w| hears(*w) && self.hears(voter, *w)).collect();
            if !heard.is_empty() && asked.len() - heard.len() < asked.len().min(3) {
                let names: Vec<&str> = heard.iter().map(|w| name(*w)).collect();
                return Some(format!("{} hear it, and {} could ask them (R12)", names.join(", "), name(voter)));
            }
        }
        None
    }

    /// R4: the members are two groups of at least two each. Within a group all servers hear each other; across the
    /// groups no server hears another. All of them answer, so no server is removed. This is promised while the database
    /// answers, all servers are well, and each of the removed one's group answers within the time that its row states.
    fn across_a_cut(&self, gone: usize, before: &[ServerRow]) -> Option<String> {
        let smooth = self.network.loss_permille == 0 && self.now.since(self.rough.away) > Self::STEADY;
        if !smooth || self.table.rows.len() > Self::SMALL {
            return None;
        }
        let names = self.table.rows.values().chain(before).map(|row| row.card.name.as_str());
        let members: BTreeSet<usize> = names.filter_map(|name| self.host(name)).collect();
        let hears = |a: usize, b: usize| self.hears(a, b);
        let (near, far): (Vec<usize>, Vec<usize>) = members.iter().partition(|m| **m == gone || hears(gone, **m));
        let whole = |group: &[usize]| {
            let all = group.iter().all(|a| self.is_fit(*a) && group.iter().all(|b| a == b || hears(*a, *b)));
            all && group.len() >= 2
        };
        let row = |host: usize| {
            let name = self.hosts[host].name.as_str();
            before.iter().chain(self.table.rows.values()).find(|row| row.card.name == name)
        };
        let in_time = |host: usize| row(host).is_some_and(|row| row.wait() >= self.answer_of(host));
        if !near.iter().all(|host| in_time(*host)) {
            return None;
        }
        let parted = near.iter().all(|a| far.iter().all(|b| !self.network.reaches(*a, *b)));
        (whole(&near) && whole(&far) && parted).then(|| "it lives on the other side of a cut (R4)".to_owned())
    }

    /// How long this server takes at most to answer a vote: it notices the cut, looks ahead in two or three statements,
    /// hears somebody, and answers in two.
    fn answer_of(&self, host: usize) -> Duration {
        Duration::from_millis(40) + self.statement_of(host).1 * 5
    }

    /// Whether this member is placed, and not blind: who is cannot say whom it hears.
    pub(crate) fn is_fit(&self, host: usize) -> bool {
        self.is_placed(host) && !self.hosts[host].blind
    }

    /// Whether this member has been well, and in its place in the table, for longer than [`World::STEADY`]. While it is
    /// not known which history the table has, no member is.
    fn is_placed(&self, host: usize) -> bool {
        let h = &self.hosts[host];
        let known = h.engine.as_ref().and_then(|e| e.member()).and_then(|list| self.placed.get(&list.id));
        let placed = known.is_some_and(|(_, _, at)| self.now.since(*at) > Self::STEADY);
        placed && !self.doubts() && !h.database_cut && self.runs_for(host, Self::STEADY)
    }

    /// The table went back a short time ago. Agents find that out at their next regular look, and a second later they
    /// are sure; then their buddies do. Until then, who knows its place and whom to ask is left to chance.
    pub(crate) fn doubts(&self) -> bool {
        let most = law::REREAD + law::REREAD / 10 + 4 * law::EPOCH_PROOF;
        self.rough.went_back.is_some_and(|at| self.now.since(at) < most)
    }

    pub(crate) fn runs_for(&self, host: usize, span: Duration) -> bool {
        let h = &self.hosts[host];
        h.engine.is_some() && !h.frozen && !h.cut && self.now.since(h.changed) > span
    }

    /// Whether frames pass both ways between the two, and have done so for this long.
    pub(crate) fn reaches_for(&self, a: usize, b: usize, span: Duration) -> bool {
        let (x, y) = (&self.hosts[a], &self.hosts[b]);
        let since = x.changed.max(y.changed).max(self.network.steady_since(a, b));
        !x.cut && !y.cut && self.network.reaches(a, b) && self.now.since(since) > span
    }

    /// Whether the first one has heard the second one for longer than [`World::STEADY`], as far as the network and its
    /// own filters let it.
    pub(crate) fn hears(&self, a: usize, b: usize) -> bool {
        self.hears_for(a, b, Self::STEADY)
    }

    pub(crate) fn hears_for(&self, a: usize, b: usize, span: Duration) -> bool {
        !self.hosts[a].cannot_probe(b) && self.reaches_for(a, b, span)
    }

    pub(super) fn check_lost(&mut self, event: &StoredEvent) {
        let Some(gone) = self.host(&event.subject_name) else { return };
        let host = &self.hosts[gone];
        let runs = host.engine.is_some() && !host.frozen && self.now.since(host.changed) > Self::WELL;
        let heard = self.host(&event.by).is_some_and(|by| self.reaches_for(by, gone, Self::WELL));
        if runs && heard && !host.cut {
            self.violate(format!("{} lost its agent, which runs", event.subject_name));
        }
    }

    /// R11: with these removals, no more than the brake's share is gone and not back. Removals that were under way at
    /// the same time did not count each other, so those within [`WRITE_MOST`](ringmon_core::law::WRITE_MOST) may
    /// come on top.
    pub(super) fn check_brake(&mut self, new: &[StoredEvent]) {
        let run = new.iter().filter(|e| e.body.removal().is_some()).count();
        let permille = usize::from(self.table.pool.rules.brake_permille);
        if run == 0 || permille >= 1000 {
            return;
        }
        let (now, earlier) = (self.table.now(), &self.table.events[..self.events_checked - new.len()]);
        let late = |e: &&StoredEvent| now.since(e.at).is_none_or(|age| age <= law::WRITE_MOST);
        let parallel: BTreeSet<&str> = earlier
            .iter()
            .filter(late)
            .filter(|e| e.body.removal().is_some())
            .map(|e| e.subject_name.as_str())
            .collect();
        let gone = self.table.gone(law::BRAKE_WINDOW);
        let counted = gone.iter().filter(|name| !parallel.contains(*name)).count();
        let all = self.table.rows.len() + gone.len();
        let limit = (all * permille / 1000).max(usize::try_from(law::BRAKE_FLOOR).unwrap_or(usize::MAX));
        if counted > limit {
            self.violate(format!("{counted} of {all} are gone, and the brake is at {limit} (R11)"));
        }
    }

    /// R10: a server that has been well for long knows its buddies if they know it and one of them is new to it. Who is
    /// blind misses nobody, so it may learn only at its next regular look. Called now and then by the code that drives
    /// a world.
    pub fn check_buddies(&mut self) {
        let mut wrong = Vec::new();
        let smooth = !self.database_away && self.now.since(self.rough.database) > Self::QUIET;
        for (id, (first, second, at)) in self.placed.iter().filter(|_| smooth) {
            let host_of = |id| self.table.rows.get(id).and_then(|row| self.host(&row.card.name));
            let Some(host) = host_of(id).filter(|h| self.is_fit(*h)) else { continue };
            let known = |b: &usize| self.is_placed(*b) && self.reaches_for(host, *b, Self::STEADY);
            let knows = |b: usize| {
                let row = self.table.named(&self.hosts[b].name);
                row.is_some_and(|row| self.hosts[b].buddies() == Some((row.first_buddy, row.second_buddy)))
            };
            let buddies = [host_of(first), host_of(second)];
            let fine = buddies.iter().all(|b| b.is_some_and(|b| b == host || known(&b) && knows(b)));
            let view = self.hosts[host].buddies();
            let stranger = view.is_none_or(|v| [first, second].iter().any(|b| **b != v.0 && **b != v.1));
            if fine
                && stranger
                && self.now.since(*at) > Self::STEADY
                && self.hosts[host].buddies() != Some((*first, *second))
            {
                let since = self.now.since(*at).as_millis();
                wrong.push(format!("{} has not known its buddies for {since} ms (R10)", self.hosts[host].name));
            }
        }
        wrong.into_iter().for_each(|what| self.violate(what));
    }

    /// After something has been true for this long, every server had the time to learn it, to be asked about it and to
    /// say it.
    pub(crate) const STEADY: Duration = Duration::from_secs(2);

    /// After the database was away, an agent may leave it alone for five seconds.
    pub(crate) const QUIET: Duration = Duration::from_secs(6);
}
