-- Worktrees on their way to a branch, and what became of them.
CREATE TABLE merges (
    merge_id TEXT PRIMARY KEY NOT NULL,
    short_id TEXT NOT NULL,
    repo_id TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    is_open INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    mode TEXT NOT NULL,
    seq INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    data TEXT NOT NULL,
    change TEXT
) STRICT;

CREATE INDEX merges_short_id ON merges (short_id);
CREATE INDEX merges_open ON merges (is_open, priority DESC, rank);
CREATE INDEX merges_seq ON merges (seq);
