//! The database's URL: where a password is in it, and how to show it without.

/// The parts of `scheme://user:password@rest` around the password.
struct Parts<'a> {
    /// Up to `://`, which is included.
    scheme: &'a str,
    /// The user's name, if there is one.
    user: Option<&'a str>,
    /// The password, if there is one.
    password: Option<&'a str>,
    /// From the host on.
    rest: &'a str,
}

/// Takes a URL apart. The *last* `@` of all ends the login: a password that should have been percent-encoded, with a
/// `?` or an `@` in it, is still found, and hidden.
fn parts(url: &str) -> Option<Parts<'_>> {
    let start = url.find("://")? + 3;
    let (scheme, tail) = url.split_at(start);
    let Some(at) = tail.rfind('@').filter(|_| !scheme.starts_with("sqlite")) else {
        return Some(Parts { scheme, user: None, password: None, rest: tail });
    };
    let (login, rest) = (&tail[..at], &tail[at + 1..]);
    let colon = login.find(':').map(|at| (at, 1)).or_else(|| Some((login.to_ascii_lowercase().find("%3a")?, 3)));
    let (user, password) = match colon {
        Some((at, length)) => (&login[..at], Some(&login[at + length..])),
        None => (login, None),
    };
    Some(Parts { scheme, user: Some(user), password, rest })
}

/// Whether the URL contains a password.
pub(super) fn has_password(url: &str) -> bool {
    parts(url).is_some_and(|parts| parts.password.is_some())
}

/// The URL without its password. What cannot be taken apart and may have one is not shown at all.
#[must_use]
pub fn redacted(url: &str) -> String {
    let says_password = |text: &str| text.to_ascii_lowercase().contains("password");
    match parts(url) {
        Some(Parts { scheme, .. }) if says_password(url) => format!("{scheme}***"),
        Some(Parts { scheme, user: Some(user), password: Some(_), rest }) => format!("{scheme}{user}:***@{rest}"),
        None if url.contains('@') || says_password(url) => "***".to_owned(),
        Some(_) | None => url.to_owned(),
    }
}

/// Several URLs with commas between them. A password with a comma in it makes parts that are no URLs.
pub(super) fn all_redacted(urls: &str) -> String {
    if urls.split(',').any(|url| parts(url).is_none()) {
        return redacted(urls);
    }
    urls.split(',').map(redacted).collect::<Vec<_>>().join(",")
}
