-- messaging.db, version 4: what the agents of a workspace share.

CREATE TABLE context_entries (
    version    INTEGER PRIMARY KEY AUTOINCREMENT,   -- of this change; never given twice
    key        TEXT NOT NULL UNIQUE,
    value      TEXT NOT NULL,                       -- JSON, never null
    author     TEXT NOT NULL,
    agent      TEXT NOT NULL,
    changed_at TEXT NOT NULL
) STRICT;
