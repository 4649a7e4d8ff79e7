//! Payloads of the events of sessions, of who sits in them, and of what they made.

use crate::Origin;
use crate::words;
use utoipa::ToSchema;

payloads! {
    /// A session as it was created.
    SessionRecord {
        id: String,
        workspace: String,
        title: String,
        repo: Option<String>,
        board: Option<String>,
        parent: Option<String>,
        forked_from: Option<String>,
        fork_point: Option<String>,
        #[schema(format = DateTime)]
        created_at: String,
        /// Of history that was made outside the studio.
        origin: Option<Origin>,
        named_by: words::Namer,
        lineage: Lineage,
    }
    /// How a session came out of another one.
    Lineage {
        kind: words::SessionKind,
        /// The last message of the source that a fork knows.
        fork_message: Option<String>,
        spawn_point: Option<String>,
        /// The participant of the parent who spawned it.
        spawned_by: Option<String>,
        /// Of an aside: the session that wants to know.
        asker: Option<String>,
        callback: Option<Callback>,
    }
    /// A session that is told when another one's work is over.
    Callback {
        session: String,
        mode: words::CallbackMode,
        /// The participant whose turn it then is.
        to: Option<String>,
    }
    SessionRenamed { session: String, title: String, by: words::Namer }
    /// All tags a session has from now on.
    SessionTags { session: String, tags: Vec<String> }
    SessionRemoved { session: String }
    CallbackChange { session: String, callback: Option<Callback> }
    /// A file or an output an agent made.
    ArtifactRecord {
        id: String,
        name: String,
        kind: words::ArtifactKind,
        bytes: u64,
        /// BLAKE3 of the content, in hex: its name in the blob store.
        hash: String,
        session: Option<String>,
        participant: Option<String>,
        agent: Option<String>,
        path: Option<String>,
        commit: Option<String>,
        #[schema(format = DateTime)]
        created_at: String,
    }
    ArtifactRemoved { artifact: String, session: Option<String> }
    /// A piece of a session archive was read in.
    SessionImportRecord {
        session: String,
        /// All in the archive.
        sessions: Vec<String>,
        source: SessionSourceRecord,
        /// Lines read before, and now.
        from: u64,
        lines: u64,
        /// It was the last piece.
        whole: bool,
    }
    SessionSourceRecord {
        workspace: String,
        archive: String,
        #[schema(format = DateTime)]
        exported_at: String,
        through: CursorRecord,
    }
    CursorRecord { epoch: u64, seq: u64 }
    /// What was to be condensed was not; the last messages are shown instead.
    CompactionFailure {
        session: String,
        participant: String,
        /// The last message there was.
        upto: String,
        code: String,
        message: String,
        /// Tokens, estimated, that would have been shown.
        tokens: u64,
    }
    /// A session was told that another one's work is over.
    CallbackDelivery {
        /// Who was told.
        session: String,
        child: String,
        /// The task the child's work ended with.
        ended: String,
        /// What the told session has to do about it.
        task: Option<String>,
        /// Why nobody could be told.
        dropped: Option<String>,
    }
    /// A fork that was to be the vendor's own is a replay of the transcript.
    Replay { session: String, participant: String, turn: String, reason: String }
    /// Waiting tasks that changed places.
    QueueOrder { session: String, places: Vec<QueuePlace> }
    QueuePlace {
        task: String,
        priority: i32,
        /// Among those of the same priority the smaller one goes first.
        rank: u64,
    }
    SessionArchived { session: String }
    /// A participant as it joined.
    ParticipantRecord {
        id: String,
        session: String,
        agent: String,
        driver: words::Driver,
        vendor: words::Vendor,
        model: String,
        context_window: u64,
        #[schema(format = DateTime)]
        joined_at: String,
        /// In a fork: how it comes to know what was said before.
        history: Option<words::HistoryBy>,
    }
    StatusChange {
        session: String,
        participant: String,
        status: words::ParticipantStatus,
        detail: Option<String>,
    }
}
