-- Plans whose agents work in worktrees of their own: whether those were looked at after the end, and which of them stay.
ALTER TABLE plans ADD COLUMN kept TEXT;
ALTER TABLE plans ADD COLUMN uncleared INTEGER NOT NULL DEFAULT 0;
CREATE INDEX plans_uncleared ON plans (seq) WHERE uncleared = 1;
