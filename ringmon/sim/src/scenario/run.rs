//! Runs a scenario.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Scenario;
use super::report::{Began, Report};
use crate::{Fault, Settings, World};
use ringmon_core::{Profile, Time, law};

/// The scenario to run, and its world.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What happens to the pool.
    pub scenario: Scenario,
    /// The number of servers, at least 8.
    pub servers: usize,
    /// The seed from which everything random follows.
    pub seed: u64,
    /// The profile of all servers: how fast they probe.
    pub profile: Profile,
    /// Loss of each frame, in thousandths.
    pub loss_permille: u64,
    /// Least and most time that a frame takes.
    pub latency: (Duration, Duration),
    /// Least and most time of one statement. A transaction, COMMIT included, counts as one.
    pub statement: (Duration, Duration),
}

/// Something to do to the world.
#[derive(Clone, Debug)]
enum Act {
    Befall(usize, Fault),
    Partition(bool),
    Link(usize, usize, bool),
    Database(bool),
}

/// A scenario with its servers chosen: what happens to which server and when, and what the right outcome is.
#[derive(Debug, Default)]
struct Script {
    acts: Vec<(Duration, Act)>,
    group: Vec<usize>,
    dead: BTreeSet<usize>,
    /// The servers that may be removed besides the dead ones.
    may: BTreeSet<usize>,
    /// When everything that ends has ended.
    over: Duration,
}

const CUT: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(60);
/// After a common outage, servers come back over at most this long.
const BOOTS: Duration = Duration::from_secs(30);
const PORTS: Duration = Duration::from_secs(5);
/// Long enough after a common outage for everything that it delays.
const CALM: Duration = Duration::from_secs(120);

/// Runs the scenario. `progress` is called now and then with a word, how much of the world's time has passed, and the
/// ring's size.
pub fn run(setup: &Setup, progress: &mut dyn FnMut(&str, Duration, usize)) -> Report {
    let settings = Settings {
        profile: setup.profile,
        statement: setup.statement,
        lazy: true,
        ..Settings::new(setup.seed, setup.servers)
    };
    let (mut world, order) = World::established(settings, Duration::from_millis(200));
    if matches!(setup.scenario, Scenario::MassDeath | Scenario::PowerCutUnbraked) {
        world.table.pool.rules.brake_permille = 1000;
        world.table.pool.version += 1;
    }
    world.network.latency = setup.latency;
    let settled = world.run_until(PATIENCE, World::settled);
    // No server gives another one a grace any more for its own start (R6).
    world.run_for(law::GRACE_MOST);
    world.network.loss_permille = setup.loss_permille;
    world.run_for(Duration::from_secs(2));
    let script = write(setup.scenario, &mut world, &order);
    world.count_calm();
    let began = Began::of(&world);
    let mut sizes = vec![(Duration::ZERO, world.table.rows.len())];
    play(&mut world, &script, &mut sizes, progress);
    let end = if script.dead.is_empty() || script.over > Duration::ZERO { began.at + script.over } else { began.at };
    let mut healed = None;
    let latest = world.now + PATIENCE;
    while healed.is_none() && world.now < latest {
        watch_for(&mut world, Duration::from_millis(10), began.at, &mut sizes, progress);
        healed = world.settled().then(|| world.now.since(end));
    }
    // Decisions made on the way may still take effect.
    watch_for(&mut world, Duration::from_secs(2), began.at, &mut sizes, progress);
    world.check_whole();
    world.count_calm();
    let mut report = Report::new(&world, &began, &script.dead, &script.may);
    report.healed = healed.filter(|_| world.settled());
    report.ring = sizes;
    report.judge(settled);
    report
}

fn play(
    world: &mut World,
    script: &Script,
    sizes: &mut Vec<(Duration, usize)>,
    progress: &mut dyn FnMut(&str, Duration, usize),
) {
    let began = world.now;
    for (at, act) in &script.acts {
        let wait = (began + *at).since(world.now);
        watch_for(world, wait, began, sizes, progress);
        match act {
            Act::Befall(host, fault) => world.befall(*host, *fault),
            Act::Partition(cut) => world.partition(&script.group, *cut),
            Act::Link(a, b, cut) => world.network.set_cut(*a, *b, *cut, world.now),
            Act::Database(away) => world.database_away = *away,
        }
    }
    let rest = (began + script.over).since(world.now);
    watch_for(world, rest, began, sizes, progress);
}

/// Lets time pass, and notes the ring's size.
fn watch_for(
    world: &mut World,
    span: Duration,
    began: Time,
    sizes: &mut Vec<(Duration, usize)>,
    progress: &mut dyn FnMut(&str, Duration, usize),
) {
    let until = world.now + span;
    while world.now < until {
        world.run_for(STEP.min(until.since(world.now)));
        let (at, size) = (world.now.since(began), world.table.rows.len());
        if sizes.last().is_none_or(|(_, last)| *last != size) {
            sizes.push((at, size));
        }
        progress("running", at, size);
    }
}

fn write(scenario: Scenario, world: &mut World, order: &[usize]) -> Script {
    let ms = Duration::from_millis;
    let mut script = Script { over: CUT, ..Script::default() };
    let shuffled = world.shuffled();
    let hundredth = order.len().div_ceil(100);
    match scenario {
        Scenario::MassDeath => {
            script.die(ms(0), &shuffled[..order.len() * 3 / 10]);
            script.over = ms(0);
        }
        Scenario::Rack => {
            script.die(ms(0), &order[..40.min(order.len() / 2 - 1)]);
            script.over = ms(0);
        }
        Scenario::Halves | Scenario::HalvesOneTable => script.part(&shuffled[..order.len() / 2]),
        Scenario::Three | Scenario::ThreeTableRest | Scenario::ThreeTableThree => script.part(&shuffled[..3]),
        Scenario::OneWay => {
            script.acts.push((ms(0), Act::Link(order[0], order[1], true)));
            script.acts.push((CUT, Act::Link(order[0], order[1], false)));
        }
        Scenario::DatabasePaused => {
            script.over = ms(30_000);
            script.acts.push((ms(0), Act::Database(true)));
            script.die(ms(5_000), &order[..1]);
            script.acts.push((script.over, Act::Database(false)));
        }
        Scenario::RollingRestart => {
            for (place, &host) in shuffled.iter().enumerate() {
                let at = ms(20_000) * u32::try_from(place).unwrap_or(0) / u32::try_from(order.len()).unwrap_or(1);
                script.acts.push((at, Act::Befall(host, Fault::Kill)));
                script.acts.push((at + ms(500), Act::Befall(host, Fault::Start)));
            }
            script.over = ms(20_500);
        }
        Scenario::Flapping => {
            script.over = ms(20_000);
            for &place in &shuffled[..hundredth] {
                script.flap(world, order[place], order[(place + 1) % order.len()]);
            }
        }
        Scenario::SharedOutage => {
            script.over = ms(1_000);
            for &host in &shuffled[..hundredth] {
                script.acts.push((ms(0), Act::Befall(host, Fault::Isolate)));
                script.acts.push((ms(80), Act::Befall(host, Fault::Return)));
            }
        }
        Scenario::PowerCut | Scenario::PowerCutUnbraked => script.power_cut(world, &shuffled),
        Scenario::SwitchReboot => script.switch_reboots(world, &shuffled, true),
        Scenario::SwitchRebootNoTable => script.switch_reboots(world, &shuffled, false),
    }
    let without: Vec<usize> = if matches!(scenario, Scenario::HalvesOneTable | Scenario::ThreeTableRest) {
        script.group.clone()
    } else if scenario == Scenario::ThreeTableThree {
        shuffled[3..].to_vec()
    } else {
        Vec::new()
    };
    for &host in &without {
        script.acts.push((ms(0), Act::Befall(host, Fault::LoseDatabase)));
        script.acts.push((CUT, Act::Befall(host, Fault::FindDatabase)));
    }
    if scenario != Scenario::ThreeTableThree {
        script.may.extend(without);
    }
    if scenario == Scenario::Three {
        // Three servers that hear no other server cannot accuse back.
        script.may.extend(script.group.iter().copied());
    }
    script.acts.sort_by_key(|(at, _)| *at);
    script
}

impl Script {
    fn die(&mut self, at: Duration, who: &[usize]) {
        self.dead.extend(who);
        self.acts.extend(who.iter().map(|host| (at, Act::Befall(*host, Fault::Crash))));
    }

    fn part(&mut self, group: &[usize]) {
        self.group = group.to_vec();
        self.acts.push((Duration::ZERO, Act::Partition(true)));
        self.acts.push((CUT, Act::Partition(false)));
    }

    fn befall(&mut self, at: Duration, host: usize, fault: Fault) {
        self.acts.push((at, Act::Befall(host, fault)));
    }

    /// The first of these servers never comes back. The second one dies when all is well again.
    fn power_cut(&mut self, world: &mut World, servers: &[usize]) {
        self.dead.extend(&servers[..1]);
        for &host in servers {
            self.befall(Duration::ZERO, host, Fault::PowerOff);
            if !self.dead.contains(&host) {
                self.befall(world.rng.between(Duration::ZERO, BOOTS), host, Fault::PowerOn);
            }
        }
        self.die(BOOTS + CALM, &servers[1..2]);
        self.over = BOOTS + CALM;
    }

    /// The first of these servers dies during the last reboot. The second one dies when all is well again.
    fn switch_reboots(&mut self, world: &mut World, servers: &[usize], table: bool) {
        let mut at = Duration::ZERO;
        for seconds in [2, 30, 120] {
            let until = at + Duration::from_secs(seconds);
            for &host in servers {
                let back = until + world.rng.between(Duration::ZERO, PORTS);
                self.befall(at, host, Fault::Isolate);
                self.befall(back, host, Fault::Return);
                if !table {
                    self.befall(at, host, Fault::LoseDatabase);
                    self.befall(back, host, Fault::FindDatabase);
                }
            }
            at = until + PORTS + CALM;
        }
        let last = at - PORTS - CALM;
        self.acts.retain(|(time, act)| *time < last || !matches!(act, Act::Befall(host, _) if *host == servers[0]));
        self.die(last - Duration::from_secs(1), &servers[..1]);
        self.die(at, &servers[1..2]);
        self.over = at;
    }

    fn flap(&mut self, world: &mut World, a: usize, b: usize) {
        let ms = Duration::from_millis;
        let mut at = world.rng.between(ms(0), ms(1000));
        while at + ms(400) < self.over {
            let until = at + world.rng.between(ms(50), ms(400));
            for (from, to) in [(a, b), (b, a)] {
                self.acts.push((at, Act::Link(from, to, true)));
                self.acts.push((until, Act::Link(from, to, false)));
            }
            at = until + world.rng.between(ms(200), ms(2000));
        }
    }
}
