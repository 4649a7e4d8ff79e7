//! Addresses of repositories: what may be cloned from.
//!
//! Invariant: an address that passed holds no secret, names no program, and cannot be taken for an option.

use crate::GitError;
use std::fmt;

/// Longest address, in bytes.
pub const URL_MAX: usize = 2048;

/// An address to clone from, looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloneUrl {
    text: String,
    transport: Transport,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Https,
    /// From this machine only.
    Http,
    Ssh,
    /// Only where the configuration lets it.
    File,
}

impl Transport {
    /// What git may speak.
    pub(crate) const fn allowed(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
            Self::Ssh => "ssh",
            Self::File => "file",
        }
    }
}

impl CloneUrl {
    /// Takes `https://…`, `ssh://…`, `user@host:path`, `http://` of this machine, and, when `files` says so, `file:///…`.
    /// The errors never repeat the address.
    pub fn parse(given: &str, files: bool) -> Result<Self, GitError> {
        let bad = |reason| Err(GitError::BadUrl { reason });
        if !(1..=URL_MAX).contains(&given.len()) {
            return bad("it is empty or too long");
        }
        if given.starts_with('-') {
            return bad("it begins like an option");
        }
        if given.chars().any(|c| c.is_control() || c.is_whitespace()) || given.contains('\\') {
            return bad("it has a character no address has");
        }
        if given.split_once("://").is_none() && given.contains("::") {
            return bad("it names a program that would be started");
        }
        let (transport, user, host, path) = match given.split_once("://") {
            Some((scheme, rest)) => {
                let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
                let (user, host) =
                    authority.rsplit_once('@').map_or(("", authority), |(user, host)| (user, host));
                let transport = match scheme.to_ascii_lowercase().as_str() {
                    "https" => Transport::Https,
                    "http" if is_loopback(host) => Transport::Http,
                    "http" => return bad("anybody on the way could change what comes over http; give https"),
                    "ssh" => Transport::Ssh,
                    "file" if files => Transport::File,
                    "file" => {
                        return bad(
                            "files are not cloned; give the path, and the repository is registered where it is",
                        );
                    }
                    _ => return bad("only https and ssh are spoken"),
                };
                (transport, user, host, path)
            }
            None => {
                let Some((place, path)) = given.split_once(':') else {
                    return bad("it is neither an https address nor user@host:path");
                };
                let (user, host) = place.rsplit_once('@').map_or(("", place), |(user, host)| (user, host));
                (Transport::Ssh, user, host, path)
            }
        };
        let odd = !given.contains("://") && path.contains('@') && path.contains(':');
        if odd || user.contains(':') || (transport != Transport::Ssh && !user.is_empty()) {
            return Err(GitError::UrlSecret);
        }
        let plain = |part: &str| {
            !part.starts_with('-') && part.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
        };
        let host_name = without_port(host);
        let host_fine = transport == Transport::File && host.is_empty()
            || !host_name.is_empty() && (plain(host_name) || is_loopback(host));
        if !plain(user) || !host_fine || path.is_empty() || path.starts_with('-') {
            return bad("its user, host or path is not plain");
        }
        // What follows a question mark may be a token.
        if given.contains(['?', '#']) {
            return Err(GitError::UrlSecret);
        }
        Ok(Self { text: given.to_owned(), transport })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) const fn transport(&self) -> Transport {
        self.transport
    }

    /// The last part of its path, without `.git`.
    pub fn name(&self) -> &str {
        let path = self.text.trim_end_matches('/');
        let name = path.rsplit(['/', ':']).next().unwrap_or(path);
        name.strip_suffix(".git").unwrap_or(name)
    }
}

impl fmt::Display for CloneUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_loopback(host: &str) -> bool {
    matches!(without_port(host), "localhost" | "127.0.0.1" | "[::1]")
}

/// Whether something given is meant as an address and not as a path of this machine.
pub fn looks_like_url(given: &str) -> bool {
    let scp = || {
        let (place, _) = given.split_once(':')?;
        (!place.contains('/') && !place.is_empty()).then_some(())
    };
    given.contains("://") || given.starts_with('-') || scp().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_and_named() {
        for (given, name) in [
            ("https://example.org/a/shop.git", "shop"),
            ("https://example.org:8443/shop/", "shop"),
            ("ssh://git@example.org:2222/a/shop.git", "shop"),
            ("git@example.org:a/shop.git", "shop"),
            ("example.org:shop", "shop"),
            ("http://127.0.0.1:8080/shop", "shop"),
            ("http://[::1]:8080/shop", "shop"),
        ] {
            assert_eq!(CloneUrl::parse(given, false).unwrap().name(), name, "{given}");
            assert!(looks_like_url(given), "{given}");
        }
        assert!(CloneUrl::parse("file:///srv/shop", true).is_ok());
        for path in ["/srv/shop", ".", "./a:b", "../shop", "~/shop", "/srv/a:b"] {
            assert!(!looks_like_url(path), "{path}");
        }
    }

    #[test]
    fn what_would_start_something_or_be_an_option_is_refused() {
        let long = format!("https://example.org/{}", "x".repeat(URL_MAX));
        for bad in [
            "",
            "--upload-pack=touch x",
            "-oProxyCommand=x",
            "ext::sh -c x",
            "ext::sh",
            "fd::7",
            "transport::https://a/b",
            "ssh://-oProxyCommand=x/y",
            "ssh://a@-oProxyCommand=x/y",
            "ssh://-l@host/y",
            "-host:path",
            "user@-host:path",
            "git@host:-path",
            "git@host:",
            "https:///path",
            "https://example.org",
            "git://example.org/x",
            "http://example.org/x",
            "file:///srv/x",
            "ftp://example.org/x",
            "https://example.org/a b",
            "https://e/a\nb",
            "https://e/a\0b",
            "https://ex\\ample/x",
            "ssh://host;x/y",
            "ssh://$(x)/y",
            &long,
        ] {
            assert!(matches!(CloneUrl::parse(bad, false), Err(GitError::BadUrl { .. })), "{bad}");
        }
    }

    #[test]
    fn a_secret_is_refused_and_not_repeated() {
        for secret in [
            "https://ann:hunter2@example.org/x",
            "https://hunter2@example.org/x",
            "ssh://git:hunter2@example.org/x",
            "git:hunter2@example.org:x",
            "https://example.org/x?token=hunter2",
            "https://example.org/x#hunter2",
        ] {
            match CloneUrl::parse(secret, false) {
                Err(error @ (GitError::UrlSecret | GitError::BadUrl { .. })) => {
                    assert!(!error.to_string().contains("hunter2"), "{error}");
                }
                other => panic!("{secret}: {other:?}"),
            }
        }
    }
}
