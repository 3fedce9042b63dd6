//! The measurements: what the writers do, and for how long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use ringmon_tests::bench::store::{Design, Numbers, StoreLine, What};
use ringmon_tests::engine::Engine;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Options;
use crate::meter::{Done, Log, numbers, rounded};
use crate::naive::Naive;
use crate::ours::Ours;
use crate::target::{Database, Target};
use crate::writer::Writer;
use ringmon_core::law;

/// How many writers choose a random server at once. More would only wait for a processor while each sorts the pool.
const PICKERS: u32 = 4;
/// How many votes each writer has to cast.
const PAIRS: u32 = 8;
/// Bounds a whole measurement: what comes before and after it, and its slowest operation, are over by then.
const AROUND: Duration = Duration::from_secs(180);
/// Agents that look at their rows every [`REREAD`](ringmon_core::law::REREAD), without jitter.
const IDLE_AGENTS: f64 = 10_000.0;

/// How many writers do this at once.
pub fn at_once(what: What, writers: u32, servers: u32) -> u32 {
    match what {
        What::Splice | What::Removal | What::Poll | What::Idle => writers,
        // Each writer has a voter of its own.
        What::Vote => writers.min(servers),
        What::Pick => PICKERS.min(writers),
        What::Connect | What::Connected => 1,
    }
}

/// Makes the measurement of this line.
///
/// # Errors
/// An error that is not transient, or it is not over in time.
pub async fn measure(
    options: &Options,
    target: &Target,
    database: &Database,
    line: &StoreLine,
) -> anyhow::Result<Numbers> {
    let span = options.span();
    let crowd = Crowd { target, database, servers: line.servers, count: line.writers, what: line.what, span };
    timeout(span + AROUND, crowd.measure(line.design)).await.context("it takes too long")?
}

/// Writers that do one thing at the same time.
struct Crowd<'a> {
    target: &'a Target,
    database: &'a Database,
    servers: u32,
    count: u32,
    what: What,
    span: Duration,
}

impl Crowd<'_> {
    async fn measure(&self, design: Design) -> anyhow::Result<Numbers> {
        match design {
            Design::Ringmon => {
                let mut opening = JoinSet::new();
                for number in 0..self.count {
                    let opened = self.database.open(number)?;
                    opening.spawn(async move { Ok(Ours::new(opened.await?, number)) });
                }
                let agents = opening.join_all().await.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
                match self.what {
                    What::Splice | What::Removal | What::Vote | What::Pick => self.write(agents).await,
                    What::Poll | What::Idle | What::Connect | What::Connected => self.read(agents).await,
                }
            }
            Design::LockEverything | Design::OrderByRand => {
                let (mut opening, engine, pool) = (JoinSet::new(), self.target.engine, self.database.pool);
                for number in 0..self.count {
                    let place = self.database.place(number).clone();
                    opening.spawn(async move { Ok(Naive::new(place.connect().await?, engine, pool, number)) });
                }
                let writers = opening.join_all().await.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
                self.write(writers).await
            }
        }
    }

    /// Servers of the filled pool, evenly spread. Each writer gets others.
    fn ids(&self, number: u32) -> Vec<i64> {
        let all = (self.count * PAIRS).min(self.servers);
        let of_writer = (number..all.max(number + 1)).step_by(self.count as usize);
        let id = |k: u32| 1 + i64::from(k % self.servers) * i64::from(self.servers / all);
        of_writer.map(id).collect()
    }

    async fn write<W: Writer>(&self, writers: Vec<W>) -> anyhow::Result<Numbers> {
        let mut preparing = JoinSet::new();
        for (number, mut writer) in (0..).zip(writers) {
            let ids = self.ids(number);
            preparing.spawn(async move { writer.prepare(&ids).await.map(|()| writer) });
        }
        let mut tasks = JoinSet::new();
        let start = Arc::new(Barrier::new(self.count as usize + 1));
        let (what, span) = (self.what, self.span);
        for writer in preparing.join_all().await {
            let (mut writer, start) = (writer?, Arc::clone(&start));
            tasks.spawn(async move {
                start.wait().await;
                let mut log = Log::default();
                let result = act(&mut writer, what, span, &mut log).await;
                // The pool stays as large as before, also for the next measurement.
                let left = writer.leave().await;
                result.and(left.map(|_| log))
            });
        }
        self.meet(&start, tasks).await
    }

    async fn read(&self, agents: Vec<Ours>) -> anyhow::Result<Numbers> {
        let mut tasks = JoinSet::new();
        let start = Arc::new(Barrier::new(self.count as usize + 1));
        let (what, span, count) = (self.what, self.span, self.count);
        // SQLite keeps its file open.
        let anew = what == What::Connect || what == What::Idle && self.target.engine != Engine::Sqlite;
        let pace = self.pace();
        for (number, mut agent) in (0..).zip(agents) {
            let (ids, start) = (self.ids(number), Arc::clone(&start));
            agent.poll(ids[0], false).await?;
            tasks.spawn(async move {
                start.wait().await;
                let (begin, mut log) = (Instant::now(), Log::default());
                for turn in 0.. {
                    let due = pace.map(|pace| pace.mul_f64(f64::from(number) + f64::from(turn) * f64::from(count)));
                    if due.unwrap_or_else(|| begin.elapsed()) >= span {
                        break;
                    }
                    if let Some(due) = due {
                        tokio::time::sleep_until((begin + due).into()).await;
                    }
                    let done = agent.poll(ids[turn as usize % ids.len()], anew).await?;
                    // The database also delays a look that starts late because the one before took so long.
                    let late = due.map_or(Duration::ZERO, |due| begin.elapsed().saturating_sub(due + done.took));
                    log.push(begin.elapsed(), Done { took: done.took + late, ..done });
                }
                Ok(log)
            });
        }
        let before = self.database.written().await?;
        let numbers = self.meet(&start, tasks).await?;
        let written = self.database.written().await? - before;
        let needed_per_s = pace.map(|pace| rounded(1.0 / pace.as_secs_f64()));
        Ok(Numbers { needed_per_s, rows_written: Some(written), ..numbers })
    }

    /// The time between two looks, of all idle agents together.
    fn pace(&self) -> Option<Duration> {
        let reread = law::REREAD;
        (self.what == What::Idle).then(|| reread.div_f64(IDLE_AGENTS))
    }

    /// Lets the writers start, and watches what the servers cost until the time is over.
    async fn meet(&self, start: &Barrier, mut tasks: JoinSet<anyhow::Result<Log>>) -> anyhow::Result<Numbers> {
        start.wait().await;
        let (begin, before) = (Instant::now(), self.target.cpu_ms()?);
        tokio::time::sleep(self.span).await;
        let cost = (self.target.cpu_ms()? - before) / begin.elapsed().as_secs_f64() / 10.0;
        let mut logs = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            logs.push(ended.context("a writer broke down")??);
        }
        Ok(Numbers { core_percent: Some(rounded(cost)), ..numbers(&logs, self.span) })
    }
}

/// One writer's work, until the time is over.
async fn act<W: Writer>(writer: &mut W, what: What, span: Duration, log: &mut Log) -> anyhow::Result<()> {
    let begin = Instant::now();
    let mut push = |done: Done| log.push(begin.elapsed(), done);
    while begin.elapsed() < span {
        match what {
            What::Splice => {
                push(writer.join().await?);
                if let Some(done) = writer.leave().await? {
                    push(done);
                }
            }
            What::Removal => {
                writer.join().await?;
                match writer.remove().await? {
                    Some(done) => push(done),
                    None => drop(writer.leave().await?),
                }
            }
            What::Vote => {
                push(writer.vote().await?);
                push(writer.withdraw().await?);
            }
            What::Pick => push(writer.pick().await?),
            What::Poll | What::Idle | What::Connect | What::Connected => {
                anyhow::bail!("{what} writes nothing");
            }
        }
    }
    Ok(())
}
