use std::path::Path;
use std::time::Duration;

use super::*;
use crate::bench::ports::Ports;
use crate::bench::reports::{Kind, Report, Reports};
use crate::cells::Cells;
use crate::network::Network;
use crate::process::Process;

/// Five servers that hear each other or not. They cannot be struck.
struct Paper {
    order: Vec<String>,
    reports: Reports,
}

impl Paper {
    fn say(&mut self, of: &str, kind: Kind) {
        for by in self.neighbours(of) {
            self.reports.tell(Report { at_ns: 0, by, of: of.to_owned(), kind });
        }
    }
}

impl Pool for Paper {
    fn order(&self) -> &[String] {
        &self.order
    }

    fn reports(&self) -> &Reports {
        &self.reports
    }

    fn listen(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    fn removals(&self) -> anyhow::Result<Option<u64>> {
        Ok(None)
    }

    fn settle(&mut self, _: Duration) -> anyhow::Result<()> {
        Ok(())
    }

    fn last_words(&self) -> String {
        self.reports.last_words()
    }

    fn folder(&self) -> &Path {
        Path::new("/")
    }

    fn cells(&self) -> &Cells {
        unreachable!("nobody is struck")
    }

    fn renew(&mut self, _: Duration) -> anyhow::Result<u64> {
        unreachable!("nobody is struck")
    }

    fn network(&mut self) -> &mut Network {
        unreachable!("nobody is struck")
    }

    fn ports(&self) -> &Ports {
        unreachable!("nobody is struck")
    }

    fn port(&self, _: &str) -> anyhow::Result<u8> {
        unreachable!("nobody is struck")
    }

    fn process(&self, _: &str) -> anyhow::Result<&Process> {
        unreachable!("nobody is struck")
    }
}

fn paper() -> Paper {
    let order: Vec<String> = (1..=5).map(|number| format!("s{number}")).collect();
    let mut paper = Paper { order: order.clone(), reports: Reports::default() };
    order.iter().for_each(|name| paper.say(name, Kind::Heard));
    paper
}

#[test]
fn nobody_is_struck_before_everybody_is_calm_after_the_start() {
    let paper = paper();
    let pace = Pace::new(paper.order(), 100, 0);
    assert_eq!(pace.next(&paper, 99), None);
    assert_eq!(pace.next(&paper, 100).as_deref(), Some("s1"));
}

#[test]
fn the_victim_and_its_neighbours_rest_while_others_are_struck() {
    let mut paper = paper();
    let mut pace = Pace::new(paper.order(), 100, 0);
    pace.struck("s1");
    paper.say("s1", Kind::Silent);
    pace.look(&paper, 100);
    assert!(!pace.all_back());
    assert_eq!(pace.next(&paper, 100).as_deref(), Some("s3"), "s2 and s5 watch s1");
    paper.say("s1", Kind::Heard);
    pace.look(&paper, 150);
    assert!(pace.all_back());
    pace.struck("s3");
    pace.look(&paper, 160);
    // s5 rests because of s1, s4 because of s3.
    assert_eq!(pace.next(&paper, 249), None);
    assert_eq!(pace.next(&paper, 250).as_deref(), Some("s5"));
}

#[test]
fn a_server_that_somebody_does_not_hear_is_not_struck() {
    let mut paper = paper();
    let pace = Pace::new(paper.order(), 0, 0);
    paper.reports.tell(Report { at_ns: 0, by: "s1".to_owned(), of: "s2".to_owned(), kind: Kind::Silent });
    assert_eq!(pace.next(&paper, 1).as_deref(), Some("s3"), "neither s1 nor s2 hears all of its neighbours");
}
