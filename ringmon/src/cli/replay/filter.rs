//! `--from` and `--until`.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::super::args::ReplayArgs;
use super::super::exit::Error;

/// A span of the wall clock, in microseconds since 1970, both ends included.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    from: i64,
    until: i64,
}

impl Span {
    /// The span that was asked for. A time of day is one of the day on which the recording begins.
    pub fn of(args: &ReplayArgs, begin_us: Option<i64>) -> Result<Self, Error> {
        let read = |flag: &str, text: &Option<String>, none: i64| match text {
            None => Ok(none),
            Some(text) => parse(text, begin_us).ok_or_else(|| {
                Error::Usage(format!(
                    "{flag} is {text:?}: it must be a moment in UTC, like 2026-11-25T11:03:04.5Z, or a time of the \
                     recording's day, like 11:03:04.5"
                ))
            }),
        };
        Ok(Self { from: read("--from", &args.from, i64::MIN)?, until: read("--until", &args.until, i64::MAX)? })
    }

    pub const fn has(&self, wall_us: i64) -> bool {
        self.from <= wall_us && wall_us <= self.until
    }
}

fn parse(text: &str, begin_us: Option<i64>) -> Option<i64> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at.as_microsecond());
    }
    let time: Time = text.parse().ok()?;
    let day = Timestamp::from_microsecond(begin_us?).ok()?.to_zoned(TimeZone::UTC).date();
    Some(day.to_datetime(time).to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond())
}
