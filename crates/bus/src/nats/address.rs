//! Where the servers are and how to log in: what a URL says. Nothing of a login ever gets into a message, a log or a
//! `Debug`: [`Address::scrub`] takes it out of what the library says too.

use crate::error::BusError;
use std::fmt;
use std::path::PathBuf;

/// Most servers in one URL.
pub const SERVERS_MAX: usize = 16;
/// Largest file a login is read from, in bytes.
pub const LOGIN_FILE_MAX: u64 = 4096;
/// Copies of a stream a cluster can be asked for.
const REPLICAS: [usize; 3] = [1, 3, 5];

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Login {
    None,
    Token(String),
    Password { user: String, password: String },
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Token(_) => "Token(…)",
            Self::Password { .. } => "Password(…)",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// With scheme, without login.
    pub(crate) servers: Vec<String>,
    pub(crate) login: Login,
    /// The connection is encrypted, and the server has to prove itself.
    pub(crate) tls: bool,
    /// Root certificates, instead of the system's.
    pub(crate) roots: Option<PathBuf>,
    /// Copies of each stream, when it is made.
    pub(crate) replicas: usize,
}

impl Address {
    /// Reads `nats://[user:password@|token@]host[:port][,host…][?credentials=FILE&ca=FILE&replicas=N]`, or `tls://…`.
    /// The file has `user:password` or a token in its first line.
    pub(crate) fn parse(url: &str) -> Result<Self, BusError> {
        let invalid = |what: &str| BusError::BadAddress(format!("the URL of a NATS server {what}"));
        let (scheme, rest) = url.split_once("://").ok_or_else(|| invalid("begins with nats:// or tls://"))?;
        if scheme != "nats" && scheme != "tls" {
            return Err(invalid("begins with nats:// or tls://"));
        }
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (login, hosts) = place.rsplit_once('@').unwrap_or(("", place));
        let hosts = hosts.strip_suffix('/').unwrap_or(hosts);
        let plain = |host: &str| {
            !host.is_empty()
                && host
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']'))
        };
        let servers: Vec<String> = hosts.split(',').map(|host| format!("{scheme}://{host}")).collect();
        if !hosts.split(',').all(plain) || servers.len() > SERVERS_MAX {
            return Err(invalid(&format!("names 1 to {SERVERS_MAX} hosts, with commas between")));
        }
        let tls = scheme == "tls";
        let mut address = Self { servers, login: read_login(login)?, tls, roots: None, replicas: 1 };
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let value = decode(value).ok_or_else(|| invalid("has a `%` that stands for nothing"))?;
            match key {
                "credentials" => address.login = login_file(&value)?,
                "ca" if tls => address.roots = Some(PathBuf::from(value)),
                "ca" => return Err(invalid("with ca= begins with tls://")),
                "replicas" => {
                    address.replicas = REPLICAS
                        .into_iter()
                        .find(|known| known.to_string() == value)
                        .ok_or_else(|| invalid("asks for 1, 3 or 5 replicas"))?;
                }
                _ => return Err(invalid("knows the settings credentials, ca and replicas")),
            }
        }
        Ok(address)
    }

    /// What others may read of a text the library made.
    pub(crate) fn scrub(&self, text: &str) -> String {
        let secrets: Vec<&str> = match &self.login {
            Login::None => Vec::new(),
            Login::Token(token) => vec![token],
            Login::Password { user, password } => vec![password, user],
        };
        let mut text = text.to_owned();
        for secret in secrets.into_iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret, "…");
        }
        text
    }
}

fn read_login(given: &str) -> Result<Login, BusError> {
    let wrong =
        || BusError::BadAddress("the login of a NATS server has a `%` that stands for nothing".to_owned());
    Ok(match given.split_once(':') {
        None if given.is_empty() => Login::None,
        None => Login::Token(decode(given).ok_or_else(wrong)?),
        Some((user, password)) => Login::Password {
            user: decode(user).ok_or_else(wrong)?,
            password: decode(password).ok_or_else(wrong)?,
        },
    })
}

/// The first line of a small file. What is in it is not said when it is wrong.
fn login_file(path: &str) -> Result<Login, BusError> {
    let reading = || format!("reading the NATS login in {path}");
    let length = std::fs::metadata(path).map_err(BusError::io(reading()))?.len();
    if length > LOGIN_FILE_MAX {
        return Err(BusError::BadAddress(format!(
            "{path} has more than {LOGIN_FILE_MAX} bytes; it is no login"
        )));
    }
    let text = std::fs::read_to_string(path).map_err(BusError::io(reading()))?;
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() || line.starts_with("-----BEGIN") {
        return Err(BusError::BadAddress(format!(
            "{path} is no NATS login: its first line is `user:password` or a token (JWT files are not read)"
        )));
    }
    Ok(match line.split_once(':') {
        Some((user, password)) => Login::Password { user: user.to_owned(), password: password.to_owned() },
        None => Login::Token(line.to_owned()),
    })
}

/// Percent-decoding; none when it is not well formed.
fn decode(given: &str) -> Option<String> {
    let mut bytes = given.bytes();
    let mut plain = Vec::with_capacity(given.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            plain.push(byte);
            continue;
        }
        let digits = [bytes.next()?, bytes.next()?];
        plain.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        Address::parse(url).unwrap_err().to_string()
    }

    #[test]
    fn a_url_names_servers_login_and_settings() {
        let plain = Address::parse("nats://127.0.0.1:4222").unwrap();
        assert_eq!((plain.servers, plain.login), (vec!["nats://127.0.0.1:4222".to_owned()], Login::None));
        let many =
            Address::parse("tls://u%40x:p%3A@a.example,b.example:4223/?replicas=3&ca=/etc/ca.pem").unwrap();
        assert_eq!(many.servers, ["tls://a.example", "tls://b.example:4223"]);
        assert_eq!(many.login, Login::Password { user: "u@x".to_owned(), password: "p:".to_owned() });
        assert_eq!((many.tls, many.replicas, many.roots), (true, 3, Some(PathBuf::from("/etc/ca.pem"))));
        assert_eq!(Address::parse("nats://tok@h").unwrap().login, Login::Token("tok".to_owned()));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_login() {
        let many = format!("nats://{}", vec!["h"; SERVERS_MAX + 1].join(","));
        for url in [
            "http://u:geheim@h",
            "nats://u:geheim@",
            "nats://u:geheim@h h",
            "nats://u:geheim@h?x=1",
            "nats://u:geheim@h?replicas=2",
            "nats://u:geheim%zz@h",
            "u:geheim@h",
            "nats://u:geheim@h?ca=x",
            &many,
        ] {
            assert!(!refused(url).contains("geheim"), "{url}");
        }
        let address = Address::parse("nats://anna:geheim@h").unwrap();
        assert!(!format!("{address:?}").contains("geheim"));
        assert_eq!(address.scrub("no anna with geheim"), "no … with …");
    }

    #[test]
    fn a_login_comes_from_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("login");
        let url = format!("nats://h?credentials={}", path.display());
        std::fs::write(&path, "u:p:q\nmore").unwrap();
        let login = Login::Password { user: "u".to_owned(), password: "p:q".to_owned() };
        assert_eq!(Address::parse(&url).unwrap().login, login);
        std::fs::write(&path, "-----BEGIN NATS USER JWT-----\ngeheim").unwrap();
        assert!(!refused(&url).contains("geheim"));
        std::fs::write(&path, vec![b'x'; usize::try_from(LOGIN_FILE_MAX).unwrap() + 1]).unwrap();
        assert!(refused(&url).contains("no login"));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(Address::parse(&url), Err(BusError::Io { .. })));
    }
}
