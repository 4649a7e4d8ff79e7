//! The token, and how a daemon proves that it knows it before it is told it.
//!
//! A client that reads an address from a file cannot know who listens there: the daemon may be dead
//! and somebody else may have taken its port. So it first sends a random challenge to `/healthz`, and sends its
//! token only over a connection whose far end answered with a keyed hash of the challenge.
//! The hash also covers the endpoint as each side sees it, so that a squatter cannot pass the
//! challenge on to the real daemon.

use model::{Entropy, RegistrationId};
use std::fmt;

/// Request header of `/healthz`: 64 hex digits of the client's choice.
pub const CHALLENGE_HEADER: &str = "x-coditect-challenge";
/// Response header of `/healthz`: the proof, 64 hex digits.
pub const PROOF_HEADER: &str = "x-coditect-proof";

const PROOF_CONTEXT: &str = "coditect 2026-01 proof that a daemon knows its token";
const LENT_CONTEXT: &str = "coditect 2026-11 token lent to a session on the bus";
const TOKEN_BYTES: usize = 32;

/// A secret of 256 random bits, written as 64 hex digits. Its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(blake3::Hash);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token is 64 hexadecimal digits")]
pub struct TokenError;

impl Token {
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0u8; TOKEN_BYTES];
        entropy.fill(&mut bytes);
        Self(blake3::Hash::from_bytes(bytes))
    }

    /// Reads the text form; blanks around it are forgiven.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        blake3::Hash::from_hex(text.trim()).map(Self).map_err(|_| TokenError)
    }

    /// The text form. Whoever calls this decides where the secret goes.
    pub fn reveal(&self) -> String {
        self.0.to_hex().to_string()
    }

    /// Whether the text is this token; takes the same time wherever they differ.
    pub fn matches(&self, text: &str) -> bool {
        // `blake3::Hash` compares in constant time; `from_hex` of a wrong length tells only the length.
        blake3::Hash::from_hex(text).is_ok_and(|given| given == self.0)
    }

    /// A key for one purpose, from which the token cannot be found.
    pub fn derive(&self, context: &str) -> [u8; 32] {
        blake3::derive_key(context, self.0.as_bytes())
    }

    /// A token for one session on the bus, `registration.mac`. Nobody keeps it, so a restarted daemon knows it again; how long it is
    /// good the session's life says, and under another token it is worth nothing.
    pub fn lend(&self, registration: RegistrationId) -> String {
        format!("{registration}.{}", self.mac(registration).to_hex())
    }

    /// The session that a token was lent to. Whether it lives is another question.
    pub fn lent_to(&self, given: &str) -> Option<RegistrationId> {
        let (registration, mac) = given.split_once('.')?;
        let registration = registration.parse().ok()?;
        // Compared in constant time, as in `matches`.
        (blake3::Hash::from_hex(mac).ok()? == self.mac(registration)).then_some(registration)
    }

    fn mac(&self, registration: RegistrationId) -> blake3::Hash {
        blake3::keyed_hash(&self.derive(LENT_CONTEXT), registration.to_string().as_bytes())
    }

    /// The answer to a challenge at an endpoint.
    pub fn prove(&self, challenge: &Challenge, endpoint: &Endpoint) -> String {
        self.proof(challenge, endpoint).to_hex().to_string()
    }

    /// Whether the answer is right.
    pub fn verify(&self, challenge: &Challenge, endpoint: &Endpoint, answer: &str) -> bool {
        blake3::Hash::from_hex(answer).is_ok_and(|given| given == self.proof(challenge, endpoint))
    }

    fn proof(&self, challenge: &Challenge, endpoint: &Endpoint) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.derive(PROOF_CONTEXT));
        hasher.update(challenge.0.as_bytes());
        hasher.update(endpoint.to_string().as_bytes());
        hasher.finalize()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// What a client asks a daemon to prove itself with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge(blake3::Hash);

impl Challenge {
    pub fn new(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0u8; 32];
        entropy.fill(&mut bytes);
        Self(blake3::Hash::from_bytes(bytes))
    }

    pub fn parse(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text).ok().map(Self)
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_hex().as_str())
    }
}

/// A connection's listening end, as both sides see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// The address the client connected to.
    Tcp(std::net::SocketAddr),
    /// The process at the other end of the Unix socket, as the kernel names it.
    Unix { pid: u32 },
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp {address}"),
            Self::Unix { pid } => write!(f, "unix {pid}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same bytes in every run.
    struct Dice(std::sync::atomic::AtomicU8);

    impl Entropy for Dice {
        fn fill(&self, buffer: &mut [u8]) {
            for byte in buffer {
                *byte = self.0.fetch_add(29, std::sync::atomic::Ordering::Relaxed).wrapping_mul(73);
            }
        }
    }

    fn dice() -> Dice {
        Dice(std::sync::atomic::AtomicU8::new(7))
    }

    fn tcp(port: u16) -> Endpoint {
        Endpoint::Tcp(([127, 0, 0, 1], port).into())
    }

    #[test]
    fn a_token_knows_itself_only() {
        let dice = dice();
        let token = Token::generate(&dice);
        let other = Token::generate(&dice);
        assert!(token.matches(&token.reveal()));
        for wrong in
            [other.reveal().as_str(), "", "00", &token.reveal()[1..], &format!("{} ", token.reveal())]
        {
            assert!(!token.matches(wrong), "{wrong}");
        }
        assert_eq!(Token::parse(&format!("{}\n", token.reveal())).unwrap(), token);
        assert_eq!(Token::parse("secret"), Err(TokenError));
        assert!(!format!("{token:?}").contains(&token.reveal()[..8]));
    }

    #[test]
    fn a_proof_holds_for_its_challenge_its_endpoint_and_its_token() {
        let dice = dice();
        let (token, other) = (Token::generate(&dice), Token::generate(&dice));
        let (challenge, later) = (Challenge::new(&dice), Challenge::new(&dice));
        let proof = token.prove(&challenge, &tcp(4000));
        assert!(token.verify(&challenge, &tcp(4000), &proof));
        assert!(!token.verify(&challenge, &tcp(4001), &proof), "a relay from another port");
        assert!(!token.verify(&later, &tcp(4000), &proof), "an old answer");
        assert!(!other.verify(&challenge, &tcp(4000), &proof), "another token");
        assert!(!token.verify(&challenge, &Endpoint::Unix { pid: 1 }, &proof));
        assert!(!token.verify(&challenge, &tcp(4000), ""));
        assert_ne!(proof, token.reveal());
    }

    #[test]
    fn a_lent_token_is_one_sessions_and_its_lenders() {
        let dice = dice();
        let (token, other) = (Token::generate(&dice), Token::generate(&dice));
        let id = |digit: &str| -> RegistrationId {
            format!("reg_018f000000007000800000000000000{digit}").parse().unwrap()
        };
        let lent = token.lend(id("a"));
        assert_eq!(token.lent_to(&lent), Some(id("a")));
        assert_eq!(other.lent_to(&lent), None, "after a rotation");
        let mac = lent.split_once('.').unwrap().1;
        for forged in [format!("{}.{mac}", id("b")), format!("{lent}0"), mac.to_owned(), String::new()] {
            assert_eq!(token.lent_to(&forged), None, "{forged}");
        }
        assert!(!token.matches(mac) && !lent.contains(&token.reveal()));
    }

    #[test]
    fn challenges_travel_as_hex() {
        let challenge = Challenge::new(&dice());
        assert_eq!(Challenge::parse(&challenge.to_string()), Some(challenge));
        assert_eq!(Challenge::parse("12"), None);
    }
}
