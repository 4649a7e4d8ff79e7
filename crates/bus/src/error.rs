//! What can go wrong on the bus, typed, with the next step where a person reads it.

use crate::lock::Wait;
use model::{ContextEntry, ContextKey, Lock, Refusal, RefusalKind, RegistrationId, named};
use std::fmt;
use std::path::PathBuf;

/// Why an operation on the bus was not carried out. Unless a variant says otherwise nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// Somebody else holds, or waits before us for, what was asked.
    #[error("{0}")]
    Contended(Contended),
    /// The wait ended with its time; the request has left the queue.
    #[error("gave up waiting: {0}")]
    TimedOut(Contended),
    /// The wait was ended by [`crate::Bus::cancel_waits`] or by the end of its registration.
    #[error("the wait for a lock was canceled")]
    Canceled,
    /// Waiting would close a ring of sessions that wait for each other. Starts and ends with the asker.
    #[error(
        "waiting would never end: {}; release a lock of yours first",
        .cycle.iter().map(ToString::to_string).collect::<Vec<_>>().join(" waits for ")
    )]
    WouldDeadlock { cycle: Vec<RegistrationId> },
    /// A shared lock cannot become exclusive while others share it.
    #[error("`{path}` is shared with {} other(s); release it and ask for exclusive again", .holders.len())]
    Upgrade { path: String, holders: Vec<Lock> },
    /// The lock is not (or no longer) the caller's.
    #[error(transparent)]
    Lost(#[from] LockLost),
    #[error("no registration {0} on the bus; register first")]
    NotRegistered(RegistrationId),
    #[error("registration {0} has ended; register anew")]
    Ended(RegistrationId),
    /// The liveness given at registration shows a dead process.
    #[error("{0} shows no living process; register while its lock is held or its process runs")]
    NotAlive(String),
    /// The same idempotency key was used for another notice.
    #[error("key `{key}` was already used for another notice")]
    KeyReused { key: String },
    /// messaging.db was made anew since the cursor was handed out; read from 0 of this generation.
    #[error("the bus was made anew; read again from the start of generation {generation}")]
    GenerationChanged { generation: String },
    /// Notices after the cursor are gone; the oldest there still is may be read from on.
    #[error("notices after {after} are over and gone; the oldest left is {oldest}")]
    CursorExpired { after: i64, oldest: i64 },
    #[error("the payload has {bytes} bytes; a notice carries at most {most}")]
    PayloadTooLarge { bytes: usize, most: usize },
    /// The backend cannot keep what was asked; see [`crate::Promises::durability`].
    #[error("{backend} cannot promise that a notice survives a power cut")]
    NotDurable { backend: &'static str },
    /// The server of a backend cannot be reached, or does not answer. What was asked did not happen.
    #[error("{backend} cannot be reached: {detail}")]
    Unreachable { backend: &'static str, detail: String },
    /// The connection broke while a change was being committed, and nobody can say whether it was.
    #[error("{backend} did not say whether the change was made")]
    Unanswered { backend: &'static str },
    /// The server refuses this user, this database or this version.
    #[error("{backend}: {detail}")]
    Refused { backend: &'static str, detail: String },
    /// The address of a backend cannot be used; `detail` never holds a password.
    #[error("the address of the bus cannot be used: {0}")]
    BadAddress(String),
    /// Somebody else works on it, or has.
    #[error("notice {notice} is taken{}", .by.map(|by| format!(" by {by}")).unwrap_or_default())]
    Claimed { notice: i64, by: Option<RegistrationId> },
    /// Only the machine that offered it says who has it, and it does not answer.
    #[error("{machine} offered notice {notice} and does not answer; is its daemon up, and ours?")]
    NoAnswer { notice: i64, machine: String },
    #[error("there is no notice {0}; it is over, or was never sent")]
    NoNotice(i64),
    /// The entry is not at the version the change was made from; `present` is what is there.
    #[error("context entry `{key}` {}, which is not what the change was made from", .present.as_ref().map_or_else(|| "is not there".to_owned(), |entry| format!("is at version {} by {}", entry.version, entry.agent)))]
    ContextConflict { key: ContextKey, present: Option<Box<ContextEntry>> },
    #[error("there is no context entry `{0}`")]
    NoContext(ContextKey),
    #[error("the value has {bytes} bytes; a context entry holds at most {most}")]
    ContextTooLarge { bytes: usize, most: usize },
    #[error("the workspace shares {most} context entries already")]
    ContextFull { most: usize },
    /// Nothing of this version was ever shared here.
    #[error("version {after} is beyond the last change of shared context, {newest}")]
    ContextAhead { after: u64, newest: u64 },
    /// The cursor is beyond the newest notice.
    #[error("cursor {after} is beyond the newest notice, {newest}")]
    CursorAhead { after: i64, newest: i64 },
    /// The request itself is wrong.
    #[error("{0}")]
    Invalid(String),
    /// Writers were in the way for longer than [`crate::WRITE_WAIT_MAX`].
    #[error("the bus was busy for {} s; is a session stopped in the middle of a write?", .0.as_secs())]
    Busy(std::time::Duration),
    /// Disk full: nothing was written.
    #[error("the disk is full; the bus wrote nothing")]
    Full,
    #[error("{} is not a messaging.db of ours; move it away, or give another place", .0.display())]
    Foreign(PathBuf),
    #[error("{} was written by a newer version (schema {found}, this one knows {known}); update", .path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("migration {0} of the bus differs from the one this version was built with")]
    Migration(i64),
    #[error("{} is on {kind}; the bus needs a local file system", .path.display())]
    RemoteFileSystem { path: PathBuf, kind: &'static str },
    /// The file or folder belongs to another user.
    #[error("{} belongs to user {uid}; each user has a bus of their own", .path.display())]
    ForeignOwner { path: PathBuf, uid: u32 },
    #[error("{} cannot be written; the bus needs a folder of its own", .0.display())]
    ReadOnly(PathBuf),
    /// A second copy of SQLite in one process: closing a file in one drops the locks of the other.
    #[error("{0} is loaded beside our own SQLite; two copies in one process lose each other's locks")]
    SecondSqlite(String),
    #[error("SQLite {0} can corrupt a shared WAL database; 3.51.3 or newer is needed")]
    SqliteTooOld(String),
    #[error("{what} on the bus cannot be read: {detail}")]
    Malformed { what: &'static str, detail: String },
    #[error("{action}: {error}")]
    Io { action: String, error: std::io::Error },
    #[error("messaging.db: {0}")]
    Sqlite(rusqlite::Error),
}

/// Who stands in the way of a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contended {
    /// Locks of others that exclude the request.
    pub holders: Vec<Lock>,
    /// Conflicting requests that came earlier and still wait.
    pub waiting: Vec<Wait>,
}

impl fmt::Display for Contended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(lock) = self.holders.first() {
            let (mode, short) = (lock.mode.as_str(), lock.holder.short());
            let first = format!("`{}` is locked ({mode}) by {} {short}", lock.path, lock.agent);
            f.write_str(&named([first], self.holders.len() - 1))
        } else if let Some(wait) = self.waiting.first() {
            write!(f, "{} waits for `{}` and came first", wait.agent, wait.paths.join("`, `"))
        } else {
            f.write_str("the lock is not free")
        }
    }
}

/// Why a lock no longer protects its holder. A write made under it must be refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockLost {
    /// The lease ran out; nobody else may have taken the lock yet, but it is not the caller's.
    #[error("lock {token} ran out; take it again and start from the file as it is now")]
    Expired { token: u64 },
    /// Somebody else holds the path now, under a higher token.
    #[error("lock {token} was lost and {} holds `{}` now", .by.agent, .by.path)]
    Taken { token: u64, by: Box<Lock> },
    /// Released, broken or never granted.
    #[error("there is no lock {token}; it was released, broken or never granted")]
    Gone { token: u64 },
    #[error("lock {token} belongs to {owner}")]
    NotYours { token: u64, owner: RegistrationId },
    #[error("lock {token} on `{held}` does not cover `{path}`")]
    NotCovered { token: u64, held: String, path: String },
    #[error("lock {token} on `{path}` is not exclusive; writing needs an exclusive one")]
    NotExclusive { token: u64, path: String },
}

impl LockLost {
    /// Stable code for faces and tests.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Expired { .. } | Self::Taken { .. } | Self::Gone { .. } => "lock_lost",
            Self::NotYours { .. } => "lock_not_yours",
            Self::NotCovered { .. } => "lock_not_covering",
            Self::NotExclusive { .. } => "lock_not_exclusive",
        }
    }
}

impl BusError {
    /// The error as every face shows it.
    pub fn refusal(&self) -> Refusal {
        use RefusalKind::{Busy, Conflict, Forbidden, Full, Internal, Invalid, NotFound, Unavailable};
        let (kind, code) = match self {
            Self::Contended(_) => (Conflict, "lock_held"),
            Self::TimedOut(_) => (Conflict, "lock_wait_timeout"),
            Self::Canceled => (Conflict, "lock_wait_canceled"),
            Self::WouldDeadlock { .. } => (Conflict, "would_deadlock"),
            Self::Upgrade { .. } => (Conflict, "lock_shared"),
            Self::Lost(lost @ LockLost::NotYours { .. }) => (Forbidden, lost.code()),
            Self::Lost(lost) => (Conflict, lost.code()),
            Self::NotRegistered(_) => (NotFound, "not_registered"),
            Self::Ended(_) | Self::NotAlive(_) => (Conflict, "registration_ended"),
            Self::KeyReused { .. } => (Conflict, "idempotency_conflict"),
            Self::GenerationChanged { .. } => (Conflict, "generation_changed"),
            Self::CursorAhead { .. } => (Invalid, "cursor_ahead"),
            Self::CursorExpired { .. } => (Conflict, "cursor_expired"),
            Self::PayloadTooLarge { .. } => (Invalid, "payload_too_large"),
            Self::NotDurable { .. } => (Invalid, "not_durable"),
            Self::Unreachable { .. } => (Unavailable, "bus_unreachable"),
            Self::Unanswered { .. } => (Unavailable, "bus_unanswered"),
            Self::Refused { .. } => (Unavailable, "bus_refused"),
            Self::BadAddress(_) => (Invalid, "bus_address"),
            Self::Claimed { .. } => (Conflict, "claimed"),
            Self::NoAnswer { .. } => (Unavailable, "no_answer"),
            Self::NoNotice(_) => (NotFound, "no_notice"),
            Self::ContextConflict { .. } => (Conflict, "context_conflict"),
            Self::NoContext(_) => (NotFound, "no_context"),
            Self::ContextTooLarge { .. } => (Invalid, "context_too_large"),
            Self::ContextFull { .. } => (Conflict, "context_full"),
            Self::ContextAhead { .. } => (Conflict, "context_ahead"),
            Self::Invalid(_) => (Invalid, "invalid"),
            Self::Busy(_) => (Busy, "bus_busy"),
            Self::Full => (Full, "disk_full"),
            Self::Foreign(_)
            | Self::Newer { .. }
            | Self::Migration(_)
            | Self::RemoteFileSystem { .. }
            | Self::ForeignOwner { .. }
            | Self::ReadOnly(_)
            | Self::SecondSqlite(_)
            | Self::SqliteTooOld(_) => (Unavailable, "bus_unavailable"),
            Self::Malformed { .. } | Self::Io { .. } | Self::Sqlite(_) => (Internal, "bus_failed"),
        };
        let refusal = Refusal::new(kind, code, self.to_string());
        match self.next_step() {
            Some(step) => refusal.hint(step),
            None => refusal,
        }
    }

    /// What a person can do about it.
    fn next_step(&self) -> Option<&'static str> {
        match self {
            Self::Contended(_) | Self::TimedOut(_) | Self::WouldDeadlock { .. } | Self::Lost(_) => {
                Some("`coditect lock list` shows who holds what")
            }
            Self::NotRegistered(_) | Self::Ended(_) | Self::NotAlive(_) => {
                Some("`coditect who` shows who is there")
            }
            Self::CursorAhead { .. } | Self::CursorExpired { .. } | Self::GenerationChanged { .. } => {
                Some("read again from the start")
            }
            Self::NoAnswer { .. } => Some("`coditect doctor` says whether the other machines are reached"),
            Self::NotDurable { .. } => {
                Some("send it without, or let the server flush to disk before it answers")
            }
            Self::Unreachable { .. } => Some("see that the server runs and can be reached from here"),
            Self::Unanswered { .. } => Some("look, or send it again under the same key"),
            Self::Refused { .. } => Some("see what the server and its user are allowed"),
            Self::BadAddress(_) => {
                Some("`postgresql://user@host/database` is one, `nats://host:4222` another")
            }
            Self::Busy(_) => Some("try again"),
            Self::PayloadTooLarge { .. } => Some("put it into a file of the worktree and send its path"),
            Self::ContextConflict { .. } => {
                Some("read the entry, make the change from what is there, and give its version")
            }
            Self::NoContext(_) => Some("`coditect context list` shows what is shared"),
            Self::ContextTooLarge { .. } => Some("put it into a file of the worktree and share its path"),
            Self::ContextFull { .. } => Some("remove what nobody needs any more with `coditect context rm`"),
            Self::ContextAhead { .. } => Some("read what is shared, and follow it from there"),
            Self::NoNotice(_) => Some("`coditect msg list` shows what is alive"),
            Self::KeyReused { .. } => Some("use a new key for a new notice"),
            Self::Claimed { .. } => Some("look for other work with `coditect msg claim`"),
            Self::Invalid(_) => Some("correct the request and ask again"),
            Self::Full => Some("make room on the disk and try again"),
            _ => None,
        }
    }

    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let action = action.into();
        move |error| Self::Io { action, error }
    }
}

impl From<rusqlite::Error> for BusError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseBusy) => Self::Busy(crate::bus::WRITE_WAIT_MAX),
            _ => Self::Sqlite(error),
        }
    }
}
