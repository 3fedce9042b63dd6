//! ringmon's own operations, as agents run them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use ringmon::store::Store;
use ringmon_core::card::{Card, Clients};
use ringmon_core::edit::NewRow;
use ringmon_core::op::{Accusation, Finding, Mute, Place, TableOp};
use ringmon_core::row::{Health, Mode};
use ringmon_core::{
    BootToken, Incarnation, Lookup, Outcome, Profile, Rule, ServerId, ServerRow, Side, Silence, TableSnapshot, Time,
    Tuning, VoteKind, WatchId, Without,
};

use crate::meter::Done;
use crate::writer::Writer;

/// How often an operation that gave up for the time being is started again.
const ROUNDS: u32 = 30;
/// How many places are tried for a join.
const PLACES: u32 = 300;

pub struct Ours {
    store: Store,
    rng: StdRng,
    number: u32,
    joins: u32,
    me: Option<ServerId>,
    /// Voters and their first buddies. No other writer votes about them.
    pairs: Vec<(ServerRow, ServerRow)>,
    turn: usize,
}

impl Ours {
    /// With a store that no other writer shares.
    pub fn new(store: Store, number: u32) -> Self {
        let (rng, pairs) = (StdRng::seed_from_u64(number.into()), Vec::new());
        Self { store, rng, number, joins: 0, me: None, pairs, turn: 0 }
    }

    /// One agent's look at its row and its buddies' rows, as it happens every half minute.
    pub async fn poll(&mut self, id: i64, by_new_connection: bool) -> anyhow::Result<Done> {
        if by_new_connection {
            self.store.disconnect();
        }
        let (begin, mut done) = (Instant::now(), Done::default());
        let seen = self.view(ServerId(id), &mut done).await?.1;
        if seen.row(&Lookup::Id(ServerId(id))).is_none() {
            bail!("server {id} is not in the table");
        }
        Ok(Done { took: begin.elapsed(), ..done })
    }

    async fn view(&self, me: ServerId, done: &mut Done) -> anyhow::Result<(Outcome, TableSnapshot)> {
        self.run(&TableOp::View { me, known: Vec::new() }, done).await
    }

    /// Runs until it is done. Each attempt begins with a look at the clock.
    async fn run(&self, op: &TableOp, done: &mut Done) -> anyhow::Result<(Outcome, TableSnapshot)> {
        let attempts = AtomicU32::new(0);
        let clock = || {
            attempts.fetch_add(1, Relaxed);
            mono()
        };
        for _ in 0..ROUNDS {
            let (result, seen) = self.store.run(op, clock, || true).await;
            match result {
                Ok(outcome) => {
                    done.attempts += attempts.load(Relaxed);
                    return Ok((outcome, seen));
                }
                Err(error) if error.is_transient() => done.errors += 1,
                Err(error) => return Err(error.into()),
            }
        }
        bail!("an operation gave up {ROUNDS} times, after {} attempts", attempts.load(Relaxed))
    }

    /// A single operation.
    async fn timed(&self, op: &TableOp) -> anyhow::Result<(Done, Outcome)> {
        let (begin, mut done) = (Instant::now(), Done::default());
        let (outcome, _) = self.run(op, &mut done).await?;
        Ok((Done { took: begin.elapsed(), ..done }, outcome))
    }

    fn next_pair(&mut self) -> anyhow::Result<&(ServerRow, ServerRow)> {
        self.turn += 1;
        let place = self.turn % self.pairs.len().max(1);
        self.pairs.get(place).context("nobody to vote about")
    }

    /// The agent's row and both buddies' rows, if they exist.
    async fn around(&self, me: ServerId) -> anyhow::Result<Option<[ServerRow; 3]>> {
        let (_, seen) = self.view(me, &mut Done::default()).await?;
        let row = |id: ServerId| seen.rows.get(&id).cloned();
        let Some(own) = row(me) else { return Ok(None) };
        let (first, second) = (row(own.first_buddy), row(own.second_buddy));
        Ok(first.zip(second).map(|(first, second)| [own, first, second]))
    }
}

impl Writer for Ours {
    async fn prepare(&mut self, ids: &[i64]) -> anyhow::Result<()> {
        for id in ids {
            let [voter, suspect, _] = self.around(ServerId(*id)).await?.context("a server is not on the ring")?;
            self.pairs.push((voter, suspect));
        }
        Ok(())
    }

    async fn join(&mut self) -> anyhow::Result<Done> {
        let begin = Instant::now();
        self.joins += 1;
        let new = new_row(self.number, self.joins, self.rng.random());
        let mut done = Done::default();
        for _ in 0..PLACES {
            let pick = self.rng.random();
            let (_, seen) = self.run(&TableOp::PickPlace { pick }, &mut Done::default()).await?;
            let place = seen.row(&Lookup::Pick(pick)).and_then(|at| {
                let next = seen.rows.get(&at.first_buddy)?;
                Some(Place::between(at, next))
            });
            let op = TableOp::Join { new: new.clone(), place };
            if let (Outcome::Joined { id, .. }, _) = self.run(&op, &mut done).await? {
                self.me = Some(id);
                return Ok(Done { took: begin.elapsed(), ..done });
            }
        }
        bail!("no place in {PLACES} tries")
    }

    async fn leave(&mut self) -> anyhow::Result<Option<Done>> {
        let Some(id) = self.me.take() else { return Ok(None) };
        let op = TableOp::Leave { id, incarnation: None, by: format!("w{}", self.number) };
        let (begin, mut done) = (Instant::now(), Done::default());
        for _ in 0..PLACES {
            if self.run(&op, &mut done).await?.0 == Outcome::Left {
                return Ok(Some(Done { took: begin.elapsed(), ..done }));
            }
        }
        bail!("could not leave in {PLACES} tries")
    }

    async fn remove(&mut self) -> anyhow::Result<Option<Done>> {
        let me = self.me.context("no server that could be removed")?;
        let Some([own, first, second]) = self.around(me).await? else { return Ok(None) };
        if first.id == second.id {
            return Ok(None);
        }
        let (begin, mut done) = (Instant::now(), Done::default());
        let one = accusation(&second, Side::First, &own, Some(first.id));
        let voted = self.run(&TableOp::Accuse(one), &mut done).await?.0;
        if matches!(voted, Outcome::Voted { .. }) {
            let other = accusation(&first, Side::Second, &own, Some(second.id));
            if let (Outcome::Removed { .. }, _) = self.run(&TableOp::Accuse(other), &mut done).await? {
                self.me = None;
                return Ok(Some(Done { took: begin.elapsed(), ..done }));
            }
        }
        // A neighbour left or is accused itself: no vote of this may stay.
        for voter in [&first, &second] {
            let op = TableOp::Withdraw { me: voter.id, subjects: vec![me] };
            self.run(&op, &mut Done::default()).await?;
        }
        Ok(None)
    }

    async fn vote(&mut self) -> anyhow::Result<Done> {
        let (voter, suspect) = self.next_pair()?;
        let op = TableOp::Accuse(accusation(voter, Side::First, suspect, None));
        let (done, outcome) = self.timed(&op).await?;
        if !matches!(outcome, Outcome::Voted { .. }) {
            bail!("a vote came to {outcome:?}");
        }
        Ok(done)
    }

    async fn withdraw(&mut self) -> anyhow::Result<Done> {
        let place = self.turn % self.pairs.len().max(1);
        let (voter, suspect) = self.pairs.get(place).context("nobody has voted")?;
        let op = TableOp::Withdraw { me: voter.id, subjects: vec![suspect.id] };
        let (done, outcome) = self.timed(&op).await?;
        if outcome != Outcome::Withdrawn {
            bail!("taking a vote back came to {outcome:?}");
        }
        Ok(done)
    }

    async fn pick(&mut self) -> anyhow::Result<Done> {
        let op = TableOp::PickPlace { pick: self.rng.random() };
        Ok(self.timed(&op).await?.0)
    }
}

/// It has everything that a removal needs, except votes: these tables have seen no silence.
fn accusation(me: &ServerRow, side: Side, suspect: &ServerRow, far_end: Option<ServerId>) -> Accusation {
    let since = mono() - Duration::from_secs(3600);
    let silence = Silence { watch: WatchId { slot: 0, generation: 1 }, kind: VoteKind::Host, since };
    let finding = Finding {
        server: suspect.id,
        incarnation: suspect.incarnation,
        misses: 20,
        enough: true,
        proved: false,
        silence,
    };
    Accusation {
        me: me.id,
        incarnation: me.incarnation,
        name: me.card.name.clone(),
        side,
        mute: Mute::default(),
        findings: vec![finding],
        far_end,
        served: Duration::MAX,
        lag: Duration::ZERO,
        confirmed: None,
        braked: false,
        mode: Mode::Act,
        // It measures the table, so nobody waits for an answer.
        tuning: Tuning { without: Without::rules(&[Rule::R3]), ..Profile::Default.tuning() },
    }
}

fn new_row(writer: u32, join: u32, pick: i64) -> NewRow {
    NewRow {
        card: Card {
            name: format!("w{writer}-{join}"),
            address: std::net::Ipv6Addr::from((0xfd01_u128 << 112) | (u128::from(writer) << 32) | u128::from(join))
                .into(),
            notice_port: 7464,
            clients: Clients { address: None, port: None, weight: 1 },
            boot: BootToken("bench".to_owned()),
        },
        incarnation: Incarnation(0),
        pick,
        health: Health::Unknown,
        wait: Duration::from_millis(60),
        draining: false,
    }
}

/// A clock like the agents', which has run for a while.
fn mono() -> Time {
    static BEGIN: OnceLock<Instant> = OnceLock::new();
    Time::from_ns(1_000_000_000_000_000) + BEGIN.get_or_init(Instant::now).elapsed()
}
