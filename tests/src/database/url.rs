//! Reads a database URL, as far as needed to put another host into it.

use std::fmt;

use anyhow::Context;

/// `mysql://user:password@host:port/rest`. Percent codes stay as they are, except in the password, which is plain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    pub scheme: String,
    pub user: Option<String>,
    pub password: Option<String>,
    pub host: String,
    pub port: u16,
    pub rest: String,
}

impl Url {
    /// # Errors
    /// The text has another shape. The message never contains the text, because there may be a password in it.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        const SHAPE: &str = "the database's URL is not like mysql://user:password@host:port/database";
        let (scheme, rest) = text.split_once("://").context(SHAPE)?;
        let (authority, rest) = rest.split_once('/').context(SHAPE)?;
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
            Some((user, "")) => (Some(user), None),
            Some((user, password)) => (Some(user), Some(password)),
            None => (None, None),
        };
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok().context(SHAPE)?),
            _ => (place, 3306),
        };
        let host = host.trim_matches(['[', ']']);
        Ok(Self {
            scheme: scheme.to_owned(),
            user: user.map(str::to_owned),
            password: password.map(plain),
            host: if host.is_empty() { "localhost" } else { host }.to_owned(),
            port,
            rest: rest.to_owned(),
        })
    }
}

/// Decodes the percent codes of RFC 3986. A percent sign that does not belong to such a code stays.
fn plain(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| first == b'%').and_then(|code| std::str::from_utf8(code).ok());
        let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl fmt::Display for Url {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        write!(f, "{}:{}/{}", self.host, self.port, self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::Url;

    #[test]
    fn another_host_can_be_put_in() {
        let mut url = Url::parse("mysql://me:s%40:cret@db.example/pool?ssl-mode=disabled").unwrap();
        assert_eq!((url.host.as_str(), url.port, url.password.as_deref()), ("db.example", 3306, Some("s@:cret")));
        url.host = "10.77.0.254".to_owned();
        assert_eq!(url.to_string(), "mysql://me@10.77.0.254:3306/pool?ssl-mode=disabled");
        assert_eq!(Url::parse("mysql://[::1]:4000/x").unwrap().port, 4000);
        assert_eq!(Url::parse("mysql://me@[::1]/x").unwrap().host, "::1");
    }

    #[test]
    fn what_is_no_url_is_not_repeated() {
        let error = Url::parse("me:secret@host").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
