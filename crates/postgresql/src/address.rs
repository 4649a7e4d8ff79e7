//! Where a server is: a URL as PostgreSQL's own tools read it.

use crate::Trouble;
use crate::client::CONNECT_WITHIN;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use tokio_postgres::config::SslMode;

/// A server that does not confirm what was sent for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// How much of TLS, after `sslmode` in the URL; the meaning is libpq's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// `disable`, and `prefer` and `require`: whoever answers is believed. They keep out who only listens.
    Anybody,
    /// `verify-full`: a certificate in this host's name, by an authority this machine or `sslrootcert` trusts.
    Verified,
}

/// A server and the database on it. Neither `Display` nor `Debug` shows the password.
#[derive(Clone)]
pub struct Address {
    pub(crate) config: tokio_postgres::Config,
    pub(crate) trust: Trust,
    /// In place of the system's roots.
    pub(crate) roots: Option<PathBuf>,
    /// How long one answer of the server is waited for.
    pub patience: Duration,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Without the password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match self.config.get_hosts().first() {
            Some(tokio_postgres::config::Host::Tcp(name)) => name.clone(),
            Some(tokio_postgres::config::Host::Unix(path)) => path.display().to_string(),
            None => String::new(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        write!(f, "{host}:{port}/{}", self.config.get_dbname().unwrap_or(""))
    }
}

impl Address {
    /// Reads the URL. The server shows connections under the given name.
    pub fn read(url: &str, name: &str) -> Result<Self, Trouble> {
        let (url, mode, roots) = take_tls(url)?;
        let (ssl_mode, trust) = match mode.as_deref() {
            Some("disable") => (SslMode::Disable, Trust::Anybody),
            None | Some("prefer") => (SslMode::Prefer, Trust::Anybody),
            Some("require") if roots.is_none() => (SslMode::Require, Trust::Anybody),
            Some("verify-full") => (SslMode::Require, Trust::Verified),
            Some("require" | "verify-ca" | "allow") => {
                return Err(bad(
                    "of sslmode, disable, prefer, require (without sslrootcert) and verify-full \
                     are understood; verify-full is the one that knows the server",
                ));
            }
            Some(_) => return Err(bad("sslmode is disable, prefer, require or verify-full")),
        };
        // What the parser says may quote the URL, password and all.
        let mut config: tokio_postgres::Config =
            url.parse().map_err(|_| bad("it is not a URL PostgreSQL's tools would read"))?;
        if config.get_hosts().is_empty() {
            return Err(bad("it names no host"));
        }
        config
            .ssl_mode(ssl_mode)
            .application_name(name)
            .connect_timeout(CONNECT_WITHIN)
            .tcp_user_timeout(SILENCE_MAX)
            .keepalives_idle(SILENCE_MAX)
            .keepalives_interval(SILENCE_MAX / 3)
            .keepalives_retries(3);
        Ok(Self { config, trust, roots, patience: crate::ANSWER_WAIT_MAX })
    }
}

/// Whether a URL carries a password, wherever the tools of PostgreSQL would find one.
pub fn holds_password(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('?').next().unwrap_or_default();
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':')) || rest.contains("password=")
}

fn bad(why: &str) -> Trouble {
    Trouble::Address(why.to_owned())
}

/// Takes out of the URL what its parser does not know: how the server is verified.
fn take_tls(url: &str) -> Result<(String, Option<String>, Option<PathBuf>), Trouble> {
    let Some((place, query)) = url.split_once('?') else { return Ok((url.to_owned(), None, None)) };
    let (mut mode, mut roots, mut rest) = (None, None, Vec::new());
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value.to_owned()),
            Some(("sslrootcert", value)) => roots = Some(PathBuf::from(decoded(value)?)),
            _ => rest.push(pair),
        }
    }
    let query = if rest.is_empty() { String::new() } else { format!("?{}", rest.join("&")) };
    Ok((format!("{place}{query}"), mode, roots))
}

fn decoded(text: &str) -> Result<String, Trouble> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let hex = rest.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.ok_or_else(|| bad("sslrootcert has a % that begins no byte"))?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).map_err(|_| bad("sslrootcert is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "hunter2-s3cret";

    fn url(query: &str) -> String {
        format!("postgresql://me:{SECRET}@db.example:5433/team{query}")
    }

    #[test]
    fn sslmode_says_who_is_believed() {
        let read = |query: &str| Address::read(&url(query), "w").map(|a| (a.config.get_ssl_mode(), a.trust));
        assert_eq!(read("").unwrap(), (SslMode::Prefer, Trust::Anybody));
        assert_eq!(read("?sslmode=disable").unwrap(), (SslMode::Disable, Trust::Anybody));
        assert_eq!(read("?sslmode=require").unwrap(), (SslMode::Require, Trust::Anybody));
        let full = Address::read(&url("?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem"), "w").unwrap();
        assert_eq!((full.config.get_ssl_mode(), full.trust), (SslMode::Require, Trust::Verified));
        assert_eq!(full.roots, Some(PathBuf::from("/etc/ca.pem")));
        for refused in ["verify-ca", "allow", "perhaps", "require&sslrootcert=/x"] {
            assert!(matches!(read(&format!("?sslmode={refused}")), Err(Trouble::Address(_))), "{refused}");
        }
    }

    #[test]
    fn no_password_is_ever_shown() {
        let address = Address::read(&url("?sslmode=require"), "w-1").unwrap();
        let shown = format!("{address} {address:?}");
        assert!(shown.contains("db.example:5433/team"), "{shown}");
        assert!(!shown.contains(SECRET));
        for broken in [
            url("?no_such_option=1"),
            url("").replace(":5433", ":port"),
            url("?sslmode=x"),
            url("?sslrootcert=%zz"),
            format!("postgresql://me:{SECRET}@/team"),
        ] {
            let error = Address::read(&broken, "w").unwrap_err();
            assert!(!format!("{error} {error:?}").contains(SECRET), "{broken}");
        }
    }

    #[test]
    fn a_password_is_seen_wherever_it_stands() {
        for url in [url(""), url("?sslmode=require"), "postgresql://h/d?user=me&password=x".to_owned()] {
            assert!(holds_password(&url));
        }
        for url in ["postgresql://me@h:5432/d", "postgresql:///d?host=/run", "postgresql://h/d"] {
            assert!(!holds_password(url), "{url}");
        }
    }
}
