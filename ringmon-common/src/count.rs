//! What becomes of a packet, and everything that is counted.

/// What to do with a packet. XDP's words for it are the kernel's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To the kernel, untouched.
    Pass,
    /// Consumed: nobody else needs it.
    Drop,
    /// Back where it came from, rewritten.
    Send,
}

macro_rules! counted {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $label:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: [Self; [$($label),+].len()] = [$(Self::$variant),+];

            /// Its name in metrics.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}

counted! {
    /// What a packet was found to be.
    Verdict {
        /// A probe for us, and it was answered.
        Answered = "answered",
        /// The reply to an outstanding probe, in time.
        Reply = "reply",
        /// The reply to a probe whose deadline has passed.
        LateReply = "late_reply",
        /// The other kernel echoed our own outstanding probe.
        PlainReply = "plain_reply",
        /// A reply to a probe that was answered before.
        DuplicateReply = "duplicate_reply",
        /// Well tagged, but to no probe of a watch that runs, or more than a second late.
        StaleReply = "stale_reply",
        /// No ICMP over IPv4. The only verdict that is not counted: it is the machine's whole other traffic.
        Other = "other",
        /// IPv4 with options.
        IpOptions = "ip_options",
        /// A fragment.
        Fragment = "fragment",
        /// The frame ends before its headers say.
        Truncated = "truncated",
        /// ICMP, but no echo and no echo reply.
        NotEcho = "not_echo",
        /// An echo with another program's identifier.
        ForeignId = "foreign_id",
        /// To or from a group, or from nobody who could be answered.
        NotUnicast = "not_unicast",
        /// To another address than ours.
        NotForUs = "not_for_us",
        /// Our identifier, but not the length of a probe.
        WrongLength = "wrong_length",
        /// Our identifier, but not our magic.
        WrongMagic = "wrong_magic",
        /// Another version of the wire format.
        WrongVersion = "wrong_version",
        /// A field has a value it cannot have, or the payload contradicts its headers.
        Malformed = "malformed",
        /// Tagged with a key that we do not have.
        UnknownKey = "unknown_key",
        /// The tag is not that of this payload.
        WrongTag = "wrong_tag",
    }
}

impl Verdict {
    /// What follows from it. No wildcard: a new verdict must say.
    #[inline(always)]
    #[must_use]
    pub const fn action(self) -> Action {
        match self {
            Self::Answered => Action::Send,
            Self::Reply | Self::LateReply | Self::PlainReply | Self::DuplicateReply | Self::StaleReply => Action::Drop,
            Self::Other
            | Self::IpOptions
            | Self::Fragment
            | Self::Truncated
            | Self::NotEcho
            | Self::ForeignId
            | Self::NotUnicast
            | Self::NotForUs
            | Self::WrongLength
            | Self::WrongMagic
            | Self::WrongVersion
            | Self::Malformed
            | Self::UnknownKey
            | Self::WrongTag => Action::Pass,
        }
    }
}

counted! {
    /// What else the programs count.
    Incident {
        /// A probe left and was stamped.
        Stamped = "stamped",
        /// A probe left that belongs to no watch that runs.
        StampUnknown = "stamp_unknown",
        /// A probe's place in the window still had an unanswered one: it is forgotten, and no miss.
        WindowFull = "window_full",
        /// The kernel refused a timer: misses of this watch are not counted.
        TimerRefused = "timer_refused",
        /// A timer fired.
        TimerFired = "timer_fired",
        /// A miss that was void because the timer fired too late.
        MissVoid = "miss_void",
        /// The ring buffer was full: userspace finds out by polling.
        EventLost = "event_lost",
    }
}

/// Entries of the map of counters: verdicts first, incidents behind them.
pub const COUNTERS: u32 = (Verdict::ALL.len() + Incident::ALL.len()) as u32;

impl Verdict {
    /// Its place in the map of counters.
    #[inline(always)]
    #[must_use]
    pub const fn index(self) -> u32 {
        self as u32
    }
}

impl Incident {
    /// Its place in the map of counters.
    #[inline(always)]
    #[must_use]
    pub const fn index(self) -> u32 {
        Verdict::ALL.len() as u32 + self as u32
    }
}
