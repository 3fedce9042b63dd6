use ringmon_sim::search::*;
use std::time::Duration;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let n: u8 = args[1].parse().unwrap();
    let faults: u8 = args[2].parse().unwrap();
    let mut world = World::new(n, faults);
    let mut secs = 60;
    let mut every = 1;
    for a in &args[3..] {
        match a.split_once('=') {
            Some(("secs", s)) => secs = s.parse().unwrap(),
            Some(("every", s)) => every = s.parse().unwrap(),
            Some(("without", s)) => {
                world = world.without(&s.split(',').map(|r| r.parse().unwrap()).collect::<Vec<_>>())
            }
            Some(("only", s)) => {
                let k: Vec<Kind> = s
                    .split(',')
                    .map(|k| match k {
                        "link" => Kind::Link,
                        "isolated" => Kind::Isolated,
                        "halves" => Kind::Halves,
                        "dead" => Kind::Dead,
                        "database" => Kind::Database,
                        "late" => Kind::Late,
                        "lost" => Kind::LostAnswer,
                        _ => panic!(),
                    })
                    .collect();
                world = world.only(&k);
            }
            Some(("lasting", _)) => world = world.lasting(),
            Some(("frozen", _)) => world.frozen = true,
            Some(("alone", _)) => world.alone = ringmon_core::row::Alone::All,
            _ => panic!("{a}"),
        }
    }
    println!("{world}");
    let mut last = std::time::Instant::now();
    let report = search(&world, Limits { states: 40_000_000, time: Duration::from_secs(secs), every }, &mut |r, q| {
        if last.elapsed() > Duration::from_secs(5) {
            last = std::time::Instant::now();
            eprintln!(
                "{} states, {} steps, depth {}, {} wait, {} ended well, {:.1?}",
                r.states, r.steps, r.depth, q, r.ended_well, r.took
            );
        }
    });
    println!(
        "{} states, {} steps, depth {}, {} ended well, {:.1?}, {:.0} steps/s",
        report.states,
        report.steps,
        report.depth,
        report.ended_well,
        report.took,
        report.steps as f64 / report.took.as_secs_f64()
    );
    match report.end {
        End::Found { wrong, story, servers } => {
            println!("FOUND: {wrong}");
            for s in story {
                println!("  {s}");
            }
            for s in servers {
                println!("    {s}");
            }
        }
        other => println!("{other:?}"),
    }
}
