-- messaging.db, version 1. Append-only: a later version adds a file, it never changes this one.
-- The first three names and their columns are older than this design and are kept for who reads them;
-- `file_locks` is a view, because one row per path cannot hold shared locks.

CREATE TABLE bus_state (
    id             INTEGER PRIMARY KEY CHECK (id = 1),
    birth          TEXT NOT NULL,              -- random, made with the file
    epoch          INTEGER NOT NULL,           -- copy of the fence epoch these rows were written under
    token          INTEGER NOT NULL,           -- highest fencing token handed out
    outbox_dropped INTEGER NOT NULL DEFAULT 0  -- rows the full outbox lost
);

CREATE TABLE session_registry (
    session_id       TEXT PRIMARY KEY,
    llm_vendor       TEXT NOT NULL,
    llm_model        TEXT,
    tty              TEXT,
    pid              INTEGER,
    project_id       TEXT,
    task_id          TEXT,
    active_files     TEXT,
    heartbeat_at     TEXT NOT NULL,
    registered_at    TEXT NOT NULL DEFAULT (datetime('now')),
    status           TEXT DEFAULT 'active',
    agent            TEXT NOT NULL DEFAULT '',
    owner_session    TEXT,                       -- our session, for a run of ours
    worktree         TEXT,
    liveness         TEXT NOT NULL DEFAULT 'lease' CHECK (liveness IN ('lock_file', 'process', 'lease')),
    liveness_path    TEXT,
    process_start    INTEGER,
    pid_namespace    INTEGER,
    boot_id          TEXT NOT NULL DEFAULT '',
    lease_ns         INTEGER,
    lease_expires_ns INTEGER,
    heartbeat_ns     INTEGER NOT NULL DEFAULT 0,
    ended_at         TEXT,
    ended_ms         INTEGER,
    end_reason       TEXT
);
CREATE INDEX idx_registry_status ON session_registry (status);
CREATE INDEX idx_registry_heartbeat ON session_registry (heartbeat_at);

CREATE TABLE inter_session_messages (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    sender_id    TEXT NOT NULL,
    channel      TEXT NOT NULL,
    payload      TEXT NOT NULL,
    created_at   TEXT NOT NULL DEFAULT (datetime('now')),
    ttl_seconds  INTEGER DEFAULT 300,
    agent        TEXT NOT NULL DEFAULT '',
    recipient_id TEXT,
    idem_key     TEXT,
    epoch        INTEGER NOT NULL DEFAULT 0,     -- expires_ns means something under this one only
    expires_ns   INTEGER NOT NULL DEFAULT 0,     -- since boot
    expires_ms   INTEGER NOT NULL DEFAULT ((unixepoch() + 300) * 1000), -- since 1970, after another boot
    FOREIGN KEY (sender_id) REFERENCES session_registry (session_id)
);
CREATE INDEX idx_messages_channel ON inter_session_messages (channel, id);
CREATE INDEX idx_messages_ttl ON inter_session_messages (epoch, expires_ns);
CREATE UNIQUE INDEX idx_messages_key ON inter_session_messages (sender_id, idem_key);

CREATE TABLE locks (
    token       INTEGER PRIMARY KEY,
    worktree    TEXT NOT NULL,
    path        TEXT NOT NULL,
    mode        TEXT NOT NULL CHECK (mode IN ('shared', 'exclusive', 'advisory')),
    holder      TEXT NOT NULL REFERENCES session_registry (session_id),
    acquired_at TEXT NOT NULL,
    expires_ns  INTEGER NOT NULL,                -- since boot
    UNIQUE (worktree, path, holder, mode)
);
CREATE INDEX idx_locks_holder ON locks (holder);
CREATE INDEX idx_locks_expires ON locks (expires_ns);

CREATE VIEW file_locks AS
    SELECT path AS file_path, holder AS session_id, mode AS lock_type, acquired_at AS locked_at, worktree, token
    FROM locks;

CREATE TABLE lock_waits (
    id          INTEGER PRIMARY KEY AUTOINCREMENT, -- place in the queue
    worktree    TEXT NOT NULL,
    paths       TEXT NOT NULL,                     -- JSON array
    mode        TEXT NOT NULL CHECK (mode IN ('shared', 'exclusive', 'advisory')),
    holder      TEXT NOT NULL REFERENCES session_registry (session_id),
    ttl_ns      INTEGER NOT NULL,
    since       TEXT NOT NULL,
    bell        TEXT NOT NULL,                     -- name of the FIFO it listens at; unheard means dead
    granted     TEXT,                              -- JSON array of tokens, in the order of the paths, until it collects them
    fresh       TEXT                               -- those of them that are new, to be undone when nobody collects
);
CREATE INDEX idx_waits_holder ON lock_waits (holder);

CREATE TABLE outbox (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    epoch   INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    payload TEXT NOT NULL
);
