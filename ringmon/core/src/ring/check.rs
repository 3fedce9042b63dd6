//! Whether a set of rows is one whole ring, and if not, which rows show that.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::row::{Address, ServerRow, Side};
use crate::{DbTime, ServerId, Word as _};

/// A row, for people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// Its id.
    pub id: ServerId,
    /// Its name.
    pub name: String,
}

impl From<&ServerRow> for Named {
    fn from(row: &ServerRow) -> Self {
        Self { id: row.id, name: row.card.name.clone() }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.id)
    }
}

/// Something that must never be: the ring is not whole, or two rows claim the same thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A link leads to no row.
    Dangling {
        /// The server whose link it is.
        server: Named,
        /// The side of the link.
        side: Side,
        /// The id in the link.
        buddy: ServerId,
    },
    /// A link leads to a row that does not link back.
    OneWay {
        /// The server whose link it is.
        server: Named,
        /// The side of the link.
        side: Side,
        /// The server that it leads to.
        buddy: Named,
        /// What that server has on its opposite side instead.
        back: ServerId,
    },
    /// No other row has this one as a buddy.
    Orphan {
        /// The row that no other row links to.
        server: Named,
    },
    /// Every link is answered, but there is more than one ring.
    Split {
        /// The rings, each in its order.
        rings: Vec<Vec<Named>>,
    },
    /// Rows with the same name.
    SameName {
        /// The name.
        name: String,
        /// The rows that have it.
        servers: Vec<ServerId>,
    },
    /// Rows with the same address.
    SameAddress {
        /// The address.
        address: Address,
        /// The rows that have it.
        servers: Vec<Named>,
    },
    /// Rows with the same number for the random choice.
    SamePick {
        /// The number.
        pick: i64,
        /// The rows that have it.
        servers: Vec<Named>,
    },
}

/// Something untidy that does no harm: the rules take it into account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// A vote that no longer counts.
    Vote {
        /// The server whose row has the vote.
        server: Named,
        /// The slot of the vote.
        side: Side,
        /// Id of the voter's row.
        voter: ServerId,
        /// Why the vote does not count.
        flaw: VoteFlaw,
    },
    /// A server whose own row says that it hears no other server.
    Alone {
        /// The server with the mark.
        server: Named,
    },
}

/// Why a vote does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoteFlaw {
    /// Its voter is not in the table.
    VoterGone,
    /// Its voter has begun another life since then (R5).
    VoterReborn,
    /// It was not renewed within its lifetime.
    Expired,
    /// It is stamped later than now (R7).
    Future,
}

/// Everything that is wrong with these rows, which are all rows of one pool. Empty: they are one whole ring.
#[must_use]
pub fn check<'a>(rows: impl IntoIterator<Item = &'a ServerRow>) -> Vec<Damage> {
    let listed: Vec<&ServerRow> = rows.into_iter().collect();
    let by_id: BTreeMap<ServerId, &ServerRow> = listed.iter().map(|r| (r.id, *r)).collect();
    let orphans = orphans(&by_id);
    let mut damage: Vec<Damage> = Vec::new();
    for row in by_id.values() {
        if orphans.contains(&row.id) {
            damage.push(Damage::Orphan { server: (*row).into() });
        }
        for side in Side::BOTH {
            damage.extend(link(&by_id, row, side, &orphans));
        }
    }
    if damage.is_empty() {
        let rings = rings(&by_id);
        if rings.len() > 1 {
            damage.push(Damage::Split { rings });
        }
    }
    damage.extend(doubles(&listed));
    damage
}

/// The rows' ids along the ring by first buddies, beginning with `from`. Stops where the ring is broken or closes.
#[must_use]
pub fn order(rows: &BTreeMap<ServerId, ServerRow>, from: ServerId) -> Vec<ServerId> {
    let mut seen = BTreeSet::new();
    let mut order = Vec::new();
    let mut at = from;
    while let Some(row) = rows.get(&at)
        && seen.insert(at)
    {
        order.push(at);
        at = row.first_buddy;
    }
    order
}

/// Everything that is untidy in these rows, at this moment on the database's clock.
#[must_use]
pub fn remarks<'a>(rows: impl IntoIterator<Item = &'a ServerRow>, now: DbTime, vote_lifetime: Duration) -> Vec<Remark> {
    let by_id: BTreeMap<ServerId, &ServerRow> = rows.into_iter().map(|r| (r.id, r)).collect();
    let mut remarks = Vec::new();
    for row in by_id.values() {
        for side in Side::BOTH {
            let Some(vote) = row.vote(side) else { continue };
            let flaw = match (by_id.get(&vote.voter), now.since(vote.at)) {
                (None, _) => VoteFlaw::VoterGone,
                (Some(voter), _) if voter.incarnation != vote.voter_incarnation => VoteFlaw::VoterReborn,
                (Some(_), None) => VoteFlaw::Future,
                (Some(_), Some(age)) if age > vote_lifetime => VoteFlaw::Expired,
                (Some(_), Some(_)) => continue,
            };
            remarks.push(Remark::Vote { server: (*row).into(), side, voter: vote.voter, flaw });
        }
        if row.alone_since.is_some() {
            remarks.push(Remark::Alone { server: (*row).into() });
        }
    }
    remarks
}

fn orphans(rows: &BTreeMap<ServerId, &ServerRow>) -> BTreeSet<ServerId> {
    let wanted: BTreeSet<ServerId> =
        rows.values().flat_map(|r| Side::BOTH.map(|s| r.buddy(s)).into_iter().filter(|b| *b != r.id)).collect();
    let alone = rows.len() == 1;
    rows.keys().copied().filter(|id| !alone && !wanted.contains(id)).collect()
}

fn link(
    rows: &BTreeMap<ServerId, &ServerRow>,
    row: &ServerRow,
    side: Side,
    orphans: &BTreeSet<ServerId>,
) -> Option<Damage> {
    let buddy = row.buddy(side);
    let Some(other) = rows.get(&buddy) else {
        return Some(Damage::Dangling { server: row.into(), side, buddy });
    };
    let back = other.buddy(side.opposite());
    // An orphan is reported once, and not again for each of its own links.
    (back != row.id && !orphans.contains(&row.id)).then(|| Damage::OneWay {
        server: row.into(),
        side,
        buddy: (*other).into(),
        back,
    })
}

/// The rings of rows whose links are all answered.
fn rings(rows: &BTreeMap<ServerId, &ServerRow>) -> Vec<Vec<Named>> {
    let mut seen = BTreeSet::new();
    let mut rings = Vec::new();
    for start in rows.keys() {
        let mut ring = Vec::new();
        let mut at = *start;
        while let Some(row) = rows.get(&at)
            && seen.insert(at)
        {
            ring.push(Named::from(*row));
            at = row.first_buddy;
        }
        if !ring.is_empty() {
            rings.push(ring);
        }
    }
    rings
}

fn doubles(rows: &[&ServerRow]) -> Vec<Damage> {
    let mut names: BTreeMap<&str, Vec<ServerId>> = BTreeMap::new();
    let mut addresses: BTreeMap<Address, Vec<Named>> = BTreeMap::new();
    let mut picks: BTreeMap<i64, Vec<Named>> = BTreeMap::new();
    for row in rows {
        names.entry(&row.card.name).or_default().push(row.id);
        addresses.entry(row.card.address).or_default().push((*row).into());
        picks.entry(row.pick).or_default().push((*row).into());
    }
    let names = names.into_iter().filter(|(_, s)| s.len() > 1);
    let addresses = addresses.into_iter().filter(|(_, s)| s.len() > 1);
    let picks = picks.into_iter().filter(|(_, s)| s.len() > 1);
    names
        .map(|(name, servers)| Damage::SameName { name: name.to_owned(), servers })
        .chain(addresses.map(|(address, servers)| Damage::SameAddress { address, servers }))
        .chain(picks.map(|(pick, servers)| Damage::SamePick { pick, servers }))
        .collect()
}

fn list<T: fmt::Display>(items: &[T], between: &str) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dangling { server, side, buddy } => {
                write!(f, "the {} buddy of {server} is {buddy}, which is not in the table", side.word())
            }
            Self::OneWay { server, side, buddy, back } => write!(
                f,
                "the {} buddy of {server} is {buddy}, whose {} buddy is {back}",
                side.word(),
                side.opposite().word()
            ),
            Self::Orphan { server } => write!(f, "{server} is nobody's buddy"),
            Self::Split { rings } => {
                write!(f, "{} rings instead of one:", rings.len())?;
                for ring in rings {
                    write!(f, " [{}]", list(ring, " -> "))?;
                }
                Ok(())
            }
            Self::SameName { name, servers } => write!(f, "rows {} are all named {name}", list(servers, ", ")),
            Self::SameAddress { address, servers } => {
                write!(f, "{} all have the address {address}", list(servers, ", "))
            }
            Self::SamePick { pick, servers } => write!(f, "{} all have the pick {pick}", list(servers, ", ")),
        }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vote { server, side, voter, flaw } => {
                let why = match flaw {
                    VoteFlaw::VoterGone => "its voter is not in the table",
                    VoteFlaw::VoterReborn => "its voter has begun another life",
                    VoteFlaw::Expired => "it was not renewed",
                    VoteFlaw::Future => "it is stamped later than now",
                };
                write!(f, "the vote of {voter} on the {} side of {server} does not count: {why}", side.word())
            }
            Self::Alone { server } => write!(f, "{server} says that it hears nobody"),
        }
    }
}
