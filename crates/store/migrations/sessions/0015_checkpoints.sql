-- What a checkpoint is of, and whether it is there still. Rows stay: `removed` says why one is listed nowhere any more.
ALTER TABLE checkpoints ADD COLUMN kind TEXT NOT NULL DEFAULT 'work';
ALTER TABLE checkpoints ADD COLUMN name TEXT;
ALTER TABLE checkpoints ADD COLUMN worktree TEXT;
ALTER TABLE checkpoints ADD COLUMN removed TEXT;
-- The number of the event that tells of the newest bundle it is in.
ALTER TABLE checkpoints ADD COLUMN bundle_seq INTEGER;
CREATE INDEX checkpoints_worktree ON checkpoints (worktree, seq) WHERE worktree IS NOT NULL;
CREATE INDEX checkpoints_repo ON checkpoints (repo_id, seq);

-- Restores that have begun and of which nobody has heard the end.
CREATE TABLE restores_open (
    before_id TEXT PRIMARY KEY NOT NULL,
    seq INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Files with checkpoints in them.
CREATE TABLE checkpoint_bundles (
    seq INTEGER PRIMARY KEY,
    repo_id TEXT NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX checkpoint_bundles_repo ON checkpoint_bundles (repo_id, seq);
