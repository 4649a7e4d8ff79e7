//! Identifiers: UUIDv7 inside, a prefix on the wire, ten base32 characters for people.

use crate::{Clock, Entropy, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;
use uuid::Uuid;

/// Characters in a short id: 50 random bits. The time half of a UUIDv7 repeats for 65 seconds, so
/// the short id is cut from its random tail.
pub const SHORT_ID_LEN: usize = 10;
/// Shortest prefix of a short id that a look-up accepts.
pub const SHORT_ID_MIN: usize = 4;

/// Longest prefix of a kind, in bytes.
const PREFIX_MAX: usize = 8;

const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// What an id names; gives the wire prefix.
pub trait Kind {
    /// At most eight bytes.
    const PREFIX: &'static str;
}

/// An id of one kind. Written `ses_018f…` (prefix, underscore, 32 hex digits).
pub struct Id<K> {
    uuid: Uuid,
    kind: PhantomData<fn() -> K>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a {prefix}_… id")]
pub struct IdError {
    given: String,
    prefix: &'static str,
}

impl<K: Kind> Id<K> {
    /// Makes a new id from the given time and dice.
    pub fn new(clock: &dyn Clock, entropy: &dyn Entropy) -> Self {
        let millis = u64::try_from(clock.now().as_millis()).unwrap_or(0);
        let mut random = [0u8; 10];
        entropy.fill(&mut random);
        Self::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// The id that follows from a time and ten bytes: the same for whoever makes it of the same.
    pub fn derived(at: Timestamp, bytes: [u8; 10]) -> Self {
        let millis = u64::try_from(at.as_millis()).unwrap_or(0);
        Self::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid())
    }

    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.uuid.as_bytes()
    }

    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self { uuid, kind: PhantomData }
    }

    /// When the id was made: the time half of the UUIDv7.
    pub fn made_at(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.uuid.as_u128() >> 80).unwrap_or(i64::MAX))
    }

    /// The ten characters people type; any unambiguous prefix of at least [`SHORT_ID_MIN`] finds it.
    pub fn short(&self) -> String {
        let tail = self.uuid.as_u128() & ((1 << 50) - 1);
        (0..SHORT_ID_LEN).rev().map(|i| CROCKFORD[((tail >> (5 * i)) & 31) as usize] as char).collect()
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const { assert!(K::PREFIX.len() <= PREFIX_MAX) };
        // In one piece: an id is written into every row and every query.
        let mut text = [b'_'; PREFIX_MAX + 1 + uuid::fmt::Simple::LENGTH];
        let prefix = K::PREFIX.len();
        text[..prefix].copy_from_slice(K::PREFIX.as_bytes());
        self.uuid.simple().encode_lower(&mut text[prefix + 1..]);
        let whole = &text[..prefix + 1 + uuid::fmt::Simple::LENGTH];
        f.write_str(std::str::from_utf8(whole).map_err(|_| fmt::Error)?)
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K: Kind> FromStr for Id<K> {
    type Err = IdError;

    fn from_str(given: &str) -> Result<Self, IdError> {
        given
            .strip_prefix(K::PREFIX)
            .and_then(|rest| rest.strip_prefix('_'))
            .filter(|hex| hex.len() == 32)
            .and_then(|hex| Uuid::try_parse(hex).ok())
            .map(Self::from_uuid)
            .ok_or_else(|| IdError { given: given.chars().take(80).collect(), prefix: K::PREFIX })
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.uuid.cmp(&other.uuid)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}

impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

macro_rules! kinds {
    ($($alias:ident $marker:ident $prefix:literal),+ $(,)?) => {
        /// Marker types, one per noun. Others name them by the aliases below.
        pub(crate) mod kind {
            $(
                #[derive(Debug)]
                pub enum $marker {}
                impl super::Kind for $marker {
                    const PREFIX: &'static str = $prefix;
                }
            )+
        }
        $(pub type $alias = Id<kind::$marker>;)+
    };
}

kinds! {
    ArtifactId Artifact "art",
    BoardId Board "brd",
    CardId Card "crd",
    CheckpointId Checkpoint "chk",
    CommentId Comment "cmt",
    FiringId Firing "fir",
    ConflictId Conflict "cfl",
    MergeId Merge "mrg",
    MessageId Message "msg",
    NoticeId Notice "ntc",
    ParticipantId Participant "par",
    PermissionId Permission "prm",
    PermissionRuleId PermissionRule "rul",
    PlanId Plan "pln",
    RegistrationId Registration "reg",
    RepoId Repo "rep",
    RunId Run "run",
    SessionId Session "ses",
    TaskId Task "tsk",
    TurnId Turn "trn",
    UserId User "usr",
    WorktreeId Worktree "wtr",
    ZoneId Zone "zon",
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(tail: u128) -> SessionId {
        SessionId::from_uuid(Uuid::from_u128(0x018f_0000_0000_7000_8000_0000_0000_0000 | tail))
    }

    #[test]
    fn wire_form_round_trips() {
        let text = id(7).to_string();
        assert!(text.starts_with("ses_018f"), "{text}");
        assert_eq!(text.parse::<SessionId>().unwrap(), id(7));
        assert_eq!(serde_json::from_str::<SessionId>(&format!("\"{text}\"")).unwrap(), id(7));
    }

    #[test]
    fn foreign_prefix_and_malformed_ids_are_refused() {
        let task = id(7).to_string().replace("ses_", "tsk_");
        for bad in [task.as_str(), "ses_", "ses_zz", "", "018f0000000070008000000000000007", "ses_018f"] {
            assert!(bad.parse::<SessionId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_id_knows_when_it_was_made() {
        assert_eq!(id(7).made_at(), Timestamp::from_millis(0x018f_0000_0000));
    }

    #[test]
    fn short_id_is_the_random_tail() {
        assert_eq!(id(0).short(), "0000000000");
        assert_eq!(id(31).short(), "000000000z");
        assert_eq!(id(1 << 45).short(), "1000000000");
        assert_ne!(id(1).short(), id(2).short());
    }
}
