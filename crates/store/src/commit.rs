//! What callers hand to the committer and what they get back.

use crate::View;
use journal::{Draft, IdempotencyKey, Record};
use model::{Actor, Event, Refusal, Timestamp};

/// Commits that may wait for the committer; one more is refused with `store_busy`.
pub const COMMIT_QUEUE: usize = 1024;

/// The decision behind a commit: looks at the present state and says what happened, or why not. It runs on
/// the committer's thread inside the open transactions, so it sees every commit before it and must not wait for anything.
pub type Command = Box<dyn FnOnce(&View<'_>) -> Result<Vec<Event>, Refusal> + Send>;

/// One atomic change: all of its events are committed, or none.
pub struct Commit {
    pub actor: Actor,
    /// With a key, the same actor's second commit of that key is answered with the first one's records and runs
    /// no command. A commit without events leaves no trace, so its key stays free.
    pub key: Option<IdempotencyKey>,
    pub command: Command,
    /// See [`Commit::closing`].
    pub closing: bool,
    /// See [`Commit::past`].
    pub past: Vec<Past>,
}

/// When something happened that happened elsewhere, and who caused it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    pub ts: Timestamp,
    pub actor: Actor,
}

impl Commit {
    pub fn new(
        actor: Actor,
        command: impl FnOnce(&View<'_>) -> Result<Vec<Event>, Refusal> + Send + 'static,
    ) -> Self {
        Self { actor, key: None, command: Box::new(command), closing: false, past: Vec::new() }
    }

    /// Says how something ended that is over in any case. On a full disk such commits alone may use up the
    /// journal's reserve; the first one that meets the full disk is refused like all others, the next is let in.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.closing = true;
        self
    }

    /// The first events of the command happened elsewhere before, each as said here. What is still to be done about them is
    /// nobody's: see `apply/imported.rs`.
    #[must_use]
    pub fn past(mut self, past: Vec<Past>) -> Self {
        self.past = past;
        self
    }

    #[must_use]
    pub fn key(mut self, key: Option<IdempotencyKey>) -> Self {
        self.key = key;
        self
    }
}

/// What is written of a commit's events.
pub(crate) fn drafts(
    events: Vec<Event>,
    actor: &Actor,
    key: Option<&IdempotencyKey>,
    past: Vec<Past>,
) -> Vec<Draft> {
    let mut past = past.into_iter();
    let draft = |event| match past.next() {
        Some(past) => Draft { event, actor: past.actor, key: key.cloned(), past: Some(past.ts) },
        None => Draft { event, actor: actor.clone(), key: key.cloned(), past: None },
    };
    events.into_iter().map(draft).collect()
}

/// The proof that a commit is durable.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// The committed records, in order. Empty when the command had nothing to say.
    pub records: Vec<Record>,
    /// True when the key was seen before: these are the records of then, and nothing new was written.
    pub replayed: bool,
}

/// Why there is no receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The command, or the store on its behalf, said no. Nothing was changed.
    #[error("{0}")]
    Refused(Refusal),
    /// The disk is full. Nothing was changed, and the store goes on.
    #[error("the disk is full: free some space and try again")]
    Full,
    /// The store no longer takes commits; whether this one is durable shows after the next start.
    #[error("the store has stopped: {0}")]
    Stopped(String),
}

impl From<CommitError> for Refusal {
    fn from(error: CommitError) -> Self {
        use model::RefusalKind;
        match error {
            CommitError::Refused(refusal) => refusal,
            CommitError::Full => Self::new(RefusalKind::Full, "disk_full", error.to_string())
                .hint("free some space on the disk of the data root and try again"),
            CommitError::Stopped(_) => {
                Self::new(RefusalKind::Unavailable, "store_stopped", error.to_string())
                    .hint("start the daemon again with `coditect up`; it recovers from the journal")
            }
        }
    }
}
