//! What is learned, what is not, and how long it takes.

use super::*;
use crate::rng::Rng;

/// A watch whose probes get lost with a chance in thousandths, and its readings after each probe.
struct Lossy {
    rng: Rng,
    loss: Loss,
    reading: WatchReading,
    /// The number of runs that were long enough for a suspicion.
    false_runs: u64,
}

impl Lossy {
    fn new(seed: u64) -> Self {
        println!("seed {seed}");
        Self { rng: Rng::new(seed), loss: Loss::default(), reading: WatchReading::default(), false_runs: 0 }
    }

    fn probe(&mut self, lost: bool) {
        self.reading.sent += 1;
        if lost {
            self.reading.misses += 1;
            self.reading.consecutive += 1;
        } else {
            self.reading.replies += 1;
            self.reading.consecutive = 0;
        }
        self.loss.observe(&self.reading);
        self.false_runs += u64::from(self.reading.consecutive == self.loss.needed());
    }

    fn run(&mut self, probes: u64, permille: u64) {
        for _ in 0..probes {
            let lost = self.rng.chance(permille);
            self.probe(lost);
        }
    }
}

#[test]
fn the_number_of_misses_keeps_chance_below_its_bound() {
    assert_eq!(needed(0.0), 3, "a network that loses nothing");
    assert_eq!(needed(0.001), 3);
    assert_eq!(needed(0.01), 5);
    assert_eq!(needed(0.36), 21, "20 % each way");
    assert_eq!(needed(1.0), MOST);
    for permille in 1..720 {
        let share = f64::from(permille) / 1000.0;
        assert!(share.powi(needed(share) as i32) <= ALPHA * 1.000_001, "{share}");
    }
}

#[test]
fn a_new_watch_is_careful_and_a_clean_one_is_quick() {
    let mut watch = Lossy::new(1);
    let cold = watch.loss.needed();
    assert!((5..=8).contains(&cold), "{cold}");
    watch.run(SHORT + STEP, 0);
    assert!(watch.loss.needed() < cold, "{}", watch.loss.needed());
    watch.run(LONG, 0);
    assert_eq!(watch.loss.needed(), 3);
    watch.probe(true);
    watch.run(1, 0);
    assert!((5..=8).contains(&watch.loss.needed()), "one loss is noticed: {}", watch.loss.needed());
    watch.run(SHORT + STEP, 0);
    assert!(watch.loss.needed() <= 5);
    watch.run(LONG, 0);
    assert_eq!(watch.loss.needed(), 3, "and forgotten");
}

#[test]
fn a_sudden_rise_of_loss_is_learned_within_a_second_and_then_makes_no_suspicion() {
    for seed in 0..20 {
        let mut watch = Lossy::new(seed);
        watch.run(2000, 0);
        watch.run(50, 360);
        let onset = watch.false_runs;
        assert!(onset <= 4, "{onset} at the onset");
        watch.run(20_000, 360);
        assert_eq!(watch.false_runs, onset, "none once it is known");
        assert!((18..=34).contains(&watch.loss.needed()), "{}", watch.loss.needed());
    }
}

#[test]
fn what_is_asked_for_is_frozen_while_a_run_lasts() {
    let mut watch = Lossy::new(2);
    watch.run(1000, 0);
    for _ in 0..40 {
        watch.probe(true);
        assert_eq!(watch.loss.needed(), 3);
    }
}

#[test]
fn an_outage_counts_as_one_miss() {
    let mut watch = Lossy::new(3);
    watch.run(1000, 0);
    (0..60).for_each(|_| watch.probe(true));
    watch.run(1, 0);
    let after = watch.loss.needed();
    assert!((5..=7).contains(&after), "{after}");
    watch.run(SHORT + STEP, 0);
    assert!(watch.loss.needed() <= 5, "{}", watch.loss.needed());
    watch.run(LONG, 0);
    assert_eq!(watch.loss.needed(), 3);
}

#[test]
fn readings_that_come_seldom_lose_nothing() {
    let (mut often, mut seldom) = (Lossy::new(4), Loss::default());
    for at in 0..5000 {
        let lost = at % 10 == 3;
        often.probe(lost);
        if at % 7 == 0 {
            seldom.observe(&often.reading);
        }
    }
    assert!((often.loss.share() - seldom.share()).abs() < 0.03, "{} {}", often.loss.share(), seldom.share());
}
