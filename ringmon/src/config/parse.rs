//! Reads one value from its text.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::DatabaseUrl;
use super::error::{Error, Problem};
use super::keys::{Entry, Key};
use super::near::nearest;
use ringmon_core::Word;
use ringmon_core::row::Address;

/// The words of an enum.
pub fn words<T: Word>() -> Vec<&'static str> {
    T::ALL.iter().map(|value| value.word()).collect()
}

/// The meaning of a word; or the words that there are.
///
/// # Errors
/// [`Problem::NotOneOf`]
pub fn one_of<T: Word>(text: &str) -> Result<T, Problem> {
    T::read(text).ok_or_else(|| Problem::NotOneOf { allowed: words::<T>(), near: nearest(text, words::<T>()) })
}

/// The error for an entry with this problem.
pub fn bad(key: Key, entry: &Entry, problem: Problem) -> Error {
    let text = entry.shown(key);
    Error::Bad { key, text, origin: entry.origin.clone(), problem }
}

/// A whole number in a range.
pub fn number<T: FromStr + PartialOrd + Copy + Into<u64>>(text: &str, min: T, max: T) -> Result<T, Problem> {
    text.parse()
        .ok()
        .filter(|number| (min..=max).contains(number))
        .ok_or(Problem::NotANumber { min: min.into(), max: max.into() })
}

/// The smallest and the largest size: with a smaller one a file would hold only minutes; with a larger one a file would
/// not fit into memory when it is replayed.
const SIZES: RangeInclusive<u64> = (1 << 20)..=(8 << 30);

/// A size in bytes: a whole number with KiB, MiB or GiB (powers of 1024).
pub fn size(text: &str) -> Result<u64, Problem> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let (number, shift) =
        units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?.trim_end(), *shift))).unwrap_or((text, 0));
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let bytes = number.parse::<u64>().ok().filter(|_| digits && shift > 0).and_then(|n| n.checked_mul(1 << shift));
    bytes
        .filter(|bytes| SIZES.contains(bytes))
        .ok_or(Problem::NotA("a size from 1MiB to 8GiB, in KiB, MiB or GiB, like 64MiB"))
}

/// A length of time in a range. A day has 24 hours; there are no months, because they differ in length.
pub fn span_in(text: &str, range: RangeInclusive<Duration>, what: &'static str) -> Result<Duration, Problem> {
    span(text).filter(|span| range.contains(span)).ok_or(Problem::NotA(what))
}

fn span(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let span: jiff::Span = text.parse().ok()?;
    Duration::try_from(span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?).ok()
}

/// A share in thousandths, from 0 to 1.
pub fn share(text: &str, what: &'static str) -> Result<u16, Problem> {
    thousandths_of(1.0, text, what)
}

/// A share in thousandths, written in per cent.
pub fn percent(text: &str) -> Result<u16, Problem> {
    thousandths_of(100.0, text, "from 0 to 100")
}

fn thousandths_of(whole: f64, text: &str, what: &'static str) -> Result<u16, Problem> {
    let part = text.parse::<f64>().ok().filter(|part| (0.0..=whole).contains(part));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1000")]
    part.map(|part| (part / whole * 1000.0).round() as u16).ok_or(Problem::NotA(what))
}

/// Several words, with commas between them.
pub fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

/// Yes or no. TOML has its own words for them.
pub fn switch(text: &str) -> Result<bool, Problem> {
    match text {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err(Problem::NotOneOf { allowed: vec!["on", "off"], near: None }),
    }
}

/// Where the tables are.
pub fn database(text: &str) -> Result<DatabaseUrl, Problem> {
    text.parse().map_err(|error| Problem::DatabaseUrl(Box::new(error)))
}

/// An IP address.
pub fn address(text: &str) -> Result<Address, Problem> {
    text.parse().map_err(|_| Problem::NotA("an IP address, like 192.0.2.7"))
}

/// An address to listen at; `off`: none.
pub fn listen(text: &str) -> Result<Option<SocketAddr>, Problem> {
    if text == "off" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Problem::NotA("an address and a port, like 127.0.0.1:7464, or off"))
}

/// An address to listen at, by default a port of this server's own address; `off`: none.
pub fn listen_at(text: &str, own: Address) -> Result<Option<SocketAddr>, Problem> {
    if text == "off" {
        return Ok(None);
    }
    if let Ok(port) = number(text, 1u16, u16::MAX) {
        return Ok(Some(SocketAddr::new(own, port)));
    }
    text.parse().map(Some).map_err(|_| Problem::NotA("a port, or an address and a port like 10.0.0.1:7466, or off"))
}

/// A name that needs no quoting in the table, in a log line and in a metric's label.
pub fn name(text: &str) -> Result<String, Problem> {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-:@".contains(c);
    if (1..=64).contains(&text.len()) && text.chars().all(good) {
        return Ok(text.to_owned());
    }
    Err(Problem::NotA("1 to 64 letters, digits, and . _ - : @"))
}
