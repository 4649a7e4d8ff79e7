//! Which names a request may call us by, and which pages may speak through a browser.
//!
//! A page of somebody else can make a browser connect to 127.0.0.1, and a name of somebody else can
//! be made to point there. What such a page cannot forge is the `Host` and `Origin` the browser writes. Both
//! are compared with lists, whole: no prefix, no suffix, no "any localhost".

use axum::http::{HeaderMap, Uri, header};
use std::net::{Ipv4Addr, Ipv6Addr};

/// How a connection came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// To 127.0.0.1 at this port.
    Tcp { port: u16 },
    /// Over the Unix socket, where no browser gets.
    Unix,
}

/// Whether the request calls us by one of our names, and by exactly one.
pub(crate) fn host_is_ours(transport: Transport, headers: &HeaderMap, uri: &Uri) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Ok(host) = host.to_str() else { return false };
    // A request line may carry an address of its own (`GET http://elsewhere/ HTTP/1.1`); it must be no other.
    let target_is_ours =
        uri.authority().is_none_or(|authority| authority_is_ours(transport, authority.as_str()));
    target_is_ours && authority_is_ours(transport, host)
}

fn authority_is_ours(transport: Transport, authority: &str) -> bool {
    let Some((name, port)) = split(authority) else { return false };
    match transport {
        Transport::Unix => name_is_ours(name),
        Transport::Tcp { port: ours } => name_is_ours(name) && port.unwrap_or(80) == ours,
    }
}

/// Whether an `Origin` is our own page.
pub(crate) fn origin_is_ours(transport: Transport, origin: &str) -> bool {
    match transport {
        Transport::Unix => false,
        Transport::Tcp { .. } => {
            origin.strip_prefix("http://").is_some_and(|authority| authority_is_ours(transport, authority))
        }
    }
}

/// Name and port; none when it is not exactly that.
fn split(authority: &str) -> Option<(&str, Option<u16>)> {
    let (name, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']')?;
            (
                address,
                rest.strip_prefix(':')
                    .map_or_else(|| rest.is_empty().then_some(None), |port| Some(Some(port)))?,
            )
        }
        None => match authority.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (authority, None),
        },
    };
    match port {
        None => Some((name, None)),
        Some(port) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some((name, Some(port.parse().ok()?)))
        }
        Some(_) => None,
    }
}

fn name_is_ours(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<Ipv4Addr>().is_ok_and(|address| address == Ipv4Addr::LOCALHOST)
        || name.parse::<Ipv6Addr>().is_ok_and(|address| address == Ipv6Addr::LOCALHOST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    const TCP: Transport = Transport::Tcp { port: 4711 };

    fn check(transport: Transport, hosts: &[&str], target: &str) -> bool {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_str(host).unwrap());
        }
        host_is_ours(transport, &headers, &target.parse().unwrap())
    }

    #[test]
    fn our_names_are_three() {
        for host in ["127.0.0.1:4711", "localhost:4711", "LOCALHOST:4711", "[::1]:4711"] {
            assert!(check(TCP, &[host], "/x"), "{host}");
        }
        assert!(check(Transport::Unix, &["localhost"], "/x"));
        assert!(check(Transport::Tcp { port: 80 }, &["localhost"], "/x"));
    }

    #[test]
    fn every_other_name_is_somebody_elses() {
        for host in [
            "evil.test",
            "evil.test:4711",
            "127.0.0.1.evil.test:4711",
            "127.evil.com:4711",
            "127.0.0.1",
            "127.0.0.1:4712",
            "127.0.0.1.:4711",
            "localhost.:4711",
            "localhost.evil.test:4711",
            "127.1:4711",
            "0.0.0.0:4711",
            "2130706433:4711",
            "0x7f.0.0.1:4711",
            "127.0.0.2:4711",
            "[::]:4711",
            "[::ffff:127.0.0.1]:4711",
            "[::1]4711",
            "[::1:4711",
            "::1:4711",
            "a@127.0.0.1:4711",
            "127.0.0.1:4711:1",
            "127.0.0.1:+4711",
            "127.0.0.1:",
            " 127.0.0.1:4711x",
            "",
        ] {
            assert!(!check(TCP, &[host], "/x"), "{host}");
        }
        assert!(!check(TCP, &[], "/x"), "no host");
        assert!(!check(TCP, &["127.0.0.1:4711", "127.0.0.1:4711"], "/x"), "two hosts");
        assert!(!check(TCP, &["127.0.0.1:4711"], "http://evil.test/x"), "another target");
        assert!(check(TCP, &["127.0.0.1:4711"], "http://127.0.0.1:4711/x"));
        assert!(!check(Transport::Unix, &["evil.test"], "/x"));
    }

    #[test]
    fn our_page_has_our_address_and_no_other() {
        for origin in ["http://127.0.0.1:4711", "http://localhost:4711", "http://[::1]:4711"] {
            assert!(origin_is_ours(TCP, origin), "{origin}");
        }
        for origin in [
            "null",
            "",
            "http://evil.test",
            "https://127.0.0.1:4711",
            "http://localhost.evil.com:4711",
            "http://localhost:4712",
            "http://localhost",
            "http://127.0.0.1:4711/",
            "http://127.0.0.1:4711.evil.test",
            "file://",
            "http://user@127.0.0.1:4711",
            "HTTP://127.0.0.1:4711",
        ] {
            assert!(!origin_is_ours(TCP, origin), "{origin}");
        }
        assert!(!origin_is_ours(Transport::Unix, "http://localhost"), "no page lives behind the socket");
    }
}
