//! `ringmon pool rotate-key`: a new key for a running pool, without losing a probe.
//!
//! ```text
//!   keys in the pool's row       goes on when every agent
//!   [old]          ---------->   (at once)
//!   [old, new]     ---------->   acknowledges a notice that only the new key tags: it accepts it
//!   [new, old]     ---------->   answers a question under the new key: it uses it
//!   [new]
//! ```
//!
//! The row shows the current step, so an interrupted rotation can go on. An agent learns of keys whenever it reads the
//! table, and a notice makes it do so. But an agent that was told still has to show that it is ready.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::cli::exit::{Error, Verdict};
use crate::cli::tell::{self, tell};
use crate::cli::{database, out};
use crate::config::Typed;
use crate::notice::Notices;
use crate::store::{Store, new_key};
use ringmon_core::row::{Address, PoolKey};
use ringmon_core::{NoticeBody, PoolRow, ServerId, ServerRow, Side};

/// Between two rounds of questions.
const ROUND: Duration = Duration::from_millis(500);
/// How many agents are asked at a time.
const AT_A_TIME: usize = 64;
/// How often it prints which agents it waits for.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// A question is answered within the half second in which its subject is probed, or not at all.
const ANSWER: Duration = Duration::from_millis(1200);
/// How many names a message has.
const NAMED: usize = 5;

/// What agents must have shown.
#[derive(Clone, Copy, Debug)]
enum Readiness {
    Accepts,
    Uses,
}

/// Takes the remaining steps.
pub fn rotate_key(typed: &Typed, within: Duration) -> anyhow::Result<Verdict> {
    database::wait(async {
        let store = database::open(typed).await?;
        loop {
            let pool = store.pool().await?;
            let name = store.pool_name();
            let (used, accepted, said) = match pool.keys[..] {
                [] => return Err(Error::Unavailable(format!("pool {name} has no key")).into()),
                [used] => {
                    let new = new_key(after(used.id))?;
                    let said = format!("1 of 3: pool {name} accepts key {} beside key {}", new.id, used.id);
                    (used, Some(new), said)
                }
                [old, new] if new.id == after(old.id) => {
                    everybody(&store, &pool.keys, new, Readiness::Accepts, within).await?;
                    let said = format!("2 of 3: every agent accepts key {}; it is used from now on", new.id);
                    (new, Some(old), said)
                }
                [new, old, ..] => {
                    everybody(&store, &pool.keys, new, Readiness::Uses, within).await?;
                    let done = format!("3 of 3: every agent uses key {}; key {} is out of the table", new.id, old.id);
                    (new, None, format!("{done}, and agents forget it within half a minute"))
                }
            };
            write(&store, &pool, used, accepted).await?;
            out::line(&said)?;
            if accepted.is_none() {
                return Ok(Verdict::Ok);
            }
        }
    })
}

async fn write(store: &Store, read: &PoolRow, used: PoolKey, accepted: Option<PoolKey>) -> anyhow::Result<()> {
    if store.set_keys(read, used, accepted).await? {
        return Ok(());
    }
    Err(Error::Unavailable("somebody else changed the pool under this command; run it again".to_owned()).into())
}

/// Ids wrap around, and they must show which of two keys is the newer one.
const fn after(id: u8) -> u8 {
    id % u8::MAX + 1
}

/// Waits until every server in the table has shown it.
async fn everybody(
    store: &Store,
    keys: &[PoolKey],
    new: PoolKey,
    what: Readiness,
    within: Duration,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let (mut told, mut round) = (began, 0);
    let mut ready = BTreeSet::new();
    loop {
        // Servers join and leave meanwhile. A new one has read the current keys, and shows it like the others.
        let rows = store.servers().await?;
        let waiting: Vec<&ServerRow> = rows.iter().filter(|row| !ready.contains(&(row.id, row.incarnation))).collect();
        for some in waiting.chunks(AT_A_TIME) {
            let nudge: Vec<_> = some.iter().map(|&row| (row, NoticeBody::Spliced { subject: row.id })).collect();
            tell(keys, &nudge).await;
            let mut asked = JoinSet::new();
            for row in some {
                let (life, to) = ((row.id, row.incarnation), SocketAddr::new(row.card.address, row.card.notice_port));
                let about = subject(row, &rows, round);
                asked.spawn(async move {
                    let shown = match (what, about) {
                        (Readiness::Accepts, _) => accepts(to, new).await,
                        (Readiness::Uses, Some(about)) => uses(to, about, new).await,
                        // It is alone on its ring: no other has to understand it.
                        (Readiness::Uses, None) => true,
                    };
                    shown.then_some(life)
                });
            }
            ready.extend(asked.join_all().await.into_iter().flatten());
        }
        let left: Vec<&str> = waiting
            .iter()
            .filter(|row| !ready.contains(&(row.id, row.incarnation)))
            .map(|row| row.card.name.as_str())
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        let waits = waits_for(new, what, &left);
        if began.elapsed() >= within {
            let why = format!(
                "{waits} after {within:?}. Both keys hold, nobody is harmed: \
                 run it again once they can be reached and read the table, \
                 or after `ringmon remove NAME`"
            );
            return Err(Error::Unavailable(why).into());
        }
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            tracing::info!("{} of {} agents; {waits}", rows.len() - left.len(), rows.len());
        }
        round += 1;
        tokio::time::sleep(ROUND).await;
    }
}

fn waits_for(new: PoolKey, what: Readiness, left: &[&str]) -> String {
    let verb = match what {
        Readiness::Accepts => "not seen to accept",
        Readiness::Uses => "not seen to use",
    };
    let more = left.len().saturating_sub(NAMED);
    let others = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{others} {verb} key {}", left[..left.len() - more].join(", "), new.id)
}

/// A server that this one hears anyway, if all is well: its buddies in turn.
fn subject(row: &ServerRow, rows: &[ServerRow], round: usize) -> Option<Address> {
    let buddy = row.buddy(Side::BOTH[round % 2]);
    rows.iter().find(|other| other.id == buddy && other.id != row.id).map(|other| other.card.address)
}

/// Whether the agent acknowledges a notice under this key.
async fn accepts(to: SocketAddr, key: PoolKey) -> bool {
    let Some(notices) = bind(to, key) else { return false };
    // This makes the agent read its row, and is harmless.
    notices.send(to, tell::from_an_operator(NoticeBody::Spliced { subject: ServerId::NEW }));
    notices.settle().await;
    notices.stats().acknowledged > 0
}

/// Whether the agent's answer comes under this key.
async fn uses(to: SocketAddr, about: Address, key: PoolKey) -> bool {
    let Some(notices) = bind(to, key) else { return false };
    notices.send(to, tell::from_an_operator(NoticeBody::Ask { address: about }));
    let answer = async {
        loop {
            let (from, notice) = notices.recv().await;
            if from == to && matches!(notice.body, NoticeBody::Proof { .. }) {
                return;
            }
        }
    };
    tokio::time::timeout(ANSWER, answer).await.is_ok()
}

/// A socket that knows no other key.
fn bind(to: SocketAddr, key: PoolKey) -> Option<Notices> {
    let own = crate::notice::towards(to).ok()?;
    Notices::bind(SocketAddr::new(own, 0), vec![key]).inspect_err(|error| tracing::debug!("{error}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_round_and_are_never_zero() {
        assert_eq!([1, 2, 254, 255].map(after), [2, 3, 255, 1]);
        assert_eq!(after(0), 1, "one that was set by hand");
    }

    #[test]
    fn a_message_names_a_few() {
        let key = PoolKey { id: 2, secret: [0; 16] };
        assert_eq!(waits_for(key, Readiness::Accepts, &["a", "b"]), "a, b not seen to accept key 2");
        let many = ["a", "b", "c", "d", "e", "f", "g"];
        assert_eq!(waits_for(key, Readiness::Uses, &many), "a, b, c, d, e and 2 more not seen to use key 2");
    }
}
