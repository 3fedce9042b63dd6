//! The database's URL: how to show it without its password.

use crate::store::URL_OPTIONS;

/// The URL without its password. What is shown has the form of a URL and no place for a password: whatever cannot be
/// taken apart is not shown at all, because somebody may have typed a password wrongly there.
#[must_use]
pub fn redacted(url: &str) -> String {
    let Some((scheme, tail)) = url.split_once("://") else {
        return if url.contains(['@', ':']) { "***".to_owned() } else { url.to_owned() };
    };
    if scheme == "sqlite" {
        return url.to_owned();
    }
    // The `@` before the first slash or question mark ends the login. If what follows it is no place, a password was
    // not percent-encoded, and the last `@` of all ends it.
    let authority = tail.find(['/', '?']).unwrap_or(tail.len());
    for at in [tail[..authority].rfind('@'), tail.rfind('@')].into_iter().flatten() {
        let (login, place) = (&tail[..at], &tail[at + 1..]);
        if is_place(place) {
            let colon = login.find(':').or_else(|| login.to_ascii_lowercase().find("%3a"));
            let shown = colon.map_or_else(|| login.to_owned(), |colon| format!("{}:***", &login[..colon]));
            return format!("{scheme}://{shown}@{place}");
        }
    }
    if is_place(tail) { url.to_owned() } else { format!("{scheme}://***") }
}

/// Several URLs with commas between them. A password with a comma in it makes parts that are no URLs.
pub(super) fn all_redacted(urls: &str) -> String {
    if urls.split(',').any(|url| !url.contains("://")) {
        return redacted(urls);
    }
    urls.split(',').map(redacted).collect::<Vec<_>>().join(",")
}

/// Whether this is `host`, perhaps with `:port`, `/database` and known options behind it.
fn is_place(text: &str) -> bool {
    let (text, options) = text.split_once('?').unwrap_or((text, ""));
    let (host, database) = text.split_once('/').unwrap_or((text, ""));
    let (host, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (address.trim_matches(|c: char| c.is_ascii_hexdigit() || c == ':' || c == '.'), port),
        None => host.find(':').map_or((host, ""), |at| host.split_at(at)),
    };
    let known = |option: &str| URL_OPTIONS.contains(&option.split('=').next().unwrap_or_default());
    host.chars().all(|c| c.is_ascii_alphanumeric() || ".-_%/".contains(c))
        && port.strip_prefix(':').unwrap_or(port).bytes().all(|byte| byte.is_ascii_digit())
        && !database.contains(['@', ':', ',', '/'])
        && (options.is_empty() || options.split('&').all(known))
}
