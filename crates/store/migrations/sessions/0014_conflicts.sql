-- Conflicts between worktrees that are open.
CREATE TABLE conflicts (
    conflict_id TEXT PRIMARY KEY NOT NULL,
    repo_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;

CREATE INDEX conflicts_seq ON conflicts (seq);
