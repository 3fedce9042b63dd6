//! Which faults to show, in an order in which each has a server left to see it.

use ringmon_tests::fault::Fault;

use crate::refusal::Refusal;

/// Every fault once, with as many returns as that needs.
const ALL: [Fault; 14] = [
    Fault::AgentPause,
    Fault::Crash,
    Fault::Return,
    Fault::Isolated,
    Fault::Return,
    Fault::AgentKill,
    Fault::Return,
    Fault::AgentStop,
    Fault::Return,
    Fault::Leave,
    Fault::Join,
    Fault::Return,
    Fault::AdjacentCrash,
    Fault::Return,
];

/// The faults that were asked for, or all; with few servers, those that are possible.
///
/// # Errors
/// [`Refusal::Usage`] when one of those asked for would leave no server to see it.
pub fn faults(asked: &[Fault], servers: usize) -> Result<Vec<Fault>, Refusal> {
    let mut pool = (servers, 0);
    let mut plan = Vec::new();
    for &fault in if asked.is_empty() { &ALL[..] } else { asked } {
        match after(fault, pool) {
            Ok(then) => {
                pool = then;
                plan.push(fault);
            }
            Err(_) if asked.is_empty() => {}
            Err(why) => return Err(Refusal::Usage(why)),
        }
    }
    Ok(plan)
}

fn after(fault: Fault, (members, away): (usize, usize)) -> Result<(usize, usize), String> {
    if fault == Fault::Return && away == 0 {
        return Err("return has nobody to bring back there: put it after a fault that takes somebody away".to_owned());
    }
    fault.members_after(members, away).ok_or_else(|| {
        format!(
            "{fault} would leave nobody to see it, with {members} on the ring: put return before it, or more --servers"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_list_works_with_five_and_shrinks_with_three() {
        assert_eq!(faults(&[], 5).unwrap(), ALL);
        let few = faults(&[], 3).unwrap();
        assert!(few.contains(&Fault::Crash) && few.contains(&Fault::Return));
    }

    #[test]
    fn an_impossible_order_is_refused_with_what_to_do() {
        let error = faults(&[Fault::Crash, Fault::Crash], 3).unwrap_err();
        assert!(error.to_string().contains("put return before it"), "{error}");
        assert!(faults(&[Fault::Return], 5).is_err());
    }
}
