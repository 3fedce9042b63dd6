//! What happens to a packet, and everything that is counted.

/// What to do with a packet. XDP's own names for this stay in the kernel's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Hand it to the kernel, untouched.
    Pass,
    /// Consume it: nobody else needs it.
    Drop,
    /// Send it back where it came from, rewritten.
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

            /// The value of its label in the metrics.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}

counted! {
    /// What a packet turned out to be.
    Verdict {
        /// A probe for this server, which was answered.
        Answered = "answered",
        /// The reply to an outstanding probe, in time.
        Reply = "reply",
        /// The reply to a probe whose deadline has passed.
        LateReply = "late_reply",
        /// The other kernel echoed this server's own outstanding probe.
        PlainReply = "plain_reply",
        /// A reply to a probe that already had one.
        DuplicateReply = "duplicate_reply",
        /// Well tagged, but not to a probe of a running watch, or more than a second late.
        StaleReply = "stale_reply",
        /// Not ICMP over IPv4. This verdict alone is not counted: it is all the other traffic of the machine.
        Other = "other",
        /// IPv4 with options.
        IpOptions = "ip_options",
        /// A fragment.
        Fragment = "fragment",
        /// The frame ends earlier than its headers say.
        Truncated = "truncated",
        /// ICMP, but neither an echo nor an echo reply.
        NotEcho = "not_echo",
        /// An echo with another program's identifier.
        ForeignId = "foreign_id",
        /// To or from a group address, or from an address that cannot be answered.
        NotUnicast = "not_unicast",
        /// To another address than this server's.
        NotForUs = "not_for_us",
        /// With ringmon's identifier, but not with the length of a probe.
        WrongLength = "wrong_length",
        /// With ringmon's identifier, but without its magic.
        WrongMagic = "wrong_magic",
        /// Another version of the wire format.
        WrongVersion = "wrong_version",
        /// A field has a value that it cannot have, or the payload contradicts its headers.
        Malformed = "malformed",
        /// Tagged with a key that this server does not have.
        UnknownKey = "unknown_key",
        /// The tag does not belong to this payload.
        WrongTag = "wrong_tag",
    }
}

impl Verdict {
    /// What follows from the verdict. There is no wildcard, so a new verdict must say.
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
        /// A probe left that belongs to no running watch.
        StampUnknown = "stamp_unknown",
        /// The place of a probe in the window still had an unanswered one, which is forgotten and is no miss.
        WindowFull = "window_full",
        /// The kernel refused a timer: misses of this watch are not counted.
        TimerRefused = "timer_refused",
        /// A timer fired.
        TimerFired = "timer_fired",
        /// A miss whose timer fired too late.
        MissLate = "miss_late",
        /// A packet left that looks like a probe of this server, and was not made by its agent.
        StampForged = "stamp_forged",
        /// The ring buffer was full. User space finds out by polling.
        EventLost = "event_lost",
    }
}

/// Entries of the map of counters: verdicts first, then incidents.
pub const COUNTERS: u32 = (Verdict::ALL.len() + Incident::ALL.len()) as u32;

impl Verdict {
    /// Its index in the map of counters.
    #[inline(always)]
    #[must_use]
    pub const fn index(self) -> u32 {
        self as u32
    }
}

impl Incident {
    /// Its index in the map of counters.
    #[inline(always)]
    #[must_use]
    pub const fn index(self) -> u32 {
        Verdict::ALL.len() as u32 + self as u32
    }
}
