//! Moments as the users of a machine read them.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::show::in_units;
use ringmon_core::DbTime;

/// A moment of the database's clock, as it is called in this zone.
pub fn at(moment: DbTime, zone: &TimeZone) -> Zoned {
    // No clock makes a later one. In the year 9999 everybody sees that something is wrong with the row.
    Timestamp::from_microsecond(moment.as_us()).unwrap_or(Timestamp::MAX).to_zoned(zone.clone())
}

/// With the day, to the millisecond: for one of many.
pub fn full(at: &Zoned) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

/// To the second, and with the day only if it is another one than now.
pub fn brief(at: &Zoned, now: &Zoned) -> String {
    let form = if at.date() == now.date() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
    at.strftime(form).to_string()
}

/// `since 14:03:11 (for 12 s)`: what began this long ago.
pub fn since(span: Duration, now: &Zoned) -> String {
    let length = in_units(span);
    match now.checked_sub(span) {
        Ok(then) => format!("since {} (for {length})", brief(&then, now)),
        Err(_) => format!("for {length}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_the_day_only_if_it_is_not_today() {
        // 2026-07-30T14:03:23Z
        let now = at(DbTime::from_us(1_785_420_203_250_000), &TimeZone::UTC);
        assert_eq!(full(&now), "2026-07-30 14:03:23.250");
        assert_eq!(since(Duration::from_secs(12), &now), "since 14:03:11 (for 12 s)");
        assert_eq!(since(Duration::from_secs(86_400), &now), "since 2026-07-29 14:03:23 (for 1 d)");
        assert!(since(Duration::MAX, &now).starts_with("for "), "no calendar reaches back so far");
        assert!(full(&at(DbTime::from_us(i64::MAX), &TimeZone::UTC)).starts_with("9999-"));
    }
}
