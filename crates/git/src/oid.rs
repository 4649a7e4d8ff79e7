//! Object ids.

use std::fmt;
use std::str::FromStr;

/// Name of a git object: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits, so that it can never be
/// taken for an option or a revision expression.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a git object id: 40 or 64 lower-case hex digits")]
pub struct OidError(String);

impl Oid {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Oid {
    type Err = OidError;

    fn from_str(given: &str) -> Result<Self, OidError> {
        let well_formed = matches!(given.len(), 40 | 64)
            && given.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if well_formed { Ok(Self(given.to_owned())) } else { Err(OidError(given.chars().take(80).collect())) }
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_full_lower_case_hex_is_an_oid() {
        let sha1 = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(sha1.parse::<Oid>().unwrap().to_string(), sha1);
        assert!("a".repeat(64).parse::<Oid>().is_ok());
        let upper = sha1.to_uppercase();
        for bad in ["", "HEAD", "--output=x", "012345", upper.as_str(), &sha1[1..], "g".repeat(40).as_str()] {
            assert!(bad.parse::<Oid>().is_err(), "{bad}");
        }
    }
}
