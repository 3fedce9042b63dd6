use super::*;
use crate::Incarnation;

fn buddy(id: i64) -> Buddy {
    let number = u8::try_from(id).unwrap();
    let name = format!("s{id}");
    let address = [10, 0, 0, number].into();
    Buddy { id: ServerId(id), name, address, notice_port: 1, incarnation: Incarnation(1), wire: 1, proves: false }
}

fn chain(ids: core::ops::RangeInclusive<i64>, whole: bool) -> Chain {
    Chain { members: ids.map(buddy).collect(), whole }
}

/// What is known by place, starting with id 1. `h`: silent, `a`: without a pulse, `l`: alive, `m`: alive and mute, `d`:
/// mute and hears nobody, any other letter: unknown.
fn judged(word: &str) -> impl Fn(ServerId) -> Judged {
    move |id| {
        let letter = word.as_bytes().get(usize::try_from(id.0 - 1).unwrap());
        let state = match letter {
            Some(b'h') => State::Suspect,
            Some(b'a') => State::AgentSilent,
            Some(b'l' | b'm' | b'd') => State::Alive,
            Some(_) | None => State::Waiting,
        };
        let deaf = letter == Some(&b'd');
        Judged { state, mute: deaf || letter == Some(&b'm'), deaf }
    }
}

fn shape(run: &Run) -> (usize, Option<i64>, bool) {
    (run.silent.len(), run.far_end.map(|id| id.0), run.all)
}

#[test]
fn a_run_ends_at_the_first_living_server_or_where_nothing_is_known() {
    for (word, expected) in [
        ("l", (0, Some(1), false)),
        ("hl", (1, Some(2), false)),
        ("hahl", (3, Some(4), false)),
        ("h?l", (1, None, false)),
        ("?hl", (0, None, false)),
        ("hhhhh", (5, None, false)),
    ] {
        assert_eq!(shape(&chain(1..=5, false).run(judged(word))), expected, "{word}");
    }
}

/// Mute servers are looked past, before the run and beyond it, until one is found that can vote.
#[test]
fn mute_servers_are_looked_past() {
    let ids = |ids: &[ServerId]| ids.iter().map(|id| id.0).collect::<Vec<_>>();
    for (word, past, silent, among, far_end, beyond, watched) in [
        ("mhl", vec![1], vec![2], vec![], Some(3), vec![], 3),
        ("mhmmlh", vec![1], vec![2], vec![], Some(3), vec![3, 4], 5),
        ("mmhhml", vec![1, 2], vec![3, 4], vec![], Some(5), vec![5], 6),
        ("mml", vec![1, 2], vec![], vec![], Some(3), vec![], 3),
        ("mm", vec![1, 2], vec![], vec![], None, vec![], 6),
        ("hdhl", vec![], vec![1, 3], vec![2], Some(4), vec![], 4),
        ("hmhl", vec![], vec![1], vec![], Some(2), vec![2], 3),
        ("mhdhml", vec![1], vec![2, 4], vec![3], Some(5), vec![5], 6),
        ("hdmhl", vec![], vec![1], vec![], Some(2), vec![2, 3], 4),
        ("hm", vec![], vec![1], vec![], Some(2), vec![2], 6),
        ("ml", vec![1], vec![], vec![], Some(2), vec![], 2),
    ] {
        let chain = chain(1..=6, false);
        let run = chain.run(judged(word));
        let accused: Vec<i64> = run.silent.iter().map(|(id, _)| id.0).collect();
        let far = run.far_end.map(|id| id.0);
        let found = (ids(&run.past), accused, ids(&run.among), far, ids(&run.beyond));
        assert_eq!(found, (past, silent, among, far_end, beyond), "{word}");
        assert_eq!(chain.watched(&run, 17).count(), watched, "{word}");
        assert!(!run.all);
    }
    let fills = |word: &str, rows: u16| chain(1..=6, false).run(judged(word)).fills(Window::first(rows - 1));
    assert!(fills("hdh", 3) && fills("hhm", 3) && fills("mmm", 3));
    assert!(!fills("hdh", 4) && !fills("hhl", 2) && !fills("hm", 3));
    let lost = |word| chain(1..=2, true).run(judged(word)).lost_buddy();
    assert!(lost("hl") && !lost("mh") && !lost("l"));
    assert!(!chain(1..=2, true).run(judged("mh")).all, "the first one is heard");
}

#[test]
fn everybody_is_silent_only_if_the_whole_ring_was_read_and_asked() {
    assert!(chain(1..=3, true).run(judged("hah")).all);
    assert!(!chain(1..=3, false).run(judged("hah")).all);
    assert!(!chain(1..=3, true).run(judged("hh?")).all);
    assert!(!Chain { members: Vec::new(), whole: true }.run(judged("")).all, "a ring of one hears nobody, and is well");
}

#[test]
fn once_the_far_end_is_found_nobody_beyond_it_is_watched() {
    let chain = chain(1..=9, false);
    let watched = |word: &str, window| {
        let run = chain.run(judged(word));
        chain.watched(&run, window).map(|b| b.id.0).collect::<Vec<_>>()
    };
    assert_eq!(watched("hhl", 17), [1, 2, 3]);
    assert_eq!(watched("hh", 5), [1, 2, 3, 4, 5]);
    assert_eq!(watched("hh", 17).len(), 9);
}

#[test]
fn the_look_ahead_widens_up_to_what_can_be_watched() {
    let first = Window::first(16);
    assert_eq!((first.rows(), first.wider().rows(), first.wider().wider().rows()), (17, 46, 46));
    assert_eq!(first.wider().wider().wider().rows(), 46);
    // Buddies, another place, join proofs, others' questions, own witnesses.
    assert!(usize::from(Window::MOST) + 2 + 2 + 4 + 8 + 3 <= usize::from(crate::evidence::MAX_WATCHES));
}

#[test]
fn two_sides_share_the_watches_nearest_first() {
    let (left, right) = (chain(1..=60, false), chain(30..=90, false));
    let chosen = share([left.members.iter().collect(), right.members.iter().collect()]);
    assert_eq!(chosen.len(), usize::from(Window::MOST));
    assert_eq!(chosen.iter().take(4).map(|b| b.id.0).collect::<Vec<_>>(), [1, 30, 2, 31]);
    let mut ids: Vec<_> = chosen.iter().map(|b| b.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), chosen.len(), "each server once");
}
