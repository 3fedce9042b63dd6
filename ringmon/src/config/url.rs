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

/// Takes a URL apart. The *last* `@` before the query ends the password. So a password that should have been
/// percent-encoded is still found, and hidden.
fn parts(url: &str) -> Option<Parts<'_>> {
    let start = url.find("://")? + 3;
    let (scheme, tail) = url.split_at(start);
    let end = tail.find('?').unwrap_or(tail.len());
    let Some(at) = tail[..end].rfind('@') else {
        return Some(Parts { scheme, user: None, password: None, rest: tail });
    };
    let (login, rest) = (&tail[..at], &tail[at + 1..]);
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (login, None),
    };
    Some(Parts { scheme, user: Some(user), password, rest })
}

/// Whether the URL contains a password.
pub(super) fn has_password(url: &str) -> bool {
    parts(url).is_some_and(|parts| parts.password.is_some())
}

/// The URL without its password.
#[must_use]
pub fn redacted(url: &str) -> String {
    match parts(url) {
        Some(Parts { scheme, user: Some(user), password: Some(_), rest }) => format!("{scheme}{user}:***@{rest}"),
        Some(_) | None => url.to_owned(),
    }
}
