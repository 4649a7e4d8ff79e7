//! The page's cookie: made from a launch code, good for a while, worth nothing under another token.
//!
//! It is `expiry.nonce.mac`, the last keyed from the token. The daemon remembers none of them, so a
//! restarted daemon knows an open page again; a rotated token takes all of them away.

use model::{Clock, Entropy, Timestamp};
use protocol::{Token, limits::COOKIE_TTL};

const COOKIE_CONTEXT: &str = "coditect 2026-01 cookie of a page";

/// Name of the cookie. Cookies do not know ports, so the name does: daemons side by side would
/// overwrite each other's.
pub(crate) fn name(port: u16) -> String {
    format!("coditect_{port}")
}

/// A new cookie's value.
pub(crate) fn mint(token: &Token, clock: &dyn Clock, entropy: &dyn Entropy) -> String {
    let lifetime = i64::try_from(COOKIE_TTL.as_millis()).unwrap_or(i64::MAX);
    let expiry = clock.now().as_millis().saturating_add(lifetime);
    let mut nonce = [0u8; 32];
    entropy.fill(&mut nonce);
    let nonce = blake3::Hash::from_bytes(nonce).to_hex();
    let mac = mac(token, expiry, &nonce).to_hex();
    format!("{expiry}.{nonce}.{mac}")
}

/// Whether the value was minted under this token and is not past its time.
pub(crate) fn holds(token: &Token, value: &str, now: Timestamp) -> bool {
    let mut parts = value.split('.');
    let (Some(expiry), Some(nonce), Some(given), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let (Ok(expiry), Ok(given)) = (expiry.parse::<i64>(), blake3::Hash::from_hex(given)) else {
        return false;
    };
    nonce.len() == 64 && given == mac(token, expiry, nonce) && now.as_millis() < expiry
}

/// The header that gives the cookie to a browser: no script reads it, no other site sends it.
pub(crate) fn set(port: u16, value: &str) -> String {
    let seconds = COOKIE_TTL.as_secs();
    format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict", name(port))
}

/// The value of our cookie in a `Cookie` header.
pub(crate) fn find<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    header.split(';').find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

fn mac(token: &Token, expiry: i64, nonce: &str) -> blake3::Hash {
    blake3::keyed_hash(&token.derive(COOKIE_CONTEXT), format!("{expiry}.{nonce}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::{ManualClock, SeededEntropy};

    #[test]
    fn a_cookie_holds_for_its_token_and_its_time() {
        let (clock, dice) = (ManualClock::default(), SeededEntropy::new(3));
        let (token, other) = (Token::generate(&dice), Token::generate(&dice));
        let value = mint(&token, &clock, &dice);
        assert!(holds(&token, &value, clock.now()));
        assert!(!holds(&other, &value, clock.now()), "after a rotation");
        clock.advance(COOKIE_TTL);
        assert!(!holds(&token, &value, clock.now()), "past its time");
    }

    #[test]
    fn no_part_of_it_can_be_changed() {
        let (clock, dice) = (ManualClock::default(), SeededEntropy::new(3));
        let token = Token::generate(&dice);
        let value = mint(&token, &clock, &dice);
        let parts: Vec<&str> = value.split('.').collect();
        let later = (parts[0].parse::<i64>().unwrap() + 1).to_string();
        let zeros = "0".repeat(64);
        for forged in [
            format!("{later}.{}.{}", parts[1], parts[2]),
            format!("{}.{zeros}.{}", parts[0], parts[2]),
            format!("{}.{}.{zeros}", parts[0], parts[1]),
            format!("{value}.x"),
            parts[..2].join("."),
            String::new(),
        ] {
            assert!(!holds(&token, &forged, clock.now()), "{forged}");
        }
    }

    #[test]
    fn ours_is_found_among_others() {
        let header = "a=1; coditect_4711=x.y.z; coditect_47=no";
        assert_eq!(find(header, &name(4711)), Some("x.y.z"));
        assert_eq!(find(header, &name(4712)), None);
        let set = set(4711, "v");
        for word in ["HttpOnly", "SameSite=Strict", "Path=/", "coditect_4711=v"] {
            assert!(set.contains(word), "{set}");
        }
    }
}
