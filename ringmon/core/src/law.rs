//! The constants of DESIGN section 6 that are the same in every profile, each with its reason.

use core::time::Duration;

/// Consecutive misses before a suspicion, on a watch that loses nothing else. At the least loss that is assumed, three
/// misses by chance are as rare as [`ALPHA`](crate::loss::ALPHA) requires.
pub const SUSPECT_MISSES: u32 = 3;
/// R6: the fewest misses before a removal. A burst of probes cannot stand for time, nor time for probes.
pub const REMOVAL_MISSES: u32 = 16;
/// R6: the shortest silence before a removal. Both witnesses may share an outage of the last hop.
pub const REMOVAL_SILENCE: Duration = Duration::from_millis(100);
/// R6: the longest silence that is ever required, whatever outages were seen: dead servers must go.
pub const REMOVAL_SILENCE_MOST: Duration = Duration::from_secs(2);
/// A reading of a watch is at most this old, also on a busy machine: the loop reads all of them twice as often.
pub const READ_EVERY: Duration = Duration::from_millis(100);
/// R6: who heard nobody for this long was deaf. While the database answers, a look ahead (R1) finds who lives beyond
/// two dead buddies in less.
pub const DEAF: Duration = Duration::from_secs(1);
/// R6: whom a server has not heard since it was deaf gets this many times the length of that to be heard: the ports of
/// a switch that rebooted for 2 s come back some seconds apart.
pub const GRACE_TIMES: u32 = 10;
/// R6: and at most this long, also after a start, when nothing says how long this machine was away. Hosts that lost
/// power together boot within tens of seconds of each other, and spanning tree holds a port back for 30 s (IEEE 802.1D:
/// twice a forward delay of 15 s).
pub const GRACE_MOST: Duration = Duration::from_secs(60);
/// R5: how long a vote lives without being renewed. A shorter time livelocks under mass failure.
pub const VOTE_LIFETIME: Duration = Duration::from_secs(30);
/// Time between two writes of the same vote or mark, +- 20 %.
pub const REVOTE: Duration = Duration::from_millis(500);
/// The longest that this can be.
pub const REVOTE_MOST: Duration = Duration::from_millis(600);
/// A vote, an answer or an alone mark that was renewed within this time goes on. Three times [`REVOTE`], so one write
/// may be lost.
pub const RENEWED: Duration = Duration::from_millis(1500);
/// R3: no server needs less time than this to notice a cut and to write an answer.
pub const WAIT_LEAST: Duration = Duration::from_millis(60);
/// R3: no removal waits longer than this for an answer. A server that needs more cannot answer.
pub const WAIT_MOST: Duration = Duration::from_secs(2);
/// R4: how long the word of a server that hears nobody protects it. The same goes for a counter-vote of an agent that
/// cannot answer, if no other server seconded it.
pub const LONE_WORD: Duration = Duration::from_secs(3);
/// R2: how long the alone mark must have stood if the pool has one other server.
pub const ALONE_ONE: Duration = Duration::from_secs(1);
/// R2: how long the alone mark must have stood if the pool has more servers.
pub const ALONE_MORE: Duration = Duration::from_secs(2);
/// R7: a vote or removal commits within this time after it first reads the database's clock, or not at all. Where looks
/// take long, the time is that of four looks, up to [`WRITE_MOST`]: otherwise nobody could be removed there.
pub const WRITE_WITHIN: Duration = Duration::from_millis(500);
/// R7: the longest that it may take.
pub const WRITE_MOST: Duration = WAIT_MOST;
/// R11: a server that was removed and is not back counts as gone for this long. After that, the pool is used to it.
pub const BRAKE_WINDOW: Duration = Duration::from_secs(600);
/// R11: once the brake has spoken, it holds for this long before anybody counts again. Ten seconds are soon enough to
/// go on after servers are back, and one event in ten seconds is loud enough and no flood.
pub const BRAKE_HOLDS: Duration = Duration::from_secs(10);
/// R11: this many servers may always be gone, since half of a pool of three would be no brake.
pub const BRAKE_FLOOR: u32 = 3;
/// R1: how many servers the first look ahead probes at a time.
pub const AHEAD: u16 = 16;
/// This server's row is read again this often when nothing happens, +- 10 %.
pub const REREAD: Duration = Duration::from_secs(30);
/// R10: an unknown prober causes a read of the row at most this often.
pub const STRANGER_EVERY: Duration = Duration::from_millis(100);
/// R10: one that stays unknown, however often the row is read, causes ever fewer reads: one in this time in the end.
pub const STRANGER_MOST: Duration = Duration::from_millis(1600);
/// A table has gone back in time if each look showed an older one than before, for this long. No statement takes longer
/// whose answer counts ([`WRITE_WITHIN`]), and no node of a cluster that is behind by more serves.
pub const EPOCH_PROOF: Duration = Duration::from_secs(1);
/// How long a join waits for its proof before it tries another place.
pub const JOIN_PROOF: Duration = Duration::from_secs(1);
