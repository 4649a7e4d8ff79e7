-- Where the figures of a sum are from, as bits: 1 our table of prices, 2 the vendor, 4 nobody.
ALTER TABLE sessions ADD COLUMN cost_sources INTEGER NOT NULL DEFAULT 0;
ALTER TABLE spent ADD COLUMN cost_sources INTEGER NOT NULL DEFAULT 0;

-- What each agent used each day (UTC) of each model: few rows, however long the history.
CREATE TABLE spending_days (
    day TEXT NOT NULL,
    agent TEXT NOT NULL,
    model TEXT NOT NULL,
    calls INTEGER NOT NULL DEFAULT 0,
    input_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0,
    cache_read_tokens INTEGER NOT NULL DEFAULT 0,
    cache_write_tokens INTEGER NOT NULL DEFAULT 0,
    cost_micros INTEGER NOT NULL DEFAULT 0,
    cost_sources INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (day, agent, model)
) STRICT, WITHOUT ROWID;

-- The same, of each task.
CREATE TABLE spending_tasks (
    task_id TEXT NOT NULL,
    day TEXT NOT NULL,
    agent TEXT NOT NULL,
    model TEXT NOT NULL,
    session_id TEXT NOT NULL,
    calls INTEGER NOT NULL DEFAULT 0,
    input_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0,
    cache_read_tokens INTEGER NOT NULL DEFAULT 0,
    cache_write_tokens INTEGER NOT NULL DEFAULT 0,
    cost_micros INTEGER NOT NULL DEFAULT 0,
    cost_sources INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (task_id, day, agent, model)
) STRICT, WITHOUT ROWID;
CREATE INDEX spending_tasks_day ON spending_tasks (day, session_id);
CREATE INDEX spending_tasks_session ON spending_tasks (session_id, day);
