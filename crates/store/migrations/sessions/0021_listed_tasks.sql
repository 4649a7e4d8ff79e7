-- Which tasks are listed: 1; 0: those of a session that answers a question, which are in lists and meant by no short name;
-- none: those of a removed session.
ALTER TABLE tasks ADD COLUMN listed INTEGER;
DROP INDEX tasks_state;
CREATE INDEX tasks_state ON tasks (state, seq) WHERE listed IS NOT NULL;
CREATE INDEX worktrees_live ON worktrees (seq) WHERE state = 'live';
