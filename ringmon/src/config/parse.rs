//! From one word to one value.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use super::error::{Error, Problem};
use super::keys::{Key, Word};
use super::near::nearest;
use super::{BpfLog, DatabaseUrl, DatapathChoice, OnStop};
use crate::service::Need;
use ringmon_core::Profile;
use ringmon_core::row::{Address, Alone, Mode, Quorum};

/// Words and what they mean.
pub type Words<T> = &'static [(&'static str, T)];

/// The words for [`Profile`].
pub const PROFILES: Words<Profile> =
    &[("gentle", Profile::Gentle), ("default", Profile::Default), ("fast", Profile::Fast), ("turbo", Profile::Turbo)];
/// The words for [`DatapathChoice`].
pub const DATAPATHS: Words<DatapathChoice> = &[
    ("auto", DatapathChoice::Auto),
    ("xdp-native", DatapathChoice::XdpNative),
    ("xdp-generic", DatapathChoice::XdpGeneric),
];
/// The words for [`Mode`].
pub const MODES: Words<Mode> = &[("act", Mode::Act), ("observe", Mode::Observe)];
/// The words for [`Quorum`].
pub const QUORUMS: Words<Quorum> = &[("both", Quorum::Both), ("single", Quorum::Single)];
/// The words for [`Alone`].
pub const ALONES: Words<Alone> = &[("one", Alone::One), ("all", Alone::All)];
/// The words for [`OnStop`].
pub const ON_STOPS: Words<OnStop> = &[("leave", OnStop::Leave), ("stay", OnStop::Stay)];
/// The words for [`Need`].
pub const NEEDS: Words<Need> = &[("all", Need::All), ("any", Need::Any)];
/// The words for [`BpfLog`].
pub const BPF_LOGS: Words<Option<BpfLog>> = &[
    ("off", None),
    ("error", Some(BpfLog::Error)),
    ("warn", Some(BpfLog::Warn)),
    ("info", Some(BpfLog::Info)),
    ("debug", Some(BpfLog::Debug)),
    ("trace", Some(BpfLog::Trace)),
];
/// The words for yes and no; the first two are shown.
const SWITCHES: Words<bool> = &[("on", true), ("off", false), ("true", true), ("false", false)];

/// The words alone.
pub fn words<T>(table: Words<T>) -> Vec<&'static str> {
    table.iter().map(|&(word, _)| word).collect()
}

/// The word for a value.
pub fn word_for<T: PartialEq>(table: Words<T>, value: &T) -> &'static str {
    table.iter().find(|(_, meaning)| meaning == value).map_or("?", |&(word, _)| word)
}

/// What a word means, or what it may be.
///
/// # Errors
/// [`Problem::NotOneOf`]
pub fn one_of<T: Copy>(table: Words<T>, text: &str) -> Result<T, Problem> {
    table
        .iter()
        .find(|&&(word, _)| word == text)
        .map(|&(_, meaning)| meaning)
        .ok_or_else(|| Problem::NotOneOf { allowed: words(table), near: nearest(text, words(table)) })
}

/// The error for a word with this problem.
pub fn bad(key: Key, word: &Word, problem: Problem) -> Error {
    let text = word.shown(key);
    Error::Bad { key, text, origin: word.origin.clone(), problem }
}

/// A whole number in a range.
pub fn number<T: FromStr + PartialOrd + Copy + Into<u64>>(text: &str, min: T, max: T) -> Result<T, Problem> {
    text.parse()
        .ok()
        .filter(|number| (min..=max).contains(number))
        .ok_or(Problem::NotANumber { min: min.into(), max: max.into() })
}

/// The smallest and the largest size: below, a file would hold minutes; above, one file would not fit into memory when it is replayed.
const SIZES: std::ops::RangeInclusive<u64> = (1 << 20)..=(8 << 30);

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

/// What a span looks like.
pub const A_SPAN: &str = "a length of time like 90s, 15m, 12h or 30d";

/// A length of time, maybe none; a day has 24 hours, a month is no number of them.
pub fn span(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let span: jiff::Span = text.parse().ok()?;
    Duration::try_from(span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?).ok()
}

/// A length of time in a range.
pub fn span_in(text: &str, range: std::ops::RangeInclusive<Duration>, what: &'static str) -> Result<Duration, Problem> {
    span(text).filter(|span| range.contains(span)).ok_or(Problem::NotA(what))
}

/// A share in thousandths, from 0 to 1.
pub fn share(text: &str) -> Result<u16, Problem> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1000")]
    share.map(|share| (share * 1000.0).round() as u16).ok_or(Problem::NotA("a share from 0 to 1, like 0.5"))
}

/// Several words, with commas in between.
pub fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

/// Yes or no.
pub fn switch(text: &str) -> Result<bool, Problem> {
    one_of(SWITCHES, text).map_err(|_| Problem::NotOneOf { allowed: vec!["on", "off"], near: None })
}

/// Where the tables are.
pub fn database(text: &str) -> Result<DatabaseUrl, Problem> {
    text.parse().map_err(|error| Problem::DatabaseUrl(Box::new(error)))
}

/// An IP address.
pub fn address(text: &str) -> Result<Address, Problem> {
    text.parse().map_err(|_| Problem::NotA("an IP address, like 192.0.2.7"))
}

/// Where to listen; `off`: nowhere.
pub fn listen(text: &str) -> Result<Option<SocketAddr>, Problem> {
    if text == "off" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Problem::NotA("an address and a port, like 127.0.0.1:7464, or off"))
}

/// Where to listen, by default at this address; `off`: nowhere.
pub fn listen_at(text: &str, own: Address) -> Result<Option<SocketAddr>, Problem> {
    if text == "off" {
        return Ok(None);
    }
    if let Ok(port) = number(text, 1u16, u16::MAX) {
        return Ok(Some(SocketAddr::new(own, port)));
    }
    text.parse().map(Some).map_err(|_| Problem::NotA("a port, or an address and a port like 10.0.0.1:7466, or off"))
}

/// A name that fits into the table, a log line and a metric's label without quoting.
pub fn name(text: &str) -> Result<String, Problem> {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-:@".contains(c);
    if (1..=64).contains(&text.len()) && text.chars().all(good) {
        return Ok(text.to_owned());
    }
    Err(Problem::NotA("1 to 64 letters, digits, and . _ - : @"))
}
