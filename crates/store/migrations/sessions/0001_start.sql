-- sessions.db, a projection of the journal. What is asked for by value is a column; the whole record is JSON in `data`.
-- `seq` is the journal's number of the event that made the row, and so the order of making. Times are
-- milliseconds since 1970. There are no foreign keys: apply must never fail on what the journal says.

CREATE TABLE watermark (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;

CREATE TABLE idempotency (
    actor TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    PRIMARY KEY (actor, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE journal_repairs (
    seq INTEGER PRIMARY KEY,
    side_file TEXT NOT NULL,
    torn_bytes INTEGER NOT NULL,
    previous_epoch INTEGER NOT NULL,
    repaired_at INTEGER NOT NULL
) STRICT;

CREATE TABLE users (
    user_id TEXT PRIMARY KEY NOT NULL,
    seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;

CREATE TABLE boards (
    board_id TEXT PRIMARY KEY NOT NULL,
    short_id TEXT NOT NULL,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX boards_short_id ON boards (short_id);
CREATE INDEX boards_slug ON boards (slug);

CREATE TABLE repos (
    repo_id TEXT PRIMARY KEY NOT NULL,
    short_id TEXT NOT NULL,
    slug TEXT NOT NULL,
    path TEXT NOT NULL,
    seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX repos_short_id ON repos (short_id);
CREATE INDEX repos_slug ON repos (slug);
CREATE INDEX repos_path ON repos (path);

CREATE TABLE sessions (
    session_id TEXT PRIMARY KEY NOT NULL,
    short_id TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    status TEXT NOT NULL,
    agent TEXT,
    title TEXT NOT NULL,
    repo_id TEXT,
    board_id TEXT,
    parent_session_id TEXT,
    forked_from_session_id TEXT,
    seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    archived_at INTEGER,
    input_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0,
    cache_read_tokens INTEGER NOT NULL DEFAULT 0,
    cache_write_tokens INTEGER NOT NULL DEFAULT 0,
    cost_micros INTEGER NOT NULL DEFAULT 0,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_short_id ON sessions (short_id);
CREATE INDEX sessions_seq ON sessions (seq);
CREATE INDEX sessions_current ON sessions (seq) WHERE archived_at IS NULL;
CREATE INDEX sessions_status ON sessions (status, created_at);
CREATE INDEX sessions_agent ON sessions (agent);
CREATE INDEX sessions_repo ON sessions (repo_id);
CREATE INDEX sessions_board ON sessions (board_id);
CREATE INDEX sessions_parent ON sessions (parent_session_id);
CREATE INDEX sessions_forked_from ON sessions (forked_from_session_id);

CREATE TABLE participants (
    participant_id TEXT PRIMARY KEY NOT NULL,
    short_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    agent TEXT NOT NULL,
    status TEXT NOT NULL,
    detail TEXT,
    status_since INTEGER NOT NULL,
    live INTEGER NOT NULL,
    context_used INTEGER NOT NULL DEFAULT 0,
    seq INTEGER NOT NULL,
    joined_at INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX participants_short_id ON participants (short_id);
CREATE INDEX participants_session ON participants (session_id, seq);
CREATE INDEX participants_agent ON participants (session_id, agent, seq);
CREATE INDEX participants_live ON participants (seq) WHERE live = 1;

CREATE TABLE tasks (
    task_id TEXT PRIMARY KEY NOT NULL,
    short_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    plan_id TEXT,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    state TEXT NOT NULL,
    open INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    text TEXT,
    answer TEXT,
    seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX tasks_short_id ON tasks (short_id);
CREATE INDEX tasks_session ON tasks (session_id, seq);
CREATE INDEX tasks_plan ON tasks (plan_id, seq);
CREATE INDEX tasks_state ON tasks (state, seq);
CREATE INDEX tasks_open ON tasks (session_id, priority DESC, seq) WHERE open = 1;

CREATE TABLE task_dependencies (
    task_id TEXT NOT NULL,
    depends_on TEXT NOT NULL,
    PRIMARY KEY (task_id, depends_on)
) STRICT, WITHOUT ROWID;
CREATE INDEX task_dependencies_reverse ON task_dependencies (depends_on);

CREATE TABLE task_targets (
    task_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    participant_id TEXT NOT NULL,
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    turn_id TEXT,
    question TEXT,
    asked_seq INTEGER,
    PRIMARY KEY (task_id, participant_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE turns (
    turn_id TEXT PRIMARY KEY NOT NULL,
    short_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    participant_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    state TEXT NOT NULL,
    running INTEGER NOT NULL,
    outcome TEXT,
    usage TEXT,
    iterations INTEGER NOT NULL DEFAULT 0,
    seq INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX turns_short_id ON turns (short_id);
CREATE INDEX turns_task ON turns (task_id, seq);
CREATE INDEX turns_running ON turns (seq) WHERE running = 1;
CREATE INDEX turns_running_participant ON turns (participant_id) WHERE running = 1;

CREATE TABLE runs (
    run_id TEXT PRIMARY KEY NOT NULL,
    session_id TEXT NOT NULL,
    participant_id TEXT NOT NULL,
    pid INTEGER NOT NULL,
    running INTEGER NOT NULL,
    exit TEXT,
    seq INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    exited_at INTEGER,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX runs_running ON runs (seq) WHERE running = 1;

CREATE TABLE plans (
    plan_id TEXT PRIMARY KEY NOT NULL,
    short_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    repo_id TEXT NOT NULL,
    state TEXT NOT NULL,
    open INTEGER NOT NULL,
    merged TEXT,
    tests TEXT,
    text TEXT,
    seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX plans_short_id ON plans (short_id);
CREATE INDEX plans_session ON plans (session_id, seq);
CREATE INDEX plans_open ON plans (seq) WHERE open = 1;

CREATE TABLE plan_proposals (
    plan_id TEXT NOT NULL,
    participant_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (plan_id, participant_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoints (
    checkpoint_id TEXT PRIMARY KEY NOT NULL,
    short_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    plan_id TEXT,
    repo_id TEXT NOT NULL,
    git_ref TEXT NOT NULL,
    git_commit TEXT NOT NULL,
    seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX checkpoints_short_id ON checkpoints (short_id);
CREATE INDEX checkpoints_session ON checkpoints (session_id, seq);

CREATE TABLE file_changes (
    seq INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    session_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    plan_id TEXT,
    path TEXT NOT NULL,
    token INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX file_changes_task ON file_changes (task_id, seq);
CREATE INDEX file_changes_plan ON file_changes (plan_id, seq) WHERE plan_id IS NOT NULL;

CREATE TABLE refused_edits (
    seq INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    path TEXT NOT NULL,
    code TEXT NOT NULL,
    refused_at INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX refused_edits_task ON refused_edits (task_id, seq);

CREATE TABLE registrations (
    registration_id TEXT PRIMARY KEY NOT NULL,
    session_id TEXT,
    agent TEXT NOT NULL,
    open INTEGER NOT NULL,
    reason TEXT,
    seq INTEGER NOT NULL,
    registered_at INTEGER NOT NULL,
    ended_at INTEGER,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX registrations_open ON registrations (seq) WHERE open = 1;

-- Locks held, as far as the journal has heard; the bus decides.
CREATE TABLE locks (
    worktree TEXT NOT NULL,
    path TEXT NOT NULL,
    holder TEXT NOT NULL,
    mode TEXT NOT NULL,
    agent TEXT NOT NULL,
    session_id TEXT,
    token INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (worktree, path, holder)
) STRICT, WITHOUT ROWID;
CREATE INDEX locks_session ON locks (session_id, path) WHERE session_id IS NOT NULL;
CREATE INDEX locks_holder ON locks (holder);

CREATE TABLE lock_changes (
    seq INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    session_id TEXT,
    phase TEXT NOT NULL,
    path TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX lock_changes_session ON lock_changes (session_id, seq) WHERE session_id IS NOT NULL;

CREATE TABLE notices (
    seq INTEGER PRIMARY KEY,
    notice_id INTEGER NOT NULL,
    channel TEXT NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT,
    created_at INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX notices_channel ON notices (channel, seq);

-- The studio's first name for a session, with the columns it had then.
CREATE VIEW active_sessions AS
SELECT
    s.session_id,
    s.workspace_id,
    (SELECT json_group_object(p.agent, p.status)
     FROM participants p WHERE p.session_id = s.session_id) AS agent_states,
    (SELECT json_object('task_id', t.task_id, 'title', t.title, 'state', t.state, 'attempt', t.attempt)
     FROM tasks t WHERE t.session_id = s.session_id AND t.open = 1
     ORDER BY t.priority DESC, t.seq LIMIT 1) AS current_task,
    (SELECT json_group_array(DISTINCT l.path ORDER BY l.path)
     FROM locks l WHERE l.session_id = s.session_id) AS file_locks,
    (SELECT json_group_object(p.agent, p.context_used)
     FROM participants p WHERE p.session_id = s.session_id) AS context_snapshot,
    s.updated_at AS last_activity,
    (SELECT c.git_ref FROM checkpoints c WHERE c.session_id = s.session_id
     ORDER BY c.seq DESC LIMIT 1) AS checkpoint_ref
FROM sessions s
WHERE s.archived_at IS NULL;
