//! Counts what became of the notices.

use std::sync::atomic::{AtomicU64, Ordering};

use super::codec::Refusal;
use crate::show::Count;

macro_rules! counters {
    ($($(#[doc = $doc:literal])* $field:ident;)*) => {
        /// Counts since the start.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct NoticeStats { $($(#[doc = $doc])* pub $field: u64,)* }

        impl NoticeStats {
            /// For the metric `notices`, labelled by what became of them.
            #[must_use]
            pub fn counts(&self) -> Vec<Count> {
                vec![$(Count { name: "notices", label: stringify!($field), value: self.$field }),*]
            }
        }

        #[derive(Debug, Default)]
        pub(super) struct Counters { $(pub(super) $field: AtomicU64,)* }

        impl Counters {
            pub(super) fn read(&self) -> NoticeStats {
                NoticeStats { $($field: self.$field.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Accepted for sending.
    sent;
    /// Sends of a notice after its first one.
    resent;
    /// By their receiver.
    acknowledged;
    /// Forgotten without an acknowledgement.
    given_up;
    /// Not taken on: too many under way. (Without a key a notice is taken on, and given up in the end.)
    dropped;
    /// Datagrams the kernel would not take.
    send_errors;
    /// Handed to the agent.
    received;
    /// Acknowledged again, but not handed on again.
    duplicates;
    /// Not acknowledged, because the agent did not fetch the ones before them: the sender will try again.
    overflowed;
    /// Acknowledgements of a notice that is not under way: late, or repeated.
    stray_acknowledgements;
    /// Refused: another length, magic, version or flags.
    foreign;
    /// Refused: the pool does not accept the key.
    unknown_key;
    /// Refused: forged, damaged, or meant for another route.
    bad_tag;
    /// Refused: the tag is right, but this version knows no such notice.
    meaningless;
    /// How often the kernel failed to hand over a datagram.
    receive_errors;
}

impl Counters {
    pub(super) fn one(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self, why: Refusal) {
        Self::one(match why {
            Refusal::Foreign => &self.foreign,
            Refusal::UnknownKey => &self.unknown_key,
            Refusal::BadTag => &self.bad_tag,
            Refusal::Meaningless => &self.meaningless,
        });
    }
}
