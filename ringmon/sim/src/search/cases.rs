//! The worlds that are searched, and what must come of it.

use super::world::{Kind, World};
use ringmon_core::Rule;
use ringmon_core::row::{Alone, Mode};

/// A world, and whether its promises hold.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    /// The world.
    pub world: World,
    /// Whether a promise must be found broken: the search shows that it can find what it must.
    pub breaks: bool,
    /// Whether it ends within seconds.
    pub quick: bool,
}

impl Case {
    fn new(name: &'static str, about: &'static str, world: World) -> Self {
        Self { name, about, world, breaks: false, quick: false }
    }

    fn quick(self) -> Self {
        Self { quick: true, ..self }
    }

    fn breaks(self) -> Self {
        Self { breaks: true, quick: true, ..self }
    }

    /// All of them.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let halves = || World::new(4, 2).only(&[Kind::Halves, Kind::Late]).lasting();
        let frozen = World { frozen: true, ..World::new(3, 1) };
        let observed = World { mode: Mode::Observe, ..World::new(3, 1) };
        let alone = World { alone: Alone::All, ..World::new(3, 1) };
        let isolated = World::new(4, 1).only(&[Kind::Isolated]);
        let stubborn = World { stubborn: true, ..isolated.clone() };
        let mut cases = vec![
            Self::new("two", "two servers, two faults of any kind", World::new(2, 2)).quick(),
            Self::new("three", "three servers, one fault of any kind", World::new(3, 1)).quick(),
            Self::new("frozen", "the same in a frozen pool", frozen).quick(),
            Self::new("observed", "the same in a pool that is only observed", observed).quick(),
            Self::new("alone", "the same where one server may remove all others", alone),
            Self::new("isolated", "one of four servers is cut off, and comes back", isolated).quick(),
            Self::new("stubborn", "the same, and removals go on after a conflict with what they began with", stubborn)
                .breaks(),
            Self::new("cut", "a cut in halves that lasts", World::new(4, 1).only(&[Kind::Halves]).lasting()).quick(),
            Self::new("late", "P1: a cut in halves, and whoever is accused answers too late", halves()).breaks(),
        ];
        cases.extend(Self::without_rules());
        cases.extend([
            Self::new("cuts", "two cuts in halves, one after the other", World::new(4, 2).only(&[Kind::Halves])),
            Self::new("three-two", "three servers, two faults of any kind", World::new(3, 2)),
            Self::new("four", "four servers, one fault of any kind", World::new(4, 1)),
            Self::new("four-two", "four servers, two faults of any kind", World::new(4, 2)),
        ]);
        cases
    }

    /// What each rule is for, where so small a world can show it.
    fn without_rules() -> Vec<Self> {
        let cut = World::new(4, 1).only(&[Kind::Halves]).lasting();
        vec![
            Self::new("without-r3", "P1: nobody waits for an answer", cut.clone().without(&[Rule::R3])).breaks(),
            Self::new("without-r4", "an answer does not count", cut.without(&[Rule::R4])).breaks(),
            Self::new("without-r2", "a server that is cut off may vote", World::new(3, 1).without(&[Rule::R2]))
                .breaks(),
            Self::new("without-r7", "a reply at the last moment does not count", World::new(3, 1).without(&[Rule::R7]))
                .breaks(),
            Self::new(
                "without-r12",
                "nobody else is asked",
                World::new(4, 3).only(&[Kind::Link, Kind::Late]).lasting().without(&[Rule::R12]),
            )
            .breaks(),
        ]
    }
}
