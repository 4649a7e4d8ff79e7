-- Worktrees, live and in the trash, their scripts, and repositories that are being cloned.
CREATE TABLE worktrees (
    worktree_id TEXT PRIMARY KEY NOT NULL,
    short_id TEXT NOT NULL,
    repo_id TEXT NOT NULL,
    name TEXT NOT NULL,
    path TEXT NOT NULL,
    state TEXT NOT NULL,
    port_base INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    data TEXT NOT NULL,
    trash TEXT
) STRICT;

CREATE INDEX worktrees_short_id ON worktrees (short_id);
CREATE INDEX worktrees_state ON worktrees (state, path);
CREATE INDEX worktrees_name ON worktrees (repo_id, name);
CREATE INDEX worktrees_path ON worktrees (path);

CREATE TABLE worktree_scripts (
    worktree_id TEXT NOT NULL,
    script TEXT NOT NULL,
    hash TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    data TEXT,
    PRIMARY KEY (worktree_id, script)
) STRICT;

-- Sessions that work in a named worktree.
CREATE TABLE worktree_sessions (
    session_id TEXT PRIMARY KEY NOT NULL,
    worktree_id TEXT NOT NULL
) STRICT;

CREATE INDEX worktree_sessions_worktree ON worktree_sessions (worktree_id);

CREATE TABLE clones (
    repo_id TEXT PRIMARY KEY NOT NULL,
    slug TEXT NOT NULL,
    seq INTEGER NOT NULL,
    data TEXT NOT NULL,
    step TEXT
) STRICT;

CREATE INDEX clones_slug ON clones (slug);
CREATE INDEX clones_seq ON clones (seq);
