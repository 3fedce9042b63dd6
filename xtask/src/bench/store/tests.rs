use clap::Parser;
use ringmon_tests::bench::store::Design;

use super::*;

#[derive(Parser)]
struct Words {
    #[command(subcommand)]
    bench: super::super::Bench,
}

fn options(words: &[&str]) -> Options {
    let all = ["bench", "store"].iter().chain(words);
    let super::super::Bench::Store(options) = Words::parse_from(all).bench else { panic!("store was asked for") };
    options
}

#[test]
fn the_default_measures_everything_within_half_an_hour() {
    let options = options(&[]);
    let plan = options.plan();
    assert_eq!(plan.len(), 2 * 3 * 12);
    assert_eq!(plan[0].0, "sqlite, 100 servers, splice, ringmon");
    let whole: Duration = plan.iter().map(|(_, estimate)| *estimate).sum();
    assert!(whole < Duration::from_secs(30 * 60), "{whole:?}");
    assert_eq!(options.purposes(), [setup::For::MariaDb]);
}

#[test]
fn what_is_typed_reaches_the_load() {
    let options =
        options(&["--engines", "galera,mysql", "--sizes", "100,500", "--only", "idle,pick", "--seconds", "3"]);
    let words = "--engines mysql,galera --sizes 100,500 --writers 64 --seconds 3 --buffer-pool 512 --round-trip 0 \
                 --only idle,pick";
    assert_eq!(options.arguments().join(" "), words);
    assert_eq!(options.plan().len(), 2 * 2 * 3);
    assert_eq!(options.purposes(), [setup::For::MySql, setup::For::Galera]);
}

#[test]
fn nonsense_is_refused() {
    for words in
        [["--engines", "oracle"], ["--only", "joins"], ["--sizes", "3"], ["--seconds", "0"], ["--writers", "0"]]
    {
        assert!(Words::try_parse_from(["bench", "store"].iter().chain(&words)).is_err(), "{words:?}");
    }
}

/// The command itself, without the three minutes that its optimised build takes.
#[test]
fn a_tiny_pool_on_sqlite_is_measured_and_its_ring_is_whole() {
    let binary = binary(&crate::root(), Build::Quick).unwrap();
    let mut command = Command::new(binary);
    command.args(options(&["--engines", "sqlite", "--sizes", "20", "--writers", "4", "--seconds", "1"]).arguments());
    let mut all = Vec::new();
    let ended = lines(command, &mut |_, line| {
        all.push(line);
        Ok(())
    });
    assert!(ended.unwrap(), "{all:#?}");
    assert_eq!(all.len(), 12);
    for line in &all {
        let numbers = line.numbers.as_ref().unwrap();
        assert!(numbers.operations > 0 && line.problem.is_none(), "{line:?}");
        assert_eq!(line.ring_ok, line.what.writes().then_some(true), "{line:?}");
        assert_eq!(numbers.rows_written, line.what.only_looks().then_some(0), "{line:?}");
    }
    let text = table::text(&Machine::look("store"), &all);
    assert!(all.iter().any(|line| line.design == Design::LockEverything) && text.contains("| sqlite |"), "{text}");
}
