-- What the agents of a workspace share, by key, as the journal last heard of it.
CREATE TABLE context_entries (
    key TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    version INTEGER NOT NULL,
    author TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX context_entries_seq ON context_entries (seq);
