//! A pool in network namespaces that is broken before your eyes, and heals.

mod keep;
mod picture;
mod plan;
mod served;
mod show;
mod stages;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ringmon_tests::census::Census;
use ringmon_tests::database::Choice;
use ringmon_tests::fault::{Fault, Outcome};
use ringmon_tests::lab::{self, Lab};

use crate::{build, setup};
use served::{Served, Tally};
use show::Show;
use stages::Stages;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// How many servers to start with.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(3..=100))]
    servers: u8,
    /// Which faults, in which order, with commas between: crash, isolated, agent-kill, agent-stop, agent-pause, leave,
    /// join, adjacent-crash, return (brings back every server that is away). Default: all of them.
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    faults: Vec<Fault>,
    /// Where the server table is: a URL (mysql://USER:PASSWORD@HOST/DATABASE, empty and for this demo alone), or
    /// `mariadb` for one that is started on the bridge. Default: an SQLite file.
    #[arg(long, env = "RINGMON_DEMO_DATABASE", hide_env_values = true, value_name = "URL|mariadb")]
    database: Option<String>,
    /// How fast the agents probe.
    #[arg(long, default_value = "default", value_parser = ["gentle", "default", "fast", "turbo"])]
    profile: String,
    /// Write one picture of the first crash into this file, as SVG: the ring before, meanwhile, and healed. Without
    /// --json, each of the three is in target/demo anyway.
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Leave it running afterwards, until Ctrl-C, and say how to look at it.
    #[arg(long)]
    keep: bool,
    /// Print one JSON line for each fault and one with totals to the standard output, and nothing else there.
    #[arg(long)]
    json: bool,
}

impl Options {
    pub fn purposes(&self) -> Vec<setup::For> {
        let mut purposes = vec![setup::For::Build, setup::For::Lab, setup::For::Haproxy];
        if self.choice() == Choice::MariaDb {
            purposes.push(setup::For::MariaDb);
        }
        purposes
    }

    fn choice(&self) -> Choice {
        match self.database.as_deref() {
            None => Choice::Sqlite,
            Some("mariadb") => Choice::MariaDb,
            Some(url) => Choice::Given(url.to_owned()),
        }
    }
}

/// Runs the demo. Exit code 1 if anything did not heal, or was left behind.
///
/// # Errors
/// The faults asked for are not possible, the build failed, or the pool did not come up.
pub fn run(root: &Path, options: &Options) -> anyhow::Result<ExitCode> {
    let faults = plan::faults(&options.faults, options.servers.into())?;
    let profile = build::DEMO_PROFILE;
    build::ringmon(root, profile)?;
    let before = Census::take()?;
    let show = Show::new(options.json);
    let begin = Instant::now();
    let outcomes = {
        let mut lab = open(options, profile, &show)?;
        let mut served = serve(&mut lab, &show)?;
        // Pictures cost time, and the numbers of --json are measurements.
        let mut stages = Stages::new(!options.json || options.picture.is_some());
        let outcomes = strike_all(&mut lab, &mut served, &faults, &show, &mut stages);
        if let Some(said) = stages.write(&root.join("target/demo"), options.picture.as_deref()) {
            show.say(&said);
        }
        if options.keep {
            let well = show.totals(&outcomes, faults.len(), begin.elapsed(), &[]);
            keep::until_ctrl_c(&mut lab, if well { 0 } else { 1 })?;
        }
        outcomes
    };
    let left = Census::leftovers(&std::process::id().to_string(), &before)?;
    let well = show.totals(&outcomes, faults.len(), begin.elapsed(), &left);
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A running pool whose ring is whole.
fn open(options: &Options, profile: &str, show: &Show) -> anyhow::Result<Lab> {
    let begin = Instant::now();
    show.say(&format!("starting {} servers in network namespaces, {}", options.servers, database_words(options)));
    show.say(
        "brake=1: this demo removes more than half of the pool within ten minutes, which a real pool's brake stops",
    );
    let lab_options = lab::Options {
        database: options.choice(),
        rules: vec!["brake=1".to_owned()],
        agent_args: [vec!["--profile".to_owned(), options.profile.clone()], served::agent_words().to_vec()].concat(),
        ..lab::Options::built(profile)
    };
    let mut lab = Lab::pool(lab_options, options.servers)?;
    let ring = lab.ring()?;
    show.say(&format!("the ring is whole after {:.1} s", begin.elapsed().as_secs_f32()));
    show.picture(&ring, &lab);
    lab.on_event(show.teller());
    Ok(lab)
}

/// Clients, and what is between them and the pool.
fn serve(lab: &mut Lab, show: &Show) -> anyhow::Result<Served> {
    let served = Served::start(lab)?;
    show.say(
        "a web server beside every agent, a HAProxy in front of them that ringmon's router keeps in step, \
         and 8 clients that ask it 50 times a second each",
    );
    Ok(served)
}

fn database_words(options: &Options) -> &'static str {
    match options.choice() {
        Choice::Sqlite => "the server table in an SQLite file",
        Choice::MariaDb => "the server table in a MariaDB on their bridge",
        Choice::Given(_) => "the server table in the database given",
    }
}

/// One fault after the other. Ends early only when the pool cannot be measured any more.
fn strike_all(
    lab: &mut Lab,
    served: &mut Served,
    faults: &[Fault],
    show: &Show,
    stages: &mut Stages,
) -> Vec<(Outcome, Tally)> {
    let mut outcomes: Vec<(Outcome, Tally)> = Vec::new();
    for (turn, fault) in faults.iter().enumerate() {
        let outcome =
            strike(lab, served, *fault, turn, show, stages).unwrap_or_else(|error| Outcome::failed(*fault, &error));
        let tally = served.tally(lab);
        show.outcome(&outcome, tally);
        let healed = outcome.ring_ok == Some(true);
        outcomes.push((outcome, tally));
        if !healed {
            show.say("the ring did not heal: the remaining faults are not tried");
            break;
        }
    }
    outcomes
}

fn strike(
    lab: &mut Lab,
    served: &mut Served,
    fault: Fault,
    turn: usize,
    show: &Show,
    stages: &mut Stages,
) -> anyhow::Result<Outcome> {
    // Votes and look-ahead of the last fault must end first, or they would be measured as part of this one.
    lab.quiet(Duration::from_millis(300))?;
    let ring = lab.ring()?;
    let subjects = fault.subjects(lab, &ring, turn);
    show.begin(fault, &subjects);
    let pictured = stages.before(lab, fault);
    let blow = lab.strike(fault, &subjects)?;
    if pictured {
        stages.suspected(lab, &blow);
    }
    served.joined(lab)?;
    let outcome = lab.outcome(&blow);
    if pictured {
        stages.healed(lab, &outcome);
    }
    show.picture(&lab.ring()?, lab);
    Ok(outcome)
}
