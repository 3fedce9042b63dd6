//! Whole pools that lose their power, their switch, or the way between their halves: who is removed, and when the pool
//! is whole again.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde::{Serialize, Serializer};

use crate::clock::now_ns;
use crate::database::{Choice, Forward};
use crate::event::Event;
use crate::lab::{Lab, Options};
use crate::server::State;

/// What befalls a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// All agents are killed and all ports cut. Within 30 s each server is back at a random moment, but for one.
    PowerCut,
    /// No server hears another one for so many seconds; the ports are back within five seconds of each other. In every
    /// second trial the database is behind the switch, in every third the carrier is gone. One server dies meanwhile.
    Switch(u16),
    /// Two halves do not hear each other for three seconds, and one of them is so many milliseconds (a round trip)
    /// farther from the database. Nobody dies.
    Halves(u16),
    /// The same, and of the packets between one of the halves and the database so many of a hundred are lost, each way.
    Lossy(u16),
}

impl What {
    /// What is measured unless something else is asked for.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let halves = [0, 4, 10, 40, 100].map(Self::Halves).into_iter().chain([5, 20].map(Self::Lossy));
        [Self::PowerCut].into_iter().chain([3, 30, 120].map(Self::Switch)).chain(halves).collect()
    }

    /// About how long one trial takes.
    #[must_use]
    pub const fn estimate(self) -> Duration {
        match self {
            Self::PowerCut => Duration::from_secs(110),
            Self::Switch(seconds) => Duration::from_secs(85 + seconds as u64),
            Self::Halves(_) | Self::Lossy(_) => Duration::from_secs(20),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PowerCut => f.pad("power-cut"),
            Self::Switch(seconds) => f.pad(&format!("switch-{seconds}")),
            Self::Halves(ms) => f.pad(&format!("halves-{ms}")),
            Self::Lossy(percent) => f.pad(&format!("lossy-{percent}")),
        }
    }
}

impl FromStr for What {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = "one of power-cut, switch-SECONDS (at most 300), halves-MILLISECONDS (at most 1000), \
                     lossy-PERCENT (at most 50)";
        let number = |word: &str, most| word.parse().ok().filter(|number: &u16| *number <= most);
        let found = match text.split_once('-') {
            Some(("power", "cut")) => Some(Self::PowerCut),
            Some(("switch", seconds)) => number(seconds, 300).map(Self::Switch),
            Some(("halves", ms)) => number(ms, 1000).map(Self::Halves),
            Some(("lossy", percent)) => number(percent, 50).map(Self::Lossy),
            _ => None,
        };
        found.ok_or_else(|| format!("{text:?} is not {known}"))
    }
}

impl Serialize for What {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// What became of one pool. Times are in seconds; `None`: it never happened, or there was nothing to wait for.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Trial {
    /// Servers that were removed while they ran.
    pub falsely: Vec<String>,
    /// From the moment when the last server was back until exactly those that run are on one whole ring.
    pub whole_s: Option<f64>,
    /// From the beginning until the one that never came back was removed.
    pub absent_s: Option<f64>,
    /// From a later crash until it was removed: the pool is not frozen.
    pub crash_s: Option<f64>,
}

/// All trials of one kind.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// What befell the pools.
    pub what: What,
    /// How many servers each of them had.
    pub servers: u8,
    /// One for each pool.
    pub trials: Vec<Trial>,
    /// Why it was not measured to its end.
    pub problem: Option<String>,
}

/// How long a pool may take for anything.
const LIMIT: Duration = Duration::from_secs(150);

/// Breaks `trials` new pools of optimised agents, one after the other. `tell` learns how many are done.
#[must_use]
pub fn measure(what: What, servers: u8, trials: usize, seed: u64, tell: &mut dyn FnMut(usize)) -> Line {
    let mut line = Line { what, servers, trials: Vec::new(), problem: None };
    for trial in 0..trials {
        tell(trial);
        match Pool::start(what, servers, seed.wrapping_add(trial as u64), trial).and_then(Pool::suffer) {
            Ok(result) => line.trials.push(result),
            Err(problem) => {
                line.problem = Some(format!("trial {} of {trials}: {problem:#}", trial + 1));
                break;
            }
        }
    }
    line
}

struct Pool {
    lab: Lab,
    what: What,
    number: usize,
    rng: StdRng,
    names: Vec<String>,
    /// Since when each server runs.
    runs: BTreeMap<String, u64>,
    _farther: Option<Forward>,
}

impl Pool {
    fn start(what: What, servers: u8, seed: u64, number: usize) -> anyhow::Result<Self> {
        let mut lab = Lab::new(Options { database: Choice::MariaDb, ..Options::built("release") })?;
        let names: Vec<String> = (1..=servers).map(|number| format!("s{number}")).collect();
        let farther = match what {
            What::Halves(ms) => {
                let round_trip = Duration::from_millis(ms.into());
                Some(lab.database.farther(lab.network.hub(), 3307, round_trip)?)
            }
            What::PowerCut | What::Switch(_) | What::Lossy(_) => None,
        };
        for (index, name) in names.iter().enumerate() {
            lab.add(name)?;
            let far = farther.as_ref().filter(|_| index % 2 == 1).map(|(_, url)| ["--database-url", url.as_str()]);
            lab.start(name, far.as_ref().map_or(&[][..], |args| &args[..]))?;
        }
        lab.until_whole().context("the pool did not come up")?;
        // Its rows now say how long an answer takes.
        lab.hold(Duration::from_secs(2))?;
        let runs = names.iter().map(|name| (name.clone(), now_ns())).collect();
        let _farther = farther.map(|(forward, _)| forward);
        Ok(Self { lab, what, number, rng: StdRng::seed_from_u64(seed), names, runs, _farther })
    }

    fn suffer(mut self) -> anyhow::Result<Trial> {
        let begin = now_ns();
        let mut trial = Trial::default();
        let absent = match self.what {
            What::PowerCut => Some(self.power_cut()?),
            What::Switch(seconds) => Some(self.switch(seconds)?),
            What::Halves(_) | What::Lossy(_) => {
                self.halves()?;
                None
            }
        };
        let back = Instant::now();
        if let Some(absent) = &absent {
            trial.absent_s = self.gone(absent, begin)?;
            ensure!(
                trial.absent_s.is_some(),
                "{absent} never came back, and is still there\n{}",
                self.lab.last_words()
            );
        }
        let expected = self.lab.expected();
        let whole = self.lab.until("the pool is whole", LIMIT, |lab| lab.whole(&expected));
        trial.whole_s = Some(self.whole_at(absent.as_deref(), back));
        whole?;
        if let (Some(absent), Some(index)) = (&absent, self.names.iter().position(|n| Some(n) != absent.as_ref())) {
            let (victim, struck) = (self.names[index].clone(), now_ns());
            ensure!(victim != *absent, "nobody is left");
            self.lab.crash(std::slice::from_ref(&victim))?;
            self.runs.remove(&victim);
            trial.crash_s = self.gone(&victim, struck)?;
        }
        self.lab.listen()?;
        let removed = self.lab.events().iter().filter(|event| event.mono_ns >= begin);
        let removed = removed.filter(|event| ["down", "agent_lost"].contains(&event.event.as_str()));
        let falsely = removed.filter(|event| self.runs.get(&event.subject).is_some_and(|since| event.mono_ns > *since));
        trial.falsely = falsely.map(|event| event.subject.clone()).collect();
        trial.falsely.sort();
        trial.falsely.dedup();
        Ok(trial)
    }

    /// When the last of those that run joined or was heard. What follows from the absent one's removal is later.
    fn whole_at(&self, absent: Option<&str>, back: Instant) -> f64 {
        let gone = |event: &&Event| event.event == "down" && Some(event.subject.as_str()) == absent;
        let removed = self.lab.events().iter().filter(gone).map(|event| event.mono_ns).min().unwrap_or(u64::MAX);
        let needed = |event: &&Event| ["alive", "joined"].contains(&event.event.as_str()) && event.mono_ns < removed;
        let last = self.lab.events().iter().filter(needed).map(|event| event.mono_ns).max().unwrap_or_default();
        let ago = Duration::from_nanos(now_ns().saturating_sub(last));
        back.elapsed().saturating_sub(ago).as_secs_f64()
    }

    /// How long after `since` this server was removed.
    fn gone(&mut self, name: &str, since: u64) -> anyhow::Result<Option<f64>> {
        let limit = Instant::now() + LIMIT;
        while Instant::now() < limit {
            self.lab.listen()?;
            let down = |event: &&Event| event.mono_ns > since && event.is("down", name);
            if let Some(event) = self.lab.events().iter().find(down) {
                return Ok(Some(Duration::from_nanos(event.mono_ns - since).as_secs_f64()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(None)
    }

    fn numbers(&self) -> anyhow::Result<Vec<u8>> {
        self.names.iter().map(|name| Ok(self.lab.server(name)?.number)).collect()
    }

    fn power_cut(&mut self) -> anyhow::Result<String> {
        let numbers = self.numbers()?;
        self.lab.network.change(|faults| faults.cut.extend(&numbers))?;
        let begin = Instant::now();
        for name in self.names.clone() {
            self.lab.kill(&name)?;
            self.lab.mark(&name, State::Killed);
            self.runs.remove(&name);
        }
        let absent = self.names[self.rng.random_range(0..self.names.len())].clone();
        let mut back: Vec<(Duration, String, u8)> = Vec::new();
        for (name, number) in self.names.iter().zip(numbers).filter(|(name, _)| **name != absent) {
            back.push((Duration::from_millis(self.rng.random_range(1000..30_000)), name.clone(), number));
        }
        back.sort();
        for (at, name, number) in back {
            self.lab.hold(at.saturating_sub(begin.elapsed()))?;
            self.lab.network.change(|faults| {
                faults.cut.remove(&number);
            })?;
            self.lab.start(&name, &[])?;
            self.runs.insert(name, now_ns());
        }
        Ok(absent)
    }

    fn switch(&mut self, seconds: u16) -> anyhow::Result<String> {
        let numbers = self.numbers()?;
        let (table_too, carrier) = (self.number % 2 == 1, self.number % 3 == 2);
        let link = |lab: &Lab, number: u8, up: bool| -> anyhow::Result<()> {
            let word = if up { "up" } else { "down" };
            lab.network.hub().ip(&format!("link set p{number} {word}\n")).map(drop)
        };
        self.lab
            .network
            .change(|faults| if table_too { faults.cut.extend(&numbers) } else { faults.isolated.extend(&numbers) })?;
        let begin = Instant::now();
        for number in numbers.iter().filter(|_| carrier) {
            link(&self.lab, *number, false)?;
        }
        let dead = self.rng.random_range(0..self.names.len());
        let absent = self.names[dead].clone();
        self.lab.kill(&absent)?;
        self.lab.mark(&absent, State::Killed);
        self.runs.remove(&absent);
        let mut back: Vec<(Duration, u8)> = Vec::new();
        for number in numbers.iter().copied().filter(|number| *number != numbers[dead]) {
            back.push((Duration::from_millis(self.rng.random_range(0..5000)), number));
        }
        back.sort_unstable();
        self.lab.hold(Duration::from_secs(seconds.into()).saturating_sub(begin.elapsed()))?;
        let from = Instant::now();
        for (at, number) in back {
            self.lab.hold(at.saturating_sub(from.elapsed()))?;
            if carrier {
                link(&self.lab, number, true)?;
            }
            self.lab.network.change(|faults| {
                faults.cut.remove(&number);
                faults.isolated.remove(&number);
            })?;
        }
        Ok(absent)
    }

    fn halves(&mut self) -> anyhow::Result<()> {
        let numbers = self.numbers()?;
        let (far, near): (Vec<u8>, Vec<u8>) = numbers.iter().partition(|number| *number % 2 == 0);
        if far.is_empty() || near.is_empty() {
            bail!("two halves need two servers");
        }
        if let What::Lossy(percent) = self.what {
            let percent = u8::try_from(percent)?;
            self.lab.network.change(|faults| faults.hub_loss.extend(far.iter().map(|port| (*port, percent))))?;
        }
        let groups = vec![near.into_iter().collect(), far.into_iter().collect()];
        self.lab.network.change(|faults| faults.groups = groups)?;
        self.lab.hold(Duration::from_secs(3))?;
        self.lab.network.change(|faults| faults.groups.clear())?;
        Ok(())
    }
}
