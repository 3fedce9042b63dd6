use ringmon_sim::random::{Options, live};
fn main() {
    let a: Vec<u64> = std::env::args().skip(1).filter_map(|s| s.parse().ok()).collect();
    let loud = std::env::args().any(|s| s == "loud");
    let o = Options { loud, ..Options::default() };
    let (mut n, mut bad, mut rem, mut rej) = (0, 0, 0, 0);
    for seed in a[0]..=a[1] {
        let l = live(seed, &o);
        n += 1;
        rem += l.removals;
        rej += l.rejoins;
        if !l.wrong.is_empty() {
            bad += 1;
            if bad < 12 {
                println!("seed {seed}: {}", l.wrong.join(" | "));
            }
        }
    }
    println!("{n} pools, {bad} wrong, {rem} removals, {rej} rejoins");
}
