-- agent_metrics.db, which follows the journal from behind. One row per turn that ended. The columns up to `timestamp` are the studio's
-- oldest; `cost` is in US dollars, times are milliseconds since 1970.
CREATE TABLE agent_metrics (
    metric_id INTEGER PRIMARY KEY,
    agent_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    task_type TEXT NOT NULL,
    success BOOLEAN NOT NULL,
    latency_ms INT NOT NULL,
    tokens_used INT NOT NULL,
    cost DECIMAL(10,6) NOT NULL,
    timestamp TIMESTAMP NOT NULL,
    turn_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    outcome TEXT NOT NULL,
    cost_micros INT NOT NULL,
    iterations INT NOT NULL,
    model_calls INT NOT NULL,
    retries INT NOT NULL,
    tool_calls INT NOT NULL,
    tool_errors INT NOT NULL
);
CREATE UNIQUE INDEX agent_metrics_turn ON agent_metrics (turn_id);
CREATE INDEX agent_metrics_session ON agent_metrics (session_id, timestamp);
CREATE INDEX agent_metrics_agent ON agent_metrics (agent_id, timestamp);
-- What is needed until a turn ends.
CREATE TABLE seats (participant_id TEXT PRIMARY KEY NOT NULL, agent TEXT NOT NULL);
CREATE TABLE kinds (task_id TEXT PRIMARY KEY NOT NULL, kind TEXT NOT NULL);
CREATE TABLE open_turns (
    turn_id TEXT PRIMARY KEY NOT NULL,
    started_at INT NOT NULL,
    model_calls INT NOT NULL DEFAULT 0,
    retries INT NOT NULL DEFAULT 0,
    tool_calls INT NOT NULL DEFAULT 0,
    tool_errors INT NOT NULL DEFAULT 0
);
