-- messages.db, a projection of the journal. `seq` is the journal's number of the event that made the row.
-- Times are milliseconds since 1970. Nothing here depends on sessions.db: each file is folded on its own.

CREATE TABLE watermark (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;

-- Who speaks for a participant; lets a message name its agent without looking into sessions.db.
CREATE TABLE speakers (
    participant_id TEXT PRIMARY KEY NOT NULL,
    agent TEXT NOT NULL
) STRICT;

-- The first eleven columns are the studio's oldest; `cost` is in US dollars, `cost_micros` in millionths of one.
CREATE TABLE agent_messages (
    message_id TEXT PRIMARY KEY NOT NULL,
    session_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    message_type TEXT NOT NULL,
    content TEXT NOT NULL,
    tokens_input INT,
    tokens_output INT,
    latency_ms INT,
    cost DECIMAL(10,6),
    timestamp TIMESTAMP NOT NULL,
    parent_message_id TEXT,
    short_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    task_id TEXT,
    turn_id TEXT,
    participant_id TEXT,
    role TEXT NOT NULL,
    cost_micros INTEGER,
    usage TEXT,
    blocks TEXT NOT NULL
);
CREATE INDEX agent_messages_short_id ON agent_messages (short_id);
CREATE INDEX agent_messages_session ON agent_messages (session_id, seq);
CREATE INDEX agent_messages_task ON agent_messages (task_id, seq) WHERE task_id IS NOT NULL;

CREATE TABLE drafts (
    turn_id TEXT PRIMARY KEY NOT NULL,
    session_id TEXT NOT NULL,
    participant_id TEXT NOT NULL,
    text TEXT NOT NULL,
    thinking TEXT NOT NULL,
    seq INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX drafts_session ON drafts (session_id, seq);

CREATE TABLE model_calls (
    seq INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL,
    turn_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    vendor TEXT NOT NULL,
    model TEXT NOT NULL,
    prompt_tokens INTEGER,
    estimated_cost_micros INTEGER,
    called_at INTEGER,
    answered_at INTEGER,
    usage TEXT,
    cost_micros INTEGER,
    latency_ms INTEGER,
    retries INTEGER
) STRICT;
CREATE INDEX model_calls_turn ON model_calls (turn_id, seq);
CREATE INDEX model_calls_open ON model_calls (run_id, seq) WHERE answered_at IS NULL;
