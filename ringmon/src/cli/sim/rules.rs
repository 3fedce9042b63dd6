//! `ringmon sim rules`: what each rule is for.

use serde_json::json;

use super::Bar;
use crate::cli::args::SimArgs;
use crate::cli::exit::Verdict;
use crate::cli::out;
use ringmon_sim::story::Story;

/// Looks, from the given seed on, for a world in which each rule alone makes the difference.
pub fn run(args: &SimArgs) -> anyhow::Result<Verdict> {
    let mut table = out::table(&["RULE", "WITHOUT IT", "SEED", "WHAT WENT WRONG THERE, AND DOES NOT WITH IT"]);
    let mut well = true;
    for story in Story::all() {
        let mut bar = Bar::default();
        bar.say(|| format!("{}: {}", story.rule, story.about));
        let proof = story.prove(args.seed);
        bar.clear();
        well &= proof.is_some();
        let (seed, wrong) = match &proof {
            Some(proof) => (Some(proof.seed), proof.without.first().cloned().unwrap_or_default()),
            None => (None, format!("nothing, in {} worlds", story.worlds)),
        };
        if args.json {
            let rule = story.rule.to_string();
            out::line(
                &json!({ "rule": rule, "about": story.about, "shown": proof.is_some(), "seed": seed, "wrong": wrong })
                    .to_string(),
            )?;
        }
        let seed = seed.map_or_else(|| "-".to_owned(), |seed| seed.to_string());
        table.add_row([story.rule.to_string(), story.about.to_owned(), seed, wrong]);
    }
    if !args.json {
        out::line(&table.to_string())?;
    }
    Ok(if well { Verdict::Ok } else { Verdict::NotHealthy })
}
