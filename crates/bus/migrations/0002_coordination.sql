-- messaging.db, version 2: slots, sets of recipients, threads, receipts, cursors, claims.

ALTER TABLE session_registry ADD COLUMN slot INTEGER;           -- place in rt/bell.shm; none when all are taken
ALTER TABLE session_registry ADD COLUMN activity TEXT;          -- last flushed status word; the living one is in the slot
ALTER TABLE session_registry ADD COLUMN parent_session TEXT;
ALTER TABLE session_registry ADD COLUMN sub_agent TEXT;

ALTER TABLE inter_session_messages ADD COLUMN audience TEXT;    -- JSON array of the recipients, when it is a set
ALTER TABLE inter_session_messages ADD COLUMN thread_id TEXT;
ALTER TABLE inter_session_messages ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE inter_session_messages ADD COLUMN reply_to INTEGER;
ALTER TABLE inter_session_messages ADD COLUMN ack_ns INTEGER;   -- time given for each attempt
ALTER TABLE inter_session_messages ADD COLUMN ack_attempts INTEGER;
ALTER TABLE inter_session_messages ADD COLUMN outbox INTEGER;   -- the row that tells of it

-- Most notices have no key and need no entry here.
DROP INDEX idx_messages_key;
CREATE UNIQUE INDEX idx_messages_key ON inter_session_messages (sender_id, idem_key) WHERE idem_key IS NOT NULL;
CREATE INDEX idx_messages_thread ON inter_session_messages (thread_id, id) WHERE thread_id IS NOT NULL;

-- A row that tells of a notice points to it instead of holding it again.
ALTER TABLE outbox ADD COLUMN notice INTEGER;

-- What became of a notice at one recipient: of those that ask for an answer, and of those somebody marked.
CREATE TABLE receipts (
    notice     INTEGER NOT NULL,
    session_id TEXT NOT NULL,
    seen_at    TEXT,
    acked_at   TEXT,
    attempts   INTEGER NOT NULL DEFAULT 1,
    due_ns     INTEGER,                         -- of the present attempt, since boot; none when nothing is due any more
    again      INTEGER NOT NULL DEFAULT 0,      -- to be handed out once more
    dead       INTEGER NOT NULL DEFAULT 0,      -- given up after the last attempt
    PRIMARY KEY (notice, session_id)
) WITHOUT ROWID;
CREATE INDEX idx_receipts_due ON receipts (due_ns) WHERE due_ns IS NOT NULL;
CREATE INDEX idx_receipts_again ON receipts (session_id) WHERE again = 1;
CREATE INDEX idx_receipts_dead ON receipts (notice) WHERE dead = 1;

CREATE TABLE subscriptions (
    session_id TEXT NOT NULL REFERENCES session_registry (session_id) ON DELETE CASCADE,
    channel    TEXT NOT NULL,
    PRIMARY KEY (session_id, channel)
) WITHOUT ROWID;

-- How far a reader has got; it outlives registrations.
CREATE TABLE cursors (
    consumer   TEXT NOT NULL,
    name       TEXT NOT NULL,
    generation TEXT NOT NULL,
    notice     INTEGER NOT NULL,
    moved_at   TEXT NOT NULL,
    PRIMARY KEY (consumer, name)
) WITHOUT ROWID;

-- Highest notice of a channel whose row is gone: a cursor below it has missed something.
CREATE TABLE purged (
    channel TEXT PRIMARY KEY,
    upto    INTEGER NOT NULL
) WITHOUT ROWID;

-- Who works on what was offered on `task_broadcast`.
CREATE TABLE claims (
    notice     INTEGER PRIMARY KEY,
    holder     TEXT NOT NULL REFERENCES session_registry (session_id),
    token      INTEGER NOT NULL UNIQUE,
    expires_ns INTEGER NOT NULL,                -- since boot
    attempts   INTEGER NOT NULL DEFAULT 1,
    done_at    TEXT
);
CREATE INDEX idx_claims_holder ON claims (holder);
