//! What happens, in words.

use std::fmt;

use super::happen::Event;
use super::state::{Place, Site};
use super::world::Kind;

fn name(place: Place) -> char {
    char::from(b'a' + place)
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = |f: &mut fmt::Formatter<'_>, kind: Kind, one: Place, other: Place, ends: &str| {
            let (a, b) = (name(one), name(other));
            match kind {
                Kind::Link => write!(f, "{ends}: the link between {a} and {b} is cut"),
                Kind::Isolated => write!(f, "{ends}: {a} is cut off from all others"),
                Kind::Halves => write!(f, "{ends}: {a} and its first buddy are cut off from the other two"),
                Kind::Dead => write!(f, "{ends}: {a} is dead"),
                Kind::Database => write!(f, "{ends}: {a} does not reach the database"),
                Kind::Late => write!(f, "{ends}: what is written may come too late"),
                Kind::LostAnswer => write!(f, "{ends}: an answer is lost"),
            }
        };
        match *self {
            Self::Begins(kind, one, other) => fault(f, kind, one, other, "from now on"),
            Self::Ends(kind, one, other) => fault(f, kind, one, other, "no longer"),
            Self::Ages(Site::Silence(about, of)) => {
                write!(f, "time passes: {} has not heard {} for longer", name(of), name(about))
            }
            Self::Ages(Site::Since(about, side)) => {
                write!(f, "time passes: the vote on the {side:?} side of {} gets older", name(about))
            }
            Self::Ages(Site::At(about, side)) => {
                write!(f, "time passes: nobody renews the vote on the {side:?} side of {}", name(about))
            }
            Self::Ages(Site::AloneSince(me)) => write!(f, "time passes: the alone mark of {} gets older", name(me)),
            Self::Ages(Site::AloneAt(me)) => write!(f, "time passes: {} does not renew its alone mark", name(me)),
            Self::Ages(Site::Answer(me)) => write!(f, "time passes: the answer of {} gets older", name(me)),
            Self::Ages(Site::Served(me)) => write!(f, "time passes: the database serves {} again", name(me)),
            Self::Answers(me, other) => write!(f, "{} answers that it hears {}", name(me), name(other)),
            Self::Ages(Site::Read(me, _)) => write!(f, "time passes: what {} has read gets older", name(me)),
            Self::Hears(me, other) => write!(f, "{} hears {} again", name(me), name(other)),
            Self::Accuses(me, side) => write!(f, "{} accuses its {side:?} side", name(me)),
            Self::Commits(me, side) => write!(f, "{} commits its removal on the {side:?} side", name(me)),
            Self::CommitsUnheard(me, side) => {
                write!(f, "{} commits its removal on the {side:?} side, and the answer is lost", name(me))
            }
            Self::Withdraws(me) => write!(f, "{} takes its votes back", name(me)),
            Self::Marks(me) => write!(f, "{} says that it hears nobody", name(me)),
            Self::TakesOver(me) => write!(f, "{} is back and takes its row again", name(me)),
        }
    }
}
