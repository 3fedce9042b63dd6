//! An engine on a bench: its table operations are carried out when the test says so.

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::buddy::BuddyList;
use crate::card::{Card, Clients};
use crate::engine::{Engine, Identity, Input, Output, Stopped, TableDone, TableFailure};
use crate::op::{Place, TableOp};
use crate::row::{Address, Health, Mode};
use crate::virtual_table::VirtualTable;
use crate::{
    BootToken, DbTime, Event, EventKind, Incarnation, Notice, Outcome, Profile, Time, WatchId, WatchReading, WatchSpec,
};

pub const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub fn address(number: u8) -> Address {
    [10, 0, 0, number].into()
}

pub fn identity(number: u8) -> Identity {
    Identity {
        card: Card {
            name: format!("s{number}"),
            address: address(number),
            notice_port: 7464,
            clients: Clients { address: None, port: None, weight: 1 },
            boot: BootToken(format!("boot-{number}")),
        },
        mode: Mode::Act,
        tuning: Profile::Default.tuning(),
        seed: 1,
        start_drained: false,
    }
}

/// An engine, its table, and what it has said so far.
pub struct Bench {
    pub engine: Engine,
    pub now: Time,
    pub table: VirtualTable,
    /// Operations that were asked for and not answered.
    pub asked: VecDeque<(u64, TableOp)>,
    pub watches: Vec<WatchSpec>,
    pub sent: Vec<(Address, Notice)>,
    pub events: Vec<Event>,
    pub kept: Option<BuddyList>,
    pub answers_as: Option<(Incarnation, Health)>,
    /// From when on its kernel's testimony counts.
    pub clean: Time,
    /// Whether its answers say that it is blind.
    pub blind: bool,
    pub stopped: Option<Stopped>,
    /// Since when the silent server has been silent.
    pub silent: Option<Time>,
}

impl Bench {
    pub fn new(number: u8, table: VirtualTable) -> Self {
        Self {
            engine: Engine::new(identity(number)),
            now: Time::ZERO + Duration::from_secs(1000),
            table,
            asked: VecDeque::new(),
            watches: Vec::new(),
            sent: Vec::new(),
            events: Vec::new(),
            kept: None,
            answers_as: None,
            clean: Time::ZERO,
            blind: false,
            stopped: None,
            silent: None,
        }
    }

    /// A member of a ring, with this many others; it is `s9`.
    pub fn member(others: u8) -> Self {
        Self::joined(9, others)
    }

    /// A member with this number, beside this many others.
    pub fn joined(number: u8, others: u8) -> Self {
        Self::beside(number, ring(others))
    }

    /// A member with this number, beside those in the table.
    pub fn beside(number: u8, table: VirtualTable) -> Self {
        let mut bench = Self::new(number, table);
        bench.feed(Input::Start { kept: None });
        bench.settle();
        bench.prove();
        bench.settle();
        assert_eq!(bench.phase(), "member");
        bench.sent.clear();
        bench
    }

    pub fn feed(&mut self, input: Input) {
        self.engine.handle(self.now, input);
        self.drain();
        self.pass(Duration::ZERO);
    }

    /// Lets time pass; the engine is called when it asked for it.
    pub fn pass(&mut self, span: Duration) {
        self.table.advance(span);
        let until = self.now + span;
        while let Some(due) = self.engine.poll_timeout().filter(|due| *due <= until) {
            let before = self.now;
            self.now = self.now.max(due);
            self.engine.handle_timeout(self.now);
            self.drain();
            assert!(self.now > before || self.engine.poll_timeout().is_none_or(|t| t > self.now), "it spins");
        }
        self.now = until;
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Watch(spec) => {
                    self.watches.retain(|w| w.id != spec.id);
                    self.watches.push(spec);
                }
                Output::Unwatch(id) => self.watches.retain(|w| w.id != id),
                Output::Table { ticket, op } => self.asked.push_back((ticket, op)),
                Output::Send { to, notice, .. } => self.sent.push((to, notice)),
                Output::Event(event) => self.events.push(event),
                Output::Keep(list) => self.kept = Some(list),
                Output::Identity(answers) => {
                    self.answers_as = Some((answers.incarnation, answers.health));
                    (self.clean, self.blind) = (answers.clean, answers.blind);
                }
                Output::Stopped(stopped) => self.stopped = Some(stopped),
            }
        }
    }

    /// Carries out the operations that were asked for, until there are none left. Returns them.
    pub fn settle(&mut self) -> Vec<TableOp> {
        let mut done = Vec::new();
        while let Some((ticket, op)) = self.asked.pop_front() {
            assert!(done.len() < 1000, "it asks without end: {op:?}");
            self.now = self.now + ms(1);
            self.table.advance(ms(1));
            let (outcome, snapshot) = self.table.run(&op, self.now, &mut || true).expect("the table is there");
            self.feed(Input::Table(TableDone { ticket, result: Ok(outcome), snapshot, took: ms(1) }));
            done.push(op);
        }
        done
    }

    /// Answers the oldest operation with a failure.
    pub fn fail(&mut self, cause: &str, transient: bool) -> TableOp {
        let (ticket, op) = self.asked.pop_front().expect("something was asked for");
        let result = Err(TableFailure { cause: cause.into(), transient, readable: false, overtaken: false });
        self.feed(Input::Table(TableDone { ticket, result, snapshot: Default::default(), took: ms(1) }));
        op
    }

    /// Answers the oldest operation with this outcome, and with what a read of the table returns.
    pub fn answer(&mut self, outcome: Outcome) -> TableOp {
        let (ticket, op) = self.asked.pop_front().expect("something was asked for");
        let snapshot = self.table.begin(self.now);
        self.feed(Input::Table(TableDone { ticket, result: Ok(outcome), snapshot, took: ms(1) }));
        op
    }

    /// Hands over a reading of this watch: the time since the last reply, and the misses since then.
    pub fn read(&mut self, watch: WatchId, silence: Duration, consecutive: u32) {
        self.edit(watch, silence, consecutive, |_| {});
    }

    /// Like [`Self::read`], with further changes to the reading.
    pub fn edit(&mut self, watch: WatchId, silence: Duration, consecutive: u32, more: impl FnOnce(&mut WatchReading)) {
        let heard = self.now - silence;
        let mut reading = WatchReading {
            replies: 1,
            misses: consecutive.into(),
            consecutive,
            last_reply: Some(heard),
            last_pulse: Some(heard),
            incarnation: Incarnation(1),
            ..WatchReading::default()
        };
        more(&mut reading);
        self.feed(Input::Watch(watch, reading));
    }

    /// Both ends of a join hear it, and it hears them.
    pub fn prove(&mut self) {
        self.now = self.now + ms(5);
        for watch in self.watches.clone() {
            self.read(watch.id, Duration::ZERO, 0);
            self.feed(Input::Answered { address: watch.address, at: self.now, proved: Some(self.now) });
        }
    }

    pub fn watch_of(&self, number: u8) -> Option<&WatchSpec> {
        self.watches.iter().find(|w| w.address == address(number))
    }

    pub fn phase(&self) -> &'static str {
        self.engine.snapshot(self.now).phase
    }

    pub fn told(&self, kind: EventKind) -> usize {
        self.events.iter().filter(|e| e.kind() == kind).count()
    }
}

/// A ring of this many servers: `s1`, `s2`, ...
pub fn ring(servers: u8) -> VirtualTable {
    use crate::edit::{Lookup, NewRow};
    let mut table = VirtualTable::new(DbTime::from_us(1_000_000));
    for number in 1..=servers {
        let id = identity(number);
        let new = NewRow {
            card: Card {
                name: id.card.name,
                address: id.card.address,
                notice_port: 7464,
                clients: Clients { address: None, port: None, weight: 1 },
                boot: id.card.boot,
            },
            incarnation: Incarnation(1),
            pick: i64::from(number),
            health: Health::Unknown,
            wait: Duration::from_millis(60),
            draining: false,
        };
        let mut seen = table.begin(Time::ZERO);
        table.read(&mut seen, &Lookup::Pick(0));
        let place = seen.row(&Lookup::Pick(0)).map(|row| Place::between(row, &table.rows[&row.first_buddy]));
        table.run_plain(&TableOp::Join { new, place }).expect("joined");
    }
    table
}
