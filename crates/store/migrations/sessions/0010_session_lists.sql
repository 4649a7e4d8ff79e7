-- What sessions are listed, sorted and found by. `listed` is 0 for a current one and 1 for an archived one; what is in no
-- list (asides, and what was removed) has none. `source_id` is the session it was forked from or spawned by.
ALTER TABLE sessions ADD COLUMN kind TEXT NOT NULL DEFAULT 'conversation';
ALTER TABLE sessions ADD COLUMN named_by TEXT NOT NULL DEFAULT 'user';
ALTER TABLE sessions ADD COLUMN listed INTEGER;
ALTER TABLE sessions ADD COLUMN removed_at INTEGER;
ALTER TABLE sessions ADD COLUMN source_id TEXT;
ALTER TABLE sessions ADD COLUMN asker_session_id TEXT;
ALTER TABLE sessions ADD COLUMN sort_title TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE sessions ADD COLUMN callback TEXT;

DROP INDEX sessions_current;
DROP INDEX sessions_status;
DROP INDEX sessions_agent;
DROP INDEX sessions_repo;
DROP INDEX sessions_board;
DROP INDEX sessions_parent;
DROP INDEX sessions_forked_from;
CREATE INDEX sessions_listed ON sessions (listed, seq);
CREATE INDEX sessions_listed_status ON sessions (listed, status, seq);
CREATE INDEX sessions_listed_agent ON sessions (listed, agent, seq);
CREATE INDEX sessions_listed_repo ON sessions (listed, repo_id, seq);
CREATE INDEX sessions_listed_board ON sessions (listed, board_id, seq);
CREATE INDEX sessions_listed_updated ON sessions (listed, updated_at, seq);
CREATE INDEX sessions_listed_title ON sessions (listed, sort_title, seq);
CREATE INDEX sessions_listed_cost ON sessions (listed, cost_micros, seq);
CREATE INDEX sessions_source ON sessions (source_id, seq);
CREATE INDEX sessions_asker ON sessions (asker_session_id, seq) WHERE asker_session_id IS NOT NULL;
CREATE INDEX sessions_asked ON sessions (forked_from_session_id, seq) WHERE kind = 'aside';

CREATE TABLE session_tags (
    session_id TEXT NOT NULL,
    tag TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (session_id, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX session_tags_tag ON session_tags (tag, seq);

-- Sessions whose work is over and of which the one that waits for it was not told yet.
CREATE TABLE callbacks_due (
    child_session_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    parent_session_id TEXT NOT NULL,
    participant_id TEXT,
    seq INTEGER NOT NULL,
    PRIMARY KEY (child_session_id, task_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX callbacks_due_parent ON callbacks_due (parent_session_id, seq);

-- The place of a waiting task among those of the same priority; the number of its event until somebody moves it.
ALTER TABLE tasks ADD COLUMN queue_rank INTEGER NOT NULL DEFAULT 0;
DROP INDEX tasks_open;
CREATE INDEX tasks_open ON tasks (session_id, priority DESC, queue_rank) WHERE open = 1;
CREATE INDEX tasks_seq ON tasks (seq);
CREATE INDEX plans_seq ON plans (seq);
CREATE INDEX checkpoints_seq ON checkpoints (seq);

CREATE INDEX turns_participant ON turns (participant_id, seq);

-- How a participant of a fork came to know what was said before.
ALTER TABLE participants ADD COLUMN history TEXT;
