-- messaging.db, version 5: what was shared before, so that it can be looked at and followed.

CREATE TABLE context_versions (
    version    INTEGER PRIMARY KEY,
    key        TEXT NOT NULL,
    value      TEXT,                                -- JSON; NULL where the key was removed
    author     TEXT NOT NULL,
    agent      TEXT NOT NULL,
    changed_at TEXT NOT NULL
) STRICT;
CREATE INDEX context_versions_key ON context_versions (key, version);

INSERT INTO context_versions (version, key, value, author, agent, changed_at)
    SELECT version, key, value, author, agent, changed_at FROM context_entries;
