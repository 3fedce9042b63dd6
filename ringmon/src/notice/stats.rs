//! What became of the notices, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use super::codec::Refusal;
use crate::show::Count;

macro_rules! counters {
    ($($(#[doc = $doc:literal])* $field:ident;)*) => {
        /// What became of the notices since the start.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct NoticeStats { $($(#[doc = $doc])* pub $field: u64,)* }

        impl NoticeStats {
            /// As numbers for the metrics: `notices` by what became of them.
            #[must_use]
            pub fn counts(&self) -> Vec<Count> {
                vec![$(Count { name: "notices", label: stringify!($field), value: self.$field }),*]
            }
        }

        /// The same, while it is being counted.
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
    /// Taken on for sending.
    sent;
    /// Sends of a notice after its first.
    resent;
    /// Acknowledged by their receiver.
    acknowledged;
    /// Forgotten without an acknowledgement.
    given_up;
    /// Not taken on: too many under way, or no key yet.
    dropped;
    /// Datagrams the kernel would not take.
    send_errors;
    /// Handed on.
    received;
    /// Acknowledged again, not handed on again.
    duplicates;
    /// Not acknowledged, because nobody fetched those that came before: the sender will try again.
    overflowed;
    /// Acknowledgements of nothing that is under way: late, or repeated.
    stray_acknowledgements;
    /// Refused: another length, magic, version or flags.
    foreign;
    /// Refused: a key that is not accepted.
    unknown_key;
    /// Refused: forged, damaged, or meant for another route.
    bad_tag;
    /// Refused: well tagged, and without a meaning here.
    meaningless;
    /// Times the kernel would not give a datagram.
    receive_errors;
}

impl Counters {
    /// One more of these.
    pub(super) fn one(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// One more datagram refused for this.
    pub(super) fn refused(&self, why: Refusal) {
        Self::one(match why {
            Refusal::Foreign => &self.foreign,
            Refusal::UnknownKey => &self.unknown_key,
            Refusal::BadTag => &self.bad_tag,
            Refusal::Meaningless => &self.meaningless,
        });
    }
}
